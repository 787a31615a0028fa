# SPDX-License-Identifier: BSD-3-Clause
"""Quotas: what is set, and what one has used of one's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bfkernel.remote.messages.base import Asked, Message, Query

Limit = Annotated[float, Field(ge=0)]
Unlimited = Literal["unlimited"]


class QuotaLimits(Asked):
    """The limits of a quota; None says nothing: the next quota applies (user, then group, then default)."""

    gpus: Limit | Unlimited | None = None
    leases: Limit | Unlimited | None = None
    memory_mib: Limit | Unlimited | None = None
    gpu_hours_per_day: Limit | Unlimited | None = None
    gpu_hours_per_week: Limit | Unlimited | None = None
    gpu_hours_per_term: Limit | Unlimited | None = None
    longest_lease_s: Limit | Unlimited | None = None
    longest_idle_s: Limit | Unlimited | None = None
    longest_queue_s: Limit | Unlimited | None = None
    priority: int | None = Field(default=None, ge=-1000, le=1000)
    weight: float | None = Field(default=None, gt=0, le=1000)


class QuotasMessage(Asked):
    """``GET /api/v1/quotas``: all quotas. ``totals`` bound whole groups, ``groups`` each of their members."""

    default: QuotaLimits = Field(default_factory=QuotaLimits)
    groups: dict[str, QuotaLimits] = Field(default={})
    totals: dict[str, QuotaLimits] = Field(default={})
    users: dict[str, QuotaLimits] = Field(default={})


class EnforceQuery(Query):
    """The query of a quota's change: whether leases beyond it are revoked."""

    enforce: bool = False


class LimitUse(Message):
    """One limit and what is used of it. ``used`` counts waiting requests too, but not in GPU-hours.

    ``limit`` is None where there is none. ``resets_at`` is when a window of GPU-hours begins anew.
    """

    name: str
    limit: float | None
    used: float
    resets_at: float | None = None


class OwnQuota(Message):
    """``GET /api/v1/quota``: what bounds a user in one scope.

    ``scope`` is ``account`` (what a user has for ``group``, or for no group that was named), ``user`` or
    ``group`` (all members together).
    """

    scope: str
    group: str
    limits: list[LimitUse]


class QuotaAnswer(Message):
    """``GET /api/v1/quota``: all scopes, and the terms of a new request."""

    user: str
    groups: list[str]
    quotas: list[OwnQuota]
    longest_lease_s: float | None
    longest_idle_s: float | None
    longest_queue_s: float | None
    priority: int
