# SPDX-License-Identifier: BSD-3-Clause
"""The first bytes of a data connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterator

import pytest

from bfkernel.remote.agent import greeting as module
from bfkernel.remote.agent.greeting import RefusalCode, RefusalError, read_greeting, refuse

pytestmark = pytest.mark.asyncio
GOOD = {"protocol": 1, "token": "t", "pid": 7, "program": "python3"}


def packed(body: object) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"BFKERNEL" + struct.pack("<I", len(data)) + data


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def test_not_a_byte_more_than_the_greeting_is_read(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(packed(GOOD) + b"rest")
    greeting = await read_greeting(ours)
    assert (greeting.token, greeting.pid, greeting.program) == ("t", 7, "python3")
    assert ours.recv(100) == b"rest"


async def test_it_may_come_byte_by_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    reading = asyncio.create_task(read_greeting(ours))
    for byte in packed(GOOD):
        theirs.sendall(bytes([byte]))
        await asyncio.sleep(0)
    assert (await reading).token == "t"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", RefusalCode.BAD_GREETING),
        (b"BFKERNEL" + struct.pack("<I", 65537), RefusalCode.BAD_GREETING),
        (b"BFKERNEL" + struct.pack("<I", 0), RefusalCode.BAD_GREETING),
        (b"BFKERNEL\x05", RefusalCode.BAD_GREETING),
        (b"", RefusalCode.BAD_GREETING),
        (packed(b"\xff\xff"), RefusalCode.BAD_GREETING),
        (packed(b"[" * 65536), RefusalCode.BAD_GREETING),
        (packed([]), RefusalCode.BAD_GREETING),
        (packed({}), RefusalCode.BAD_GREETING),
        (packed({**GOOD, "pid": "x"}), RefusalCode.BAD_GREETING),
        (packed(b'{"protocol": 1, "token": "t", "pid": 1e999}'), RefusalCode.BAD_GREETING),
        (packed({**GOOD, "protocol": 2}), RefusalCode.PROTOCOL),
    ],
)
async def test_what_is_no_greeting_is_refused(
    pair: tuple[socket.socket, socket.socket], sent: bytes, code: RefusalCode
) -> None:
    ours, theirs = pair
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(RefusalError) as caught:
        await read_greeting(ours)
    assert caught.value.code is code
    await refuse(ours, caught.value)
    told = theirs.recv(1000)
    assert json.loads(told[12:]) == {"ok": False, "code": code.value, "message": str(caught.value)}
    assert theirs.recv(1) == b""


async def test_who_does_not_greet_is_refused(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GREETING_LIMIT_S", 0.05)
    with pytest.raises(RefusalError, match="No greeting came"):
        await read_greeting(pair[0])
