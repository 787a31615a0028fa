# SPDX-License-Identifier: BSD-3-Clause
"""A pool that runs as long as this service does."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import secrets
import signal
import time
from pathlib import Path

from bfkernel_hub.settings import BfkernelHub

log = logging.getLogger("bfkernel_hub")

_PR_SET_PDEATHSIG = 1
_STOP_LIMIT_S = 10.0
_LONGEST_PAUSE_S = 30.0
_WELL_AFTER_S = 60.0


class ManagedPool:
    """Runs ``pool_command``, again when it ends, until :meth:`run` is cancelled."""

    def __init__(self, settings: BfkernelHub) -> None:
        """Write the pool's token file: this service is its admin, with a token of this start."""
        self.token = secrets.token_urlsafe(32)
        self._command = [*settings.pool_command, *_options(settings, self._token_file(settings))]

    async def run(self) -> None:
        """Run it, and end it at the end: its leases stay in its state, and its kernels run on."""
        pause_s = 1.0
        while True:
            began = time.monotonic()
            code = await self._once()
            pause_s = 1.0 if time.monotonic() - began > _WELL_AFTER_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            log.error("the pool has ended with exit code %s; starting it again in %g s", code, pause_s)
            await asyncio.sleep(pause_s)

    async def _once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.DEVNULL, preexec_fn=_end_with_parent
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                await _stop(process)

    def _token_file(self, settings: BfkernelHub) -> Path:
        path = settings.state / "hub-tokens"
        more = Path(settings.pool_tokens).read_text(encoding="utf-8") if settings.pool_tokens else ""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"bfkernel-hub {self.token} admin\n{more}")
        return path


def _options(settings: BfkernelHub, tokens: Path) -> list[str]:
    return [
        f"--host={settings.pool_host}",
        f"--port={settings.pool_port}",
        f"--state-dir={settings.state / 'pool'}",
        f"--lease-ttl={settings.lease_ttl_s:g}s",
        f"--token-file={tokens}",
        # The Hub and this service's name are in the environment that the Hub gives.
        "--jupyterhub",
    ]


def _end_with_parent() -> None:
    # A killed service must not leave a pool behind that keeps the port and the state from the next one.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
