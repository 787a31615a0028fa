# SPDX-License-Identifier: BSD-3-Clause
"""What the pool's database tells of the past: who used how much, and how busy the pool was.

Its methods block; the service calls them on a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from bfkernel.remote.messages import Sample, UsageRow
from bfkernel.remote.pool.schema import leases, samples

KEPT_SAMPLES_S = 31 * 86400
_HUNDREDTH_HOURS = 360_000.0
#: What usage can be summed up by, and the columns that tell it.
GROUPINGS = {"user": (leases.c.user,), "group": (leases.c.group,), "both": (leases.c.user, leases.c.group)}


class History:
    """Queries over ended and running leases, and the samples."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def usage(self, by: str, start: float, end: float, now: float, user: str | None = None) -> list[UsageRow]:
        """Return what was used from ``start`` to ``end`` (seconds since the epoch), the most first.

        ``by`` is a key of :data:`GROUPINGS`; with ``user``, only that user's. Running leases count up to
        ``now``.
        """
        columns = GROUPINGS[by]
        ended = sa.func.coalesce(leases.c.ended_at, now)
        until = sa.case((ended < end, ended), else_=end)
        since = sa.case((leases.c.granted_at > start, leases.c.granted_at), else_=start)
        hours = sa.func.sum(leases.c.hundredths * (until - since)) / _HUNDREDTH_HOURS
        query = (
            sa.select(*columns, sa.func.count(), hours)
            .where(leases.c.granted_at.is_not(None), leases.c.granted_at < end, ended > start)
            .group_by(*columns)
            .order_by(hours.desc(), *columns)
        )
        if user is not None:
            query = query.where(leases.c.user == user)
        with self._engine.connect() as connection:
            return [_usage_row(row, [c.name for c in columns]) for row in connection.execute(query)]

    def add_sample(self, sample: Sample) -> None:
        """Store a sample, and forget those that are too old."""
        with self._engine.begin() as connection:
            connection.execute(samples.delete().where(samples.c.at < sample.at - KEPT_SAMPLES_S))
            connection.execute(samples.insert(), sample.model_dump())

    def samples(self, since: float) -> list[Sample]:
        """Return the samples after ``since``, the oldest first."""
        query = sa.select(samples).where(samples.c.at > since).order_by(samples.c.at)
        with self._engine.connect() as connection:
            return [Sample(**dict(row)) for row in connection.execute(query).mappings()]


def _usage_row(row: Iterable[Any], names: list[str]) -> UsageRow:
    *keys, count, hours = row
    named = dict(zip(names, keys, strict=True))
    return UsageRow(
        user=named.get("user"), group=named.get("group"), leases=count, gpu_hours=round(float(hours), 6)
    )
