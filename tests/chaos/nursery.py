# SPDX-License-Identifier: BSD-3-Clause
"""A process that has everything imported and forks pools, agents and clients: they start in milliseconds.

The forked process runs what the command line would (``run_pool``, ``run_agent``) or a client; the nursery
itself only forks and reaps.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMIT_S = 30.0
REPOSITORY = Path(__file__).resolve().parents[2]


class Nursery:
    """Starts processes through a nursery; they all end with it."""

    def __init__(self, environment: dict[str, str]) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        path = ":".join(p for p in paths if p)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery", str(its.fileno())],
            pass_fds=[its.fileno()],
            env={**os.environ, **environment, "PYTHONPATH": path},
            cwd=REPOSITORY,
        )
        its.close()
        ours.settimeout(LIMIT_S)
        self._socket = ours

    def start(self, what: str, log: Path, **options: Any) -> int:
        """Start ``what`` (``pool``, ``agent``, ``client``) with its options; returns its process number."""
        self._socket.send(json.dumps({"what": what, "log": str(log), "options": options}).encode())
        return int(self._socket.recv(64))

    def close(self) -> None:
        """End it and all that it has started."""
        self._socket.close()
        self._process.wait(LIMIT_S)


def _run_pool(options: dict[str, Any]) -> None:
    from bfkernel.remote.pool.server import PoolOptions, run_pool

    run_pool(PoolOptions(**{**options, "state_dir": Path(options["state_dir"])}))


def _run_agent(options: dict[str, Any]) -> None:
    from bfkernel.remote.agent.server import AgentOptions, run_agent

    run_agent(AgentOptions(**{**options, "state_dir": Path(options["state_dir"])}))


def _run_client(options: dict[str, Any]) -> None:
    from tests.chaos.client import run

    run(**options)


_MODULES = ("bfkernel.remote.pool.server", "bfkernel.remote.agent.server", "tests.chaos.client")
_PROGRAMS: dict[str, Callable[[dict[str, Any]], None]] = {
    "pool": _run_pool,
    "agent": _run_agent,
    "client": _run_client,
}


def _child(request: dict[str, Any]) -> None:
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    try:
        _PROGRAMS[request["what"]](request["options"])
    except BaseException:  # noqa: BLE001 - it must never go back into the nursery's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def main(descriptor: int) -> None:
    """Fork what is asked for until nobody asks any more, then kill all that is left."""
    for module in _MODULES:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    requests = socket.socket(fileno=descriptor)
    groups = set()
    while data := requests.recv(65536):
        child = os.fork()
        if child == 0:
            requests.close()
            _child(json.loads(data))
        groups.add(child)
        requests.send(str(child).encode())
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main(int(sys.argv[1]))
