# SPDX-License-Identifier: BSD-3-Clause
"""``examples/tljh``: its file, loaded as TLJH loads it, beside a pool that runs by the unit's command."""

from __future__ import annotations

import configparser
import shlex
import sys
from pathlib import Path

import pytest

from tests.integration.jupyter_processes import read_line
from tests.waiting import eventually

from .hub_harness import LIMIT_S, REPOSITORY, TTL_S
from .hubs import hub_on, write_private

pytestmark = pytest.mark.timeout(500)

EXAMPLE = REPOSITORY / "examples" / "tljh"
ADMIN_TOKEN = "an-admins-token-0123456789"


def unit_command(**here: str) -> list[str]:
    """Return the unit's command, with these values of options in the places of its own."""
    unit = configparser.ConfigParser()
    unit.optionxform = str
    unit.read(EXAMPLE / "bfkernel.service")
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program == "/opt/tljh/user/bin/bfkernel"
    for option, value in here.items():
        words[words.index(f"--{option.replace('_', '-')}") + 1] = value
    return [sys.executable, "-m", "bfkernel.cli", *words]


def test_a_hub_with_this_file_has_its_quotas_and_keeps_what_the_whole_has(tmp_path):
    with hub_on(tmp_path) as (hub, processes):
        write_private(tmp_path / "admin-token", ADMIN_TOKEN)
        write_private(tmp_path / "tokens", f"the-hub {ADMIN_TOKEN} admin\n")
        here = {"port": "0", "state_dir": str(tmp_path / "pool"), "token_file": str(tmp_path / "tokens")}
        command = [*unit_command(**here, hub_api_url=hub.api_url), f"--lease-ttl={TTL_S:g}s"]
        emulated = ["--data-port=0", "--driver=softgpu", "--softgpu-memory=4GiB"]
        ready = read_line(processes.start([*command, *emulated], hub.environment), LIMIT_S)
        hub.use_pool(ready.split()[1], tmp_path / "admin-token")
        hub.environment["TESTS_EXAMPLE"] = str(Path(__file__).parent / "tljh")
        hub.last_quota = ("groups", "cs231n")
        hub.start()
        assert {"tests", "bfkernel"} <= set(hub.api("GET", "/services"))
        anna = hub.user("anna")
        anna.start_server()
        assert anna.sizes() == {"gpu-0.02": "GPU 0.02", "gpu-0.1-cs231n": "GPU 0.1 (CS 231n)"}
        anna.start_kernel("gpu-0.1-cs231n")
        (lease,) = hub.leases_of("anna")
        assert (lease["group"], lease["state"]) == ("cs231n", "granted")
        anna.stop_server()
        eventually(lambda: not hub.leases_of("anna"), LIMIT_S, "the share's return")
        hub.stop()
