# SPDX-License-Identifier: BSD-3-Clause
"""Tokens and grants of a whole setting, at work and at the most talkative log level, are told to nobody."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.waiting import eventually

from .jupyter_processes import BFKERNEL, Processes, read_line

ADA, JOIN = "ada-secret-0123456789", "join-secret-0123456789"
HUB, STUDENT = "hub-secret-0123456789", "student-secret-0123456789"
#: a program with a context on its share, until its stdin ends
PROGRAM = """\
import ctypes, sys
cuda, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
assert cuda.cuInit(0) == cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
print("up", flush=True)
sys.stdin.read()
"""


def secret_file(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


class Setting:
    """A pool with static tokens and an (unreachable) Hub, an agent, and what a user has requested."""

    def __init__(self, processes: Processes, env: dict[str, str], folder: Path) -> None:
        self._processes = processes
        self.env = {**env, "BFKERNEL_LOG": "debug"}
        secrets = folder / "secrets"
        secrets.mkdir()
        tokens = secret_file(secrets / "tokens", f"ada {ADA}\ngpu1 {JOIN} agent\n")
        join, hub = secret_file(secrets / "join", JOIN), secret_file(secrets / "hub", HUB)
        named = [
            f"--token-file={tokens}",
            "--hub-api-url=http://127.0.0.1:9/hub/api",
            f"--hub-api-token-file={hub}",
        ]
        self.url = self._start("pool", "--port=0", *named)
        self._start(
            "agent", f"--pool={self.url}", "--data-port=0", "--driver=softgpu", f"--join-token-file={join}"
        )
        self.env |= {"BFKERNEL_POOL_URL": self.url, "BFKERNEL_TOKEN": ADA}
        self.run("request-gpus", "-m", "256")
        self.program = processes.start(
            [*BFKERNEL, "client", "--", sys.executable, "-c", PROGRAM], self.env, stdin=subprocess.PIPE
        )
        assert read_line(self.program) == "up\n"
        (self.lease_file,) = Path(env["BFKERNEL_RUNTIME_DIR"]).glob("lease-*/lease.json")
        self.lease = json.loads(self.lease_file.read_text())

    def _start(self, what: str, *options: str) -> str:
        state_dir = Path(self.env["HOME"]) / what
        command = [*BFKERNEL, what, *options, f"--state-dir={state_dir}", "--log-format=json"]
        line = read_line(self._processes.start(command, self.env))
        assert line.startswith("ready ")
        return line.split()[1]

    def run(self, *arguments: str) -> None:
        subprocess.run(
            [*BFKERNEL, *arguments], env=self.env, stdin=subprocess.DEVNULL, check=True, timeout=60
        )

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines of pool and agent."""
        logs = self._processes.logs_of("-pool") + self._processes.logs_of("-agent")
        return [json.loads(line) for line in logs.splitlines()]


@pytest.fixture
def setting(processes: Processes, env: dict[str, str], tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(processes, env, tmp_path)
    yield setting
    setting.program.communicate(timeout=20)
    setting.run("release-gpus")


def send_badly(url: str) -> None:
    """Send secrets in ways that servers like to quote in their logs."""
    parts = urlsplit(url)
    for head in (
        f"GET /api/v1/leases HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {ADA}\x01\r\n\r\n",
        f"GET /api/v1/leases HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization Bearer {ADA}\r\n\r\n",
        f"GET /api/v1/leases?token={ADA}&wait_s={ADA} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n",
        f"BREW {ADA} HTTP/1.1\r\nHost: {ADA}\r\n\r\n",
    ):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
            connection.sendall(head.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue


def test_no_token_is_in_a_log_a_state_or_a_process_list(setting: Setting, tmp_path: Path) -> None:
    grant = setting.lease["token"]
    assert grant.count(".") == 2
    with httpx.Client(base_url=setting.url, trust_env=False, timeout=20) as http:
        for token in (STUDENT, f"{ADA}x"):
            answer = http.get("/api/v1/leases", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 503, "the Hub cannot be asked"
            assert token not in answer.text
    send_badly(setting.url)

    secrets = [secret.encode() for secret in (ADA, JOIN, HUB, STUDENT, grant, grant.split(".")[2])]
    lines = list(command_lines())
    assert any(b"bfkernel-worker" in line for line in lines)
    assert any(b"keep-gpus" in line for line in lines)
    assert not [line for line in lines for secret in secrets if secret in line]

    told = [path for path in tmp_path.rglob("*") if path.is_file() and "secrets" not in path.parts]
    told.remove(setting.lease_file)
    assert [path.name for path in told if path.suffix == ".log"]
    assert [path.name for path in told if path.suffix == ".sqlite"]
    assert not [path for path in told for secret in secrets if secret in path.read_bytes()]


def test_what_holds_a_secret_is_for_its_owner_alone(setting: Setting) -> None:
    home = Path(setting.env["HOME"])
    for path in (setting.lease_file, setting.lease_file.parent, home / "pool", home / "agent"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_every_line_about_a_lease_names_it(setting: Setting) -> None:
    lease = setting.lease["lease"]

    def told() -> set[str]:
        return {line["event"] for line in setting.lines() if line.get("lease") == lease}

    expected = {"granted", "connection", "worker-started", "active", "answered"}
    eventually(lambda: told() >= expected, 10, "the lease's lines")
    assert not [x for x in setting.lines() if lease in json.dumps(x) and x.get("lease") != lease]
