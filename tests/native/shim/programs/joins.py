# SPDX-License-Identifier: BSD-3-Clause
"""What a program may do with further connections to its worker, and what not. Speaks the protocol itself.

Prints its own worker's key, then tries the keys that come on standard input, one a line.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

lease = json.loads(Path(os.environ["BFKERNEL_LEASE_FILE"]).read_text())
host, _, port = lease["agent"].rpartition(":")


def send(to: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    to.sendall(b"BFKERNEL" + struct.pack("<I", len(body)) + body)


def receive(source: socket.socket) -> dict[str, Any]:
    with source.makefile("rb", buffering=0) as stream:
        head = stream.read(12)
        if not head:
            return {"ok": None}
        return dict(json.loads(stream.read(struct.unpack("<I", head[8:])[0])))


def greet(**more: str) -> tuple[socket.socket, dict[str, Any]]:
    connection = socket.create_connection((host, int(port)), timeout=20)
    send(connection, {"protocol": 1, "token": lease["token"], "pid": os.getpid(), "program": "joins", **more})
    return connection, receive(connection)


def join(key: str, role: str = "host-functions") -> str:
    answer = greet(join=key, role=role)[1]
    return {True: "joined", False: answer.get("code", ""), None: "closed"}[answer["ok"]]


main, offer = greet()
send(main, {"window": "mapped"})
print(offer["join"], flush=True)
for line in sys.stdin:
    print(join(line.strip()), flush=True)
assert join(offer["join"], "no such role") == "closed"
assert join(offer["join"]) == "joined"
assert join(offer["join"]) == "closed", "there is one channel for host functions"
assert join("0" * 32, "stripe") == "no-such-worker"
stripes = [greet(join=offer["join"], role="stripe") for _ in range(9)]
assert [answer["ok"] for _, answer in stripes] == [True] * 8 + [None]
assert main.fileno() >= 0
main.settimeout(0.2)
try:
    assert main.recv(1) == b"never", "the worker has ended"
except TimeoutError:
    print("ok")
