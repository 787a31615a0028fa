# SPDX-License-Identifier: BSD-3-Clause
"""Whether quotas permit a lease, and the sentence when they do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bfkernel.remote.pool.core.quotas import Ceiling, Quota, Quotas
from bfkernel.remote.pool.core.tallies import Tallies, Tally, weight_of
from bfkernel.remote.pool.core.windows import Calendar
from bfkernel.remote.records import Lease

_MOST_NAMED = 8


@dataclass(frozen=True)
class Refusal:
    """Why not: for programs, and in one sentence for people."""

    code: str
    message: str


class Admission:
    """Compares leases with the quotas that bound them."""

    def __init__(self, quotas: Quotas, tallies: Tallies, calendar: Calendar) -> None:
        self.quotas = quotas
        self._tallies = tallies
        self._calendar = calendar

    def ceilings(self, lease: Lease) -> list[Ceiling]:
        """Return what bounds a lease."""
        named = lease.group if lease.group_named else ""
        return self.quotas.ceilings(lease.user, lease.groups, named, lease.group)

    def refuse(self, now: float, lease: Lease, others: Iterable[Lease]) -> Refusal | None:
        """Say why a lease that is not counted yet is too much, or None.

        ``others`` are the live leases that the sentence may name.
        """
        for ceiling in self.ceilings(lease):
            tally = self._tallies.get(ceiling.scope, now)
            words = _exceeded(ceiling.quota, tally, lease)
            if words is not None:
                limit, used, remedy = words
                whose = _whose(ceiling)
                return Refusal("quota", f"{whose} is {limit}, and {used}{_named(others)}: {remedy}.")
            if spent := self.spent(now, ceiling):
                return spent
        return None

    def spent(self, now: float, ceiling: Ceiling) -> Refusal | None:
        """Say that a scope's GPU-hours are used up, or None."""
        period = self._tallies.spent(ceiling.scope, ceiling.quota, now)
        if period is None:
            return None
        hours = ceiling.quota.gpu_hours(period)
        again = self._calendar.wall_clock(self._calendar.window(period, now).end, now)
        return Refusal(
            "gpu-hours",
            f"{_whose(ceiling)} of {hours:g} GPU-hours for this {period.value} is used up; "
            f"the next {period.value} begins at {again}.",
        )

    def excess(self, now: float, lease: Lease) -> bool:
        """Whether a scope of a lease that is counted holds and asks for more than its quota."""
        return any(
            _over(ceiling.quota, self._tallies.get(ceiling.scope, now)) for ceiling in self.ceilings(lease)
        )

    def allows(self, now: float, lease: Lease, hundredths: int, memory_mib: int) -> bool:
        """Whether a queued request, counted as the least that it can be, may get so much."""
        more, more_mib = hundredths - lease.hundredths, memory_mib - weight_of(lease)[1]
        if more <= 0 and more_mib <= 0:
            return True
        for scope, quota in self.ceilings(lease):
            tally = self._tallies.get(scope, now)
            if tally.hundredths + more > quota.hundredths or _above(
                tally.memory_mib + more_mib, quota.memory_mib
            ):
                return False
        return True


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def _over(quota: Quota, tally: Tally) -> bool:
    return (
        tally.hundredths > quota.hundredths
        or _above(tally.leases, quota.leases)
        or _above(tally.memory_mib, quota.memory_mib)
    )


def _exceeded(quota: Quota, tally: Tally, lease: Lease) -> tuple[str, str, str] | None:
    """Return the limit, what is in use of it, and what to do; None if the lease fits."""
    hundredths, memory_mib = weight_of(lease)
    if tally.hundredths + hundredths > quota.hundredths:
        limit = f"{quota.hundredths / 100:g} GPUs at once"
        return limit, f"{tally.hundredths / 100:g} are in use", "shut one down, or ask for less"
    if _above(tally.leases + 1, quota.leases):
        limit = f"{quota.leases:g} GPU kernels or commands at once"
        return limit, f"{tally.leases} are in use", "shut one down"
    if _above(tally.memory_mib + memory_mib, quota.memory_mib):
        limit = f"{quota.memory_mib:g} MiB of GPU memory at once"
        return limit, f"{tally.memory_mib} MiB are in use", "shut one down, or ask for less"
    return None


def _whose(ceiling: Ceiling) -> str:
    kind, _, group = ceiling.scope
    if kind == "group":
        return f"The quota of {group} as a whole"
    return f"Your quota in {group}" if group else "Your quota"


def _named(others: Iterable[Lease]) -> str:
    """Return the leases by name: `` (a.ipynb 0.05, train.py 0.1)``."""
    names = [
        f"{lease.holder.name or lease.holder.kind or lease.id} {lease.size.removeprefix('GPU ')}"
        for lease in others
    ]
    if not names:
        return ""
    more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f" ({', '.join(names[:_MOST_NAMED])}{more})"
