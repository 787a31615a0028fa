# SPDX-License-Identifier: BSD-3-Clause
"""What goes into the core: its policy, requests, and what a database has of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bfkernel.remote.pool.core.deadlines import Times
from bfkernel.remote.pool.core.quotas import Quotas
from bfkernel.remote.pool.core.servers import Server
from bfkernel.remote.pool.core.windows import Calendar, Period
from bfkernel.remote.records import Holder, Lease, Need


@dataclass(frozen=True)
class Policy:
    """What a pool decides by.

    ``absent_after_s``: a server silent for longer gets no new leases; ``grace_s``: one silent for longer is
    lost, and its leases end (the TTL when None).
    """

    times: Times = field(default_factory=Times)
    absent_after_s: float = 10.0
    grace_s: float | None = None
    quotas: Quotas = field(default_factory=Quotas)
    calendar: Calendar = field(default_factory=Calendar)


@dataclass(frozen=True)
class Request:
    """What somebody asks for. ``group`` is the one that it shall count for, or ""."""

    lease_id: str
    user: str
    need: Need
    holder: Holder = field(default_factory=Holder)
    groups: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class UsedTime:
    """What ended leases of one account used in the current window, in hundredths of a GPU times seconds."""

    user: str
    group: str
    group_named: bool
    period: Period
    hundredth_seconds: float


@dataclass(frozen=True)
class Stored:
    """What a database has of a pool. ``sequence`` is the last order of arrival ever given."""

    servers: Sequence[Server] = ()
    leases: Sequence[Lease] = ()
    sequence: int = 0
    #: seconds that the last ended leases lasted, the oldest first
    durations_s: Sequence[float] = ()
    used: Sequence[UsedTime] = ()
