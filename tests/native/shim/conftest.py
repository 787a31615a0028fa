# SPDX-License-Identifier: BSD-3-Clause
"""The shim under test, and a real pool with an emulated GPU for it to reach."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bfkernel.remote import native_files

PROGRAMS = Path(__file__).parent / "programs"
BFKERNEL = [sys.executable, "-m", "bfkernel.cli.main"]
TIMEOUT_S = 60

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def installed(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shim_dir() -> Path:
    """Folder of libcuda.so.1."""
    return installed(native_files.client_dir)


@contextmanager
def serve(state_dir: Path, *options: str, **env: str) -> Iterator[tuple[str, int]]:
    """URL and process of a pool with three small emulated GPUs."""
    installed(native_files.worker)
    installed(native_files.softgpu)
    command = [*BFKERNEL, "serve", "--port=0", "--data-port=0", "--driver=softgpu", "--softgpus=3"]
    command += ["--softgpu-memory=2GiB", f"--state-dir={state_dir}", *options]
    with subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True) as pool:
        assert pool.stdout
        line = pool.stdout.readline()
        assert line.startswith("ready "), "the pool has ended before it was ready"
        try:
            yield line.split()[1], pool.pid
        finally:
            pool.send_signal(signal.SIGTERM)
            pool.wait(TIMEOUT_S)


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The pool that the tests share."""
    with serve(tmp_path_factory.mktemp("pool")) as served:
        yield served


@pytest.fixture(scope="session")
def pool_url(pool: tuple[str, int]) -> str:
    """Where the pool listens."""
    return pool[0]


@pytest.fixture
def workers(pool: tuple[str, int]) -> Callable[[], list[int]]:
    """Tells which workers run."""

    def find() -> list[int]:
        children = psutil.Process(pool[1]).children(recursive=True)
        return [child.pid for child in children if child.name().startswith("bfkernel-worker")]

    return find


@pytest.fixture
def start_leased(pool_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program of programs/ on a lease; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        command = [*BFKERNEL, "run", "-p", "0.1", "--", sys.executable, str(PROGRAMS / program), *arguments]
        environment = {**os.environ, "BFKERNEL_POOL_URL": pool_url}
        started.append(
            subprocess.Popen(command, env=environment, stdin=stdin, stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


@pytest.fixture
def leased(pool_url: str) -> Run:
    """Runs a program of programs/ on a lease."""

    def run(program: str, *arguments: str, gpus: int = 1, **env: str) -> subprocess.CompletedProcess[str]:
        command = [*BFKERNEL, "run", "-n", str(gpus), "-p", "0.1", "--"]
        command += [sys.executable, str(PROGRAMS / program), *arguments]
        environment = {**os.environ, "BFKERNEL_POOL_URL": pool_url, **env}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)

    return run


@pytest.fixture
def unleased(shim_dir: Path) -> Run:
    """Runs Python code over the shim without any lease."""

    def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BFKERNEL_")}
        environment |= {"LD_LIBRARY_PATH": str(shim_dir), **env}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)

    return run
