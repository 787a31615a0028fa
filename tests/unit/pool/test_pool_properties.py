# SPDX-License-Identifier: BSD-3-Clause
"""Random events against the core: what must hold whatever happens."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import combinations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pool_model import (
    FairShareBound,
    Kept,
    check_cards,
    check_nothing_is_overdue,
    check_queue,
    check_tallies,
    kept_for,
    over_quota,
    spent_scopes,
    used_by_ended,
)
from pool_story import HOUR, report_of, restarted

from bfkernel.remote.filters import parse_filters
from bfkernel.remote.pool.core import Calendar, Policy, PoolCore, Quota, Quotas, Request, Scope, Times
from bfkernel.remote.pool.core.queue import key_of
from bfkernel.remote.records import Lease, LeaseState, Need, Share

SERVERS = {"s1": (1000,), "s2": (1000, 600), "s3": (2000, 2000, 2000)}
GROUPS = {"ada": (), "bob": ("ml",), "cleo": ("ml", "course")}
WEIGHTS = {"ada": 2.0}
ADA = Quota(weight=2)
#: From one to the next limits rise and fall.
QUOTAS = [
    Quotas(users={"ada": ADA}),
    Quotas(Quota(gpus=2, leases=5), {"course": Quota(gpus=0.5, priority=1)}, users={"ada": ADA}),
    Quotas(
        Quota(gpus=4, gpu_hours_per_day=3, longest_lease_s=2 * HOUR, longest_queue_s=HOUR),
        {"ml": Quota(gpus=1.5, longest_idle_s=300, gpu_hours_per_week=8), "course": Quota(leases=2)},
        totals={"ml": Quota(gpus=2.5, gpu_hours_per_term=12)},
        users={"ada": ADA},
    ),
    Quotas(
        Quota(memory_mib=1500), {"ml": Quota(longest_idle_s=60)}, users={"ada": ADA, "bob": Quota(gpus=1)}
    ),
]
#: The evening before the clocks of Berlin change.
BEGIN = datetime(2026, 3, 28, 20, tzinfo=timezone.utc).timestamp()
POLICY = Policy(Times(60, 30, 120), 10, 40, QUOTAS[0], Calendar("Europe/Berlin"))

shares = st.one_of(
    st.sampled_from([0.1, 0.25, 0.25, 0.5, 0.5, 1.0]).map(Share),
    st.sampled_from([100, 555, 1000, 1900]).map(lambda mib: Share(memory_mib=mib)),
)
needs = st.builds(
    Need,
    shares,
    st.sampled_from([1, 1, 1, 1, 2, 3]),
    st.sampled_from(
        ["", "", "", "", "", "server=s3", "server=s3", "memory>=1000", "memory>=1000", "gpu=A100"]
    ).map(lambda text: parse_filters([text] if text else [])),
)
picks = st.integers(0, 99)


class PoolMachine(RuleBasedStateMachine):
    """Holders, agents, admins and time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.core = PoolCore(POLICY)
        self.now = BEGIN
        self.all: dict[str, Lease] = {}
        self.workers: dict[str, dict[str, int]] = {name: {} for name in SERVERS}
        self.called_at = 0.0
        self.states: dict[str, LeaseState] = {}
        self.fair = FairShareBound(WEIGHTS)
        #: scopes that an unenforced change left with more than their quota, held or used
        self.left_over: set[Scope] = set()
        self.left_spent: set[Scope] = set()
        self.kept: Kept | None = None

    @initialize(at_once=st.lists(needs, max_size=12), first=st.sampled_from(QUOTAS))
    def begin(self, at_once: list[Need], first: Quotas) -> None:
        self.core.set_quotas(self.now, first)
        for name in SERVERS:
            self.report(name)
        for n, need in enumerate(at_once):
            self.request(need, sorted(GROUPS)[n % 3], False)

    # -- holders ----------------------------------------------------------------------------------------

    @rule(need=needs, user=st.sampled_from(sorted(GROUPS)), name_group=st.booleans())
    def request(self, need: Need, user: str, name_group: bool) -> None:
        lease_id = f"l{len(self.all):03}"
        groups = GROUPS[user]
        named = groups[-1] if name_group and groups else ""
        asked, _ = self.core.fleet.least(need)
        known = self.core.fleet.could_serve(need)
        lease = self.core.request(self.now, Request(lease_id, user, need, groups=groups, group=named))
        self.all[lease_id] = lease
        assert (lease.code == "no-such-size") == (bool(self.core.servers) and not known)
        if lease.code not in ("no-such-size", "quota", "gpu-hours"):
            self.fair.asked(self.core, lease, asked)
        assert (lease.state is LeaseState.REFUSED) == bool(lease.message)
        self.settle()

    @rule(wanted=st.lists(needs, min_size=3, max_size=8), first=picks)
    def crowd(self, wanted: list[Need], first: int) -> None:
        for n, need in enumerate(wanted, first):
            self.request(need, sorted(GROUPS)[n % 3], n % 5 == 0)

    def pick(self, leases: list[str], pick: int) -> Lease:
        return self.all[leases[pick % len(leases)]]

    @precondition(lambda self: self.core.leases)
    @rule(pick=picks, revoke=st.booleans())
    def end(self, pick: int, revoke: bool) -> None:
        lease = self.pick(list(self.core.leases), pick)
        if revoke:
            self.core.revoke(self.now, lease.id, "Because.")
        else:
            self.core.release(self.now, lease.id)
        self.settle()

    @precondition(lambda self: self.core.leases)
    @rule(pick=picks)
    def heartbeat(self, pick: int) -> None:
        self.core.heartbeat(self.now, self.pick(list(self.core.leases), pick).id)

    # -- agents -----------------------------------------------------------------------------------------

    @precondition(lambda self: any(lease.state.holds for lease in self.core.leases.values()))
    @rule(
        pick=picks, count=st.integers(0, 2), calls=st.booleans(), heard=st.sampled_from([True, True, False])
    )
    def work(self, pick: int, count: int, calls: bool, heard: bool) -> None:
        lease = self.pick([i for i, held in self.core.leases.items() if held.state.holds], pick)
        self.workers[lease.server or ""][lease.id] = count
        if calls:
            self.called_at = self.now
        if heard:
            self.report(lease.server or "")

    @rule(name=st.sampled_from(sorted(SERVERS)))
    def report(self, name: str) -> None:
        self.report_cards(name, SERVERS[name])

    def report_cards(self, name: str, cards: tuple[int, ...]) -> None:
        draining = self.core._live.bookings.draining
        before = set(draining)
        report = report_of(name, cards, self.workers[name], last_call_at=self.called_at, leases=self.all)
        for over in self.core.report(self.now, report):
            assert over not in self.core.leases
            del self.workers[name][over]
        if set(draining) - before:
            self.kept = None  # workers that nobody knew of take room from everybody
        self.settle()

    @rule(name=st.sampled_from(sorted(SERVERS)))
    def agent_restarts(self, name: str) -> None:
        self.workers[name] = {}
        if name in self.core.servers:
            self.core.agent_left(self.now - 2, name, "a")
            self.core.report(self.now, report_of(name, SERVERS[name], {}, instance="b"))
            # The next reports are those of the new one.
            self.core.servers[name].instance = "a"
        self.settle()

    @rule(name=st.sampled_from(["s2", "s3"]), gone=st.sampled_from([True, False, False, False]))
    def gpu_goes_and_comes(self, name: str, gone: bool) -> None:
        self.report_cards(name, SERVERS[name][:-1] if gone else SERVERS[name])

    # -- admins -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.core.servers)
    @rule(pick=picks, what=st.sampled_from(["cordon", "uncordon", "uncordon", "uncordon", "drain", "forget"]))
    def manage(self, pick: int, what: str) -> None:
        name = sorted(self.core.servers)[pick % len(self.core.servers)]
        if what == "drain":
            self.core.drain(self.now, name, self.now + 100)
        elif what != "forget":
            self.core.cordon(self.now, name, what == "cordon")
        elif not self.core.servers[name].present:
            self.core.forget_server(self.now, name)
            self.workers[name] = {}
        self.settle()

    @rule(quotas=st.sampled_from(QUOTAS), enforce=st.booleans())
    def set_quotas(self, quotas: Quotas, enforce: bool) -> None:
        self.core.set_quotas(self.now, quotas, enforce=enforce)
        self.left_over = set() if enforce else over_quota(self.core, self.now)
        self.left_spent = set() if enforce else spent_scopes(self.core, self.now)
        self.settle()

    # -- time -------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 5.0, 5.0, 5.0, 20.0, 61.0]))
    def silence(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    @rule(seconds=st.sampled_from([5.0, 30.0, 60.0, 300.0, HOUR, 7 * HOUR]), calls=st.booleans())
    def pass_time(self, seconds: float, calls: bool) -> None:
        """Everybody is well meanwhile."""
        self.now += seconds
        if calls:
            self.called_at = self.now
        self.core.resume(self.now)
        for name in self.core.servers:
            self.report(name)
        self.tick()

    def tick(self) -> None:
        self.core.tick(self.now)
        self.settle()
        check_nothing_is_overdue(self.core, self.now)
        spent = spent_scopes(self.core, self.now)
        assert spent <= self.left_spent
        self.left_spent &= spent

    @rule()
    def restart(self) -> None:
        used = used_by_ended(self.core, self.all.values(), self.now)
        self.core = restarted(self.core, self.now, used=used, sequence=len(self.all))
        self.core.set_quotas(self.now, self.core.quotas)  # what was spared still is
        self.fair.restarted(self.core, len(self.all))
        self.kept = None  # who has passed whom is not stored
        self.settle()

    # -- what must hold ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """Look at what changed: no ended lease changes, none is granted twice, all in fair order."""
        grants = []
        for lease in self.core.take_changes().leases.values():
            before = self.states.get(lease.id)
            assert before is None or before.live, "an ended lease changed"
            if lease.state.holds and before in (None, LeaseState.QUEUED):
                grants.append(lease)
            assert lease.state is not LeaseState.QUEUED or before in (None, LeaseState.QUEUED)
            self.states[lease.id] = lease.state
            if not lease.state.live:
                self.fair.ended(lease)
        for lease in sorted(grants, key=lambda lease: (lease.granted_at, lease.sequence)):
            self.fair.granted(lease)
            if self.kept and key_of(lease) < key_of(self.kept.lease):
                self.kept = None  # who came before it may have its server

    @invariant()
    def books_agree(self) -> None:
        check_cards(self.core)
        check_queue(self.core)
        check_tallies(self.core, self.all.values(), self.now)

    @invariant()
    def nothing_is_lost(self) -> None:
        for lease in self.all.values():
            assert self.states.get(lease.id) is lease.state
            assert (lease.id in self.core.leases) == lease.state.live
            assert (lease.id in self.core.leases_of(lease.user)) == lease.state.live
            if lease.state.holds:
                assert len({p.gpu for p in lease.placements}) == lease.gpu_count
                assert lease in self.core.leases_on(lease.server or "")

    @invariant()
    def quotas_hold(self) -> None:
        over = over_quota(self.core, self.now)
        assert over <= self.left_over
        self.left_over &= over

    @invariant()
    def the_first_that_fits_is_served(self) -> None:
        """Whoever is first, and allowed, does not wait beside room."""
        for lease in list(self.core.queue)[:1]:
            for server in self.core.servers.values():
                cards = [
                    card
                    for card in server.cards_for(lease.need)
                    if card.free_mib >= lease.share.memory_on(card.gpu.memory_mib)
                ]
                bound = any(c.quota.memory_mib or c.quota.gpus for c in self.core._admission.ceilings(lease))
                assert not server.accepts or len(cards) < lease.gpu_count or bound

    @invariant()
    def who_was_passed_enough_comes_no_further_from_its_turn(self) -> None:
        before, self.kept = self.kept, kept_for(self.core)
        if before and self.kept and before.lease is self.kept.lease and before.servers == self.kept.servers:
            assert self.kept.missing_mib <= before.missing_mib

    def teardown(self) -> None:
        """Every queued request is granted in the end, when holders leave and servers are there."""
        self.now += 1
        for name in SERVERS:
            self.workers[name] = {}
            if name in self.core.servers:
                self.core.cordon(self.now, name, False)
            self.report(name)
            self.report(name)
        waiting = [lease for lease in self.core.leases.values() if lease.state is LeaseState.QUEUED]
        while held := [lease for lease in self.core.leases.values() if lease.state.holds]:
            self.core.release(self.now, held[0].id)
            self.settle()
            for name in SERVERS:
                self.report(name)
        for lease in waiting:
            if lease.granted_at is None and lease.code != "gpu-hours":
                assert not self.core.fleet.could_serve(lease.need) or self.never_allowed(lease)

    def never_allowed(self, lease: Lease) -> bool:
        """Whether its quotas, as they are now and with what else waits, leave it no cards of any server."""
        share, count = lease.share, lease.gpu_count
        places = (
            cards
            for server in self.core.servers.values()
            for cards in combinations([card.gpu.memory_mib for card in server.cards_for(lease.need)], count)
        )
        return not any(
            self.core._admission.allows(
                self.now, lease, sum(map(share.hundredths_on, place)), sum(map(share.memory_on, place))
            )
            for place in places
        )


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        PoolMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.timeout(600)
def test_random_events() -> None:
    run(examples=100, steps=60)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_random_events() -> None:
    run(examples=1700, steps=60)
