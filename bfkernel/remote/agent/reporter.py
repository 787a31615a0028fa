# SPDX-License-Identifier: BSD-3-Clause
"""Reports to the pool: about every two seconds, and at once when a worker has started or ended.

A report that brings no news stays open at the pool, which answers it when a lease of this server ends, or
after the usual time; so workers of an ended lease end at once. While the pool is away the agent tries again
at intervals that grow to those of its reports, so a pool that comes back hears of it before it gives it up.
Workers and connections go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import httpx
from pydantic import ValidationError

from bfkernel import __version__
from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.logs import event
from bfkernel.remote.messages import AgentReport, Problem, ReportAnswer

log = logging.getLogger("agent")

_COALESCE_S = 0.02
_ANSWER_LIMIT_S = 10.0
_FIRST_RETRY_S = 0.25
_LAST_WORD_LIMIT_S = 2.0
#: For how long a new agent takes it that an agent of its name, now dead, still counts as running.
_NAME_LIMIT_S = 15.0
#: Answers that trying again will hardly change. Once registered, an agent tries all the same.
_REFUSALS = (401, 403, 422)


class TurnedAwayError(Exception):
    """The pool will not have this agent; the message says why."""


class Reporter:
    """Keeps one pool informed and takes its word."""

    def __init__(
        self,
        pool_url: str,
        name: str,
        token: str | None,
        make_report: Callable[[], AgentReport],
        on_answer: Callable[[AgentReport, ReportAnswer], None],
    ) -> None:
        """``make_report`` is called for each report, ``on_answer`` with each report that was answered."""
        self._url = f"{pool_url.rstrip('/')}/api/v1/agents/{quote(name, safe='')}/report"
        self._make_report = make_report
        self._on_answer = on_answer
        self._news = asyncio.Event()
        self._news.set()
        self._every_s = 2.0
        self._failures = 0
        self._began = time.monotonic()
        self.registered = asyncio.Event()
        headers = {"User-Agent": f"bfkernel/{__version__}", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        here = is_loopback(urlsplit(pool_url).hostname or "")
        self._http = httpx.AsyncClient(headers=headers, trust_env=not here)

    def news(self) -> None:
        """Report soon: something has changed."""
        self._news.set()

    async def run(self) -> None:
        """Report until cancelled.

        Raises:
            TurnedAwayError: the pool does not accept this agent.
        """
        while True:
            await self._report_once()

    async def last_word(self) -> None:
        """Report once more, if the pool is there, and close. To be called when :meth:`run` has ended."""
        if self.registered.is_set() and not self._failures:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._send(0.0), _LAST_WORD_LIMIT_S)
        await self._http.aclose()

    async def _report_once(self) -> None:
        try:
            if self._news.is_set() or self._failures:
                await asyncio.sleep(_COALESCE_S)
                self._news.clear()
                await self._send(0.0)
            else:
                await self._send_until_news()
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
            self._failures += 1
            if self._failures == 1:
                log.warning(event("pool-away", reason=f"{type(error).__name__}: {error}".splitlines()[0]))
            pause = min(self._every_s, _FIRST_RETRY_S * 2 ** min(self._failures - 1, 10))
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - not for secrets

    async def _send_until_news(self) -> None:
        sending = asyncio.ensure_future(self._send(self._every_s))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait([sending, news], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, news):
                task.cancel()
            await asyncio.gather(sending, news, return_exceptions=True)

    def _judge(self, response: httpx.Response) -> None:
        waited_s = time.monotonic() - self._began
        final = response.status_code in _REFUSALS or (
            response.status_code == 409 and waited_s > _NAME_LIMIT_S
        )
        if final and not self.registered.is_set():
            raise TurnedAwayError(_detail(response))
        raise httpx.HTTPStatusError(_detail(response), request=response.request, response=response)

    async def _send(self, wait_s: float) -> None:
        report = self._make_report()
        response = await self._http.post(
            self._url,
            params={"wait_s": wait_s},
            content=report.model_dump_json(),
            timeout=_ANSWER_LIMIT_S + wait_s,
        )
        if response.is_error:
            self._judge(response)
        answer = ReportAnswer.model_validate_json(response.content)
        if self._failures:
            log.info(event("pool-back", after_failures=self._failures))
        self._failures = 0
        self._every_s = answer.report_every_s
        self._on_answer(report, answer)
        self.registered.set()


def _detail(response: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(response.content).detail
    except ValidationError:
        return f"The pool answered {response.status_code}."
