# SPDX-License-Identifier: BSD-3-Clause
"""A GPU server and its cards, as agents report them and as leases fill them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bfkernel.remote.filters import CardFacts
from bfkernel.remote.records import Gpu, Need


@dataclass
class Card:
    """One GPU with the MiB that leases have of it."""

    gpu: Gpu
    leased_mib: int = 0
    #: share of the time in which it computed, 0 to 1, and MiB in use, as its driver told; None if it does not
    busy: float | None = None
    used_mib: float | None = None

    @property
    def free_mib(self) -> int:
        """MiB that no lease has."""
        return self.gpu.memory_mib - self.leased_mib


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
    #: it runs workers of leases that are over and that nothing is booked for: they must end first
    clearing: bool = False
    #: its agent has closed its connection and not reported since
    left: bool = False
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
        return self.present and not self.cordoned and not self.clearing

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
