# SPDX-License-Identifier: BSD-3-Clause
"""What each GPU has left, and where a request goes: best fit by memory.

Best fit puts a request where the least memory stays behind, so that untouched GPUs stay untouched and
big requests stay possible. The GPUs of one lease are on one server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bfkernel.remote.records import Gpu, Placement, Share


@dataclass
class Card:
    """One GPU with the MiB that leases have of it."""

    gpu: Gpu
    leased_mib: int = 0

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
    #: its agent has closed its connection and not reported since
    left: bool = False
    driver: str = ""
    version: str = ""
    cards: dict[str, Card] = field(default_factory=dict)

    def take(self, placements: Iterable[Placement]) -> None:
        """Book what a lease got."""
        for placement in placements:
            self.cards[placement.gpu].leased_mib += placement.memory_mib

    def give_back(self, placements: Iterable[Placement]) -> None:
        """Undo :meth:`take`; a GPU that has gone meanwhile is passed over."""
        for placement in placements:
            if card := self.cards.get(placement.gpu):
                card.leased_mib -= placement.memory_mib


def fits_when_empty(servers: Iterable[Server], share: Share, gpu_count: int) -> bool:
    """Whether some server could ever serve the request: with nobody else on it."""
    return any(
        sum(
            1
            for card in server.cards.values()
            if 1 <= share.memory_on(card.gpu.memory_mib) <= card.gpu.memory_mib
        )
        >= gpu_count
        for server in servers
    )


def place(
    servers: Iterable[Server], share: Share, gpu_count: int
) -> tuple[Server, tuple[Placement, ...]] | None:
    """Return the server and GPUs for a request, or None when nothing has room for it now.

    Equal fits are decided by name and index, so that the same state always gives the same answer.
    """
    best = min(_candidates(servers, share, gpu_count), key=lambda c: c[0], default=None)
    return best[1:] if best else None


_Rank = tuple[int, int, str]


def _candidates(
    servers: Iterable[Server], share: Share, gpu_count: int
) -> Iterator[tuple[_Rank, Server, tuple[Placement, ...]]]:
    for server in servers:
        fits = []
        for card in server.cards.values():
            need = share.memory_on(card.gpu.memory_mib)
            if 1 <= need <= card.free_mib:
                fits.append((card.free_mib - need, card.gpu.index, Placement(card.gpu.id, need)))
        if len(fits) >= gpu_count:
            chosen = sorted(fits, key=lambda fit: fit[:2])[:gpu_count]
            rank = (sum(left for left, _, _ in chosen), chosen[0][1], server.name)
            yield rank, server, tuple(p for _, _, p in sorted(chosen, key=lambda fit: fit[1]))
