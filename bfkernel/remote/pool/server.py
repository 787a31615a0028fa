# SPDX-License-Identifier: BSD-3-Clause
"""A pool as a server: its files, its port, its beginning and its end."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from bfkernel.remote.addresses import EVERYWHERE, host_port, reachable_here
from bfkernel.remote.pool.auth import Authenticator, authenticator_for
from bfkernel.remote.pool.database import has_replicas, open_database, open_database_file
from bfkernel.remote.pool.keys import grant_signer
from bfkernel.remote.pool.leadership import Election, Leaders, Uncontested
from bfkernel.remote.pool.options import PoolOptions
from bfkernel.remote.pool.replica import Replica
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.pool.store import Store
from bfkernel.remote.process import run_until_signal, say_ready
from bfkernel.remote.state_dir import ConfigurationError, lock, prepare

_MAX_BODY_BYTES = 16 << 20
_MAX_URL = 500


class PoolServer:
    """A running pool. To be used on an event loop."""

    def __init__(self, options: PoolOptions) -> None:
        """Open the state and the port, but answer nobody yet.

        Raises:
            ConfigurationError: an option cannot work.
        """
        self.authenticator: Authenticator = authenticator_for(
            options.host, options.token_file, options.hub, trusted_s=options.lease_ttl_s
        )
        state_dir = prepare(options.state_dir)
        self._lock = lock(state_dir / "pool.lock", "pool")
        url = options.database_url
        self._engine = open_database(url) if url else open_database_file(state_dir / "pool.sqlite")
        signer = grant_signer(self._engine, state_dir / "grant-key.pem")
        try:
            self._sockets = bind_sockets(options.port, options.host)
        except OSError as error:
            message = (
                f"The pool cannot listen on {options.host} port {options.port}: {error.strerror or error}."
            )
            raise ConfigurationError(message) from error
        self._host = options.host
        policy = options.policy()
        leaders = Leaders()
        self._replica = Replica(
            self._election(options.advertise, leaders),
            leaders,
            lambda term: PoolService(Store(self._engine, term.fence), signer, policy, term.clock),
            self.authenticator,
            options.dashboard,
            f"http://{host_port(reachable_here(self._host), self.port)}",
        )
        self._http = HTTPServer(self._replica, max_body_size=_MAX_BODY_BYTES)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://{host_port(self._host, self.port)}"

    def _election(self, advertise: str | None, leaders: Leaders) -> Election:
        if not has_replicas(self._engine):
            return Uncontested()
        from bfkernel.remote.pool.election import PostgresElection  # needs psycopg, which is optional

        return PostgresElection(self._engine.url, self._advertised(advertise), leaders)

    def _advertised(self, advertise: str | None) -> str:
        if advertise is None:
            host = socket.getfqdn() if self._host in EVERYWHERE else self._host
            return f"http://{host_port(host, self.port)}"
        target = urlsplit(advertise)
        if target.scheme != "http" or not target.hostname or len(advertise) > _MAX_URL:
            msg = f"'{advertise}' is no address of a replica: write a URL such as http://pool1.example:8765."
            raise ConfigurationError(msg)
        return advertise

    async def start(self) -> None:
        """Answer requests from now on."""
        self.authenticator.start()
        self._http.add_sockets(self._sockets)
        await self._replica.start()

    async def stop(self) -> None:
        """Take no more requests and close the state. Leases stay, for the next start."""
        self._http.stop()
        await self._replica.stop()
        await self._http.close_all_connections()
        await self.authenticator.close()
        self._engine.dispose()
        self._lock.close()


def run_pool(options: PoolOptions) -> int:
    """Run a pool until SIGTERM or SIGINT; returns the exit code. Called by ``bfkernel pool``.

    Raises:
        ConfigurationError: an option cannot work; nothing runs.
    """
    return run_until_signal(lambda: _Running(options), options.log_format)


class _Running:
    def __init__(self, options: PoolOptions) -> None:
        self._pool = PoolServer(options)

    async def start(self) -> None:
        await self._pool.start()
        say_ready(self._pool.url)

    async def stop(self) -> None:
        await self._pool.stop()
