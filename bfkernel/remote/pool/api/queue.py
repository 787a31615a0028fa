# SPDX-License-Identifier: BSD-3-Clause
"""Paths that tell how things stand: the queue, quota, usage, utilisation, and that something changed."""

from __future__ import annotations

import asyncio
import csv
import io
import time

from tornado.iostream import StreamClosedError

from bfkernel.remote.messages import UsageRow
from bfkernel.remote.pool.history import GROUPINGS
from bfkernel.remote.pool.http import ApiHandler, ProblemError
from bfkernel.remote.pool.views import queue_view, quota_view

_DEFAULT_USAGE_S = 30 * 86400.0
_MOST_SAMPLES_S = 31 * 86400.0
#: Events are told at most this often, and a sign of life at least this often: proxies cut silent connections.
_EVENT_EVERY_S = 1.0
_KEEPALIVE_S = 15.0


class Queue(ApiHandler):
    """``/api/v1/queue``."""

    async def get(self) -> None:
        """List the requests that wait, in order; whose they are is told to admins and to oneself."""
        self.reply_list("queue", queue_view(self.pool, self.principal))


class OwnQuota(ApiHandler):
    """``/api/v1/quota``."""

    async def get(self) -> None:
        """Return one's own quotas, what is held and used of them, and when they reset."""
        principal = self.principal
        self.reply(quota_view(self.pool, principal.user, sorted(principal.groups)))


class Usage(ApiHandler):
    """``/api/v1/usage``."""

    async def get(self) -> None:
        """Return GPU-hours by user or group; everybody but an admin sees only the own ones."""
        by = self.get_query_argument("by", "user")
        if by not in GROUPINGS:
            raise ProblemError(422, "invalid", f"by: write one of {', '.join(GROUPINGS)}.")
        now = self.pool.clock()
        end = self.number("end", now)
        start = self.number("start", now)
        end = now if end is None else end
        start = end - _DEFAULT_USAGE_S if start is None else start
        if start >= end:
            raise ProblemError(422, "invalid", "start: it must be before end.")
        user = None if self.principal.admin else self.principal.user
        rows = await self.pool.usage(by, start, end, user)
        if self.get_query_argument("format", "json") == "csv":
            self.set_header("Content-Type", "text/csv; charset=utf-8")
            self.set_header("Content-Disposition", f'attachment; filename="usage-by-{by}.csv"')
            self.finish(_csv(rows))
        else:
            self.reply_list("usage", rows, start=start, end=end, by=by)


class Utilization(ApiHandler):
    """``/api/v1/utilization``."""

    async def get(self) -> None:
        """Return one sample a minute of how busy the pool was; ``since_s`` ago is six hours unless said."""
        since_s = self.number("since_s", _MOST_SAMPLES_S)
        samples = await self.pool.samples(self.pool.clock() - (6 * 3600.0 if since_s is None else since_s))
        self.reply_list("samples", samples)


class Events(ApiHandler):
    """``/api/v1/events``: server-sent events."""

    _gone = False

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


def _csv(rows: list[UsageRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(UsageRow.model_fields)
    for row in rows:
        writer.writerow([_harmless(value) for value in row.model_dump().values()])
    return text.getvalue()


def _harmless(value: object) -> object:
    # A spreadsheet takes a cell that begins so for a formula; names come from users.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
