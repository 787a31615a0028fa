# SPDX-License-Identifier: BSD-3-Clause
"""The events of the pool's core: what holders, agents, admins and time do to leases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bfkernel.remote.pool.core.admission import Admission, Refusal
from bfkernel.remote.pool.core.agents import Agents, ServerReport
from bfkernel.remote.pool.core.alarms import Alarms
from bfkernel.remote.pool.core.deadlines import verdict
from bfkernel.remote.pool.core.events import Policy, Request, Stored
from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.forecast import Forecast
from bfkernel.remote.pool.core.hours import Hours
from bfkernel.remote.pool.core.live import Changes, LiveLeases
from bfkernel.remote.pool.core.placement import Place
from bfkernel.remote.pool.core.queue import WaitingLine
from bfkernel.remote.pool.core.quotas import Ceiling, Quotas, scopes_of
from bfkernel.remote.pool.core.scheduler import grants
from bfkernel.remote.pool.core.servers import Card, Server
from bfkernel.remote.pool.core.tallies import Tallies, Tally
from bfkernel.remote.pool.core.transitions import transition
from bfkernel.remote.records import Lease, LeaseState

#: A forecast is made anew when it is older.
_FORECAST_AGE_S = 5.0


class PoolCore:
    """Leases, servers and the queue. Called by the pool's service, by tests and by simulations."""

    def __init__(self, policy: Policy | None = None) -> None:
        """Begin with no lease and no server."""
        self.policy = policy or Policy()
        policy = self.policy
        self.times = policy.times
        self.fleet = Fleet()
        self._tallies = Tallies(policy.calendar)
        self._live = LiveLeases(policy.times, policy.calendar, self.fleet, self._tallies)
        self._agents = Agents(self.fleet, self._live, policy.absent_after_s, self._end)
        self._admission = Admission(policy.quotas, self._tallies, policy.calendar)
        self._hours = Hours(self._admission, self._live, policy.calendar, self._end)
        self._drains: Alarms[str] = Alarms()
        self._forecast: Forecast | None = None
        self._sequence = 0

    # -- events of holders ------------------------------------------------------------------------------

    def request(self, now: float, request: Request) -> Lease:
        """Take a request; the lease that comes back is granted, queued or refused.

        It is refused when no server of the pool is large enough or matches its filters, even when empty
        (``no-such-size``), when its user is not in the group (``no-such-group``), or for a quota (``quota``,
        ``gpu-hours``). As long as no server has ever reported, requests wait.
        """
        lease = self._new_lease(now, request)
        if refusal := self._refusal(now, lease):
            transition(lease, "refuse", now, refusal.code, refusal.message)
            self._live.changed(lease)
            return lease
        self._live.admit(now, lease, self._weight(lease))
        self._serve_queue(now)
        return lease

    def heartbeat(self, now: float, lease_id: str) -> Lease:
        """Take the holder's proof of life. Raises KeyError when no live lease has this id."""
        lease = self.leases[lease_id]
        lease.proof_at = now
        return lease

    def release(self, now: float, lease_id: str) -> Lease:
        """End a lease at its holder's wish. Raises KeyError when no live lease has this id."""
        lease = self.leases[lease_id]
        self._end(now, lease, "release", "released", "The lease was released.")
        self._serve_queue(now)
        return lease

    def revoke(self, now: float, lease_id: str, message: str) -> Lease:
        """End a lease for a reason that is not its holder's.

        Raises KeyError when no live lease has this id.
        """
        lease = self.leases[lease_id]
        self._end(now, lease, "revoke", "revoked", message)
        self._serve_queue(now)
        return lease

    # -- events of agents and of time -------------------------------------------------------------------

    def report(self, now: float, report: ServerReport) -> list[str]:
        """Take an agent's report; returns the reported leases that are over, whose workers must end.

        Raises:
            NameTakenError: another agent of this name is running; nothing was changed.
        """
        over = self._agents.report(now, report)
        self._serve_queue(now)
        return over

    def agent_left(self, now: float, name: str, instance: str) -> None:
        """Note that an agent closed its connection; unless it soon reports, another may take its name."""
        self._agents.left(now, name, instance)

    def tick(self, now: float) -> None:
        """Let time pass: leases without proof, limits, idleness, silent servers, spent GPU-hours."""
        self._agents.look(now, self.policy.grace_s or self.times.ttl_s)
        for lease_id in self._live.alarms.due(now):
            self._look_at(now, self.leases[lease_id])
        self._hours.look(now)
        for name in self._drains.due(now):
            self._empty(now, name)
        self._serve_queue(now)

    def resume(self, now: float) -> None:
        """Give every lease a whole TTL and every server credit.

        For after a time in which nobody could reach the pool.
        """
        for server in self.servers.values():
            server.seen_at = now
        for lease in self.leases.values():
            lease.proof_at = now

    # -- events of admins -------------------------------------------------------------------------------

    def set_quotas(self, now: float, quotas: Quotas, *, enforce: bool = False) -> None:
        """Change the quotas; limits of time, priority and weight hold for requests that come from now on.

        Queued requests that are too much now are refused, the newest first. Running leases stay, also when
        they have used up the new GPU-hours of a window, until the window ends. With ``enforce`` the newest of
        each scope that holds too much are revoked, and all that a scope holds whose GPU-hours are used up.
        """
        self._admission.quotas = quotas
        for lease in sorted(self.leases.values(), key=lambda each: (each.state.holds, -each.sequence)):
            queued = lease.state is LeaseState.QUEUED
            if (queued or enforce) and self._admission.excess(now, lease):
                message = f"The quota was lowered, and {lease.size} is more than it leaves."
                self._end(now, lease, "refuse" if queued else "revoke", "quota", message)
        self._hours.quotas_changed(now, enforce=enforce)
        self._hours.look(now)
        self._serve_queue(now)

    def cordon(self, now: float, name: str, cordoned: bool) -> Server:
        """Let a server take no new leases, or take them again; also ends a drain.

        Raises KeyError when there is no such server.
        """
        server = self.servers[name]
        self._drains.set(name, None)
        self._set_server(server, cordoned=cordoned, drain_at=None)
        for lease in self.leases_on(name):
            self._live.tell(now, lease)
        self._serve_queue(now)
        return server

    def drain(self, now: float, name: str, at: float) -> Server:
        """Let a server take no new leases, and end those that it has at ``at``; their holders are told now.

        Raises KeyError when there is no such server.
        """
        server = self.servers[name]
        self._set_server(server, cordoned=True, drain_at=at)
        for lease in self.leases_on(name):
            self._live.tell(now, lease)
        self._drains.set(name, at)
        self._serve_queue(now)
        return server

    def forget_server(self, now: float, name: str) -> None:
        """Remove a server that is gone for good.

        Raises KeyError when there is no such server, ValueError when its agent reports.
        """
        if self.servers[name].present:
            msg = f"GPU server {name} is connected: stop its agent first."
            raise ValueError(msg)
        self._agents.lose(now, self.servers[name])
        self._drains.set(name, None)
        self.fleet.forget(name)
        self.queue.moves += 1
        self._live.server_changed(name)
        self._serve_queue(now)

    # -- a restart --------------------------------------------------------------------------------------

    def restore(self, now: float, stored: Stored) -> None:
        """Take over what was stored, before any event.

        Every live lease gets a whole TTL and every server counts as just seen: while the pool was away,
        nobody could prove anything.
        """
        self._sequence = stored.sequence
        for duration_s in stored.durations_s:
            self._live.history.add(duration_s)
        for used in stored.used:
            scopes = scopes_of(used.user, used.group if used.group_named else "", used.group)
            for scope in scopes:
                self._tallies.restore_used(now, scope, used.period, used.hundredth_seconds)
        for server in stored.servers:
            self.fleet.update(server, seen_at=now, left_at=now)
            self._drains.set(server.name, server.drain_at)
        for lease in stored.leases:
            self._sequence = max(self._sequence, lease.sequence)
            self._live.restore(now, lease)
            if lease.state.holds:
                self._hours.watch(now, lease)
        self._live.resume_order(self._weight)
        self._serve_queue(now)

    # -- questions --------------------------------------------------------------------------------------

    @property
    def servers(self) -> Mapping[str, Server]:
        """All servers by name."""
        return self.fleet.servers

    @property
    def leases(self) -> Mapping[str, Lease]:
        """The live leases by id, in order of arrival."""
        return self._live.by_id

    @property
    def queue(self) -> WaitingLine:
        """The leases that wait."""
        return self._live.queue

    def leases_of(self, user: str) -> Mapping[str, Lease]:
        """Return a user's live leases by id, in order of arrival."""
        return self._live.of_user(user)

    def leases_on(self, server: str) -> Iterable[Lease]:
        """Return the leases that hold a share of ``server``."""
        return list(self._live.bookings.on(server).values())

    def revision(self, lease: Lease) -> int:
        """Return the lease's revision as its holder sees it: a queued one's grows as the queue moves."""
        return lease.revision + (self.queue.moves if lease.state is LeaseState.QUEUED else 0)

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        return self._live.take_changes()

    def is_unsaved(self, lease_id: str) -> bool:
        """Whether the lease has changed since the last :meth:`take_changes`."""
        return self._live.is_unsaved(lease_id)

    def expires_in_s(self, now: float, lease: Lease) -> float:
        """Return the seconds until ``lease`` ends if nobody proves that it lives."""
        return max(0.0, lease.proof_at + self.times.ttl_s - now)

    def servable(self, lease: Lease) -> bool:
        """Whether some server that takes leases now could serve this queued lease, if it were empty."""
        return self.fleet.servable(lease.need)

    def connected(self, lease: Lease) -> bool:
        """Whether a server that could serve this queued lease is connected, though maybe out of service."""
        return self.fleet.connected(lease.need)

    def eta_s(self, now: float, lease: Lease) -> float | None:
        """Return the seconds until a queued lease is granted, about; None when that is unknown."""
        if not self.servable(lease):
            return None
        forecast = self._forecast
        if forecast is None or now - forecast.made_at > _FORECAST_AGE_S:
            held = self._live.holding()
            forecast = self._forecast = Forecast(now, self.queue, self.fleet, held, self._live.history)
        return forecast.eta_s(now, lease)

    @property
    def quotas(self) -> Quotas:
        """The quotas as they are now."""
        return self._admission.quotas

    def tally(self, now: float, ceiling: Ceiling) -> Tally:
        """Return what a ceiling's scope holds, asks for and has used."""
        return self._tallies.get(ceiling.scope, now)

    # -- decisions --------------------------------------------------------------------------------------

    def _new_lease(self, now: float, request: Request) -> Lease:
        self._sequence += 1
        quotas, need = self.quotas, request.need
        terms = quotas.terms(request.user, request.groups, request.group)
        least = self.fleet.least(need)
        return Lease(
            request.lease_id,
            request.user,
            need,
            request.holder,
            now,
            self._sequence,
            groups=request.groups,
            group=request.group or quotas.group_charged(request.groups),
            group_named=bool(request.group),
            priority=int(terms.priority or 0),
            hundredths=least[0],
            least_mib=least[1],
            longest_queue_s=terms.longest_queue_s,
            longest_idle_s=terms.longest_idle_s,
            longest_lease_s=terms.longest_lease_s,
            proof_at=now,
        )

    def _weight(self, lease: Lease) -> float:
        return self.quotas.terms(lease.user, lease.groups, lease.group_asked).weight or 1.0

    def _refusal(self, now: float, lease: Lease) -> Refusal | None:
        if lease.group_named and lease.group not in lease.groups:
            return Refusal("no-such-group", f"You are not in the group {lease.group}.")
        if self.servers and not self.fleet.could_serve(lease.need):
            return Refusal("no-such-size", _no_such_size(self.servers.values(), lease))
        return self._admission.refuse(now, lease, self.leases_of(lease.user).values())

    def _serve_queue(self, now: float) -> None:
        def allowed(lease: Lease, cards: list[Card]) -> bool:
            memory_mib = sum(lease.share.memory_on(card.gpu.memory_mib) for card in cards)
            return self._admission.allows(now, lease, _hundredths(lease, cards), memory_mib)

        for lease, place in grants(self.queue, self.fleet, allowed):
            ceilings = self._admission.timed(lease)
            spent = next((s for c in ceilings if (s := self._admission.spent(now, c))), None)
            if spent:
                self._end(now, lease, "refuse", spent.code, spent.message)
            else:
                self._grant(now, lease, place)

    def _grant(self, now: float, lease: Lease, place: Place) -> None:
        cards = [place.server.cards[p.gpu] for p in place.placements]
        self._live.grant(now, lease, place, _hundredths(lease, cards))
        self._hours.watch(now, lease)

    def _end(self, now: float, lease: Lease, name: str, code: str, message: str) -> None:
        self._live.end(now, lease, name, code, message)

    # -- what time does ---------------------------------------------------------------------------------

    def _look_at(self, now: float, lease: Lease) -> None:
        due = verdict(self.times, now, lease)
        if due and due.transition != "idle":
            self._end(now, lease, due.transition, due.code, due.message)
            return
        if due:
            transition(lease, "idle", now)
            lease.idle_until = now + self.times.idle_grace_s
            self._live.changed(lease)
        if lease.state.holds:
            self._live.tell(now, lease)
        self._live.watch(now, lease)

    # -- servers ----------------------------------------------------------------------------------------

    def _set_server(self, server: Server, **changes: Any) -> None:
        self.fleet.update(server, **changes)
        self.queue.moves += 1
        self._live.server_changed(server.name)

    def _empty(self, now: float, name: str) -> None:
        for lease in self.leases_on(name):
            message = (
                f"GPU server {name} was taken out of service: restart the kernel to ask for a new share."
            )
            self._end(now, lease, "revoke", "drained", message)


def _hundredths(lease: Lease, cards: Iterable[Card]) -> int:
    return sum(lease.share.hundredths_on(card.gpu.memory_mib) for card in cards)


def _no_such_size(servers: Iterable[Server], lease: Lease) -> str:
    cards = [[card.gpu.memory_mib for card in server.cards.values()] for server in servers]
    largest = max((mib for mibs in cards for mib in mibs), default=0)
    most = max(map(len, cards), default=0)
    filters = "".join(f" with {f.text}" for f in lease.need.filters)
    return (
        f"No GPU server of this pool can serve {lease.size}{filters}: "
        f"the largest GPU has {largest} MiB, and the most GPUs in one server are {most}."
    )
