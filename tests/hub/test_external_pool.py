# SPDX-License-Identifier: BSD-3-Clause
"""A pool that stands alone: a Hub that is killed and started again costs nobody anything."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import pytest

from tests.integration.jupyter_processes import Processes, read_line
from tests.waiting import eventually

from .hub_harness import LIMIT_S, TTL_S, Hub, Student, environment_of, proxy_command

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def hub(tmp_path, postgres):
    """The example: a pool on PostgreSQL, two agents."""
    folder = environment_of("6")
    if folder is None or proxy_command() is None:
        pytest.skip("no JupyterHub 6 with its proxy here: run 'make test-hub'")
    (tmp_path / "logs").mkdir()
    processes = Processes(tmp_path / "logs")
    hub = Hub(processes, folder, tmp_path / "state")
    tokens = {name: secrets.token_hex(16) for name in ("the-hub", "gpu1", "gpu2")}
    for name, token in tokens.items():
        write_private(tmp_path / name, token)
    lines = [f"{name} {token} {'agent' if name[:3] == 'gpu' else 'admin'}" for name, token in tokens.items()]
    write_private(tmp_path / "tokens", "\n".join(lines))

    def start(what: str, name: str, *options: str) -> str:
        command = [sys.executable, "-m", "bfkernel.cli", what, f"--state-dir={tmp_path / f'{name}.state'}"]
        ready = read_line(processes.start([*command, *options], hub.environment), LIMIT_S)
        return ready.split()[1]

    try:
        url = start(
            "pool",
            "pool",
            *("--port=0", f"--lease-ttl={TTL_S:g}s", f"--database-url={postgres.new_database()}"),
            *(f"--token-file={tmp_path / 'tokens'}", f"--hub-api-url={hub.api_url}"),
        )
        for name in ("gpu1", "gpu2"):
            start(
                "agent",
                name,
                *(f"--pool={url}", f"--name={name}", f"--join-token-file={tmp_path / name}"),
                *("--data-port=0", "--driver=softgpu", "--softgpu-memory=4GiB"),
            )
        hub.use_pool(url, tmp_path / "the-hub")
        hub.start()
        yield hub
        hub.stop()
    finally:
        processes.end()
        print(processes.logs())


def write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def test_a_hub_that_is_killed_and_started_again(hub: Hub):
    anna: Student = hub.add_user("anna2", "course-a")
    anna.start_server()
    kernel = anna.start_kernel("gpu-0.02-course-a")
    with anna.cells(kernel) as cells:
        cells.run("import numpy, numba.cuda; d = numba.cuda.to_device(numpy.arange(4))", LIMIT_S)
        (before,) = hub.leases_of(anna.name)
        hub.restart()
        assert cells.run("print(d.copy_to_host().sum())") == "6\n"
        assert [lease["id"] for lease in hub.leases_of(anna.name)] == [before["id"]]
    anna.start_kernel("gpu-0.02-course-a", "second.ipynb")
    anna.stop_server()
    eventually(lambda: not hub.leases_of(anna.name), LIMIT_S, "the shares' return")
