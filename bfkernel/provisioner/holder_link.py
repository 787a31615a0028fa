# SPDX-License-Identifier: BSD-3-Clause
"""How a kernel asks the holder of its lease, which lives in another process, to change it.

By two files in the lease's folder (``docs/reference/protocol.md`` section 1.1). Like the magic that calls it,
it needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

LIMIT_S = 20.0
LOOK_EVERY_S = 0.1


class HolderError(Exception):
    """The holder refused, or nobody answers; ``str()`` is one sentence for the user."""


def ask_holder(lease_file: Path, size: str | None, limit_s: float = LIMIT_S) -> str:
    """Ask to give the lease back and, with ``size``, to take another; return the holder's sentence.

    Waits up to ``limit_s`` seconds, and raises :class:`HolderError`.
    """
    number = uuid.uuid4().hex
    _write(lease_file.with_name("request.json"), {"version": 1, "id": number, "size": size})
    give_up = time.monotonic() + limit_s
    while time.monotonic() < give_up:
        reply = _reply(lease_file.with_name("reply.json"), number)
        if reply:
            message = str(reply.get("message"))
            if reply.get("ok"):
                return message
            raise HolderError(message)
        time.sleep(LOOK_EVERY_S)
    msg = (
        f"The lease's holder has not answered in {limit_s:g} s: shut the kernel down to give the share back."
    )
    raise HolderError(msg)


def _write(path: Path, content: dict[str, object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        msg = f"The holder of this lease cannot be asked: {error.strerror}."
        raise HolderError(msg) from error


def _reply(path: Path, number: str) -> dict[str, object]:
    try:
        reply = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return reply if isinstance(reply, dict) and reply.get("id") == number else {}
