# SPDX-License-Identifier: BSD-3-Clause
"""A client as a routed program is one: holds a lease, keeps a data connection, and notes each disturbance."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bfkernel.remote.client import LeaseHolder, LeaseRequest, PoolClient, Size
from tests.integration.pool_processes import Connection

PAUSE_S = 0.03


@dataclass
class Note:
    """What a client says of itself. ``disturbances`` counts ended data connections and lost leases.

    ``sent_at`` is when the last bytes that came back were sent, in seconds since the epoch.
    """

    pid: int
    lease: str = ""
    state: str = "asking"
    agent: str = ""
    disturbances: int = 0
    why: str = ""
    sent_at: float = 0.0

    def write(self, path: Path) -> None:
        """Replace the file at once."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> Note | None:
        """Return what a client said last, or None before it has said anything."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None


def run(url: str, size: str, note: str) -> None:
    """Hold a lease and use it for ever; when it is lost, ask for another, as a restarted kernel does."""
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(message)s")
    path, about = Path(note), Note(os.getpid())
    while True:
        holder = LeaseHolder(LeaseRequest(Size.parse(size), "command", path.stem), PoolClient(url))
        holder.start()
        try:
            _hold(holder, about, path)
        finally:
            holder.release()
        about.disturbances += 1


def _hold(holder: LeaseHolder, about: Note, path: Path) -> None:
    """Use the lease until it has ended."""
    while (lease := holder.wait(1.0, lambda now: now.state in ("granted", "refused", "ended"))).state:
        about.lease, about.agent = lease.lease, lease.agent or ""
        about.state = lease.state
        about.write(path)
        if lease.state in ("refused", "ended"):
            about.why = lease.message
            about.write(path)
            return
        if lease.state == "granted" and lease.agent and lease.token:
            _work(holder, about, path, lease.agent, lease.token)


def _work(holder: LeaseHolder, about: Note, path: Path, agent: str, token: str) -> None:
    """Send bytes to and fro until the connection ends or the lease does."""
    try:
        connection = Connection(agent, token)
    except (OSError, AssertionError, ValueError) as error:
        about.why = f"no connection: {error!r}"
        time.sleep(PAUSE_S)
        return
    if not connection.greeting.get("ok"):
        about.why = f"turned away: {connection.greeting.get('message')}"
        connection.close()
        time.sleep(PAUSE_S)
        return
    about.state = "working"
    try:
        _echo(connection, b"first frame")
        while holder.current.state == "granted":
            sent_at = time.time()
            connection.socket.sendall(b"ping")
            _echo(connection, b"ping")
            about.sent_at = sent_at
            about.write(path)
            time.sleep(PAUSE_S)
    except (OSError, EOFError) as error:
        about.disturbances += 1
        about.why = f"connection ended: {error!r}"
    finally:
        connection.close()


def _echo(connection: Connection, expected: bytes) -> None:
    received = connection.echo(len(expected))
    if received != expected:
        msg = f"{received!r} came back instead of {expected!r}"
        raise EOFError(msg)
