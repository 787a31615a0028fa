# SPDX-License-Identifier: BSD-3-Clause
"""What time does to a lease: proof of life that runs out, limits, idleness.

:func:`next_look` says when something may be due, :func:`verdict` what is due now, :func:`notice` what the
holder is told meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from bfkernel.remote.pool.core.windows import Calendar
from bfkernel.remote.records import Lease, LeaseState
from bfkernel.remote.units import format_duration, format_limit


@dataclass(frozen=True)
class Times:
    """The times that all leases share, in seconds.

    ``ttl_s``: how long a lease lives without proof. ``idle_grace_s``: how long an idle lease is left to its
    holder after the warning. ``notice_s``: how long before the end of its time limit a holder is told.
    """

    ttl_s: float = 60.0
    idle_grace_s: float = 300.0
    notice_s: float = 300.0


@dataclass(frozen=True)
class Verdict:
    """The transition that is due, with its code and sentence."""

    transition: str
    code: str
    message: str


def next_look(times: Times, now: float, lease: Lease) -> float:
    """Return the earliest time at which :func:`verdict` or :func:`notice` may have something new to say.

    It only moves later by itself; a grant, idleness and news of earlier GPU work may bring it forward.
    """
    due = [lease.proof_at + times.ttl_s]
    if lease.state is LeaseState.QUEUED:
        if lease.longest_queue_s is not None:
            due.append(lease.created_at + lease.longest_queue_s)
        return min(due)
    if lease.ends_at is not None:
        told_at = lease.ends_at - times.notice_s
        due.append(told_at if now < told_at else lease.ends_at)
    if lease.state is LeaseState.IDLE and lease.idle_until is not None:
        due.append(lease.idle_until)
    elif lease.longest_idle_s is not None:
        due.append(lease.quiet_since + lease.longest_idle_s)
    return min(due)


def verdict(times: Times, now: float, lease: Lease) -> Verdict | None:
    """Return what is due for a live lease, the gravest first."""
    if now >= lease.proof_at + times.ttl_s:
        message = f"Nobody proved for {times.ttl_s:g} s that the lease is in use."
        return Verdict("expire", "no-proof", message)
    if lease.state is LeaseState.QUEUED:
        return _queued_too_long(now, lease)
    return _time_limit(now, lease) or _idleness(now, lease)


def notice(times: Times, calendar: Calendar, now: float, lease: Lease, drain_at: float | None) -> str:
    """Return what the holder of a granted lease is to know: the first end that is known, or "".

    ``drain_at`` is when its server is taken out of service.
    """
    ends: list[tuple[float, str]] = []
    if lease.state is LeaseState.IDLE and lease.idle_until is not None:
        quiet = format_duration(lease.idle_until - times.idle_grace_s - lease.quiet_since)
        words = f"has done no GPU work for {quiet}: it goes back to the pool at {{}} unless it is used."
        ends.append((lease.idle_until, words))
    if lease.ends_at is not None and now >= lease.ends_at - times.notice_s:
        ends.append((lease.ends_at, f"ends at {{}}: a lease lasts {_limit(lease)} at most."))
    if drain_at is not None:
        ends.append((drain_at, f"ends at {{}}: GPU server {lease.server} is taken out of service."))
    if not ends:
        return ""
    at, words = min(ends)
    return f"{lease.size} {words.format(calendar.wall_clock(at, now))}"


def is_quiet(now: float, lease: Lease) -> bool:
    """Whether a granted lease has done no GPU work for longer than it may."""
    return lease.longest_idle_s is not None and now >= lease.quiet_since + lease.longest_idle_s


def _queued_too_long(now: float, lease: Lease) -> Verdict | None:
    limit = lease.longest_queue_s
    if limit is None or now < lease.created_at + limit:
        return None
    waited = format_limit(limit)
    message = f"No share of {lease.size} became free within {waited}: try again later, or ask for less."
    return Verdict("refuse", "queue-limit", message)


def _time_limit(now: float, lease: Lease) -> Verdict | None:
    if lease.ends_at is None or now < lease.ends_at:
        return None
    message = f"The lease reached its limit of {_limit(lease)}: restart the kernel to ask for a new one."
    return Verdict("expire", "time-limit", message)


def _limit(lease: Lease) -> str:
    return format_limit(lease.longest_lease_s or 0.0)


def _idleness(now: float, lease: Lease) -> Verdict | None:
    if lease.state is not LeaseState.IDLE:
        return Verdict("idle", "", "") if is_quiet(now, lease) else None
    if lease.idle_until is None or now < lease.idle_until:
        return None
    quiet = format_duration(now - lease.quiet_since)
    message = (
        f"{lease.size} did no GPU work for {quiet} and went back to the pool: "
        f"restart the kernel to ask for a new share."
    )
    return Verdict("revoke", "idle", message)
