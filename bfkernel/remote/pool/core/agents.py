# SPDX-License-Identifier: BSD-3-Clause
"""What agents report, and what follows from it for servers and leases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bfkernel.remote.pool.core.deadlines import is_quiet
from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.live import LiveLeases
from bfkernel.remote.pool.core.servers import Card, Server
from bfkernel.remote.pool.core.transitions import transition
from bfkernel.remote.records import Gpu, Lease, LeaseState, Placement
from bfkernel.remote.units import format_duration


class NameTakenError(Exception):
    """A report of an agent whose name another agent, which is running, has."""


@dataclass(frozen=True)
class LeaseUse:
    """What an agent reports of one lease."""

    lease: str
    workers: int
    held_mib: Sequence[float] = ()
    last_call_at: float | None = None
    #: what its workers may hold of the server's GPUs
    placements: tuple[Placement, ...] = ()


@dataclass(frozen=True)
class GpuUse:
    """What a driver tells of one GPU: the share of time in which it computes (0 to 1), and MiB in use."""

    busy: float | None = None
    used_mib: float | None = None


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
    driver_version: str = ""
    cuda_version: str = ""
    compute: str = ""
    #: by GPU id
    gpu_uses: Mapping[str, GpuUse] = field(default_factory=dict)


_FACTS = ("instance", "address", "driver", "version", "driver_version", "cuda_version", "compute")

#: A running agent closes its connection at each piece of news and reports at once; one that has not done so
#: after this time has ended.
_RETURN_LIMIT_S = 1.0

#: Ends a lease: lease, transition, code, sentence.
End = Callable[[float, Lease, str, str, str], None]


class Agents:
    """Takes reports in. Ends leases through the ``end`` that it is given, and serves nobody itself."""

    def __init__(self, fleet: Fleet, live: LiveLeases, absent_after_s: float, end: End) -> None:
        self._fleet = fleet
        self._live = live
        self._absent_after_s = absent_after_s
        self._end = end

    def report(self, now: float, report: ServerReport) -> list[str]:
        """Take a report; returns the reported leases that are over.

        Raises:
            NameTakenError: another agent of this name is running; nothing was changed.
        """
        server = self._accept_server(now, report)
        used = {use.lease: use for use in report.uses if use.workers > 0}
        self._live.bookings.drained(server, used)
        self._accept_inventory(now, server, report.gpus)
        for gpu_id, card in server.cards.items():
            use = report.gpu_uses.get(gpu_id, GpuUse())
            card.busy, card.used_mib = use.busy, use.used_mib
        for lease_id in report.ended:
            # A connection may have come and gone between two reports.
            if lease := self._live.bookings.on(server.name).get(lease_id):
                self._connect(now, lease)
        return self._accept_uses(now, server, used)

    def left(self, now: float, name: str, instance: str) -> None:
        """Note that an agent closed its connection."""
        server = self._fleet.servers.get(name)
        if server and server.instance == instance:
            server.left_at = now

    def look(self, now: float, grace_s: float) -> None:
        """Note servers that have gone silent, and end the leases of those that are lost."""
        for server in self._fleet.servers.values():
            silent = now - server.seen_at
            if server.present and silent > self._absent_after_s:
                self._fleet.update(server, present=False)
                self._live.queue.moves += 1
            if silent > grace_s:
                self.lose(now, server)

    def _accept_server(self, now: float, report: ServerReport) -> Server:
        server = self._fleet.servers.get(report.server)
        facts = {name: getattr(report, name) for name in _FACTS}
        if server is None:
            server = Server(report.server, report.address, report.instance, now)
            self._fleet.update(server, **facts)
            self._live.server_changed(server.name)
        if server.instance != report.instance:
            left = server.left_at is not None and now - server.left_at >= _RETURN_LIMIT_S
            if not left and now - server.seen_at <= self._absent_after_s:
                msg = f"Another agent named '{report.server}' is running: give each a --name of its own."
                raise NameTakenError(msg)
            for lease in self._live.bookings.on(server.name).values():
                lease.workers = 0  # they died with their agent
        if facts != {name: getattr(server, name) for name in _FACTS}:
            self._fleet.update(server, **facts)
            self._live.server_changed(server.name)
            for lease in self._live.bookings.on(server.name).values():
                lease.revision += 1
                self._live.changed(lease)
        if not server.present:
            self._fleet.update(server, present=True)
            self._live.queue.moves += 1
        server.seen_at, server.left_at = now, None
        return server

    def _accept_inventory(self, now: float, server: Server, gpus: Sequence[Gpu]) -> None:
        if [card.gpu for card in server.cards.values()] == list(gpus):
            return
        self._live.server_changed(server.name)
        before = server.cards
        cards = {gpu.id: Card(gpu, before[gpu.id].booked_mib if gpu.id in before else 0) for gpu in gpus}
        self._fleet.update(server, cards=cards)
        for lease in list(self._live.bookings.on(server.name).values()):
            if any(p.gpu not in cards or cards[p.gpu].free_mib < 0 for p in lease.placements):
                message = f"A GPU of the lease is no longer on server {server.name}."
                self._end(now, lease, "revoke", "gpu-gone", message)
        self._live.bookings.drained(server, self._live.bookings.still_possible(server))

    def _accept_uses(self, now: float, server: Server, used: Mapping[str, LeaseUse]) -> list[str]:
        mine = self._live.bookings.on(server.name)
        for lease in mine.values():
            self._accept_use(now, lease, used.get(lease.id))
        over = [lease_id for lease_id in used if lease_id not in mine]
        for lease_id in over:
            self._live.bookings.drain(lease_id, server, used[lease_id].placements)
        return over

    def _accept_use(self, now: float, lease: Lease, use: LeaseUse | None) -> None:
        if use is None:
            lease.workers, lease.held_mib = 0, []
            return
        lease.workers, lease.held_mib = use.workers, list(use.held_mib)
        worked = use.last_call_at is not None and use.last_call_at > (lease.last_call_at or 0.0)
        if worked:
            first, lease.last_call_at = lease.last_call_at is None, use.last_call_at
            if first:  # of a lease from before a restart it may be long ago
                self._live.watch(now, lease)
        self._connect(now, lease)
        if worked and lease.state is LeaseState.IDLE and not is_quiet(now, lease):
            self._wake(now, lease)

    def _connect(self, now: float, lease: Lease) -> None:
        lease.proof_at = now
        if lease.state is LeaseState.GRANTED:
            transition(lease, "connect", now)
            self._live.changed(lease)

    def _wake(self, now: float, lease: Lease) -> None:
        transition(lease, "wake", now)
        lease.idle_until = None
        self._live.changed(lease)
        self._live.tell(now, lease)
        self._live.watch(now, lease)

    def lose(self, now: float, server: Server) -> None:
        """End all that a server has: its memory is out of reach."""
        silent = format_duration(now - server.seen_at)
        for lease in list(self._live.bookings.on(server.name).values()):
            lease.workers = 0
            message = f"GPU server {server.name} has not answered for {silent}."
            self._end(now, lease, "expire", "server-lost", message)
        self._live.bookings.drained(server, ())
