# SPDX-License-Identifier: BSD-3-Clause
"""Logs: one line an event on stderr.

``time level part what key=value …``, or the same as a JSON object, with ``lease=ID`` where there is one.
Tokens are never passed to it, and what libraries would tell of requests is left out at every level.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

FORMATS = ("text", "json")
#: What libraries log below these levels can quote requests, with their headers, and is not about leases.
_LIBRARIES = {
    "ERROR": ("alembic", "sqlalchemy", "asyncio", "httpx", "httpcore"),
    "WARNING": ("tornado.general",),
    "CRITICAL": ("tornado.access",),
}


def configure_logging(log_format: str = "text") -> None:
    """Send the log to stderr as ``text`` or ``json``; ``BFKERNEL_LOG`` (``debug`` …) says how much."""
    level = os.environ.get("BFKERNEL_LOG", "info").upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level in ("DEBUG", "INFO", "WARNING", "ERROR") else "INFO")
    for least, names in _LIBRARIES.items():
        for name in names:
            logging.getLogger(name).setLevel(least)


class Event(str):
    """The text of a log line that remembers its parts."""

    __slots__ = ("facts", "what")
    what: str
    facts: dict[str, object]


def event(what: str, **facts: object) -> Event:
    """Return the text of a log line: what happened, then facts.

    None is left out, text with spaces is quoted.
    """
    known = {key: value for key, value in facts.items() if value is not None}
    line = Event(" ".join([what, *(f"{key}={_value(value)}" for key, value in known.items())]))
    line.what, line.facts = what, known
    return line


def reason_of(error: BaseException) -> str:
    """Return the first line of what an exception says, or its name: some say nothing."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


class _Json(_Text):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "part": record.name,
        }
        if isinstance(record.msg, Event):
            line |= {"event": record.msg.what, **record.msg.facts}
        else:
            line["event"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _value(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    plain = text and all(c.isprintable() and c not in ' "=' for c in text)
    return text if plain else '"' + text.encode("unicode_escape").decode().replace('"', "'") + '"'
