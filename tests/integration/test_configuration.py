# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel_config.py`` with real pools and agents, and requests that choose among them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bfkernel.remote.client import PoolClient
from tests.waiting import eventually

from .conftest import DRIVER
from .jupyter_processes import BFKERNEL, Processes, read_line

CONFIGURATION = """
c.ServerOptions.state_dir = {state!r}
c.PoolOptions.port = 0
c.PoolOptions.lease_ttl_s = "10s"
c.PoolOptions.quotas = {{"default": {{"gpus": 0.5, "longest_lease_s": "2h"}}}}
c.AgentOptions.data_port = 0
c.AgentOptions.driver = {driver!r}
c.AgentOptions.softgpu_memory_mib = "1GiB"
"""


@pytest.fixture
def start(processes: Processes, env: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Start pools and agents with the configuration; returns where they are, once they are ready."""
    path = tmp_path / "site.py"
    path.write_text(CONFIGURATION.format(state=str(tmp_path / "state"), driver=DRIVER))

    def start(*arguments: str) -> str:
        process = processes.start([*BFKERNEL, *arguments, f"--config={path}"], env)
        line = read_line(process)
        assert line.startswith("ready "), line
        return line.split()[1]

    return start


@pytest.fixture
def two_agents(start: Callable[..., str], env: dict[str, str], tmp_path: Path) -> PoolClient:
    """A pool with two GPU servers of different sizes."""
    env["BFKERNEL_POOL_URL"] = start("pool")
    start("agent", "--name=small", f"--state-dir={tmp_path / 'small'}")
    start("agent", "--name=large", f"--state-dir={tmp_path / 'large'}", "--softgpu-memory=3GiB")
    return PoolClient(env["BFKERNEL_POOL_URL"])


def test_one_file_serves_all_three_commands(start, env, bfkernel, tmp_path):
    env["BFKERNEL_POOL_URL"] = start("serve", "--softgpu-memory=2GiB")
    with PoolClient(env["BFKERNEL_POOL_URL"]) as pool:
        (gpu,) = pool.gpus()
        assert gpu["memory_mib"] == 2048 or DRIVER == "auto"
    assert (tmp_path / "state" / "pool.sqlite").exists()
    refused = bfkernel("run", "-p", "0.6", "--", "true")
    assert refused.returncode == 77
    assert "Your quota is 0.5 GPUs at once" in refused.stderr
    assert bfkernel("run", "-p", "0.4", "--", "true").returncode == 0


def test_a_generated_file_in_the_state_folder_starts_a_pool(processes, env, bfkernel, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    made = bfkernel("pool", "--generate-config", f"--config={state / 'bfkernel_config.py'}")
    assert made.returncode == 0, made.stderr
    pool = processes.start([*BFKERNEL, "pool", "--port=0", f"--state-dir={state}"], env)
    assert read_line(pool).startswith("ready ")
    assert f"read file={state}/bfkernel_config.py" in processes.logs()
    pool.send_signal(signal.SIGTERM)
    assert pool.wait(20) == 0


def test_filters_choose_the_server(two_agents, bfkernel, processes, env):
    def server_of(*filters: str) -> str:
        words = [f"--filter={text}" for text in filters]
        holder = processes.start([*BFKERNEL, "run", "-p", "0.1", *words, "--", "sleep", "100"], env)
        try:
            eventually(
                lambda: [lease["state"] for lease in two_agents.leases()] == ["granted"], 20, "a grant"
            )
            (lease,) = two_agents.leases()
            assert sorted(lease["filters"]) == sorted(filters)
            return lease["server"]
        finally:
            holder.terminate()
            holder.wait(20)

    assert server_of("server=large") == "large"
    assert server_of("server=small") == "small"
    assert server_of("memory>2GiB") == "large"
    assert server_of("memory<2GiB", "gpu=emulated*") == "small"
    assert bfkernel("run", "--filter=server=small", "-m", "2GiB", "--", "true").returncode == 75


def test_a_cordoned_server_is_passed_over(two_agents, bfkernel):
    said = bfkernel("admin", "cordon", "small")
    assert said.returncode == 0, said.stderr
    assert "cordoned" in bfkernel("servers").stdout
    assert bfkernel("run", "-p", "0.1", "--wait", "0", "--filter=server=small", "--", "true").returncode == 75
    assert bfkernel("run", "-p", "0.1", "--", "true").returncode == 0
    bfkernel("admin", "uncordon", "small")
    assert bfkernel("run", "-p", "0.1", "--wait", "10", "--filter=server=small", "--", "true").returncode == 0


def test_the_group_that_is_named_is_charged(start, bfkernel, processes, env, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(
        "ops the-operators-token admin\n"
        "ada adas-own-token-0123 user cs231n,lab\n"
        "gpu the-servers-token agent\n"
    )
    tokens.chmod(0o600)
    with (tmp_path / "site.py").open("a") as file:
        file.write(
            f"c.PoolOptions.token_file = {str(tokens)!r}\n"
            'c.PoolOptions.quotas["groups"] = {"cs231n": {"gpus": 0.25}, "lab": {"gpus": 0.4}}\n'
        )
    env["BFKERNEL_POOL_URL"] = start("pool")
    env["BFKERNEL_JOIN_TOKEN"] = "the-servers-token"
    for name in ("one", "two"):
        start("agent", f"--name={name}", f"--state-dir={tmp_path / name}")
    env["BFKERNEL_TOKEN"] = "adas-own-token-0123"
    command = ["run", "-p", "0.2", "--group=cs231n", "--filter=server=two", "--", "sleep", "100"]
    processes.start([*BFKERNEL, *command], env)

    def held() -> list[tuple[str, str, str]]:
        with PoolClient(env["BFKERNEL_POOL_URL"], env["BFKERNEL_TOKEN"]) as pool:
            return [(lease["state"], lease["group"], lease["server"]) for lease in pool.leases()]

    eventually(lambda: held() == [("granted", "cs231n", "two")], 20, "a grant")
    refused = bfkernel("run", "-p", "0.1", "--group=cs231n", "--", "true")
    assert refused.returncode == 77
    assert "Your quota in cs231n is 0.25 GPUs at once" in refused.stderr
    # Another group's account is free, and nobody is in a group that is not theirs.
    assert bfkernel("run", "-p", "0.3", "--group=lab", "--", "true").returncode == 0
    assert bfkernel("run", "-p", "0.1", "--group=physics", "--", "true").returncode == 77
    shown = bfkernel("quota").stdout
    assert "What you ask for with --group cs231n" in shown
    used = bfkernel("usage", "--by", "group", "--csv").stdout.splitlines()[1:]
    assert sorted(line.split(",")[1] for line in used) == ["cs231n", "lab"]
