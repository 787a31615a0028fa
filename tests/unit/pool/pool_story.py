# SPDX-License-Identifier: BSD-3-Clause
"""A core with a clock that the test sets, and short words for events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from bfkernel.remote.filters import parse_filters
from bfkernel.remote.pool.core import (
    LeaseUse,
    Policy,
    PoolCore,
    Quota,
    Quotas,
    Request,
    ServerReport,
    Stored,
)
from bfkernel.remote.records import Gpu, Holder, Lease, Need, Share

CARD_MIB = 32768
#: When stories begin: a Monday.
MONDAY_8 = datetime(2026, 11, 30, 8, tzinfo=timezone.utc).timestamp()
HOUR = 3600.0


def report_of(
    server: str = "gpu1",
    cards: tuple[int, ...] = (CARD_MIB,),
    uses: dict[str, int] | None = None,
    instance: str = "a",
    model: str = "Test GPU",
    last_call_at: float | None = None,
    leases: Mapping[str, Lease] | None = None,
    **facts: Any,
) -> ServerReport:
    """An agent's report; ``uses`` are the workers of leases, ``leases`` what the agent knows these by."""
    gpus = [Gpu(server, f"GPU-{i}", i, model, mib) for i, mib in enumerate(cards)]
    workers = [
        LeaseUse(name, count, [1.0], last_call_at, leases[name].placements if leases else ())
        for name, count in (uses or {}).items()
    ]
    return ServerReport(server, instance, f"{server}:1", gpus, workers, **facts)


def policy(**quota: float) -> Policy:
    """A policy with a default quota."""
    return Policy(quotas=Quotas(Quota(**quota)))


class Story:
    """A core with a clock that the test sets, and short words for events."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.core = PoolCore(policy)
        self.now = MONDAY_8
        self.asked: dict[str, Lease] = {}

    # -- holders ----------------------------------------------------------------------------------------

    def ask(
        self,
        fraction: float | None = None,
        *filters: str,
        mib: int | None = None,
        gpus: int = 1,
        user: str = "ada",
        **request: Any,
    ) -> Lease:
        need = Need(Share(fraction, mib), gpus, parse_filters(filters))
        name = request.pop("name", "")
        holder = Holder("command", name)
        name = f"l{len(self.asked) + 1}"
        lease = self.asked[name] = self.core.request(self.now, Request(name, user, need, holder, **request))
        return lease

    def release(self, *leases: Lease) -> None:
        for lease in leases:
            self.core.release(self.now, lease.id)

    # -- servers ----------------------------------------------------------------------------------------

    def server(self, name: str = "gpu1", *cards: int, instance: str = "a", **uses: int) -> list[str]:
        report = report_of(name, cards or (CARD_MIB,), uses, instance, leases=self.asked)
        return self.core.report(self.now, report)

    def report(self, name: str = "gpu1", *cards: int, **facts: Any) -> list[str]:
        return self.core.report(self.now, report_of(name, cards or (CARD_MIB,), **facts))

    def work(self, lease: Lease, called_ago_s: float = 0.0) -> None:
        """The lease's server, which has but this one, reports a worker whose last call was so long ago."""
        server = self.core.servers[lease.server or ""]
        cards = tuple(card.gpu.memory_mib for card in server.cards.values())
        uses, called_at = {lease.id: 1}, self.now - called_ago_s
        self.core.report(self.now, report_of(server.name, cards, uses, last_call_at=called_at))

    def free(self, server: str = "gpu1") -> list[int]:
        return [card.free_mib for card in self.core.servers[server].cards.values()]

    # -- time -------------------------------------------------------------------------------------------

    def later(self, seconds: float, *, alive: Iterable[str] = (), servers: Iterable[str] = ("gpu1",)) -> None:
        """Let time pass in steps of 5 s, with reports of the servers and heartbeats of the leases."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 5)
            for name in servers:
                cards = tuple(c.gpu.memory_mib for c in self.core.servers[name].cards.values())
                self.core.report(self.now, report_of(name, cards))
            for lease in alive:
                self.core.heartbeat(self.now, lease)
            self.core.tick(self.now)

    def jump(self, seconds: float) -> None:
        """Let time pass with everybody alive, and look once."""
        self.now += seconds
        self.core.resume(self.now)
        self.core.tick(self.now)

    def agent_ends(self) -> None:
        """The agent of gpu1 has closed its connection and been silent for a second."""
        self.core.agent_left(self.now, "gpu1", "a")
        self.now += 1

    # -- restart ----------------------------------------------------------------------------------------

    def restart(self, away_s: float = 0.0, **stored: Any) -> None:
        """The pool stops, and starts again from what it stored."""
        self.now += away_s
        self.core = restarted(self.core, self.now, **stored)


def restarted(old: PoolCore, now: float, **stored: Any) -> PoolCore:
    """A core that has read what ``old`` would have stored: the rest of its leases is lost."""
    for lease in old.leases.values():
        lease.notice, lease.idle_until, lease.passed = "", None, 0
        lease.proof_at, lease.workers, lease.held_mib, lease.last_call_at = 0.0, 0, [], None
    for server in old.servers.values():
        server.present, server.left_at = True, None
        for card in server.cards.values():
            card.booked_mib = 0
    core = PoolCore(old.policy)
    core.set_quotas(now, old.quotas)
    leases = sorted(old.leases.values(), key=lambda lease: lease.sequence)
    core.restore(now, Stored(list(old.servers.values()), leases, **stored))
    return core
