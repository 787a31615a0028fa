# SPDX-License-Identifier: BSD-3-Clause
"""Whether quotas permit a lease, and the sentence when they do not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bfkernel.remote.pool.core.quotas import Ceiling, Quota, Quotas, Scope, scopes_of
from bfkernel.remote.pool.core.tallies import Tallies, Tally, weight_of
from bfkernel.remote.pool.core.windows import Calendar, Period
from bfkernel.remote.records import Lease

_MOST_NAMED = 8
_MOST_KNOWN = 50_000


@dataclass(frozen=True)
class Refusal:
    """Why not: for programs, and in one sentence for people."""

    code: str
    message: str


class _Bounds(NamedTuple):
    """What bounds a lease, and what of it limits GPU-hours."""

    all: list[Ceiling]
    timed: list[Ceiling]


class Admission:
    """Compares leases with the quotas that bound them."""

    def __init__(self, quotas: Quotas, tallies: Tallies, calendar: Calendar) -> None:
        self._quotas = quotas
        self._tallies = tallies
        self._calendar = calendar
        self._known: dict[tuple[str, tuple[str, ...], str, str], _Bounds] = {}

    @property
    def quotas(self) -> Quotas:
        """The quotas as they are now."""
        return self._quotas

    @quotas.setter
    def quotas(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._known.clear()

    def ceilings(self, lease: Lease) -> list[Ceiling]:
        """Return what bounds a lease."""
        return self._bounds(lease).all

    def timed(self, lease: Lease) -> list[Ceiling]:
        """Return what bounds a lease's GPU-hours."""
        return self._bounds(lease).timed

    def refuse(self, now: float, lease: Lease, others: Collection[Lease]) -> Refusal | None:
        """Say why a lease that is not counted yet is too much, or None.

        ``others`` are the live leases of its user; the sentence names those that count with it.
        """
        for ceiling in self.ceilings(lease):
            tally = self._tallies.get(ceiling.scope, now)
            words = _exceeded(ceiling.quota, tally, lease)
            if words is not None:
                counted = [each for each in others if ceiling.scope in _scopes(each)]
                return Refusal("quota", _sentence(ceiling, *words, counted))
            if spent := self.spent(now, ceiling):
                return spent
        return None

    def spent(self, now: float, ceiling: Ceiling, spared: Collection[Period] = ()) -> Refusal | None:
        """Say that a scope's GPU-hours are used up, or None; ``spared`` periods do not count."""
        period = next((p for p in self.spent_periods(now, ceiling) if p not in spared), None)
        if period is None:
            return None
        hours = ceiling.quota.gpu_hours(period)
        again = self._calendar.wall_clock(self._calendar.window(period, now).end, now)
        return Refusal(
            "gpu-hours",
            f"{_whose(ceiling)} of {hours:g} GPU-hours for this {period.value} is used up; "
            f"the next {period.value} begins at {again}.",
        )

    def spent_periods(self, now: float, ceiling: Ceiling) -> Iterator[Period]:
        """Return the windows whose GPU-hours are used up."""
        return self._tallies.spent(now, ceiling.scope, ceiling.quota)

    def spent_at(self, now: float, ceiling: Ceiling, spared: Collection[Period]) -> float | None:
        """Return when to look again whether GPU-hours are used up; None: not before a grant."""
        return self._tallies.spent_at(now, ceiling.scope, ceiling.quota, spared)

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

    def _bounds(self, lease: Lease) -> _Bounds:
        key = (lease.user, lease.groups, lease.group_asked, lease.group)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._quotas.ceilings(*key)
            known = self._known[key] = _Bounds(found, [each for each in found if each.quota.limits_hours])
        return known


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def _over(quota: Quota, tally: Tally) -> bool:
    return (
        tally.hundredths > quota.hundredths
        or _above(tally.leases, quota.leases)
        or _above(tally.memory_mib, quota.memory_mib)
    )


def _exceeded(quota: Quota, tally: Tally, lease: Lease) -> tuple[str, str, bool] | None:
    """Return the limit, what is in use of it, and whether a smaller share may fit; None if the lease fits."""
    hundredths, memory_mib = weight_of(lease)
    if tally.hundredths + hundredths > quota.hundredths:
        return f"{_number(quota.hundredths / 100, 'GPU')} at once", f"{tally.hundredths / 100:g}", True
    if _above(tally.leases + 1, quota.leases):
        return f"{_number(quota.leases or 0, 'GPU lease')} at once", str(tally.leases), False
    if _above(tally.memory_mib + memory_mib, quota.memory_mib):
        return f"{quota.memory_mib:.0f} MiB of GPU memory at once", f"{tally.memory_mib} MiB", True
    return None


def _sentence(ceiling: Ceiling, limit: str, used: str, less_may_fit: bool, own: list[Lease]) -> str:
    """Say what the limit is, what is in use of it, and what to do."""
    whole_group = ceiling.scope.kind == "group"
    names = _named(own)
    remedies = []
    if own:
        remedies.append("shut one down")
    elif whole_group:
        remedies.append("wait until others have ended theirs")
    if less_may_fit:
        remedies.append("ask for less")
    yours = f" (yours: {names})" if whole_group else f" ({names})"
    what_to_do = f": {', or '.join(remedies)}" if remedies else ""
    verb = "is" if used == "1" else "are"
    return f"{_whose(ceiling)} is {limit}, and {used} {verb} in use{yours if own else ''}{what_to_do}."


def _number(amount: float, thing: str) -> str:
    return f"{amount:g} {thing}{'' if amount == 1 else 's'}"


def _whose(ceiling: Ceiling) -> str:
    kind, _, group = ceiling.scope
    if kind == "group":
        return f"The quota of {group} as a whole"
    return f"Your quota in {group}" if group else "Your quota"


def _named(leases: list[Lease]) -> str:
    """Return leases by name: ``a.ipynb 0.05, train.py 0.1``."""
    names = [
        f"{lease.holder.name or lease.holder.kind or lease.id} {lease.size.removeprefix('GPU ')}"
        for lease in leases
    ]
    more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _scopes(lease: Lease) -> tuple[Scope, ...]:
    return scopes_of(lease.user, lease.group_asked, lease.group)
