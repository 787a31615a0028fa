# SPDX-License-Identifier: BSD-3-Clause
"""One process of a pool. It decides, or it forwards to the replica that does.

A pool on SQLite is one replica that always decides, through the same code.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router

from bfkernel.remote.logs import event, reason_of
from bfkernel.remote.pool.api.routes import application
from bfkernel.remote.pool.auth import Authenticator
from bfkernel.remote.pool.dashboard.options import DashboardOptions
from bfkernel.remote.pool.forward import forwarding_application
from bfkernel.remote.pool.leadership import Election, ElectionError, Leader, Leaders, Term
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.pool.store import DeposedError

log = logging.getLogger("pool")

#: A replica that could not go on lets another one have the lead before it tries again.
_PAUSE_S = 1.0
#: A start does not wait longer than this for a leader to be known.
_START_LIMIT_S = 5.0


class Replica(Router):
    """Answers requests: from its own core while it decides, else through the replica that does."""

    def __init__(
        self,
        election: Election,
        leaders: Leaders,
        make_service: Callable[[Term], PoolService],
        authenticator: Authenticator,
        dashboard: DashboardOptions,
        url: str,
    ) -> None:
        """``make_service`` reads the database, on a thread; ``url`` is where this process reaches itself."""
        self._election = election
        self._leaders = leaders
        self._make_service = make_service
        self._authenticator = authenticator
        self._dashboard = dashboard
        self._url = url
        self._following = forwarding_application(leaders, authenticator)
        self._answering = self._following
        self._tasks: list[asyncio.Task[None]] = []

    def find_handler(self, request: HTTPServerRequest, **arguments: Any) -> HTTPMessageDelegate | None:
        """Return what answers the request; Tornado's server calls this for each."""
        return self._answering.find_handler(request, **arguments)

    async def start(self) -> None:
        """Stand for election; returns when it is known who decides, at the latest after 5 s.

        Raises:
            Exception: the database of a pool without replicas cannot be read.
        """
        loop = asyncio.get_running_loop()
        leading = loop.create_task(self._run(), name="replica")
        self._tasks = [leading, loop.create_task(self._election.listen(), name="election news")]
        known = loop.create_task(self._leaders.after(0, _START_LIMIT_S))
        await asyncio.wait([leading, known], return_when=asyncio.FIRST_COMPLETED)
        known.cancel()
        if leading.done():
            leading.result()
        leading.add_done_callback(_give_up)

    async def stop(self) -> None:
        """Answer whoever waits, write what is not yet written, and leave the lead to another replica."""
        for task in self._tasks:
            task.remove_done_callback(_give_up)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._election.term() as term:
                    await self._lead(term)
            except (ElectionError, DeposedError, SQLAlchemyError) as error:
                if not self._election.contested:
                    raise
                log.warning(event("cannot-lead", reason=reason_of(error)))
            if self._election.contested:
                await asyncio.sleep(_PAUSE_S)

    async def _lead(self, term: Term) -> None:
        """Decide until the term is over or the database fails."""
        self._leaders.learn(Leader(term.epoch, None))
        over = asyncio.ensure_future(term.over())  # which also keeps the term alive
        try:
            service = await asyncio.to_thread(self._make_service, term)
            await self._answer(term, service, over)
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)

    async def _answer(self, term: Term, service: PoolService, over: asyncio.Future[None]) -> None:
        service.start()
        lost: asyncio.Future[Any] = asyncio.ensure_future(service.lost.wait())
        self._answering = application(service, self._authenticator, self._dashboard)
        self._leaders.learn(Leader(term.epoch, self._url, here=True))
        log.info(event("leading", epoch=term.epoch))
        try:
            await asyncio.wait([lost, over], return_when=asyncio.FIRST_COMPLETED)
            service.abandon()
        finally:
            lost.cancel()
            self._answering = self._following
            self._leaders.learn(Leader(term.epoch, None))
            await service.stop()
            log.info(event("following", after_epoch=term.epoch))


def _give_up(leading: asyncio.Task[None]) -> None:
    # Without its database the pool can decide nothing; whatever supervises it starts it again.
    if not leading.cancelled():
        log.critical(event("store-lost"), exc_info=leading.exception())
        raise SystemExit(70)
