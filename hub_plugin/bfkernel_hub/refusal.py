# SPDX-License-Identifier: BSD-3-Clause
"""Refusing a server's start so that the student reads why; JupyterHub 6 counts the reason too."""

from __future__ import annotations

from typing import NoReturn

from tornado.web import HTTPError

from bfkernel_hub.metrics import SPAWNS_REFUSED

try:
    from jupyterhub.spawner import SpawnException
except ImportError:  # JupyterHub 5
    SpawnException = None


class _RefusedError(HTTPError):
    """JupyterHub 5 shows the sentence of this attribute."""

    @property
    def jupyterhub_message(self) -> str:
        return self.log_message or ""


def refuse(message: str, *, reason: str) -> NoReturn:
    """Raise what the running JupyterHub shows as ``message``; ``reason`` is a label for its metrics."""
    SPAWNS_REFUSED.labels(reason).inc()
    if SpawnException is not None:
        raise SpawnException(message, reason=reason, status_code=403)
    raise _RefusedError(403, message, reason=reason)
