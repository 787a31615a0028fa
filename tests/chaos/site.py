# SPDX-License-Identifier: BSD-3-Clause
"""A site: pool replicas on one database, GPU servers, and people who use them; and their supervisor."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.chaos.client import Note
from tests.chaos.nursery import Nursery
from tests.integration.address import Address
from tests.integration.pool_processes import make_native_dir
from tests.waiting import eventually

LIMIT_S = 60.0
TTL_S = 5.0
#: A busy machine may keep an agent that lives from reporting for so long.
GRACE_S = 30.0
AGENTS, GPUS, CLIENTS = 2, 2, 10
SIZE = "0.2"


@dataclass
class Member:
    """One process of the site, under the same name through all its lives."""

    kind: str
    name: str
    options: dict[str, Any]
    pid: int = 0
    note: Path = field(default_factory=Path)


class Site:
    """Everything that is killed, and what brings it back."""

    def __init__(self, folder: Path, database_url: str | None, replicas: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        native = make_native_dir(folder / "native")
        self.folder = folder
        self._nursery = Nursery({"BFKERNEL_NATIVE_DIR": str(native), "TEST_GPUS": str(GPUS)})
        ports = [_free_port() for _ in range(replicas)]
        self._address = Address(*(f"http://127.0.0.1:{port}" for port in ports))
        self.url = self._address.__enter__()
        self.members = [
            *(self._pool(number, port, database_url) for number, port in enumerate(ports)),
            *(self._agent(number, native) for number in range(AGENTS)),
            *(self._client(number) for number in range(CLIENTS)),
        ]
        self.http = httpx.Client(base_url=self.url, timeout=5.0, trust_env=False)
        for member in self.members:
            self.start(member)

    def start(self, member: Member) -> None:
        """Start a member, again or for the first time."""
        log = self.folder / f"{member.name}.log"
        member.note.unlink(missing_ok=True) if member.kind == "client" else None
        member.pid = self._nursery.start(member.kind, log, **member.options)

    def kill(self, member: Member) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(member.pid, signal.SIGKILL)
        eventually(lambda: not psutil.pid_exists(member.pid), LIMIT_S, f"the end of {member.name}")

    def workers(self) -> dict[int, str]:
        """Return the worker processes of all agents, with their leases."""
        found = {}
        for agent in (member for member in self.members if member.kind == "agent"):
            try:
                for process in psutil.Process(agent.pid).children(recursive=True):
                    words = process.cmdline()
                    if "--lease" in words:
                        found[process.pid] = words[words.index("--lease") + 1]
            except psutil.NoSuchProcess:
                continue
        return found

    def get(self, path: str) -> Any:
        """Ask the pool; None when it does not answer just now."""
        try:
            answer = self.http.get(path)
            return answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None

    def notes(self) -> dict[str, Note]:
        """Return what the clients say of themselves, by name."""
        clients = (member for member in self.members if member.kind == "client")
        return {client.name: note for client in clients if (note := Note.read(client.note))}

    def close(self) -> None:
        """End everything."""
        self.http.close()
        self._nursery.close()
        self._address.__exit__(None, None, None)

    def _pool(self, number: int, port: int, database_url: str | None) -> Member:
        name = f"pool{number}"
        times = {"lease_ttl_s": TTL_S, "agent_grace_s": GRACE_S}
        options = {"port": port, "state_dir": str(self.folder / name), **times}
        if database_url:
            options["database_url"] = database_url
        return Member("pool", name, options)

    def _agent(self, number: int, native: Path) -> Member:
        name = f"gpu{number}"
        options = {
            "pool": self.url,
            "name": name,
            "data_port": _free_port(),
            "state_dir": str(self.folder / name),
            "driver": str(native / "driver.so"),
        }
        return Member("agent", name, options)

    def _client(self, number: int) -> Member:
        name = f"client{number}"
        note = self.folder / f"{name}.json"
        return Member("client", name, {"url": self.url, "size": SIZE, "note": str(note)}, note=note)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
