# SPDX-License-Identifier: BSD-3-Clause
"""What each scope holds, asks for and has used: the numbers that quotas are compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bfkernel.remote.pool.core.quotas import UNLIMITED, Quota, Scope, scopes_of
from bfkernel.remote.pool.core.windows import Calendar, Period
from bfkernel.remote.records import Lease

_HUNDREDTH_HOURS = 360_000.0
_PERIODS = tuple(Period)


@dataclass
class Tally:
    """One scope's numbers: of live leases (queued ones included), and GPU use in the current windows."""

    hundredths: int = 0
    leases: int = 0
    memory_mib: int = 0
    #: hundredths that are granted: what the used time grows by each second
    rate: int = 0
    as_of: float = 0.0
    #: hundredths of a GPU times seconds, since the start of the window
    used: dict[Period, float] = field(default_factory=lambda: dict.fromkeys(Period, 0.0))
    starts: dict[Period, float] = field(default_factory=dict)

    def settle(self, now: float, calendar: Calendar) -> None:
        """Bring the used time up to ``now``; a window that has begun since counts from its start."""
        if now == self.as_of and self.starts:
            return
        for period in _PERIODS:
            start = calendar.window(period, now).start
            if self.starts.get(period, start) != start:
                self.used[period] = 0.0
            self.starts[period] = start
            self.used[period] += self.rate * (now - max(self.as_of, start))
        self.as_of = now

    def gpu_hours(self, period: Period) -> float:
        """Return the GPU-hours used in the window, as of the last :meth:`settle`."""
        return self.used[period] / _HUNDREDTH_HOURS


class Tallies:
    """The tallies of all scopes, kept as leases come, are granted and go."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._of: defaultdict[Scope, Tally] = defaultdict(Tally)

    def get(self, scope: Scope, now: float) -> Tally:
        """Return a scope's numbers as they are ``now``."""
        tally = self._of[scope]
        tally.settle(now, self._calendar)
        return tally

    def restore_used(self, now: float, scope: Scope, period: Period, hundredth_seconds: float) -> None:
        """Count what ended leases had used in the current window; before anything else is counted."""
        self.get(scope, now).used[period] += hundredth_seconds

    def ask(self, now: float, lease: Lease) -> None:
        """Count a lease that waits, or that a restart brings back."""
        self._change(now, lease, 1)

    def grant(self, now: float, lease: Lease, asked: tuple[int, int]) -> None:
        """Note a grant; ``asked`` is the lease's :func:`weight_of` before it."""
        hundredths, memory_mib = weight_of(lease)
        for tally in self._tallies(now, lease):
            tally.hundredths += hundredths - asked[0]
            tally.memory_mib += memory_mib - asked[1]
            tally.rate += hundredths

    def end(self, now: float, lease: Lease, held: bool) -> None:
        """Forget a lease that is over; ``held`` says whether it had been granted."""
        self._change(now, lease, -1)
        if held:
            for tally in self._tallies(now, lease):
                tally.rate -= lease.hundredths

    def resume_rate(self, now: float, lease: Lease) -> None:
        """Count a granted lease's use, also since its grant within the current windows; after a restart."""
        since = lease.granted_at or now
        for tally in self._tallies(now, lease):
            for period in _PERIODS:
                start = self._calendar.window(period, now).start
                tally.used[period] += lease.hundredths * max(0.0, now - max(since, start))
            tally.rate += lease.hundredths

    def spent(self, now: float, scope: Scope, quota: Quota) -> Iterator[Period]:
        """Yield the windows whose GPU-hours a scope has used up."""
        tally = self.get(scope, now)
        # A second's use is nothing in GPU-hours; sums of floats are no more exact than that.
        return (p for p in _PERIODS if tally.gpu_hours(p) >= quota.gpu_hours(p) - 1e-6)

    def spent_at(self, now: float, scope: Scope, quota: Quota, spared: Collection[Period]) -> float | None:
        """Return when to look again whether a scope's GPU-hours are used up; None: not before a grant.

        That is when they will be if nothing changes, or when the window ends before. In ``spared`` periods
        only the end of the window counts.
        """
        tally = self.get(scope, now)
        times = []
        for period in _PERIODS:
            limit, end = quota.gpu_hours(period), self._calendar.window(period, now).end
            if limit == UNLIMITED or not tally.rate:
                continue
            left = max(0.0, limit * _HUNDREDTH_HOURS - tally.used[period])
            times.append(end if period in spared else min(now + left / tally.rate, end))
        return min(times, default=None)

    def _change(self, now: float, lease: Lease, sign: int) -> None:
        hundredths, memory_mib = weight_of(lease)
        for tally in self._tallies(now, lease):
            tally.hundredths += sign * hundredths
            tally.memory_mib += sign * memory_mib
            tally.leases += sign

    def _tallies(self, now: float, lease: Lease) -> list[Tally]:
        scopes = scopes_of(lease.user, lease.group_asked, lease.group)
        return [self.get(scope, now) for scope in scopes]


def weight_of(lease: Lease) -> tuple[int, int]:
    """Return the hundredths of a GPU and the MiB that a lease counts, over all its GPUs."""
    if lease.placements:
        return lease.hundredths, sum(p.memory_mib for p in lease.placements)
    return lease.hundredths, lease.least_mib
