# SPDX-License-Identifier: BSD-3-Clause
"""Programs with genuine libcudart on our shim: each prints exactly what its source says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bfkernel.remote.native_files import native_dir
from tests.integration.jupyter_processes import BFKERNEL, Processes, read_line

from .build import build, executable
from .running import Outcome, run_leased
from .sources import Program, all_programs
from .toolkit import find_nvcc

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "conformance"
NVCC = find_nvcc()
WAYS = [
    pytest.param("plain-static"),
    pytest.param("plain-shared"),
    *(
        pytest.param(
            way, marks=[pytest.mark.slow, pytest.mark.skipif(NVCC is None, reason="no nvcc on the PATH")]
        )
        for way in ("nvcc-static", "nvcc-shared")
    ),
]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of clients of a pool with two GPUs, for all of this module's programs."""
    folder = tmp_path_factory.mktemp("conformance")
    for name in ("home", "runtime", "logs"):
        (folder / name).mkdir(mode=0o700)
    env = {key: value for key, value in os.environ.items() if key != "BFKERNEL_TOKEN"}
    env |= {"HOME": str(folder / "home"), "BFKERNEL_RUNTIME_DIR": str(folder / "runtime")}
    env["BFKERNEL_NATIVE_DIR"] = str(native_dir())
    processes = Processes(folder / "logs")
    driver = os.environ.get("BFKERNEL_TEST_DRIVER", "softgpu")
    options = [
        "--port=0",
        "--data-port=0",
        f"--state-dir={folder / 'pool'}",
        f"--driver={driver}",
        "--softgpus=2",
    ]
    line = read_line(processes.start([*BFKERNEL, "serve", *options], env))
    assert line.startswith("ready "), processes.logs()
    yield {**env, "BFKERNEL_POOL_URL": line.split()[1]}
    processes.end()


@pytest.fixture(scope="module")
def outcome_of(request: pytest.FixtureRequest, env: dict[str, str]) -> Iterator[Callable[..., Outcome]]:
    """Run every program that this session wants, a few at a time; return how to ask for an outcome."""
    wanted: dict[str, list[Program]] = {}
    for item in request.session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if item.path == request.path and "way" in params and (NVCC or params["way"].startswith("plain")):
            wanted.setdefault(params["way"], []).append(params["program"])
    for ways in (("plain-static", "plain-shared"), ("nvcc-static", "nvcc-shared")):
        programs = {p.name: p for way in ways for p in wanted.get(way, [])}
        if programs:
            folder = BUILD / ways[0].split("-")[0]
            build(folder, sorted(programs.values(), key=lambda p: p.name), [w for w in ways if w in wanted])
    with ThreadPoolExecutor(max_workers=3) as executor:
        runs: dict[tuple[str, str], Future[Outcome]] = {
            (program.name, way): executor.submit(
                run_leased, program, executable(BUILD / way.split("-")[0], program, way), env
            )
            for way, programs in wanted.items()
            for program in programs
        }
        yield lambda program, way: runs[program.name, way].result(timeout=300)


@pytest.mark.timeout(400)  # the first one builds all
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_program_prints_what_it_should(outcome_of, program: Program, way: str) -> None:
    outcome = outcome_of(program, way)
    assert outcome.passed, outcome.explanation()


def test_checked_in_ptx_is_made_from_the_kernels_of_today() -> None:
    stale = [program.name for program in all_programs() if not program.ptx_is_current]
    assert not stale, "run python -m tests.conformance.ptx"
