# SPDX-License-Identifier: BSD-3-Clause
"""Questions that the workers of one lease ask each other, for memory and events that its programs share.

A worker asks for something of another's by name; the agent passes the question on to a worker of the same
lease and the answer back, with the file descriptor that comes with it. It keeps neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from bfkernel.remote.logs import event

log = logging.getLogger("agent")

_MAX_BYTES = 4096

#: From a worker's name to the agent's end of its control line; names of other leases are not in it.
Peers = Mapping[str, socket.socket]


def relay(lease: str, name: str, peers: Callable[[], Peers]) -> None:
    """Pass on what the worker ``name`` of a lease has sent; called when its line is readable."""
    lines = peers()
    try:
        data, files, _, _ = socket.recv_fds(lines[name], _MAX_BYTES, 1)
    except BlockingIOError:
        return
    except OSError as error:
        log.warning(event("control-line-broke", lease=lease, worker=name, reason=error))
        return
    if not data:  # its end is closed: it is about to be noticed as ended
        asyncio.get_running_loop().remove_reader(lines[name])
        return
    try:
        message = json.loads(data)
        to, passed_on = _route(name, message, lines)
        if to:
            _send(lines[to], passed_on, files)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning(event("control-message-bad", lease=lease, worker=name, reason=error))
    finally:
        for file in files:
            os.close(file)


def _route(name: str, message: dict[str, Any], lines: Peers) -> tuple[str, dict[str, Any]]:
    """Return who gets what; nobody where the one who asked is gone."""
    if "ask" in message:
        owner = str(message["worker"])
        if owner not in lines:
            return name, {"answer": message["ask"], "ok": False}
        question = {key: message[key] for key in ("what", "number")}
        return owner, {"lend": message["ask"], "for": name, **question}
    asker = str(message["for"])
    answer = {key: value for key, value in message.items() if key not in ("lent", "for")}
    return (asker if asker in lines else ""), {"answer": message["lent"], **answer}


def _send(line: socket.socket, message: dict[str, Any], files: list[int]) -> None:
    # A worker that does not read its line loses the message: whoever asked waits no longer than its limit.
    with contextlib.suppress(OSError):
        socket.send_fds(line, [json.dumps(message).encode()], files)
