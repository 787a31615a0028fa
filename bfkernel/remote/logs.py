# SPDX-License-Identifier: BSD-3-Clause
"""Logs: one line an event on stderr.

``time level part what key=value …``, with the lease's id where there is one. Tokens are never passed to it.
"""

from __future__ import annotations

import logging
import os
import sys
import time


def configure_logging() -> None:
    """Send the log to stderr; ``BFKERNEL_LOG`` (``debug``, ``info``, ``warning``) sets how much of it."""
    level = os.environ.get("BFKERNEL_LOG", "info").upper()
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level in ("DEBUG", "INFO", "WARNING", "ERROR") else "INFO")
    for noisy in ("alembic", "sqlalchemy", "asyncio", "tornado.access", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel("ERROR")


def event(what: str, **facts: object) -> str:
    """Return the text of a log line: what happened, then facts.

    None is left out, text with spaces is quoted.
    """
    return " ".join([what, *(f"{key}={_value(value)}" for key, value in facts.items() if value is not None)])


def _value(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    plain = text and all(c.isprintable() and c not in ' "=' for c in text)
    return text if plain else '"' + text.encode("unicode_escape").decode().replace('"', "'") + '"'
