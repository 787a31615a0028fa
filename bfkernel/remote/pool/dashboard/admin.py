# SPDX-License-Identifier: BSD-3-Clause
"""``/admin``: servers out of service, everybody's leases, quotas, and who used how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from bfkernel.remote.messages import UsageRow
from bfkernel.remote.pool.api.handler import ProblemError
from bfkernel.remote.pool.api.queue import usage_csv
from bfkernel.remote.pool.auth import Role
from bfkernel.remote.pool.dashboard.limits import FIELDS, quota_row, quota_rows, shown
from bfkernel.remote.pool.dashboard.overview import MOST_ROWS
from bfkernel.remote.pool.dashboard.pages import Page
from bfkernel.remote.pool.quota_settings import KINDS, QuotaName
from bfkernel.remote.pool.views import lease_view, server_views

_USUAL_DAYS = 30
#: What usage is summed up by, and the words for it.
GROUPINGS = {"user": "user", "group": "group", "both": "user and group"}


class AdminPage(Page):
    """What only admins see."""

    roles = frozenset({Role.ADMIN})


class Admin(AdminPage):
    """The page."""

    async def get(self) -> None:
        """Show it; with ``part=live``, only what changes by itself."""
        part = "admin_live.html" if self.get_query_argument("part", "") == "live" else "admin.html"
        self.render(part, **await self._facts())

    async def _facts(self) -> dict[str, Any]:
        pool = self.pool
        leases = await pool.leases(None, ended=False)
        question = usage_question(self)
        return {
            "servers": server_views(pool),
            "leases": [
                lease_view(pool, lease, self.principal, with_token=False) for lease in leases[:MOST_ROWS]
            ],
            "lease_count": len(leases),
            "quotas": quota_rows(pool.core.quotas),
            "usage": await answer(self, question),
            "question": question,
            "groupings": GROUPINGS,
        }


class QuotaPage(AdminPage):
    """``/admin/quota``: the form of one quota; ``kind`` and ``name`` say which."""

    async def get(self) -> None:
        """Show it."""
        of = quota_name(self.get_query_argument("kind", ""), self.get_query_argument("name", ""))
        row = quota_row(self.pool.core.quotas, of)
        values = {field.name: shown(row.limits, field) for field in FIELDS}
        self.render("quota.html", row=row, fields=FIELDS, values=values, problem="")


class UsageReport(AdminPage):
    """``/admin/usage.csv``."""

    async def get(self) -> None:
        """Send who used how much as a file."""
        question = usage_question(self)
        name = f"usage-by-{question.by}-{question.first}-{question.last}.csv"
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(usage_csv(await answer(self, question)))


@dataclass(frozen=True)
class UsageQuestion:
    """Whose use is asked for, by what, and from which day to which, both included."""

    by: str
    first: date
    last: date


def usage_question(page: Page) -> UsageQuestion:
    """Return what a page's query asks: the last days by user, unless it says otherwise."""
    today = datetime.fromtimestamp(page.pool.clock(), page.pool.policy.calendar.zone).date()
    last = _day(page.get_query_argument("last", ""), today)
    first = _day(page.get_query_argument("first", ""), last - timedelta(days=_USUAL_DAYS - 1))
    by = page.get_query_argument("by", "user")
    if by not in GROUPINGS:
        raise ProblemError(422, "invalid", f"Usage is summed up by one of {', '.join(GROUPINGS)}.")
    if first > last:
        raise ProblemError(422, "invalid", "The first day must not be after the last one.")
    return UsageQuestion(by, first, last)


async def answer(page: Page, question: UsageQuestion) -> list[UsageRow]:
    """Return who used how much."""
    zone = page.pool.policy.calendar.zone
    start = datetime.combine(question.first, time(), zone).timestamp()
    end = datetime.combine(question.last + timedelta(days=1), time(), zone).timestamp()
    return await page.pool.usage(question.by, start, end, None)


def quota_name(kind: str, name: str) -> QuotaName:
    """Return which quota is meant. Raises ProblemError."""
    if kind not in KINDS or (kind == "default") != (name == "") or len(name) > 200:
        raise ProblemError(422, "invalid", "Say whose quota: everybody's, or a group's or user's by name.")
    return QuotaName(kind, name)


def _day(text: str, otherwise: date) -> date:
    if not text:
        return otherwise
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ProblemError(
            422, "invalid", f"'{text[:20]}' is no day: write one such as 2026-10-01."
        ) from None
    if not 1970 < day.year < 9000:
        raise ProblemError(422, "invalid", f"'{text[:20]}' is too far away.")
    return day
