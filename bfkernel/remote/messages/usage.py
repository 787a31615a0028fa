# SPDX-License-Identifier: BSD-3-Clause
"""Usage and utilisation over time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bfkernel.remote.messages.base import Message, Moment, Query


class UsageRow(Message):
    """``GET /api/v1/usage``: what one user or group used between two times."""

    user: str | None
    group: str | None
    leases: int
    gpu_hours: float


class UsageList(Message):
    """``GET /api/v1/usage``, the most first; ``start`` and ``end`` in seconds since the epoch."""

    by: str
    start: float
    end: float
    usage: list[UsageRow]


class UsageQuery(Query):
    """The query of ``GET /api/v1/usage``; without ``start``, the 30 days before ``end``."""

    by: Literal["user", "group", "both"] = "user"
    start: Moment | None = None
    end: Moment | None = None
    format: Literal["json", "csv"] = "json"


class Sample(Message):
    """``GET /api/v1/utilization``: the pool at one time, in GPUs; see ``pool.schema.samples``."""

    at: float
    gpus: int
    leased: float
    held: float
    busy: float | None
    leases: int
    active: int
    queued: int


class UtilizationQuery(Query):
    """The query of ``GET /api/v1/utilization``: how far back."""

    since_s: float = Field(default=6 * 3600.0, ge=0, le=31 * 86400)


class UtilizationMessage(Message):
    """``GET /api/v1/utilization``: one sample a minute, the oldest first."""

    samples: list[Sample]
