# SPDX-License-Identifier: BSD-3-Clause
"""All GPU servers: what is booked of them, and where there is room.

Cards that may take new leases are kept sorted by what they have free, one list for each size of card, so
that the best fit among thousands of cards is a binary search.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bfkernel.remote.pool.core.fits import AbleServer
from bfkernel.remote.pool.core.servers import Card, Server
from bfkernel.remote.records import Need, Placement

#: As if a card had so much, while no card is known.
_LARGEST_MIB = 1 << 20
#: So many needs are remembered with their answers.
_MOST_NEEDS = 2000


class FreeCard(NamedTuple):
    """Where a card stands among the free ones: less room first, then by index and server."""

    free_mib: int
    gpu_index: int
    server: str
    gpu: str


class Fleet:
    """All servers; changes to what they have and to who may use them go through here."""

    def __init__(self) -> None:
        self.servers: dict[str, Server] = {}
        self._free: dict[int, list[FreeCard]] = {}
        self._able: dict[Need, list[AbleServer]] = {}
        self._ever: dict[Need, bool] = {}
        self._connected: dict[Need, bool] = {}
        self._least: dict[Need, tuple[int, int]] = {}

    def accepting(self) -> Iterator[Server]:
        """Servers that may take new leases."""
        return (server for server in self.servers.values() if server.accepts)

    def could_serve(self, need: Need) -> bool:
        """Whether some server of the pool could serve ``need`` if nobody else were on it."""
        if need not in self._ever:
            self._forget_answers(_MOST_NEEDS)
            self._ever[need] = any(server.could_serve(need) for server in self.servers.values())
        return self._ever[need]

    def connected(self, need: Need) -> bool:
        """Whether a server that could serve ``need`` is connected, though it may be out of service."""
        if need not in self._connected:
            self._forget_answers(_MOST_NEEDS)
            present = (server for server in self.servers.values() if server.present)
            self._connected[need] = any(server.could_serve(need) for server in present)
        return self._connected[need]

    def able(self, need: Need) -> list[AbleServer]:
        """Return the servers that take leases now and could serve ``need`` if nobody else were on them."""
        if need not in self._able:
            self._forget_answers(_MOST_NEEDS)
            found = ((server, list(server.cards_for(need))) for server in self.accepting())
            self._able[need] = [
                AbleServer(server, need, cards) for server, cards in found if len(cards) >= need.gpu_count
            ]
        return self._able[need]

    def servable(self, need: Need) -> bool:
        """Whether some server that takes leases now could serve ``need`` if nobody else were on it."""
        return bool(self.able(need))

    def least(self, need: Need) -> tuple[int, int]:
        """Return the hundredths of a GPU and the MiB that ``need`` takes at the least, over all its GPUs."""
        if need not in self._least:
            self._forget_answers(_MOST_NEEDS)
            sizes = [[card.gpu.memory_mib for card in s.cards_for(need)] for s in self.servers.values()]
            enough = [of for of in sizes if len(of) >= need.gpu_count]
            share, count = need.share, need.gpu_count
            if not enough:  # no server has reported yet: it may bring a card of any size
                self._least[need] = count * share.hundredths_on(_LARGEST_MIB), count * (share.memory_mib or 1)
            else:
                hundredths = min(sum(sorted(map(share.hundredths_on, of))[:count]) for of in enough)
                memory_mib = min(sum(sorted(map(share.memory_on, of))[:count]) for of in enough)
                self._least[need] = hundredths, memory_mib
        return self._least[need]

    def free_cards(self, memory_mib: int) -> list[FreeCard]:
        """Return the cards of that size which may take leases, the fullest first."""
        return self._free.get(memory_mib, [])

    def sizes(self) -> Iterable[int]:
        """Sizes of cards that there are, in MiB."""
        return self._free.keys()

    def take(self, server: Server, placements: Iterable[Placement]) -> None:
        """Book what a lease got."""
        for placement in placements:
            self._book(server, placement.gpu, placement.memory_mib)

    def give_back(self, server: Server, placements: Iterable[Placement]) -> None:
        """Undo :meth:`take`; a GPU that has gone meanwhile is passed over."""
        for placement in placements:
            if placement.gpu in server.cards:
                self._book(server, placement.gpu, -placement.memory_mib)

    def update(self, server: Server, *, cards: dict[str, Card] | None = None, **changes: Any) -> None:
        """Change what is known of a server: its ``cards``, or any of its fields."""
        self._unlist(server)
        for name, value in changes.items():
            setattr(server, name, value)
        if cards is not None:
            server.cards = cards
        self.servers[server.name] = server
        self._list(server)
        self._forget_answers()

    def forget(self, name: str) -> None:
        """Remove a server."""
        self._unlist(self.servers[name])
        del self.servers[name]
        self._forget_answers()

    def _forget_answers(self, above: int = 0) -> None:
        for answers in (self._able, self._ever, self._connected, self._least):
            if len(answers) > above:
                answers.clear()

    def _book(self, server: Server, gpu: str, memory_mib: int) -> None:
        card = server.cards[gpu]
        if server.accepts:
            self._remove(server, card)
        card.booked_mib += memory_mib
        server.bookings += 1
        if server.accepts:
            self._insert(server, card)

    def _list(self, server: Server) -> None:
        if server.accepts:
            for card in server.cards.values():
                self._insert(server, card)

    def _unlist(self, server: Server) -> None:
        if server.accepts and server.name in self.servers:
            for card in server.cards.values():
                self._remove(server, card)

    def _insert(self, server: Server, card: Card) -> None:
        insort(self._free.setdefault(card.gpu.memory_mib, []), _place_of(server, card))

    def _remove(self, server: Server, card: Card) -> None:
        cards, place = self._free[card.gpu.memory_mib], _place_of(server, card)
        del cards[bisect_left(cards, place)]
        if not cards:
            del self._free[card.gpu.memory_mib]


def _place_of(server: Server, card: Card) -> FreeCard:
    return FreeCard(card.free_mib, card.gpu.index, server.name, card.gpu.id)
