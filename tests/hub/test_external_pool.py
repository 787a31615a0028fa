# SPDX-License-Identifier: BSD-3-Clause
"""A pool that stands alone: a Hub that is killed and started again costs nobody anything."""

from __future__ import annotations

import secrets
import sys

import pytest

from tests.integration.jupyter_processes import Processes, read_line
from tests.waiting import eventually

from .hub_harness import LIMIT_S, TTL_S, Hub, Student, environment_of, proxy_command

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def hub(tmp_path):
    """The local example with a pool of its own."""
    folder = environment_of("6")
    if folder is None or proxy_command() is None:
        pytest.skip("no JupyterHub 6 with its proxy here: run 'make test-hub'")
    (tmp_path / "logs").mkdir()
    processes = Processes(tmp_path / "logs")
    hub = Hub(processes, folder, tmp_path / "state")
    token, tokens = tmp_path / "admin-token", tmp_path / "tokens"
    for path in (token, tokens):
        path.touch(mode=0o600)
    token.write_text(secrets.token_hex(16))
    tokens.write_text(f"the-hub {token.read_text()} admin\n")
    command = [
        *(sys.executable, "-m", "bfkernel.cli", "serve", "--port=0", "--data-port=0"),
        *("--driver=softgpu", "--softgpu-memory=4GiB", f"--lease-ttl={TTL_S:g}s"),
        *(f"--state-dir={tmp_path / 'pool'}", f"--token-file={tokens}", f"--hub-api-url={hub.api_url}"),
    ]
    try:
        pool = processes.start(command, hub.environment)
        hub.use_pool(read_line(pool, LIMIT_S).split()[1], token)
        hub.start()
        yield hub
        hub.stop()
    finally:
        processes.end()
        print(processes.logs())


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
