# SPDX-License-Identifier: BSD-3-Clause
"""The first bytes of a data connection: what the shim says, and how the agent refuses.

The worker reads what follows, so not a byte more than the greeting may be read here.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from enum import Enum

_MAGIC = b"BFKERNEL"
_HEAD = struct.Struct("<8sI")
_MAX_BYTES = 65536
_PROTOCOL = 1
GREETING_LIMIT_S = 10.0


class RefusalCode(str, Enum):
    """Why the agent turns a connection away, for the shim."""

    BAD_GREETING = "bad-greeting"
    PROTOCOL = "protocol"
    TOKEN = "token"  # noqa: S105 - the token is what is wrong
    LEASE_ENDED = "lease-ended"
    NO_SUCH_WORKER = "no-such-worker"
    TOO_MANY_WORKERS = "too-many-workers"
    WORKER_FAILED = "worker-failed"


class RefusalError(Exception):
    """A connection that the agent turns away; code and message go to the shim, the lease to the log."""

    def __init__(self, code: RefusalCode, message: str, lease: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.lease = lease


@dataclass(frozen=True)
class Greeting:
    """What the shim says of itself. ``pid`` and ``program`` are for people only.

    With ``join``, the key that its worker gave it, this is a further connection to that worker, and ``role``
    tells the worker what for.
    """

    token: str
    pid: int
    program: str
    join: str = ""
    role: str = ""


async def read_greeting(connection: socket.socket) -> Greeting:
    """Read exactly one greeting from a non-blocking socket.

    Raises:
        RefusalError: malformed, too slow, or of another protocol.
        OSError: the connection broke.
    """
    try:
        return _parse(await asyncio.wait_for(_read(connection), GREETING_LIMIT_S))
    except asyncio.TimeoutError:
        message = f"No greeting came within {GREETING_LIMIT_S:g} s."
        raise RefusalError(RefusalCode.BAD_GREETING, message) from None


async def refuse(connection: socket.socket, refusal: RefusalError) -> None:
    """Tell the shim why it is turned away; a peer that does not read it is left."""
    body = json.dumps({"ok": False, "code": refusal.code.value, "message": str(refusal)}).encode()
    try:
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(
            loop.sock_sendall(connection, _HEAD.pack(_MAGIC, len(body)) + body), GREETING_LIMIT_S
        )
        connection.shutdown(socket.SHUT_WR)
    except (OSError, asyncio.TimeoutError):
        pass


async def _read(connection: socket.socket) -> bytes:
    magic, size = _HEAD.unpack(await _exactly(connection, _HEAD.size))
    if magic != _MAGIC:
        raise RefusalError(
            RefusalCode.BAD_GREETING, "This is the data port of a bfkernel agent: what came is no greeting."
        )
    if size > _MAX_BYTES:
        raise RefusalError(RefusalCode.BAD_GREETING, f"The greeting is longer than {_MAX_BYTES} bytes.")
    return await _exactly(connection, size)


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < count:
        part = await loop.sock_recv(connection, count - len(received))
        if not part:
            raise RefusalError(RefusalCode.BAD_GREETING, "The connection ended within the greeting.")
        received += part
    return bytes(received)


def _parse(body: bytes) -> Greeting:
    try:
        fields = json.loads(body)
        protocol = fields["protocol"]
        greeting = Greeting(
            str(fields["token"]),
            int(fields.get("pid", 0)),
            str(fields.get("program", ""))[:200],
            str(fields.get("join", ""))[:200],
            str(fields.get("role", ""))[:200],
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise RefusalError(
            RefusalCode.BAD_GREETING, "The greeting is not the JSON that it should be."
        ) from error
    if protocol != _PROTOCOL:
        message = (
            f"This GPU server speaks protocol {_PROTOCOL}: install one version of bfkernel on both sides."
        )
        raise RefusalError(RefusalCode.PROTOCOL, message)
    return greeting
