# SPDX-License-Identifier: BSD-3-Clause
"""The data port: accepts connections, reads their greeting, and hands each one to a worker of its own."""

from __future__ import annotations

import asyncio
import logging
import socket

from bfkernel.remote.agent.gate import Gate
from bfkernel.remote.agent.greeting import RefusalError, read_greeting, refuse
from bfkernel.remote.agent.workers import Workers
from bfkernel.remote.logs import event
from bfkernel.remote.state_dir import ConfigurationError

log = logging.getLogger("agent")

#: Connections that have not greeted yet; more are closed at once.
_MOST_WAITING = 512
_ACCEPT_PAUSE_S = 0.1
# : A client machine that vanished without a word is noticed within about 30 s; an open connection keeps a
# lease.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
_UNACKNOWLEDGED_LIMIT_MS = 30_000


class DataPort:
    """The listening socket of an agent."""

    def __init__(self, host: str, port: int, gate: Gate, workers: Workers) -> None:
        """Listen; port 0 is a free one.

        Raises:
            ConfigurationError: the port cannot be had.
        """
        self._gate = gate
        self._workers = workers
        self._waiting: set[asyncio.Task[None]] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=512)
        except OSError as error:
            message = f"The agent cannot listen on {host} port {port}: {error.strerror or error}."
            raise ConfigurationError(message) from error
        self._socket.setblocking(False)
        self._accepting: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Accept connections from now on."""
        self._accepting = asyncio.get_running_loop().create_task(self._accept_for_ever(), name="data port")

    async def stop(self) -> None:
        """Accept no more; connections that workers have stay theirs."""
        tasks = [*self._waiting, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    async def _accept_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._socket)
            except OSError as error:
                # Out of descriptors, or a connection that ended before it was accepted.
                log.warning(event("accept-failed", reason=error))
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            if len(self._waiting) >= _MOST_WAITING:
                connection.close()
                continue
            task = loop.create_task(self._serve(connection, f"{peer[0]}:{peer[1]}"))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _serve(self, connection: socket.socket, peer: str) -> None:
        lease: str | None = None
        with connection:
            try:
                _prepare(connection)
                greeting = await read_greeting(connection)
                grant = self._gate.admit(greeting.token)
                lease = grant.lease
                who = {"peer": peer, "program": greeting.program, "client_pid": greeting.pid}
                if greeting.join:
                    log.info(event("further-connection", lease=grant.lease, role=greeting.role, **who))
                    self._workers.join(grant, greeting.join, greeting.role, connection)
                    return
                log.info(event("connection", lease=grant.lease, user=grant.user, **who))
                self._workers.start(grant, connection, greeting.pid)
            except RefusalError as refusal:
                lease = lease or refusal.lease
                log.info(event("refused", lease=lease, peer=peer, code=refusal.code.value, why=refusal))
                await refuse(connection, refusal)
            except OSError as error:
                log.info(event("connection-broke", lease=lease, peer=peer, reason=error))


def _prepare(connection: socket.socket) -> None:
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_LIMIT_MS)
