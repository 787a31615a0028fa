# SPDX-License-Identifier: BSD-3-Clause
"""Who of the queue is served next, and where.

Requests are served in the queue's order. One that finds no room does not hold up smaller ones behind it, but
only within a bound: of each need (size and filters), the first that finds no room is passed by later requests
of at most as much GPU as it asks for itself. After that the server on which the least must still become free
is kept for it: nobody behind it gets anything there until it is served.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from functools import partial

from bfkernel.remote.pool.core.fleet import Card, Fleet, Server
from bfkernel.remote.pool.core.placement import Place, missing_mib, place
from bfkernel.remote.pool.core.queue import WaitingLine, key_of
from bfkernel.remote.records import Lease, Need

#: Whether a lease's quotas allow that it gets these cards.
Allowed = Callable[[Lease, list[Card]], bool]


def grants(queue: WaitingLine, fleet: Fleet, allowed: Allowed) -> Iterator[tuple[Lease, Place]]:
    """Yield each lease that can be served now, with its place.

    The caller must take it out of the queue, and book the place if it grants the lease, before it goes on.
    """
    firsts = [(key_of(lease), lease) for need in queue.needs() if (lease := queue.first(need))]
    heapq.heapify(firsts)
    blocked: list[Lease] = []
    while firsts:
        key, lease = heapq.heappop(firsts)
        need = lease.need
        if not fleet.servable(need):
            continue
        kept = _kept_servers(fleet, blocked, lease)
        found = place(fleet, need, kept, partial(allowed, lease))
        if found is not None:
            yield lease, found
            if lease.server is not None:
                _note_passed(blocked, lease)
        elif place(fleet, need, kept, _anything) is None:
            blocked.append(lease)
            continue
        # Served, or not allowed what is free now: its equals come next.
        if following := queue.first(need, after=key):
            heapq.heappush(firsts, (key_of(following), following))


def _anything(_cards: list[Card]) -> bool:
    return True


def _note_passed(blocked: list[Lease], granted: Lease) -> None:
    for lease in blocked:
        lease.passed += granted.hundredths


def _kept_servers(fleet: Fleet, blocked: list[Lease], lease: Lease) -> set[str]:
    """Return the servers that are kept for blocked requests which ``lease`` must not pass any more."""
    kept: set[str] = set()
    for first in blocked:
        if first.passed + lease.hundredths > first.hundredths:
            server = _nearest(fleet, first.need, kept)
            if server is not None:
                kept.add(server.name)
    return kept


def _nearest(fleet: Fleet, need: Need, kept: set[str]) -> Server | None:
    """Return the server on which the least must become free for ``need``."""
    missing = (
        (mib, server.name, server)
        for server in fleet.accepting()
        if server.name not in kept and (mib := missing_mib(need, server)) is not None
    )
    best = min(missing, key=lambda found: found[:2], default=None)
    return best[2] if best else None
