# SPDX-License-Identifier: BSD-3-Clause
"""Which leases have which shares of which servers.

A share stays booked after its lease has ended for as long as its server reports workers of it ("draining"),
so that the memory is really free when the next lease gets it. A server may report workers of a lease only
after it has ended, when they had just started or the server was out of reach: its share is booked again until
they have ended, also where it has been granted anew meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.servers import Server
from bfkernel.remote.records import Lease, Placement


@dataclass(frozen=True)
class Draining:
    """A share whose lease ended while workers were running."""

    server: str
    placements: tuple[Placement, ...]


class Bookings:
    """Leases by server, and draining shares by their lease's id."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._on: dict[str, dict[str, Lease]] = {}
        self.draining: dict[str, Draining] = {}

    def on(self, server: str) -> dict[str, Lease]:
        """Return the leases that hold a share of ``server``, by id."""
        return self._on.setdefault(server, {})

    def book(self, lease: Lease) -> None:
        """Book the place of a granted lease."""
        server = self._server_of(lease)
        self._fleet.take(server, lease.placements)
        self.on(server.name)[lease.id] = lease

    def unbook(self, lease: Lease) -> None:
        """Give back the share of a lease that has ended, or let it drain while it has workers."""
        server = self._server_of(lease)
        del self.on(server.name)[lease.id]
        if lease.workers:
            self.draining[lease.id] = Draining(server.name, lease.placements)
        else:
            self._fleet.give_back(server, lease.placements)

    def drain(self, lease_id: str, server: Server, placements: Collection[Placement]) -> None:
        """Book what workers of a lease that is over may hold, unless it is booked."""
        there = tuple(p for p in placements if p.gpu in server.cards)
        if there and lease_id not in self.draining:
            self.draining[lease_id] = Draining(server.name, there)
            self._fleet.take(server, there)

    def drained(self, server: Server, still_working: Collection[str]) -> None:
        """Give back what drained on ``server``: all but the leases that still have workers."""
        gone = [i for i, d in self.draining.items() if d.server == server.name and i not in still_working]
        for lease_id in gone:
            self._fleet.give_back(server, self.draining.pop(lease_id).placements)

    def still_possible(self, server: Server) -> Collection[str]:
        """Return the draining leases of ``server`` whose GPUs are all still there."""
        return {i for i, d in self.draining.items() if all(p.gpu in server.cards for p in d.placements)}

    def _server_of(self, lease: Lease) -> Server:
        return self._fleet.servers[lease.server or ""]
