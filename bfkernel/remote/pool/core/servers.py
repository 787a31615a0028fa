# SPDX-License-Identifier: BSD-3-Clause
"""A GPU server and its cards, as agents report them and as leases fill them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bfkernel.remote.filters import CardFacts
from bfkernel.remote.records import Gpu, Need


@dataclass
class Card:
    """One GPU and what is booked of it."""

    gpu: Gpu
    #: MiB of leases, and of shares whose leases are over and whose workers have not ended yet; more than the
    #: card has while such a share has been granted anew
    booked_mib: int = 0
    #: share of the time in which it computed, 0 to 1, and MiB in use, as its driver told; None if it does not
    busy: float | None = None
    used_mib: float | None = None

    @property
    def leased_mib(self) -> int:
        """MiB that are not free."""
        return min(self.booked_mib, self.gpu.memory_mib)

    @property
    def free_mib(self) -> int:
        """MiB that may be granted; less than 0 is what must become free before anything may."""
        return self.gpu.memory_mib - self.booked_mib


@dataclass
class Server:
    """A GPU server as its agent reported it last."""

    name: str
    #: ``host:port`` of its data connections
    address: str
    #: differs from one start of the agent to the next
    instance: str
    seen_at: float
    present: bool = True
    #: when its agent closed its connection, if it has not reported since
    left_at: float | None = None
    driver: str = ""
    version: str = ""
    driver_version: str = ""
    cuda_version: str = ""
    #: ``timeslice`` or ``mps``
    compute: str = ""
    #: an admin wants no new leases on it
    cordoned: bool = False
    #: when an admin wants its leases to end
    drain_at: float | None = None
    cards: dict[str, Card] = field(default_factory=dict)
    #: grows whenever leases take or give back some of its cards
    bookings: int = 0

    @property
    def accepts(self) -> bool:
        """Whether it may take new leases."""
        return self.present and not self.cordoned

    def facts(self, card: Card) -> CardFacts:
        """Return what filters ask of one of its cards."""
        gpu = card.gpu
        return CardFacts(self.name, gpu.name, self.driver_version, self.cuda_version, gpu.memory_mib)

    def cards_for(self, need: Need) -> Iterator[Card]:
        """Cards that could serve one GPU of ``need`` if nobody else were on them."""
        for card in self.cards.values():
            size = card.gpu.memory_mib
            if 1 <= need.share.memory_on(size) <= size and need.allows(self.facts(card)):
                yield card

    def could_serve(self, need: Need) -> bool:
        """Whether it has the cards that ``need`` asks for, if nobody else were on them."""
        return sum(1 for _ in self.cards_for(need)) >= need.gpu_count
