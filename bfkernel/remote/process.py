# SPDX-License-Identifier: BSD-3-Clause
"""What the long-running commands share.

Their event loop, their signals, and the line that says that they are ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bfkernel.remote.logs import configure_logging

_OPEN_FILES = 65536


class Service(Protocol):
    """Something that runs until it is stopped. ``run_until_signal`` calls both on its event loop."""

    async def start(self) -> None:
        """Begin; returns when it runs."""

    async def stop(self) -> None:
        """End cleanly. Also called when ``start`` failed or was interrupted."""


def run_until_signal(make: Callable[[], Service], log_format: str = "text") -> int:
    """Run what ``make`` returns until SIGTERM or SIGINT and return the exit code, 0. Main thread only.

    ``log_format`` as for ``configure_logging``.
    """
    configure_logging(log_format)
    _allow_many_files()
    return asyncio.run(_run(make))


async def _run(make: Callable[[], Service]) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    service = make()
    signalled = loop.create_task(stopping.wait())
    running = loop.create_task(service.start())
    try:
        await asyncio.wait([running, signalled], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            await signalled
        return 0
    finally:
        for task in (running, signalled):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await running
        await service.stop()


def _allow_many_files() -> None:
    # Each waiting client is an open socket, and the usual soft limit of 1024 is soon reached.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def say_ready(where: str) -> None:
    """Print the line that scripts wait for. Nobody reading it is no reason to stop."""
    try:
        sys.stdout.write(f"ready {where}\n")
        sys.stdout.flush()
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="ascii")  # noqa: SIM115 - for the rest of the process
