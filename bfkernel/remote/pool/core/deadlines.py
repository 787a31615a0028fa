# SPDX-License-Identifier: BSD-3-Clause
"""What time does to a lease: proof of life that runs out, limits, idleness.

:func:`next_look` says when something may be due, :func:`verdict` what is due now.
"""

from __future__ import annotations

from dataclasses import dataclass

from bfkernel.remote.pool.core.windows import Calendar
from bfkernel.remote.records import Lease, LeaseState
from bfkernel.remote.units import format_duration


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
    """What is due: a transition with its code and sentence, or (``transition`` empty) just a notice."""

    transition: str
    code: str
    message: str


def next_look(times: Times, lease: Lease) -> float:
    """Return the earliest time at which :func:`verdict` may have something to say.

    It only moves later by itself; a grant, and idleness, may bring it forward.
    """
    due = [lease.proof_at + times.ttl_s]
    if lease.state is LeaseState.QUEUED:
        if lease.longest_queue_s is not None:
            due.append(lease.created_at + lease.longest_queue_s)
        return min(due)
    if lease.ends_at is not None:
        due.append(lease.ends_at if lease.notice else lease.ends_at - times.notice_s)
    if lease.state is LeaseState.IDLE and lease.idle_until is not None:
        due.append(lease.idle_until)
    elif lease.longest_idle_s is not None:
        due.append(lease.quiet_since + lease.longest_idle_s)
    return min(due)


def verdict(times: Times, calendar: Calendar, now: float, lease: Lease) -> Verdict | None:
    """Return what is due for a live lease, the gravest first."""
    if now >= lease.proof_at + times.ttl_s:
        message = f"Nobody proved for {times.ttl_s:g} s that the lease is in use."
        return Verdict("expire", "no-proof", message)
    if lease.state is LeaseState.QUEUED:
        return _queued_too_long(now, lease)
    return _time_limit(times, calendar, now, lease) or _idleness(times, calendar, now, lease)


def is_quiet(now: float, lease: Lease) -> bool:
    """Whether a granted lease has done no GPU work for longer than it may."""
    return lease.longest_idle_s is not None and now >= lease.quiet_since + lease.longest_idle_s


def _queued_too_long(now: float, lease: Lease) -> Verdict | None:
    limit = lease.longest_queue_s
    if limit is None or now < lease.created_at + limit:
        return None
    waited = format_duration(limit)
    message = f"No share of {lease.size} became free within {waited}: try again later, or ask for less."
    return Verdict("refuse", "queue-limit", message)


def _time_limit(times: Times, calendar: Calendar, now: float, lease: Lease) -> Verdict | None:
    if lease.ends_at is None or lease.longest_lease_s is None:
        return None
    limit = format_duration(lease.longest_lease_s)
    if now >= lease.ends_at:
        message = f"The lease reached its limit of {limit}: restart the kernel to ask for a new one."
        return Verdict("expire", "time-limit", message)
    if now >= lease.ends_at - times.notice_s and not lease.notice:
        at = calendar.wall_clock(lease.ends_at, now)
        return Verdict("", "", f"{lease.size} ends at {at}: a lease lasts {limit} at most.")
    return None


def _idleness(times: Times, calendar: Calendar, now: float, lease: Lease) -> Verdict | None:
    if lease.state is LeaseState.IDLE:
        if lease.idle_until is None or now < lease.idle_until:
            return None
        quiet = format_duration(now - lease.quiet_since)
        message = (
            f"{lease.size} did no GPU work for {quiet} and went back to the pool: "
            f"restart the kernel to ask for a new share."
        )
        return Verdict("revoke", "idle", message)
    if not is_quiet(now, lease):
        return None
    at = calendar.wall_clock(now + times.idle_grace_s, now)
    quiet = format_duration(now - lease.quiet_since)
    message = (
        f"{lease.size} has done no GPU work for {quiet}: it goes back to the pool at {at} unless it is used."
    )
    return Verdict("idle", "", message)
