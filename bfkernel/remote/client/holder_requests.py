# SPDX-License-Identifier: BSD-3-Clause
"""What a leased process may ask of its holder: to give the lease back now, or to take one of another size.

Both lie in the lease's folder, which is the user's alone: the process writes ``request.json`` and the holder
answers in ``reply.json``. ``docs/reference/protocol.md`` section 1.1.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .lease_file import replace_private
from .size import Size

REQUEST_NAME = "request.json"
REPLY_NAME = "reply.json"
LOOK_EVERY_S = 0.25
VERSION = 1


@dataclass(frozen=True)
class HolderRequest:
    """To give the lease back; and then to take one of ``size``, unless it is None. ``number`` names it."""

    number: str
    size: Size | None

    @classmethod
    def parse(cls, text: str) -> HolderRequest:
        """Read a request; ``ValueError`` with one sentence when it is none."""
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("version") != VERSION:
            msg = f"The holder of the lease knows requests of version {VERSION} only."
            raise ValueError(msg)
        size = content.get("size")
        return cls(str(content.get("id", "")), None if size is None else Size.parse(str(size)))


class RequestWatcher:
    """Looks for requests in a lease's folder, on a daemon thread, and has ``carry_out`` answer each.

    ``carry_out`` returns the sentence for the user, and may raise ``ValueError`` with another.
    """

    def __init__(self, folder: Path, carry_out: Callable[[HolderRequest], str], log: logging.Logger) -> None:
        self._request, self._reply = folder / REQUEST_NAME, folder / REPLY_NAME
        self._carry_out = carry_out
        self._log = log
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bfkernel-requests", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. Idempotent; does not wait."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                text = self._request.read_text(encoding="utf-8", errors="replace")
                self._request.unlink()
            except OSError:
                continue  # nobody asks, or the folder has just been removed
            self._answer(text)

    def _answer(self, text: str) -> None:
        number = _number_of(text)
        try:
            reply = {"id": number, "ok": True, "message": self._carry_out(HolderRequest.parse(text))}
        except (ValueError, OSError) as error:
            reply = {"id": number, "ok": False, "message": str(error)}
        try:
            replace_private(self._reply, json.dumps(reply))
        except OSError as error:
            self._log.debug("Request %s could not be answered: %s", number, error)


def _number_of(text: str) -> str:
    try:
        return str(json.loads(text)["id"])
    except (ValueError, KeyError, TypeError):
        return ""
