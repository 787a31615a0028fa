# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel_config.py`` and the options that come from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bfkernel.cli.main import main
from bfkernel.cli.serving import commands, configuration, reference
from bfkernel.remote.agent.options import AgentOptions
from bfkernel.remote.options import ServerOptions
from bfkernel.remote.pool.options import PoolOptions
from bfkernel.remote.state_dir import ConfigurationError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder and a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BFKERNEL_POOL_URL", raising=False)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """Note what the commands would run, by the options that they come to."""
    runs = []
    for name in ("run_pool", "run_agent", "run_serve"):
        monkeypatch.setattr(commands, name, lambda options: runs.append(options) or 0)
    return runs


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_the_line_wins_over_the_file_and_the_file_over_the_default(folder, started):
    (folder / "bfkernel_config.py").write_text(
        'c.PoolOptions.port = 1234\nc.PoolOptions.host = "::1"\nc.PoolOptions.lease_ttl_s = "2min"\n'
        'c.ServerOptions.state_dir = "~/there"\nc.AgentOptions.softgpu_memory_mib = "4GiB"\n'
    )
    assert run("pool", "--port", "5") == 0
    assert run("serve", "--softgpus", "3") == 0
    assert run("agent", "--softgpu-memory", "1GiB", "--state-dir", "here") == 0
    pool, serve, agent = started
    assert (pool.port, pool.host, pool.lease_ttl_s, pool.idle_grace_s) == (5, "::1", 120, 300)
    assert pool.state_dir == Path.home() / "there"
    assert (serve.pool.port, serve.agent.softgpus, serve.agent.softgpu_memory_mib) == (1234, 3, 4096)
    assert (agent.softgpu_memory_mib, agent.state_dir) == (1024, Path("here"))


def test_the_file_is_looked_for_here_then_in_the_state_folder(folder, started, capfd):
    state = folder / "state"
    state.mkdir()
    (state / "bfkernel_config.py").write_text("c.PoolOptions.port = 1\n")
    run("pool", "--state-dir", str(state))
    assert f"read file={state}/bfkernel_config.py" in capfd.readouterr().err
    (folder / "bfkernel_config.py").write_text("c.PoolOptions.port = 2\n")
    run("pool", "--state-dir", str(state))
    (folder / "other.py").write_text("c.PoolOptions.port = 3\n")
    run("pool", "--config", "other.py")
    assert [options.port for options in started] == [1, 2, 3]


def test_a_generated_file_is_accepted_as_it_is_and_with_every_line_in_force(folder, started):
    assert run("pool", "--generate-config") == 0
    run("serve")
    path = folder / "bfkernel_config.py"
    path.write_text(re.sub(r"^# c\.", "c.", path.read_text(), flags=re.MULTILINE))
    assert "c.PoolOptions.lease_ttl_s = '60s'" in path.read_text()
    run("serve")
    first, second = started
    assert first.agent.trait_values() == {**second.agent.trait_values(), "config": first.agent.config} | {
        "state_dir": first.agent.state_dir
    }
    assert second.pool.state_dir == Path.home() / ".local" / "state" / "bfkernel"


def test_a_generated_file_has_every_option_and_nothing_of_this_machine(folder):
    run("pool", "--generate-config", "--config", "mine.py")
    text = (folder / "mine.py").read_text()
    for owner in configuration.CLASSES:
        for name in owner.option_traits():
            assert f"# c.{owner.__name__}.{name} = " in text
    assert str(Path.home()) not in text.replace("~", "")


def test_a_file_is_never_overwritten(folder, capsys):
    (folder / "bfkernel_config.py").write_text("# mine\n")
    assert run("pool", "--generate-config") == 64
    assert "exists already" in capsys.readouterr().err
    assert (folder / "bfkernel_config.py").read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("c.PoolOptions.prot = 1", "has no option 'prot'; port is meant"),
        ("c.Pool.port = 1", "no section c.Pool: write one of ServerOptions, PoolOptions, DashboardOptions"),
        ("c.PoolOptions.port = '1'", "'port' trait of a PoolOptions instance expected an int"),
        ("c.PoolOptions.port = 70000", "'port' trait"),
        ("c.PoolOptions.lease_ttl_s = 'soon'", "expected a duration from 0.1 s to 24 h, such as '60s'"),
        ("c.PoolOptions.quotas = {'users': {'a': {'gpsu': 1}}}", "quotas: users.a.gpsu: is not known here."),
        ("c.PoolOptions.quotas = {'default': {'longest_idle_s': 'long'}}", "longest_idle_s: 'long' is not"),
        ("c.PoolOptions.time_zone = 'Mars'", "'Mars' is no time zone"),
        ("c.PoolOptions.term_starts = ['October']", "write dates such as 2026-10-01"),
        ("c.AgentOptions.softgpu_memory_mib = 'much'", "'softgpu_memory_mib' trait"),
        ("c.ServerOptions.state_dir = 3", "expected a path"),
        ("1 / 0", "ZeroDivisionError: division by zero (line 1)"),
        ("c.PoolOptions.port = ", "SyntaxError"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence(folder, started, capsys, line, words):
    (folder / "bfkernel_config.py").write_text(line + "\n")
    assert run("pool") == 64
    said = capsys.readouterr().err
    assert words in said
    assert f"{folder}/bfkernel_config.py" in said
    assert said.count("\n") == 1
    assert started == []


def test_a_file_that_is_not_there_is_said(folder, started, capsys):
    assert run("agent", "--config", "nowhere.py") == 64
    assert "nowhere.py" in capsys.readouterr().err


def test_the_environment_is_between_the_line_and_the_file(folder, started, monkeypatch):
    (folder / "bfkernel_config.py").write_text('c.AgentOptions.pool = "http://file:1"\n')
    monkeypatch.setenv("BFKERNEL_POOL_URL", "http://environment:1")
    run("agent")
    run("agent", "--pool", "http://line:1")
    monkeypatch.delenv("BFKERNEL_POOL_URL")
    run("agent")
    assert [options.pool for options in started] == ["http://environment:1", "http://line:1", "http://file:1"]


def test_quotas_may_be_in_words():
    options = PoolOptions(quotas={"default": {"longest_idle_s": "30min", "memory_mib": "8GiB", "gpus": 1}})
    quota = options.policy().quotas.default
    assert (quota.longest_idle_s, quota.memory_mib, quota.gpus) == (1800, 8192, 1)


def test_options_are_checked_where_they_are_made():
    with pytest.raises(ConfigurationError, match="softgpus"):
        AgentOptions(softgpus=0)
    with pytest.raises(TypeError, match="no option 'prot'"):
        PoolOptions(prot=1)
    assert PoolOptions(port=1).replaced(host="::1").port == 1


def test_the_state_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ServerOptions().state_dir == tmp_path / "bfkernel"


def test_the_reference_is_current():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), (
        "run python -m bfkernel.cli.serving.reference"
    )
