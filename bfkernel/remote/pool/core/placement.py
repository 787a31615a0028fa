# SPDX-License-Identifier: BSD-3-Clause
"""Where a request goes: best fit by memory.

Best fit puts a request where the least memory stays behind, so that untouched GPUs stay untouched and
big requests stay possible. The GPUs of one lease are on one server. Equal fits are decided by index and name,
so that the same state always gives the same answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from bfkernel.remote.pool.core.fits import Choice, Choices
from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.servers import Card, Server
from bfkernel.remote.records import Need, Placement

#: Says of the cards of a place whether the request's quotas allow it.
Allowed = Callable[[list[Card]], bool]


class Place(NamedTuple):
    """A server and what a lease gets of its GPUs."""

    server: Server
    placements: tuple[Placement, ...]


def place(fleet: Fleet, need: Need, closed: Collection[str], allowed: Allowed) -> Place | None:
    """Return where ``need`` has room now, or None.

    ``closed`` names servers to be left alone.
    """
    if need.gpu_count == 1 and not need.filters:
        found = _best_card(fleet, need, closed)
        if found is None or allowed([found.server.cards[p.gpu] for p in found.placements]):
            return found
    best = _best((able.now() for able in fleet.able(need) if able.server.name not in closed), allowed)
    return Place(best.server, best.placements) if best else None


def nearest(fleet: Fleet, need: Need, closed: Collection[str], allowed: Allowed) -> Server | None:
    """Return the server on which the least must become free for ``need``, of those not in ``closed``."""
    best = _best((able.later() for able in fleet.able(need) if able.server.name not in closed), allowed)
    return best.server if best else None


def _best_card(fleet: Fleet, need: Need, closed: Collection[str]) -> Place | None:
    """Return the place of a request for one GPU without filters: a binary search for each size of card."""
    best: tuple[int, int, str, str, int] | None = None
    for size in fleet.sizes():
        wanted = need.share.memory_on(size)
        if not 1 <= wanted <= size:
            continue
        cards = fleet.free_cards(size)
        for at in range(bisect_left(cards, (wanted,)), len(cards)):
            card = cards[at]
            if card.server not in closed:
                rank = (card.free_mib - wanted, card.gpu_index, card.server, card.gpu, wanted)
                best = rank if best is None else min(best, rank)
                break
    if best is None:
        return None
    _, _, server, gpu, wanted = best
    return Place(fleet.servers[server], (Placement(gpu, wanted),))


def _best(servers: Iterable[Choices], allowed: Allowed) -> Choice | None:
    """Return the choice of the least rank; each server's counts that is the first which ``allowed`` permits.

    A server's later choices never rank before its first, so few of all need to be asked about.
    """
    open_choices = [(choices[0].rank, choices) for choices in servers if choices]
    heapify(open_choices)
    while open_choices:
        _, (choice, *others) = heappop(open_choices)
        if allowed(choice.cards):
            return choice
        if others:
            heappush(open_choices, (others[0].rank, tuple(others)))
    return None
