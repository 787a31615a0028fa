# SPDX-License-Identifier: BSD-3-Clause
"""Paths that tell how things stand: the queue, quota, usage, utilisation, and that something changed."""

from __future__ import annotations

import asyncio
import csv
import io
import time

from tornado.iostream import StreamClosedError

from bfkernel.remote.messages import (
    QueueList,
    QuotaAnswer,
    UsageList,
    UsageQuery,
    UsageRow,
    UtilizationMessage,
    UtilizationQuery,
)
from bfkernel.remote.pool.api.handler import ApiHandler, ProblemError
from bfkernel.remote.pool.api.operations import operation
from bfkernel.remote.pool.views import queue_view, quota_view

_DEFAULT_USAGE_S = 30 * 86400.0
#: Events are told at most this often, and a sign of life at least this often: proxies cut silent connections.
_EVENT_EVERY_S = 1.0
_KEEPALIVE_S = 15.0


class Queue(ApiHandler):
    """``/api/v1/queue``."""

    @operation(answer=QueueList)
    async def get(self) -> None:
        """List the requests that wait, in order; whose they are is told to admins and to oneself."""
        self.reply(QueueList(queue=queue_view(self.pool, self.principal)))


class OwnQuota(ApiHandler):
    """``/api/v1/quota``."""

    @operation(answer=QuotaAnswer)
    async def get(self) -> None:
        """Return one's own quotas, what is held and used of them, and when they reset."""
        principal = self.principal
        self.reply(quota_view(self.pool, principal.name, sorted(principal.groups)))


class Usage(ApiHandler):
    """``/api/v1/usage``."""

    @operation(query=UsageQuery, answer=UsageList, media_type="text/csv")
    async def get(self) -> None:
        """Return GPU-hours by user or group, as JSON or CSV; who is no admin sees only the own ones."""
        query = self.query(UsageQuery)
        end = self.pool.clock() if query.end is None else query.end
        start = end - _DEFAULT_USAGE_S if query.start is None else query.start
        if start >= end:
            raise ProblemError(422, "invalid", "start: it must be before end.")
        user = None if self.principal.admin else self.principal.name
        rows = await self.pool.usage(query.by, start, end, user)
        if query.format == "csv":
            self.set_header("Content-Type", "text/csv; charset=utf-8")
            self.set_header("Content-Disposition", f'attachment; filename="usage-by-{query.by}.csv"')
            self.finish(usage_csv(rows))
        else:
            self.reply(UsageList(by=query.by, start=start, end=end, usage=rows))


class Utilization(ApiHandler):
    """``/api/v1/utilization``."""

    @operation(query=UtilizationQuery, answer=UtilizationMessage)
    async def get(self) -> None:
        """Return how busy the pool was, one sample a minute."""
        since = self.pool.clock() - self.query(UtilizationQuery).since_s
        self.reply(UtilizationMessage(samples=await self.pool.samples(since)))


class Events(ApiHandler):
    """``/api/v1/events``: server-sent events."""

    _gone = False

    @operation(media_type="text/event-stream")
    async def get(self) -> None:
        """Send ``changed`` when any lease, server or quota has, at most once a second.

        The event says only that; what changed is asked for with the other paths.
        """
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        try:
            await self._send("event: changed\ndata: {}\n\n")
            while not self._gone and not self.pool.closing:
                began = time.monotonic()
                changed = await self.pool.wait_for_any_change(_KEEPALIVE_S)
                await self._send("event: changed\ndata: {}\n\n" if changed else ": alive\n\n")
                await asyncio.sleep(max(0.0, _EVENT_EVERY_S - (time.monotonic() - began)))
        except StreamClosedError:
            return

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()

    def on_connection_close(self) -> None:
        """Stop sending to a client that has gone; Tornado calls this."""
        self._gone = True


def usage_csv(rows: list[UsageRow]) -> str:
    """Return a report of usage as a file for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(UsageRow.model_fields)
    for row in rows:
        writer.writerow([_harmless(value) for value in row.model_dump().values()])
    return text.getvalue()


def _harmless(value: object) -> object:
    # A spreadsheet takes a cell that begins so for a formula; names come from users.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
