# SPDX-License-Identifier: BSD-3-Clause
"""A real pool, a real GPU server with an emulated GPU, and real Jupyter; each test has its own folders."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bfkernel.remote.client import PoolClient
from bfkernel.remote.native_files import native_dir
from tests.waiting import eventually

from .jupyter_harness import Jupyter
from .jupyter_processes import BFKERNEL, Processes, read_line
from .pool_processes import Process, make_native_dir

REPOSITORY = Path(__file__).parents[2]
TTL_S = 6.0  # holders that a busy machine keeps waiting for 3 s must not lose their leases
ONE_GPU = ("--softgpus=1", "--softgpu-memory=4GiB")
# "auto" runs the same tests on a real GPU.
DRIVER = os.environ.get("BFKERNEL_TEST_DRIVER", "softgpu")


class Pool:
    """A running `bfkernel serve`."""

    def __init__(self, processes: Processes, env: dict[str, str], state_dir: Path, *options: str) -> None:
        self._start = lambda port: processes.start(
            [
                *BFKERNEL,
                "serve",
                f"--port={port}",
                "--data-port=0",
                f"--state-dir={state_dir}",
                f"--driver={DRIVER}",
                f"--lease-ttl={TTL_S}s",
                *options,
            ],
            env,
        )
        self.start()

    def start(self, port: str = "0") -> None:
        self.process = self._start(port)
        line = read_line(self.process)
        assert line.startswith("ready "), "the pool has ended before it was ready"
        self.url = line.split()[1]

    def restart(self) -> None:
        """Kill it at an instant of its choosing, and start it again on the same port and state."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.start(self.url.rpartition(":")[2])

    def client(self) -> PoolClient:
        return PoolClient(self.url)

    def leases(self) -> list[dict[str, Any]]:
        with self.client() as client:
            return client.leases()

    def lease(self) -> dict[str, Any]:
        """Return the one live lease."""
        (lease,) = self.leases()
        return lease

    def states(self) -> list[str]:
        return sorted(lease["state"] for lease in self.leases())

    def wait_until_free(self, limit_s: float) -> None:
        """Wait until nobody holds or waits for a share."""
        eventually(lambda: not self.leases(), limit_s, "the end of the lease")


class SharedJupyter:
    """A pool and a Jupyter server for one test after the other."""

    def __init__(self, folder: Path) -> None:
        for name in ("logs", "notebooks"):
            (folder / name).mkdir()
        self.processes = Processes(folder / "logs")
        try:
            env = private_environment(folder)
            self.pool = Pool(self.processes, env, folder / "pool", *ONE_GPU)
            env["BFKERNEL_POOL_URL"] = self.pool.url
            self.jupyter = Jupyter(self.processes, env, folder / "notebooks")
        except BaseException:
            self.processes.end()
            raise

    def clean(self) -> None:
        """End all kernels, and wait until nothing is left of them."""
        print(self.processes.logs())
        for kernel in self.jupyter.kernels():
            self.jupyter.shut_down(kernel["id"])
        with self.pool.client() as client:
            eventually(lambda: client.gpus()[0]["leased_mib"] == 0, 20, "the end of all shares")


def private_environment(folder: Path) -> dict[str, str]:
    """Return an environment with private folders in ``folder`` and no site configuration."""
    folders = {
        "HOME": folder / "home",
        "IPYTHONDIR": folder / "home" / ".ipython",
        "JUPYTER_CONFIG_DIR": folder / "jupyter-config",
        "JUPYTER_DATA_DIR": folder / "jupyter-data",
        "JUPYTER_RUNTIME_DIR": folder / "jupyter-runtime",
        "BFKERNEL_RUNTIME_DIR": folder / "bfkernel-runtime",
    }
    for made in folders.values():
        made.mkdir(parents=True, mode=0o700)
    # A kernel that finds pytest's variables does not show what C code writes to stderr.
    strange = ("JUPYTER", "JPY", "PYTEST")
    env = {key: value for key, value in os.environ.items() if not key.startswith(strange)}
    env.pop("BFKERNEL_TOKEN", None)
    env.update({key: str(made) for key, made in folders.items()})
    # What an installed package has in its environment: kernelspecs, the status item, the server extension.
    env["JUPYTER_PATH"] = str(REPOSITORY / "share" / "jupyter")
    env["JUPYTER_CONFIG_PATH"] = str(REPOSITORY / "etc" / "jupyter")
    env["BFKERNEL_NATIVE_DIR"] = str(native_dir())
    return env


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of every process of a test."""
    return private_environment(tmp_path)


@pytest.fixture
def processes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Start processes; none outlives the test."""
    folder = tmp_path / "logs"
    folder.mkdir()
    processes = Processes(folder)
    yield processes
    processes.end()
    print(processes.logs())


@pytest.fixture
def make_pool(processes: Processes, env: dict[str, str], tmp_path: Path) -> Callable[..., Pool]:
    """Start a pool with options of one's own; the test's other processes use it from then on."""

    def make(*options: str) -> Pool:
        pool = Pool(processes, env, tmp_path / "pool", *options)
        env["BFKERNEL_POOL_URL"] = pool.url
        return pool

    return make


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Pool:
    """A pool with one emulated GPU of 4 GiB."""
    if request.node.get_closest_marker("shared_jupyter"):
        return request.getfixturevalue("shared_jupyter").pool  # type: ignore[no-any-return]
    return request.getfixturevalue("make_pool")(*ONE_GPU)  # type: ignore[no-any-return]


@pytest.fixture
def make_jupyter(processes: Processes, env: dict[str, str], tmp_path: Path) -> Callable[..., Jupyter]:
    """Start a Jupyter server with options of one's own."""
    root = tmp_path / "notebooks"
    root.mkdir()
    return lambda *options, **more: Jupyter(processes, env, root, *options, **more)


@pytest.fixture
def jupyter(request: pytest.FixtureRequest, pool: Pool) -> Iterator[Jupyter]:
    """A Jupyter server whose GPU kernels use ``pool``."""
    if request.node.get_closest_marker("shared_jupyter"):
        shared: SharedJupyter = request.getfixturevalue("shared_jupyter")
        yield shared.jupyter
        shared.clean()
    else:
        yield request.getfixturevalue("make_jupyter")()


@pytest.fixture(scope="session")
def shared_jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedJupyter]:
    """What the tests use that are marked ``shared_jupyter``: they leave both servers as they were."""
    shared = SharedJupyter(tmp_path_factory.mktemp("shared"))
    yield shared
    shared.processes.end()


@pytest.fixture
def bfkernel(processes: Processes, env: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line to its end."""

    def run(*arguments: str, limit_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BFKERNEL, *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small worker and driver of `pool_processes`."""
    return make_native_dir(tmp_path_factory.mktemp("native"))


@pytest.fixture
def start(tmp_path: Path, native: Path) -> Iterator[Callable[..., Process]]:
    """Start pools and agents with the small worker and driver; none outlives the test."""
    processes: list[Process] = []

    def make(what: str, **options: Any) -> Process:
        options.setdefault("state_dir", tmp_path / what)
        if what != "pool":
            options.setdefault("driver", str(native / "driver.so"))
        process = Process(what, native, tmp_path / f"{options['state_dir'].name}.log", **options)
        processes.append(process)
        return process

    yield make
    for process in reversed(processes):
        process.kill()
