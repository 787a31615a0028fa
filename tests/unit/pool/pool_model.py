# SPDX-License-Identifier: BSD-3-Clause
"""What must hold of a pool whatever happens, worked out anew from the leases alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from bfkernel.remote.pool.core import Ceiling, Period, PoolCore, Quota, Scope, UsedTime
from bfkernel.remote.pool.core.queue import key_of
from bfkernel.remote.records import Lease, LeaseState, Need

HUNDREDTH_HOURS = 360_000.0


def scopes(lease: Lease) -> list[Scope]:
    found = [
        Scope("account", lease.user, lease.group if lease.group_named else ""),
        Scope("user", lease.user),
    ]
    return found + ([Scope("group", group=lease.group)] if lease.group else [])


def ceilings(core: PoolCore, lease: Lease) -> list[Ceiling]:
    named = lease.group if lease.group_named else ""
    return core.quotas.ceilings(lease.user, lease.groups, named, lease.group)


def memory_mib(lease: Lease) -> int:
    return sum(p.memory_mib for p in lease.placements) if lease.placements else lease.least_mib


def hundredth_seconds(core: PoolCore, leases: Iterable[Lease], period: Period, now: float) -> float:
    """What leases, ended ones too, have used in the window that ``now`` is in."""
    start = core.policy.calendar.window(period, now).start
    return sum(
        lease.hundredths * max(0.0, (now if lease.ended_at is None else lease.ended_at) - max(begun, start))
        for lease in leases
        if (begun := lease.granted_at) is not None
    )


def used_by_ended(core: PoolCore, leases: Iterable[Lease], now: float) -> list[UsedTime]:
    """What a database would tell a pool that starts again."""
    accounts: defaultdict[tuple[str, str, bool], list[Lease]] = defaultdict(list)
    for lease in leases:
        if not lease.state.live:
            accounts[lease.user, lease.group, lease.group_named].append(lease)
    return [
        UsedTime(*account, period, hundredth_seconds(core, ended, period, now))
        for account, ended in accounts.items()
        for period in Period
    ]


# -- the books ------------------------------------------------------------------------------------------


def check_cards(core: PoolCore) -> None:
    """Leases never have more than a card is worth; what is booked is what they and draining shares have."""
    booked: Counter[tuple[str, str]] = Counter()
    for lease in core.leases.values():
        booked.update({(lease.server or "", p.gpu): p.memory_mib for p in lease.placements})
    of_leases = booked.copy()
    for draining in core._live.bookings.draining.values():
        for p in draining.placements:
            booked[draining.server, p.gpu] += p.memory_mib
    free: defaultdict[int, list[tuple[int, int, str, str]]] = defaultdict(list)
    for server in core.servers.values():
        for card in server.cards.values():
            assert card.booked_mib == booked[server.name, card.gpu.id]
            assert of_leases[server.name, card.gpu.id] <= card.gpu.memory_mib
            assert 0 <= card.leased_mib <= card.gpu.memory_mib
            if server.accepts:
                place = (card.free_mib, card.gpu.index, server.name, card.gpu.id)
                free[card.gpu.memory_mib].append(place)
    assert core.fleet._free == {size: sorted(cards) for size, cards in free.items()}


def check_queue(core: PoolCore) -> None:
    waiting = [lease for lease in core.leases.values() if lease.state is LeaseState.QUEUED]
    in_order = sorted(waiting, key=key_of)
    assert list(core.queue) == in_order
    assert [core.queue.position(lease) for lease in in_order] == list(range(1, len(in_order) + 1))
    for need in core.queue.needs():
        assert core.queue.first(need) is next(lease for lease in in_order if lease.need == need)
    own: defaultdict[tuple[str, int], list[Lease]] = defaultdict(list)
    for lease in in_order:
        own[lease.user, lease.priority].append(lease)
    for leases in own.values():
        assert leases == sorted(leases, key=lambda lease: lease.sequence), "not in order within a user"


def check_tallies(core: PoolCore, everything: Iterable[Lease], now: float) -> None:
    of: defaultdict[Scope, list[Lease]] = defaultdict(list)
    for lease in everything:
        for scope in scopes(lease):
            of[scope].append(lease)
    for scope, leases in of.items():
        tally = core.tally(now, Ceiling(scope, Quota()))
        live = [lease for lease in leases if lease.state.live]
        assert tally.leases == len(live)
        assert tally.hundredths == sum(lease.hundredths for lease in live)
        assert tally.memory_mib == sum(map(memory_mib, live))
        assert tally.rate == sum(lease.hundredths for lease in live if lease.state.holds)
        for period in Period:
            used = hundredth_seconds(core, leases, period, now)
            assert abs(tally.used[period] - used) < 0.01, (scope, period)


def over_quota(core: PoolCore, now: float) -> set[Scope]:
    """Scopes that hold and ask for more than their quota."""
    found = set()
    for lease in core.leases.values():
        for scope, quota in ceilings(core, lease):
            tally = core.tally(now, Ceiling(scope, quota))
            limits = (
                (tally.hundredths, quota.hundredths),
                (tally.leases, quota.leases),
                (tally.memory_mib, quota.memory_mib),
            )
            if any(limit is not None and value > limit for value, limit in limits):
                found.add(scope)
    return found


def spent_scopes(core: PoolCore, now: float) -> set[Scope]:
    """Scopes of granted leases whose GPU-hours are used up."""
    return {
        scope
        for lease in core.leases.values()
        if lease.state.holds
        for scope, quota in ceilings(core, lease)
        for period in Period
        if core.tally(now, Ceiling(scope, quota)).gpu_hours(period) >= quota.gpu_hours(period)
    }


def check_nothing_is_overdue(core: PoolCore, now: float) -> None:
    times = core.times
    for lease in core.leases.values():
        assert now < lease.proof_at + times.ttl_s
        if lease.state is LeaseState.QUEUED:
            assert lease.longest_queue_s is None or now < lease.created_at + lease.longest_queue_s
            continue
        drain_at = core.servers[lease.server or ""].drain_at
        assert drain_at is None or now < drain_at
        assert lease.ends_at is None or now < lease.ends_at
        told = lease.ends_at is not None and now >= lease.ends_at - times.notice_s
        assert bool(lease.notice) == (told or drain_at is not None or lease.state is LeaseState.IDLE)
        if lease.state is LeaseState.IDLE:
            assert lease.idle_until is not None
            assert now < lease.idle_until
        elif lease.longest_idle_s is not None:
            assert now < lease.quiet_since + lease.longest_idle_s


# -- the bounds -----------------------------------------------------------------------------------------


@dataclass
class Standing:
    """How a waiting request has fared against requests that came later."""

    #: what its user held, waited for and asked for, by weight
    had: float
    #: arrivals up to this one came before it, or before a restart
    after: int
    #: by user: what was served before it of what came later, by weight
    served: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class FairShareBound:
    """The bound of queue.py: each other user gets less before a request than its own user had."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._weights = weights
        self._waiting: dict[str, tuple[Lease, Standing]] = {}
        self._asked: dict[str, int] = {}
        self._before: dict[tuple[str, int], float] = {}

    def asked(self, core: PoolCore, lease: Lease, asked: int) -> None:
        """Note a request that was let into the queue; ``asked`` in hundredths."""
        own = [other for other in core.leases_of(lease.user).values() if other is not lease]
        had = (asked + sum(other.hundredths for other in own)) / self._weight(lease)
        who = lease.user, lease.priority
        if not own:
            self._before = {key: had for key, had in self._before.items() if key[0] != lease.user}
        # A request is never before an earlier one of its user, which may have asked for more.
        had = self._before[who] = max(had, self._before.get(who, 0.0))
        self._waiting[lease.id] = lease, Standing(had, lease.sequence)
        self._asked[lease.id] = asked

    def granted(self, lease: Lease) -> None:
        self._waiting.pop(lease.id, None)
        for other, standing in self._waiting.values():
            if other.priority != lease.priority or other.user == lease.user or key_of(lease) > key_of(other):
                continue
            if lease.sequence > standing.after:
                standing.served[lease.user] += self._asked[lease.id] / self._weight(lease)
                assert standing.served[lease.user] < standing.had + 1e-9, "passed beyond the fair share"

    def ended(self, lease: Lease) -> None:
        self._waiting.pop(lease.id, None)

    def restarted(self, core: PoolCore, last: int) -> None:
        totals: Counter[str] = Counter()
        for lease in core.leases.values():
            totals[lease.user] += lease.hundredths * lease.state.holds
        self._waiting.clear()
        self._before.clear()
        for lease in core.queue:
            totals[lease.user] += lease.hundredths
            had = self._before[lease.user, lease.priority] = totals[lease.user] / self._weight(lease)
            self._waiting[lease.id] = lease, Standing(had, last)

    def _weight(self, lease: Lease) -> float:
        return self._weights.get(lease.user, 1.0)


