# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter events (``jupyter_events``) of what becomes of kernels' leases."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from bfkernel.remote.client.lease_file import LeaseFile

#: The server extension registers it; ``event_schemas/lease_changes/v1.yaml`` there says what an event has.
SCHEMA_ID = "urn:bfkernel:events:lease-changes:v1"


class LeaseEvents:
    """Emits an event for each change of one kernel's lease that a person would notice.

    To be made on the Jupyter server's event loop. Nothing is emitted where there is no event logger (plain
    jupyter_client), or where the server extension is off.
    """

    def __init__(self, kernel_manager: Any, kernel_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._logger = getattr(kernel_manager, "event_logger", None)
        self._kernel_id = kernel_id
        self._last: dict[str, str] = {}

    def __call__(self, lease: LeaseFile) -> None:
        """Note what the lease is now. Called by its holder, on whichever thread has heard of it."""
        event = {
            "kernel_id": self._kernel_id,
            "lease": lease.lease,
            "state": lease.state,
            "size": lease.size,
            "message": lease.message,
            "notice": lease.notice,
        }
        if event != self._last:
            self._last = event
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._emit, event)

    def _emit(self, event: dict[str, str]) -> None:
        if self._logger is not None and SCHEMA_ID in self._logger.schemas:
            self._logger.emit(schema_id=SCHEMA_ID, data=event)
