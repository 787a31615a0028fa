# SPDX-License-Identifier: BSD-3-Clause
"""Random events against the core: what must hold whatever happens."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pool_story import report_of

from bfkernel.remote.pool.core import PoolCore
from bfkernel.remote.pool.placement import fits_when_empty
from bfkernel.remote.records import Lease, LeaseState, Share

SERVERS = {"s1": (1000,), "s2": (1000, 600), "s3": (2000, 2000, 2000)}
TTL_S = 60.0


class PoolMachine(RuleBasedStateMachine):
    """Holders, agents and time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.core = PoolCore(TTL_S)
        self.now = 0.0
        self.all: dict[str, Lease] = {}
        self.workers: dict[str, dict[str, int]] = {name: {} for name in SERVERS}
        self.stored: dict[str, LeaseState] = {}
        self.granted_in_order: list[int] = []

    @initialize()
    def begin(self) -> None:
        for name in SERVERS:
            self.report(name)

    def settle(self) -> None:
        for lease in self.core.take_changes().leases.values():
            before = self.stored.get(lease.id)
            if before is not None:
                assert before.live, "an ended lease changed"
            if lease.state.holds and (before is None or before is LeaseState.QUEUED):
                self.granted_in_order.append(lease.sequence)
            self.stored[lease.id] = lease.state

    @rule(
        share=st.one_of(
            st.sampled_from([0.02, 0.1, 0.5, 1.0]).map(Share),
            st.integers(1, 2200).map(lambda mib: Share(memory_mib=mib)),
        ),
        gpus=st.sampled_from([1, 1, 1, 2, 3]),
    )
    def request(self, share: Share, gpus: int) -> None:
        lease_id = f"l{len(self.all)}"
        lease = self.core.request(self.now, lease_id=lease_id, user="u", share=share, gpu_count=gpus)
        self.all[lease_id] = lease
        if lease.state is LeaseState.REFUSED:
            assert not fits_when_empty(self.core.servers.values(), share, gpus)
        self.settle()

    def some_live(self, data: st.DataObject) -> Lease:
        return self.core.leases[data.draw(st.sampled_from(sorted(self.core.leases)))]

    @precondition(lambda self: self.core.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.core.release(self.now, self.some_live(data).id)
        self.settle()

    @precondition(lambda self: self.core.leases)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        self.core.heartbeat(self.now, self.some_live(data).id)

    @precondition(lambda self: any(lease.state.holds for lease in self.core.leases.values()))
    @rule(data=st.data(), count=st.integers(0, 3))
    def work(self, data: st.DataObject, count: int) -> None:
        holding = sorted(lease.id for lease in self.core.leases.values() if lease.state.holds)
        lease = self.core.leases[data.draw(st.sampled_from(holding))]
        self.workers[lease.server or ""][lease.id] = count

    @rule(name=st.sampled_from(sorted(SERVERS)))
    def report(self, name: str) -> None:
        for over in self.core.report(self.now, report_of(name, SERVERS[name], self.workers[name])):
            assert over not in self.core.leases
            del self.workers[name][over]
        self.settle()

    @rule(name=st.sampled_from(sorted(SERVERS)), instance=st.uuids().map(str))
    def agent_restarts(self, name: str, instance: str) -> None:
        self.workers[name] = {}
        self.core.agent_left(name, "a")
        self.core.report(self.now, report_of(name, SERVERS[name], {}, instance=instance))
        # The next reports are those of the new one.
        self.core.servers[name].instance = "a"
        self.settle()

    @rule(seconds=st.sampled_from([0.5, 5.0, 20.0, 61.0]))
    def time(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)
        self.settle()

    @rule()
    def restart(self) -> None:
        old = self.core
        self.core = PoolCore(TTL_S)
        for server in old.servers.values():
            for card in server.cards.values():
                card.leased_mib = 0
        self.core.restore(self.now, old.servers.values(), old.leases.values(), sequence=len(self.all))
        self.settle()

    @invariant()
    def never_more_than_the_card(self) -> None:
        for server in self.core.servers.values():
            for card in server.cards.values():
                assert 0 <= card.leased_mib <= card.gpu.memory_mib

    @invariant()
    def books_agree_with_leases(self) -> None:
        for server in self.core.servers.values():
            draining = [d for d in self.core._draining.values() if d.server == server.name]
            parts = [p for lease in self.core.leases_on(server.name) for p in lease.placements]
            parts += [p for d in draining for p in d.placements]
            for gpu_id, card in server.cards.items():
                assert card.leased_mib == sum(p.memory_mib for p in parts if p.gpu == gpu_id)

    @invariant()
    def nothing_is_lost(self) -> None:
        for lease in self.all.values():
            assert self.stored.get(lease.id) in (lease.state, None)
            assert (lease.id in self.core.leases) == lease.state.live
            if lease.state is LeaseState.QUEUED:
                assert self.core.queue.position(lease) >= 1
            if lease.state.holds:
                assert len({p.gpu for p in lease.placements}) == lease.gpu_count
                assert lease in self.core.leases_on(lease.server or "")

    @invariant()
    def the_first_that_could_be_served_has_no_room(self) -> None:
        for lease in sorted(self.core.leases.values(), key=lambda lease: lease.sequence):
            if lease.state is LeaseState.QUEUED and self.core.servable(lease):
                for server in self.core.servers.values():
                    fits = [
                        c
                        for c in server.cards.values()
                        if lease.share.memory_on(c.gpu.memory_mib) <= c.free_mib
                    ]
                    assert not server.present or len(fits) < lease.gpu_count
                return

    def teardown(self) -> None:
        """Every queued request is granted in the end, in order, when holders leave and servers are there."""
        for name in SERVERS:
            self.report(name)
        before = [lease.sequence for lease in self.core.leases.values() if lease.state is LeaseState.QUEUED]
        self.granted_in_order.clear()
        for _ in range(len(self.core.leases) + 1):
            for lease in [lease for lease in self.core.leases.values() if lease.state.holds][:1]:
                self.core.release(self.now, lease.id)
                self.settle()
            for name in SERVERS:
                self.report(name)
                self.report(name)
        assert self.granted_in_order == sorted(before)
        assert not self.core.leases


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
