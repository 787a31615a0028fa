# SPDX-License-Identifier: BSD-3-Clause
"""The pool's decisions: who holds what, who waits, what ended. A pure state machine.

No I/O and no clock: every event brings its time ``now`` (seconds since the epoch, never going back). An event
changes leases and servers; :meth:`PoolCore.take_changes` then tells which, for whoever stores and announces
them. Only live leases are kept here; an ended one is in the changes once and then gone.

The queue is strict first come, first served: when the first request does not fit, nobody behind it is served,
so that big requests are never starved by small ones. A request that no server now present could serve even
when empty does not hold up the others; it keeps its place until such a server is back.

A share stays booked after its lease has ended for as long as its server reports workers of it ("draining"),
so that the memory is really free when the next lease gets it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bfkernel.remote.pool.placement import Card, Server, fits_when_empty, place
from bfkernel.remote.pool.queue import WaitingLine
from bfkernel.remote.pool.transitions import transition
from bfkernel.remote.records import Gpu, Holder, Lease, LeaseState, Placement, Share


class NameTakenError(Exception):
    """A report of an agent whose name another agent, which is running, has."""


@dataclass(frozen=True)
class LeaseUse:
    """What an agent reports of one lease."""

    lease: str
    workers: int
    held_mib: Sequence[float] = ()
    last_call_at: float | None = None


@dataclass(frozen=True)
class ServerReport:
    """An agent's heartbeat: its server's inventory and what its leases do."""

    server: str
    instance: str
    address: str
    gpus: Sequence[Gpu]
    uses: Sequence[LeaseUse]
    #: leases of which a data connection has ended since the last report
    ended: Sequence[str] = ()
    driver: str = ""
    version: str = ""


@dataclass
class Changes:
    """What events changed since the last :meth:`PoolCore.take_changes`.

    ``leases`` are to be stored and announced; ``servers`` to be stored; of ``moved`` leases only the place in
    the queue changed; ``freed`` are servers on which a lease ended, whose agents should hear of it at once.
    """

    leases: dict[str, Lease] = field(default_factory=dict)
    servers: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    freed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Draining:
    """A share whose lease ended while workers were running."""

    server: str
    placements: tuple[Placement, ...]


class PoolCore:
    """Leases, servers and the queue. Called by the pool's service, by tests and by simulations."""

    def __init__(self, ttl_s: float, absent_after_s: float = 10.0) -> None:
        """Begin with no lease and no server.

        ``ttl_s``: how long a lease lives without proof; ``absent_after_s``: a server silent for longer
        gets no new leases.
        """
        self.ttl_s = ttl_s
        self.absent_after_s = absent_after_s
        self.servers: dict[str, Server] = {}
        self.leases: dict[str, Lease] = {}
        self.queue = WaitingLine()
        self._on_server: dict[str, dict[str, Lease]] = {}
        self._draining: dict[str, _Draining] = {}
        self._deadlines: list[tuple[float, str]] = []
        self._sequence = 0
        self._changes = Changes()
        self._moved_from: int | None = None

    # -- events of holders ------------------------------------------------------------------------------

    def request(
        self,
        now: float,
        *,
        lease_id: str,
        user: str,
        share: Share,
        gpu_count: int = 1,
        holder: Holder | None = None,
    ) -> Lease:
        """Take a request; the lease that comes back is granted, queued or refused.

        It is refused (``no-such-size``) when no server of the pool is large enough, even when empty. As long
        as no server has ever reported, requests wait.
        """
        self._sequence += 1
        lease = Lease(lease_id, user, share, gpu_count, holder or Holder(), now, self._sequence, proof_at=now)
        self._changed(lease)
        if self.servers and not fits_when_empty(self.servers.values(), share, gpu_count):
            transition(lease, "refuse", now, "no-such-size", self._no_such_size(share, gpu_count))
            return lease
        self.leases[lease_id] = lease
        self.queue.add(lease)
        self._await_proof(lease)
        self._serve_queue(now)
        return lease

    def heartbeat(self, now: float, lease_id: str) -> Lease:
        """Take the holder's proof of life. Raises KeyError when no live lease has this id."""
        lease = self.leases[lease_id]
        lease.proof_at = now
        return lease

    def release(self, now: float, lease_id: str) -> Lease:
        """End a lease at its holder's wish. Raises KeyError when no live lease has this id."""
        return self._end(self.leases[lease_id], "release", now, "released", "The lease was released.")

    def revoke(self, now: float, lease_id: str, message: str) -> Lease:
        """End a lease for a reason that is not its holder's.

        Raises KeyError when no live lease has this id.
        """
        return self._end(self.leases[lease_id], "revoke", now, "revoked", message)

    # -- events of agents and of time -------------------------------------------------------------------

    def report(self, now: float, report: ServerReport) -> list[str]:
        """Take an agent's report; returns the reported leases that are over, whose workers must end.

        Raises:
            NameTakenError: another agent of this name is running; nothing was changed.
        """
        server = self._accept_server(now, report)
        self._accept_inventory(now, server, report.gpus)
        self._accept_ended(now, server, report.ended)
        over = self._accept_uses(now, server, report.uses)
        self._serve_queue(now)
        return over

    def agent_left(self, name: str, instance: str) -> None:
        """Note that an agent closed its connection; unless it reports again, another may take its name."""
        server = self.servers.get(name)
        if server and server.instance == instance:
            server.left = True

    def tick(self, now: float) -> None:
        """Let time pass: expire leases without proof of life, and note servers that have gone silent."""
        for server in self.servers.values():
            silent = now - server.seen_at
            if server.present and silent > self.absent_after_s:
                server.present = False
                self._moved_after(0)
            if silent > self.ttl_s:
                self._lose(now, server)
        while self._deadlines and self._deadlines[0][0] <= now:
            self._check_proof(now, heapq.heappop(self._deadlines)[1])
        self._serve_queue(now)

    def resume(self, now: float) -> None:
        """Give every lease a whole TTL and every server credit.

        For after a time in which nobody could reach the pool.
        """
        for server in self.servers.values():
            server.seen_at = now
        for lease in self.leases.values():
            lease.proof_at = now

    # -- a restart --------------------------------------------------------------------------------------

    def restore(self, now: float, servers: Iterable[Server], leases: Iterable[Lease], sequence: int) -> None:
        """Take over what was stored, before any event.

        Every live lease gets a whole TTL and every server counts as just seen: while the pool was away,
        nobody could prove anything. ``sequence`` is the last order of arrival ever given.
        """
        self._sequence = sequence
        for server in servers:
            server.seen_at, server.left = now, True
            self.servers[server.name] = server
        for lease in leases:
            self._sequence = max(self._sequence, lease.sequence)
            lease.proof_at = now
            self.leases[lease.id] = lease
            self._await_proof(lease)
            if lease.state is LeaseState.QUEUED:
                self.queue.add(lease)
            else:
                self._book(lease)
        self._serve_queue(now)

    # -- questions --------------------------------------------------------------------------------------

    def take_changes(self) -> Changes:
        """Return what changed since the last call; who moved up in the queue gets a new revision now."""
        if self._moved_from is not None:
            for lease in self.queue.behind(self._moved_from):
                lease.revision += 1
                self._changes.moved.add(lease.id)
            self._moved_from = None
        changes, self._changes = self._changes, Changes()
        return changes

    def is_unsaved(self, lease_id: str) -> bool:
        """Whether the lease has changed since the last :meth:`take_changes`."""
        return lease_id in self._changes.leases

    def leases_on(self, server: str) -> Iterable[Lease]:
        """Return the leases that hold a share of ``server``."""
        return self._on_server.get(server, {}).values()

    def expires_in_s(self, now: float, lease: Lease) -> float:
        """Return the seconds until ``lease`` ends if nobody proves that it lives."""
        return max(0.0, lease.proof_at + self.ttl_s - now)

    def servable(self, lease: Lease) -> bool:
        """Whether some server that is present could serve this queued lease, if it were empty."""
        return fits_when_empty(self._present(), lease.share, lease.gpu_count)

    # -- decisions --------------------------------------------------------------------------------------

    def _serve_queue(self, now: float) -> None:
        passed = 0
        while lease := self.queue.next_after(passed):
            passed = lease.sequence
            found = place(self._present(), lease.share, lease.gpu_count)
            if found is not None:
                self._grant(now, lease, *found)
            elif self.servable(lease):
                return

    def _grant(self, now: float, lease: Lease, server: Server, placements: tuple[Placement, ...]) -> None:
        self.queue.remove(lease)
        transition(lease, "grant", now)
        lease.server, lease.placements = server.name, placements
        self._book(lease)
        self._changed(lease)
        self._moved_after(lease.sequence)

    def _book(self, lease: Lease) -> None:
        server = self._server_of(lease)
        server.take(lease.placements)
        self._on_server.setdefault(server.name, {})[lease.id] = lease

    def _server_of(self, lease: Lease) -> Server:
        return self.servers[lease.server or ""]

    def _end(self, lease: Lease, name: str, now: float, code: str, message: str) -> Lease:
        queued = lease.state is LeaseState.QUEUED
        transition(lease, name, now, code, message)
        del self.leases[lease.id]
        self._changed(lease)
        if queued:
            self.queue.remove(lease)
            self._moved_after(lease.sequence)
        else:
            self._unbook(lease)
        self._serve_queue(now)
        return lease

    def _unbook(self, lease: Lease) -> None:
        server = self._server_of(lease)
        del self._on_server[server.name][lease.id]
        self._changes.freed.add(server.name)
        if lease.workers:
            self._draining[lease.id] = _Draining(server.name, lease.placements)
        else:
            server.give_back(lease.placements)

    def _check_proof(self, now: float, lease_id: str) -> None:
        lease = self.leases.get(lease_id)
        if lease is None:
            return
        if lease.proof_at + self.ttl_s > now:
            self._await_proof(lease)
            return
        self._end(
            lease, "expire", now, "no-proof", f"Nobody proved for {self.ttl_s:g} s that the lease is in use."
        )

    def _await_proof(self, lease: Lease) -> None:
        # One entry a live lease: proof moves `proof_at` only, and the entry is renewed when it falls due.
        heapq.heappush(self._deadlines, (lease.proof_at + self.ttl_s, lease.id))

    # -- servers ----------------------------------------------------------------------------------------

    def _present(self) -> list[Server]:
        return [server for server in self.servers.values() if server.present]

    def _accept_server(self, now: float, report: ServerReport) -> Server:
        server = self.servers.get(report.server)
        if server is None:
            server = Server(report.server, report.address, report.instance, now)
            self.servers[report.server] = server
            self._changes.servers.add(server.name)
        if server.instance != report.instance:
            if not server.left and now - server.seen_at <= self.absent_after_s:
                msg = f"Another agent named '{report.server}' is running: give each a --name of its own."
                raise NameTakenError(msg)
            for lease in self.leases_on(server.name):
                lease.workers = 0  # they died with their agent
        facts = (report.instance, report.address, report.driver, report.version)
        if facts != (server.instance, server.address, server.driver, server.version):
            server.instance, server.address, server.driver, server.version = facts
            self._changes.servers.add(server.name)
            for lease in self.leases_on(server.name):
                lease.revision += 1
                self._changed(lease)
        if not server.present:
            self._moved_after(0)
        server.seen_at, server.present, server.left = now, True, False
        return server

    def _accept_inventory(self, now: float, server: Server, gpus: Sequence[Gpu]) -> None:
        if [card.gpu for card in server.cards.values()] == list(gpus):
            return
        self._changes.servers.add(server.name)
        before = server.cards
        server.cards = {
            gpu.id: Card(gpu, before[gpu.id].leased_mib if gpu.id in before else 0) for gpu in gpus
        }
        for lease in list(self.leases_on(server.name)):
            if any(server.cards.get(p.gpu) is None for p in lease.placements) or self._overbooked(
                server, lease
            ):
                message = f"A GPU of the lease is no longer on server {server.name}."
                self._end(lease, "revoke", now, "gpu-gone", message)
        for lease_id in [i for i, d in self._draining.items() if d.server == server.name]:
            if any(p.gpu not in server.cards for p in self._draining[lease_id].placements):
                self._drained(lease_id)

    @staticmethod
    def _overbooked(server: Server, lease: Lease) -> bool:
        return any(server.cards[p.gpu].free_mib < 0 for p in lease.placements)

    def _accept_uses(self, now: float, server: Server, uses: Sequence[LeaseUse]) -> list[str]:
        over: list[str] = []
        used = {use.lease: use for use in uses if use.workers > 0}
        mine = self._on_server.get(server.name, {})
        for lease in mine.values():
            self._accept_use(
                now, lease, used.get(lease.id) or LeaseUse(lease.id, 0, last_call_at=lease.last_call_at)
            )
        over.extend(reported for reported in used if reported not in mine)
        for lease_id in [i for i, d in self._draining.items() if d.server == server.name and i not in used]:
            self._drained(lease_id)
        return over

    def _accept_ended(self, now: float, server: Server, ended: Sequence[str]) -> None:
        # A connection may have come and gone between two reports.
        for lease_id in ended:
            lease = self._on_server.get(server.name, {}).get(lease_id)
            if lease:
                self._connect(now, lease)

    def _connect(self, now: float, lease: Lease) -> None:
        lease.proof_at = now
        if lease.state is LeaseState.GRANTED:
            transition(lease, "connect", now)
            self._changed(lease)

    def _accept_use(self, now: float, lease: Lease, use: LeaseUse) -> None:
        lease.workers, lease.held_mib, lease.last_call_at = use.workers, list(use.held_mib), use.last_call_at
        if use.workers:
            self._connect(now, lease)

    def _lose(self, now: float, server: Server) -> None:
        for lease in list(self.leases_on(server.name)):
            lease.workers = 0
            message = f"GPU server {server.name} has not answered for {self.ttl_s:g} s."
            self._end(lease, "expire", now, "server-lost", message)
        for lease_id in [i for i, d in self._draining.items() if d.server == server.name]:
            self._drained(lease_id)

    def _drained(self, lease_id: str) -> None:
        draining = self._draining.pop(lease_id)
        self.servers[draining.server].give_back(draining.placements)

    # -- telling ----------------------------------------------------------------------------------------

    def _changed(self, lease: Lease) -> None:
        self._changes.leases[lease.id] = lease

    def _moved_after(self, sequence: int) -> None:
        self._moved_from = sequence if self._moved_from is None else min(self._moved_from, sequence)

    def _no_such_size(self, share: Share, gpu_count: int) -> str:
        largest = max((c.gpu.memory_mib for s in self.servers.values() for c in s.cards.values()), default=0)
        most = max((len(s.cards) for s in self.servers.values()), default=0)
        return (
            f"No GPU server of this pool can serve {share.size(gpu_count)}: "
            f"the largest GPU has {largest} MiB, and the most GPUs in one server are {most}."
        )
