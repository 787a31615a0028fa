# SPDX-License-Identifier: BSD-3-Clause
"""The command line against a real pool, with real child processes."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from bfkernel.cli.main import COMMANDS
from tests.waiting import eventually

from .embedded_pool import TTL_S

BFKERNEL = [sys.executable, "-m", "bfkernel.cli"]


@pytest.fixture
def ttl_s():
    """Commands are processes, which a busy machine may leave waiting: no lease may end meanwhile."""
    return 10.0


@pytest.fixture(autouse=True)
def _shim(tmp_path, monkeypatch):
    (tmp_path / "native" / "client").mkdir(parents=True)
    (tmp_path / "native" / "client" / "libcuda.so.1").touch()
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path / "native"))


def bfkernel(*arguments, **options):
    return subprocess.run(
        [*BFKERNEL, *arguments], capture_output=True, text=True, timeout=30, check=False, **options
    )


@pytest.fixture
def start():
    """Start commands; none outlives the test."""
    started = []

    def start(*arguments, **options):
        process = subprocess.Popen(
            [*BFKERNEL, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


def leases():
    return json.loads(bfkernel("leases", "--json").stdout)


def sleeper(start, share="1"):
    process = start("run", "-p", share, "--", "sh", "-c", "echo started; exec sleep 60")
    assert process.stdout.readline() == "started\n"
    return process


def assert_one_sentence(result, code):
    assert result.returncode == code, result.stderr
    assert result.stderr.startswith("bfkernel: ")
    assert result.stderr.count("\n") == 1


def test_run_passes_stdin_the_exit_code_and_the_lease(pool):
    script = 'cat; echo "$BFKERNEL_LEASE_FILE"; exit 7'
    result = bfkernel("run", "-n", "1", "-p", "0.1", "--", "sh", "-c", script, input="hello\n")
    assert result.returncode == 7
    said, lease_file = result.stdout.splitlines()
    assert said == "hello"
    assert lease_file.endswith("lease.json")
    assert result.stderr == ""
    assert leases() == []


def test_options_after_the_command_are_the_commands(pool):
    assert bfkernel("run", "-p", "0.1", "echo", "-p", "--wait", "--help").stdout == "-p --wait --help\n"


def test_run_as_a_shell_reports_it(pool):
    assert bfkernel("run", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    assert_one_sentence(bfkernel("run", "--", "no-such-command"), 127)
    assert_one_sentence(bfkernel("run", "--", "/etc/passwd"), 126)


def test_a_command_starts_with_default_signals(pool):
    # Python ignores SIGPIPE, and we block others; a command must not inherit that.
    result = bfkernel("run", "--", "grep", "-E", "SigBlk|SigIgn", "/proc/self/status")
    masks = [int(line.split()[1], 16) for line in result.stdout.splitlines()]
    # Signals 32 and 33 are the C library's own.
    assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(pool, start, signum):
    script = (
        f"import signal, sys; signal.signal({int(signum)}, lambda *_: sys.exit(42))\n"
        "print(1, flush=True); signal.pause()"
    )
    process = start("run", "-p", "0.1", "--", sys.executable, "-c", script)
    assert process.stdout.readline() == "1\n"
    process.send_signal(signum)
    assert process.wait(10) == 42
    assert leases() == []


def test_ctrl_c_on_a_terminal_reaches_the_command_once(pool):
    script = (
        "import signal, time; n = []; signal.signal(signal.SIGINT, lambda *_: n.append(1))\n"
        "print('go', flush=True); give_up = time.monotonic() + 20\n"
        "while not n and time.monotonic() < give_up: time.sleep(0.02)\n"
        "time.sleep(1.5); print('got', len(n), flush=True)  # a second one would have come by now"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [*BFKERNEL, "run", "-p", "0.1", "--", sys.executable, "-c", script])
    output = b""
    try:
        while b"go" not in output:
            output += os.read(terminal, 1000)
        os.write(terminal, b"\x03")
        with contextlib.suppress(OSError):  # Linux's way to say that the terminal's last user has gone
            while chunk := os.read(terminal, 1000):
                output += chunk
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL if b"got" not in output else 0)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    assert b"got 1" in output
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_queue_is_shown_and_moves_on(pool, start):
    first = sleeper(start)
    second = start("run", "-p", "0.5", "--", "echo", "my turn")
    assert second.stderr.readline() == "GPU 0.5: position 1 of 1 in the queue\n"
    first.terminate()
    assert first.wait(10) == 128 + signal.SIGTERM
    assert second.wait(10) == 0
    assert second.stdout.read() == "my turn\n"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_queue(pool, start, signum):
    sleeper(start)
    waiting = start("run", "-p", "0.5", "--", "true")
    assert "position 1" in waiting.stderr.readline()
    waiting.send_signal(signum)
    assert waiting.wait(10) == 128 + signum
    assert [lease["state"] for lease in leases()] == ["granted"]


def test_waiting_has_a_limit(pool, start):
    sleeper(start)
    began = time.monotonic()
    result = bfkernel("run", "-p", "0.5", "--wait", "1s", "--", "true")
    assert 1 <= time.monotonic() - began < 20
    assert result.returncode == 75
    assert result.stderr.splitlines()[-1] == "bfkernel: No share of GPU 0.5 became free within 1 s."
    assert bfkernel("run", "-p", "0.5", "--wait", "0", "--", "true").returncode == 75


@pytest.mark.parametrize("ttl_s", [TTL_S])
def test_a_killed_run_frees_its_lease_by_ttl(pool, start):
    process = sleeper(start)
    os.killpg(process.pid, signal.SIGKILL)
    eventually(lambda: leases() == [])


def test_refusals_have_their_codes(pool, monkeypatch):
    assert_one_sentence(bfkernel("run", "-m", "5000", "--", "true"), 75)
    assert_one_sentence(bfkernel("run", "-m", "500", "-p", "0.5", "--", "true"), 64)
    assert_one_sentence(bfkernel("run", "-p", "2", "--", "true"), 64)
    assert_one_sentence(bfkernel("run", "--wait", "soon", "--", "true"), 64)
    assert_one_sentence(bfkernel("run"), 64)
    assert_one_sentence(bfkernel("no-such-command"), 64)
    assert_one_sentence(bfkernel("leases", "--pool", "http://127.0.0.1:9"), 69)
    assert_one_sentence(bfkernel("run", "--pool", "http://127.0.0.1:9", "--", "true"), 69)


def test_without_the_shim_nothing_is_leased(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path / "empty"))
    assert_one_sentence(bfkernel("run", "--", "true"), 1)
    assert bfkernel("leases").stdout == "No leases.\n"
    assert bfkernel("health").returncode == 1


@pytest.mark.parametrize("ttl_s", [6.0])
def test_requested_gpus_outlive_the_request(pool, ttl_s):
    assert bfkernel("release-gpus").stdout == "You have no requested GPUs.\n"
    assert_one_sentence(bfkernel("client", "--", "true"), 64)
    requested = bfkernel("request_gpus", "-n", "1", "-m", "100")
    assert requested.returncode == 0, requested.stderr
    assert requested.stdout.startswith("GPU 100m: ")
    try:
        assert_one_sentence(bfkernel("request-gpus"), 64)
        time.sleep(1.5 * ttl_s)
        assert [lease["memory_mib"] for lease in leases()] == [100]
        result = bfkernel("client", "--", "sh", "-c", 'cat "$BFKERNEL_LEASE_FILE"; exit 3')
        assert result.returncode == 3
        assert json.loads(result.stdout)["state"] == "granted"
    finally:
        released = bfkernel("release_gpus")
    assert released.stdout == "GPU 100m released.\n"
    assert leases() == []


def test_requesting_waits_and_can_be_left(pool, start):
    sleeper(start)
    assert bfkernel("request-gpus", "--wait", "0").returncode == 75
    waiting = start("request-gpus")
    assert "position 1" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(10) == 130
    assert len(leases()) == 1


@pytest.mark.parametrize("ttl_s", [6.0])
def test_a_keeper_that_was_killed_is_no_keeper(pool, tmp_path):
    assert bfkernel("request-gpus", "-p", "0.1").returncode == 0
    record = json.loads((tmp_path / "runtime" / "requested.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    eventually(lambda: _unlocked(tmp_path / "runtime" / "requested.json"))
    assert bfkernel("client", "--", "true").returncode == 64
    eventually(lambda: leases() == [])
    assert bfkernel("request-gpus", "-p", "0.1").returncode == 0
    bfkernel("release-gpus")


def _unlocked(path):
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_tables_and_their_json(pool, start):
    sleeper(start, "0.25")
    (lease,) = leases()
    assert {"id", "state", "holder", "fraction", "memory_mib", "gpus", "server"} <= set(lease)
    assert lease["id"] in bfkernel("leases").stdout
    assert "Test card (emulated)" in bfkernel("list_gpus").stdout
    assert "250 MiB / 1,000 MiB" in bfkernel("smi").stdout
    assert json.loads(bfkernel("list-gpus", "--json").stdout)[0]["free_mib"] == 750
    assert set(json.loads(bfkernel("smi", "--json").stdout)) == {"gpus", "leases"}
    assert all("ok" in check for check in json.loads(bfkernel("health", "--json").stdout))


def test_leases_that_are_over_are_listed_on_request(pool):
    bfkernel("run", "-p", "0.1", "--", "true")
    assert leases() == []
    assert [lease["state"] for lease in json.loads(bfkernel("leases", "--all", "--json").stdout)] == [
        "released"
    ]


def test_kernelspec_install(pool, tmp_path):
    result = bfkernel("kernelspec", "install", "--size", "0.02", "--size", "0.5x2", "--prefix", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "share/jupyter/kernels/gpu-0.5x2/kernel.json").exists()
    assert_one_sentence(bfkernel("kernelspec", "install", "--size", "2", "--user"), 64)
    assert_one_sentence(bfkernel("kernelspec", "install", "--size", "0.1", "--user", "--sys-prefix"), 64)


def test_the_command_itself_has_help():
    shown = bfkernel("--help").stdout
    assert "Usage: bfkernel" in shown
    assert all(name in shown for name in COMMANDS if name != "keep-gpus")
