# SPDX-License-Identifier: BSD-3-Clause
"""The three long-running commands: ``serve`` (pool and agent in one process), ``pool`` and ``agent``.

The command line calls ``run_serve``, ``run_pool`` and ``run_agent``; each returns the exit code, and raises
``ConfigurationError`` (exit code 64) when an option cannot work.
"""

from __future__ import annotations

from dataclasses import dataclass

from bfkernel.remote.addresses import host_port, is_loopback, reachable_here
from bfkernel.remote.agent.options import AgentOptions
from bfkernel.remote.agent.server import AgentServer, run_agent
from bfkernel.remote.pool.options import PoolOptions
from bfkernel.remote.pool.server import PoolServer, run_pool
from bfkernel.remote.process import run_until_signal, say_ready
from bfkernel.remote.state_dir import ConfigurationError

__all__ = [
    "AgentOptions",
    "ConfigurationError",
    "PoolOptions",
    "ServeOptions",
    "run_agent",
    "run_pool",
    "run_serve",
]


@dataclass(frozen=True)
class ServeOptions:
    """Options of ``bfkernel serve``: the pool's, and the agent's but for where its pool and its state are."""

    pool: PoolOptions
    agent: AgentOptions


def run_serve(options: ServeOptions) -> int:
    """Run pool and agent in this process until SIGTERM or SIGINT. Called by ``bfkernel serve``.

    Raises:
        ConfigurationError: an option cannot work; nothing runs.
    """
    return run_until_signal(lambda: _Serve(options), options.pool.log_format)


class _Serve:
    def __init__(self, options: ServeOptions) -> None:
        pool, agent = options.pool, options.agent
        self._pool = PoolServer(pool)
        self._agent = AgentServer(
            agent.replaced(
                pool=f"http://{host_port(reachable_here(pool.host), self._pool.port)}",
                state_dir=pool.state_dir,
                data_host=agent.data_host or ("127.0.0.1" if is_loopback(pool.host) else pool.host),
                join_token=self._pool.authenticator.admit_agent(),
            )
        )

    async def start(self) -> None:
        await self._pool.start()
        await self._agent.start()
        say_ready(self._pool.url)
        await self._agent.wait()

    async def stop(self) -> None:
        await self._agent.stop()
        await self._pool.stop()
