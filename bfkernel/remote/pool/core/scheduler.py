# SPDX-License-Identifier: BSD-3-Clause
"""Who of the queue is served next, and where.

Requests are served in the queue's order. One that finds no room does not hold up smaller ones behind it, but
only within a bound: of each need (size and filters), the first that gets nothing is passed by later requests
that together ask for as much GPU as it asks for itself. After that the server on which the least must still
become free is kept for it: nobody behind it gets anything there until it is served. Who has passed whom is
not stored: a pool that starts again counts anew.

A request gets nothing when there is no room, when what room there is is kept, or when its quotas do not
allow it what is free (where cards differ, a share of a small one may be allowed and of a large one not). In
the last case its equals behind it are tried too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.placement import Allowed, Place, nearest, place
from bfkernel.remote.pool.core.queue import WaitingLine, key_of
from bfkernel.remote.pool.core.servers import Card
from bfkernel.remote.records import Lease

#: Whether a lease's quotas allow that it gets these cards.
AllowedTo = Callable[[Lease, list[Card]], bool]


@dataclass
class _Blocked:
    """A request that gets nothing for now."""

    lease: Lease
    allowed: Allowed

    def protected_from(self, lease: Lease) -> bool:
        """Whether ``lease`` would pass it beyond the bound."""
        return self.lease.passed + lease.hundredths > self.lease.hundredths


def grants(queue: WaitingLine, fleet: Fleet, allowed: AllowedTo) -> Iterator[tuple[Lease, Place]]:
    """Yield each lease that can be served now, with its place.

    The caller must take it out of the queue, and book the place if it grants the lease, before it goes on.
    """
    firsts = [(key_of(lease), lease) for need in queue.needs() if (lease := queue.first(need))]
    heapq.heapify(firsts)
    blocked: dict[object, _Blocked] = {}  # by need
    while firsts:
        key, lease = heapq.heappop(firsts)
        need = lease.need
        if not fleet.servable(need):
            continue

        def its_allowed(cards: list[Card], lease: Lease = lease) -> bool:
            return allowed(lease, cards)

        found = _place_behind(fleet, lease, blocked.values(), its_allowed)
        if found is not None:
            asked = lease.hundredths
            yield lease, found
            if lease.server is not None:
                for each in blocked.values():
                    each.lease.passed += asked
        else:
            room = _place_behind(fleet, lease, blocked.values(), _anything)
            blocked.setdefault(need, _Blocked(lease, its_allowed))
            if room is None:
                continue
        if following := queue.first(need, after=key):
            heapq.heappush(firsts, (key_of(following), following))


def _anything(_cards: list[Card]) -> bool:
    return True


def _place_behind(
    fleet: Fleet, lease: Lease, blocked: Collection[_Blocked], allowed: Allowed
) -> Place | None:
    """Return a place on a server that is not kept for somebody before ``lease``."""
    found = place(fleet, lease.need, (), allowed)
    if found is None or not any(each.protected_from(lease) for each in blocked):
        return found
    return place(fleet, lease.need, _kept_servers(fleet, blocked, lease), allowed)


def _kept_servers(fleet: Fleet, blocked: Collection[_Blocked], lease: Lease) -> set[str]:
    kept: set[str] = set()
    for each in blocked:
        if each.protected_from(lease):
            server = nearest(fleet, each.lease.need, kept, each.allowed)
            if server is not None:
                kept.add(server.name)
    return kept
