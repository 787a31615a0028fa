# SPDX-License-Identifier: BSD-3-Clause
"""What users and groups may hold: quotas, and which of them bound a request.

A quota bounds one of three scopes. An *account* is what one user holds for one group that the request named,
or for none; the quotas of groups and the default bound each account by itself, so that a course's kernels
count for the course. A *user*'s own quota bounds all that the user holds, and replaces the account's in the
fields it sets. A *group*'s total bounds what all its members together hold for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from bfkernel.remote.pool.core.windows import Period

UNLIMITED = math.inf


@dataclass(frozen=True)
class Quota:
    """Limits; None says nothing (another quota may), and ``inf`` is without limit.

    ``gpus`` is how many may be held at once (0.02 is one fiftieth), ``memory_mib`` over all GPUs;
    ``gpu_hours_*`` are counted from a grant to its end. ``priority`` and ``weight`` order the queue.
    """

    gpus: float | None = None
    leases: float | None = None
    memory_mib: float | None = None
    gpu_hours_per_day: float | None = None
    gpu_hours_per_week: float | None = None
    gpu_hours_per_term: float | None = None
    longest_lease_s: float | None = None
    longest_idle_s: float | None = None
    longest_queue_s: float | None = None
    priority: float | None = None
    weight: float | None = None

    @property
    def hundredths(self) -> float:
        """The GPUs that may be held at once, in hundredths."""
        return UNLIMITED if self.gpus is None else round(self.gpus * 100, 6)

    def gpu_hours(self, period: Period) -> float:
        """Return the GPU-hours that may be used in one window."""
        hours: float | None = getattr(self, f"gpu_hours_per_{period.value}")
        return UNLIMITED if hours is None else hours

    @property
    def limits_hours(self) -> bool:
        """Whether GPU-hours of any window are limited."""
        return any(self.gpu_hours(period) != UNLIMITED for period in Period)

    def over(self, base: Quota) -> Quota:
        """Return this quota where it says something, and ``base`` elsewhere."""
        return Quota(*(b if a is None else a for a, b in zip(_values(self), _values(base), strict=True)))

    def without(self, other: Quota) -> Quota:
        """Return this quota without the fields that ``other`` sets."""
        return Quota(*(a if b is None else None for a, b in zip(_values(self), _values(other), strict=True)))


_FIELDS = tuple(f.name for f in fields(Quota))
#: What is no limit has an ordinary value where none is set.
_ORDINARY = {"priority": 0.0, "weight": 1.0}


def _values(quota: Quota) -> tuple[float | None, ...]:
    return tuple(getattr(quota, name) for name in _FIELDS)


def most_generous(quotas: Iterable[Quota]) -> Quota:
    """Return the highest of each field; a quota that does not limit a field is the most generous."""
    rows = zip(_FIELDS, zip(*(_values(quota) for quota in quotas), strict=True), strict=True)
    return Quota(*(_highest(name, row) for name, row in rows))


def _highest(name: str, row: tuple[float | None, ...]) -> float | None:
    if None in row and (name not in _ORDINARY or not any(row)):
        return None
    return max(_ORDINARY[name] if value is None else value for value in row)


class Scope(NamedTuple):
    """Whose leases count together: ``user`` u, ``account`` of u in g ("" for none named), ``group`` g."""

    kind: str
    user: str = ""
    group: str = ""


class Ceiling(NamedTuple):
    """A quota and the scope that it bounds."""

    scope: Scope
    quota: Quota


@dataclass(frozen=True)
class Quotas:
    """All quotas of a pool. ``totals`` are those of whole groups."""

    default: Quota = Quota()
    groups: Mapping[str, Quota] = field(default_factory=dict)
    totals: Mapping[str, Quota] = field(default_factory=dict)
    users: Mapping[str, Quota] = field(default_factory=dict)

    def group_charged(self, groups: Iterable[str]) -> str:
        """Return the group that a request counts for when it names none: the most generous one with a quota.

        It is the one with the most GPUs; "" when none of the user's groups has a quota.
        """
        known = [name for name in groups if name in self.groups or name in self.totals]
        return min(known, key=lambda name: (-self._of_group(name).hundredths, name), default="")

    def account(self, groups: Iterable[str], named: str) -> Quota:
        """Return the quota of an account: of the named group, else the most generous of the user's groups."""
        if named:
            return self._of_group(named)
        known = [self._of_group(name) for name in groups if name in self.groups]
        return most_generous(known) if known else self.default

    def terms(self, user: str, groups: Iterable[str], named: str) -> Quota:
        """Return all limits that a request of the user gets, for what is not counted: times and order."""
        return self.users.get(user, Quota()).over(self.account(groups, named))

    def ceilings(self, user: str, groups: Iterable[str], named: str, charged: str) -> list[Ceiling]:
        """Return what bounds a lease: the first is the account's."""
        own = self.users.get(user)
        account = self.account(groups, named)
        found = [Ceiling(Scope("account", user, named), account.without(own) if own else account)]
        if own:
            found.append(Ceiling(Scope("user", user), own))
        if charged in self.totals:
            found.append(Ceiling(Scope("group", group=charged), self.totals[charged]))
        return found

    def _of_group(self, name: str) -> Quota:
        return self.groups.get(name, Quota()).over(self.default)


def scopes_of(user: str, named: str, charged: str) -> tuple[Scope, ...]:
    """Return every scope that a lease counts in, whether or not a quota bounds it now."""
    scopes = (Scope("account", user, named), Scope("user", user))
    return (*scopes, Scope("group", group=charged)) if charged else scopes
