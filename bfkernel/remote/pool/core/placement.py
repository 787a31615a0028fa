# SPDX-License-Identifier: BSD-3-Clause
"""Where a request goes: best fit by memory.

Best fit puts a request where the least memory stays behind, so that untouched GPUs stay untouched and
big requests stay possible. The GPUs of one lease are on one server. Equal fits are decided by index and name,
so that the same state always gives the same answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection
from typing import NamedTuple

from bfkernel.remote.pool.core.fleet import AbleServer, Card, Fleet, Server
from bfkernel.remote.records import Need, Placement

#: Says of the cards of a place whether the request's quotas allow it.
Allowed = Callable[[list[Card]], bool]


class Place(NamedTuple):
    """A server and what a lease gets of its GPUs."""

    server: Server
    placements: tuple[Placement, ...]


class _Option(NamedTuple):
    """A card, what the request would take of it, and what that leaves; or what it lacks."""

    left_mib: int
    gpu_index: int
    wanted_mib: int
    card: Card


def place(fleet: Fleet, need: Need, closed: Collection[str], allowed: Allowed) -> Place | None:
    """Return where ``need`` has room now, or None.

    ``closed`` names servers to be left alone.
    """
    if need.gpu_count == 1 and not need.filters:
        found = _best_card(fleet, need, closed)
        if found is None or allowed([found.server.cards[p.gpu] for p in found.placements]):
            return found
    best: tuple[tuple[int, int, str], AbleServer, list[_Option]] | None = None
    for able in fleet.able(need):
        if able.server.name in closed:
            continue
        room = [
            _Option(left, card.gpu.index, wanted, card)
            for card, wanted in able.cards
            if (left := card.free_mib - wanted) >= 0
        ]
        chosen = _choose(need, room, allowed)
        if chosen is not None:
            rank = (sum(option.left_mib for option in chosen), chosen[0].gpu_index, able.server.name)
            if best is None or rank < best[0]:
                best = rank, able, chosen
    return _place_at(best[1].server, best[2]) if best else None


def missing_mib(need: Need, able: AbleServer, allowed: Allowed) -> int | None:
    """Return the MiB that must become free on a server for ``need``; None if its quotas allow none of it."""
    missing = [
        _Option(max(0, wanted - card.free_mib), card.gpu.index, wanted, card) for card, wanted in able.cards
    ]
    chosen = _choose(need, missing, allowed)
    return None if chosen is None else sum(option.left_mib for option in chosen)


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


def _choose(need: Need, options: list[_Option], allowed: Allowed) -> list[_Option] | None:
    """Return as many cards as are needed: those with the least left, or else those that count least."""
    if len(options) < need.gpu_count:
        return None
    for key in (_tightest, _most_frugal):
        chosen = sorted(options, key=key)[: need.gpu_count]
        if allowed([option.card for option in chosen]):
            return chosen
    return None


def _tightest(option: _Option) -> tuple[int, ...]:
    return option.left_mib, option.gpu_index


def _most_frugal(option: _Option) -> tuple[int, ...]:
    # A fraction takes the fewest MiB of the smallest card, MiB are the smallest fraction of the largest.
    return option.wanted_mib, -option.card.gpu.memory_mib, option.left_mib, option.gpu_index


def _place_at(server: Server, chosen: list[_Option]) -> Place:
    in_order = sorted(chosen, key=lambda option: option.gpu_index)
    return Place(server, tuple(Placement(o.card.gpu.id, o.wanted_mib) for o in in_order))