@dataclass(frozen=True)
class Kept:
    """The first request that must not be passed any more, and what must still become free for it."""

    lease: Lease
    missing_mib: int
    servers: tuple[object, ...]


def kept_for(core: PoolCore) -> Kept | None:
    """The bound of scheduler.py: nobody behind such a request makes it wait for more."""
    seen: set[Need] = set()
    for lease in core.queue:
        if lease.need in seen or not core.servable(lease):
            continue
        seen.add(lease.need)
        if lease.passed >= lease.hundredths and not _cards_matter(core, lease):
            missing = min(m for s in core.servers.values() if (m := _missing(lease.need, s)) is not None)
            servers = tuple((s.name, s.accepts, len(s.cards)) for s in core.servers.values())
            return Kept(lease, missing, servers)
    return None


def _cards_matter(core: PoolCore, lease: Lease) -> bool:
    """Whether the lease counts more on some cards than on others: these its quotas may forbid."""
    by_mib = lease.share.memory_mib is not None
    return any(
        c.quota.memory_mib is not None or (by_mib and c.quota.gpus is not None) for c in ceilings(core, lease)
    )


def _missing(need: Need, server: object) -> int | None:
    if not server.accepts:  # type: ignore[attr-defined]
        return None
    cards = list(server.cards_for(need))  # type: ignore[attr-defined]
    missing = sorted(max(0, need.share.memory_on(c.gpu.memory_mib) - c.free_mib) for c in cards)
    return sum(missing[: need.gpu_count]) if len(cards) >= need.gpu_count else None
