# SPDX-License-Identifier: BSD-3-Clause
"""Where a request goes: best fit by memory.

Best fit puts a request where the least memory stays behind, so that untouched GPUs stay untouched and
big requests stay possible. The GPUs of one lease are on one server. Equal fits are decided by index and name,
so that the same state always gives the same answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from bfkernel.remote.pool.core.fleet import Card, Fleet, Server
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
        if found is None or allowed(_cards(found)):
            return found
    candidates = _candidates(fleet, need, closed)
    fitting = ((rank, found) for rank, found in candidates if allowed(_cards(found)))
    best = min(fitting, key=lambda candidate: candidate[0], default=None)
    return best[1] if best else None


def missing_mib(need: Need, server: Server) -> int | None:
    """Return the MiB that must become free on ``server`` for ``need``; None if it can never serve it."""
    missing = sorted(
        max(0, need.share.memory_on(card.gpu.memory_mib) - card.free_mib) for card in server.cards_for(need)
    )
    return sum(missing[: need.gpu_count]) if len(missing) >= need.gpu_count else None


def _best_card(fleet: Fleet, need: Need, closed: Collection[str]) -> Place | None:
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


_Rank = tuple[int, int, str]


def _candidates(fleet: Fleet, need: Need, closed: Collection[str]) -> Iterator[tuple[_Rank, Place]]:
    for server in fleet.accepting():
        if server.name in closed:
            continue
        fits = []
        for card in server.cards_for(need):
            left = card.free_mib - need.share.memory_on(card.gpu.memory_mib)
            if left >= 0:
                fits.append((left, card.gpu.index, card))
        if len(fits) >= need.gpu_count:
            chosen = sorted(fits, key=lambda fit: fit[:2])[: need.gpu_count]
            rank = (sum(left for left, _, _ in chosen), chosen[0][1], server.name)
            cards = [card for _, _, card in sorted(chosen, key=lambda fit: fit[1])]
            placements = (Placement(c.gpu.id, need.share.memory_on(c.gpu.memory_mib)) for c in cards)
            yield rank, Place(server, tuple(placements))


def _cards(found: Place) -> list[Card]:
    return [found.server.cards[p.gpu] for p in found.placements]
