# SPDX-License-Identifier: BSD-3-Clause
"""A real pool in this process, and a GPU server that reports to it without serving CUDA."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx

from bfkernel.remote.pool.server import PoolOptions, PoolServer

TTL_S = 1.0


class EmbeddedPool:
    """A pool on its own event loop; ``stop`` and ``start`` again keep its port and its state."""

    def __init__(self, state_dir: Path, ttl_s: float = TTL_S, **options: Any) -> None:
        # A server of a busy test process may be silent for longer than a TTL.
        self._options = {"state_dir": state_dir, "lease_ttl_s": ttl_s, "agent_grace_s": 60.0, **options}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(10), "the pool did not start within 10 s"

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        pool = PoolServer(PoolOptions(port=self.port, **self._options))
        await pool.start()
        self.port = pool.port
        ready.set()
        await self._stopping.wait()
        await pool.stop()


class Server:
    """Reports one card of 1000 MiB to a pool, as an agent does."""

    def __init__(self, pool: EmbeddedPool, token: str = "") -> None:
        self._pool = pool
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.report()
        self._thread.start()

    def report(self) -> None:
        card = {"id": "GPU-1", "index": 0, "name": "Test card", "memory_mib": 1000, "emulated": True}
        report = {"instance": "1", "address": "127.0.0.1:9", "version": "0", "driver": "none", "gpus": [card]}
        url = f"{self._pool.url}/api/v1/agents/box/report"
        httpx.post(url, json=report, headers=self._headers).raise_for_status()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            try:
                self.report()
            except httpx.HTTPError:
                continue
