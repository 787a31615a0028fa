# SPDX-License-Identifier: BSD-3-Clause
"""``/``: the servers and who holds what, the queue, the last hours, one's own leases and quota."""

from __future__ import annotations

from typing import Any

from bfkernel.remote.pool.api import queue
from bfkernel.remote.pool.dashboard.charts import charts
from bfkernel.remote.pool.dashboard.limits import scope_bars
from bfkernel.remote.pool.dashboard.pages import Page
from bfkernel.remote.pool.dashboard.pictures import ServerPicture, server_pictures
from bfkernel.remote.pool.dashboard.words import count, number
from bfkernel.remote.pool.sampling import sample
from bfkernel.remote.pool.views import lease_view, queue_view, quota_view

#: Longer lists say how many more there are.
MOST_ROWS = 100
#: What the charts can show: hours, and the words for them.
SPANS = {1: "1 hour", 6: "6 hours", 24: "1 day", 168: "1 week"}
_USUAL_SPAN = 6


class Overview(Page):
    """The first page."""

    async def get(self) -> None:
        """Show it; with ``part=live``, only what changes by itself."""
        part = "overview_live.html" if self.get_query_argument("part", "") == "live" else "overview.html"
        self.render(part, **await self._facts())

    async def _facts(self) -> dict[str, Any]:
        viewer, pool = self.principal, self.pool
        now = pool.clock()
        hours = self._hours()
        since = now - 3600 * hours
        samples = [*await pool.samples(since), sample(pool.core, now)]
        own = await pool.leases(viewer.name, ended=False)
        servers = server_pictures(pool, viewer)
        quota = quota_view(pool, viewer.name, sorted(viewer.groups))
        return {
            "servers": servers,
            "headline": self._headline(servers),
            "queue": queue_view(pool, viewer, MOST_ROWS),
            "queue_length": len(pool.core.queue),
            "leases": [lease_view(pool, lease, viewer, with_token=False) for lease in own],
            "quota": quota,
            "scopes": scope_bars(quota),
            "charts": charts(samples, since, now),
            "spans": SPANS,
            "hours": hours,
        }

    def _hours(self) -> int:
        text = self.get_query_argument("hours", "")
        return next((hours for hours in SPANS if str(hours) == text), _USUAL_SPAN)

    def _headline(self, servers: list[ServerPicture]) -> str:
        """Return how things stand in one sentence; it is read out when it changes."""
        gpus = [gpu for server in servers if server.server.state != "absent" for gpu in server.gpus]
        if not gpus:
            return "No GPU server is connected."
        leased = number(sum(gpu.leased for gpu in gpus))
        waiting = len(self.pool.core.queue)
        queued = "Nobody waits." if not waiting else f"{count(waiting, 'request waits', 'requests wait')}."
        return f"{leased} of {count(len(gpus), 'GPU')} leased. {queued}"


class News(Page, queue.Events):
    """``/dashboard/events``: the server-sent events of ``/api/v1/events`` for who has signed in here."""
