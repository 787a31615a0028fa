# SPDX-License-Identifier: BSD-3-Clause
"""The three long-running commands: ``serve`` (pool and agent in one process), ``pool`` and ``agent``.

The command line calls ``run_serve``, ``run_pool`` and ``run_agent``; each returns the exit code, and raises
``ConfigurationError`` (exit code 64) when an option cannot work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bfkernel.remote.addresses import host_port, is_loopback, reachable_here
from bfkernel.remote.agent.compute import COMPUTE_MODES, Compute
from bfkernel.remote.agent.inventory import DriverOptions
from bfkernel.remote.agent.server import AgentOptions, AgentServer, run_agent
from bfkernel.remote.pool.auth import HubOptions, hub_options
from bfkernel.remote.pool.server import PoolOptions, PoolServer, run_pool
from bfkernel.remote.process import run_until_signal, say_ready
from bfkernel.remote.state_dir import ConfigurationError, default_state_dir

__all__ = [
    "COMPUTE_MODES",
    "AgentOptions",
    "ConfigurationError",
    "DriverOptions",
    "HubOptions",
    "PoolOptions",
    "ServeOptions",
    "hub_options",
    "run_agent",
    "run_pool",
    "run_serve",
]


@dataclass(frozen=True)
class ServeOptions:
    """Options of ``bfkernel serve``; port 0 is a free one.

    What they mean is said at ``PoolOptions`` and ``AgentOptions``.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    data_port: int = 56001
    state_dir: Path = field(default_factory=default_state_dir)
    driver: DriverOptions = field(default_factory=DriverOptions)
    lease_ttl_s: float = 60.0
    token_file: Path | None = None
    hub: HubOptions | None = None
    log_format: str = "text"
    name: str | None = None
    advertise: str | None = None
    database_url: str | None = None
    compute: Compute = "timeslice"


def run_serve(options: ServeOptions) -> int:
    """Run pool and agent in this process until SIGTERM or SIGINT. Called by ``bfkernel serve``.

    Raises:
        ConfigurationError: an option cannot work; nothing runs.
    """
    return run_until_signal(lambda: _Serve(options), options.log_format)


class _Serve:
    def __init__(self, options: ServeOptions) -> None:
        self._pool = PoolServer(
            PoolOptions(
                options.host,
                options.port,
                options.state_dir,
                options.database_url,
                options.lease_ttl_s,
                options.token_file,
                hub=options.hub,
            )
        )
        self._agent = AgentServer(
            AgentOptions(
                pool=f"http://{host_port(reachable_here(options.host), self._pool.port)}",
                data_port=options.data_port,
                state_dir=options.state_dir,
                driver=options.driver,
                name=options.name,
                data_host=options.host if not is_loopback(options.host) else "127.0.0.1",
                advertise=options.advertise,
                join_token=self._pool.authenticator.admit_agent(),
                compute=options.compute,
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
