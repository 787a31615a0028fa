# SPDX-License-Identifier: BSD-3-Clause
"""How a request fits a server: which of its cards, and what that leaves free, or what it lacks."""

from __future__ import annotations

from typing import NamedTuple

from bfkernel.remote.pool.core.servers import Card, Server
from bfkernel.remote.records import Need, Placement


class Option(NamedTuple):
    """A card, what the request would take of it, and what that leaves; or what it lacks."""

    left_mib: int
    gpu_index: int
    wanted_mib: int
    card: Card


class Choice(NamedTuple):
    """As many cards of one server as a request needs."""

    #: the best has the least: MiB that they leave free together, or that they lack; GPU index; server
    rank: tuple[int, int, str]
    server: Server
    options: tuple[Option, ...]

    @property
    def cards(self) -> list[Card]:
        """The cards."""
        return [option.card for option in self.options]

    @property
    def placements(self) -> tuple[Placement, ...]:
        """What a lease gets of the cards, in their order."""
        in_order = sorted(self.options, key=lambda option: option.gpu_index)
        return tuple(Placement(option.card.gpu.id, option.wanted_mib) for option in in_order)


#: What to try on a server, in this order: the first that quotas allow counts.
Choices = tuple[Choice, ...]


class AbleServer:
    """A server that could serve a need if nobody else were on it.

    Its choices are worked out anew only when its bookings have changed: each event of the pool changes one
    server's and looks at all.
    """

    def __init__(self, server: Server, need: Need, cards: list[Card]) -> None:
        """``cards`` are those of the server that could serve one GPU of ``need``."""
        self.server = server
        self._count = need.gpu_count
        self._cards = [(card, need.share.memory_on(card.gpu.memory_mib)) for card in cards]
        self._as_of = -1
        self._now: Choices = ()
        self._later: Choices | None = None

    def now(self) -> Choices:
        """Return the cards that have room, and what they leave; nothing if there are not enough."""
        self._refresh()
        return self._now

    def later(self) -> Choices:
        """Return the cards that would serve it soonest, and what must become free on them."""
        self._refresh()
        if self._later is None:
            self._later = self._choices(
                [Option(max(0, wanted - c.free_mib), c.gpu.index, wanted, c) for c, wanted in self._cards]
            )
        return self._later

    def _refresh(self) -> None:
        if self._as_of != self.server.bookings:
            self._as_of, self._later = self.server.bookings, None
            self._now = self._choices(
                [
                    Option(left, card.gpu.index, wanted, card)
                    for card, wanted in self._cards
                    if (left := card.free_mib - wanted) >= 0
                ]
            )

    def _choices(self, options: list[Option]) -> Choices:
        """Return the cards with the least left; then those that count least."""
        if len(options) < self._count:
            return ()
        tightest = self._choice(sorted(options, key=_tightest))
        if len(options) == self._count:
            return (tightest,)
        return tightest, self._choice(sorted(options, key=_most_frugal))

    def _choice(self, options: list[Option]) -> Choice:
        chosen = tuple(options[: self._count])
        left_mib = sum(option.left_mib for option in chosen)
        return Choice((left_mib, chosen[0].gpu_index, self.server.name), self.server, chosen)


def _tightest(option: Option) -> tuple[int, ...]:
    return option.left_mib, option.gpu_index


def _most_frugal(option: Option) -> tuple[int, ...]:
    # A fraction takes the fewest MiB of the smallest card, MiB are the smallest fraction of the largest.
    return option.wanted_mib, -option.card.gpu.memory_mib, option.left_mib, option.gpu_index
