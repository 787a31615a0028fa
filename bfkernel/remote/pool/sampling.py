# SPDX-License-Identifier: BSD-3-Clause
"""How busy the pool is now, in GPUs."""

from __future__ import annotations

from bfkernel.remote.messages import Sample
from bfkernel.remote.pool.core import Card, PoolCore
from bfkernel.remote.records import LeaseState


def sample(core: PoolCore, now: float) -> Sample:
    """Return the pool's numbers as the charts show them."""
    cards = [card for server in core.servers.values() if server.present for card in server.cards.values()]
    busy = [card.busy for card in cards if card.busy is not None]
    holding = [lease for lease in core.leases.values() if lease.state.holds]
    return Sample(
        at=now,
        gpus=len(cards),
        leased=sum(_part(card, card.leased_mib) for card in cards),
        held=sum(_held_part(core, name) for name in core.servers),
        busy=sum(busy) / len(busy) if busy else None,
        leases=len(holding),
        active=sum(lease.state is LeaseState.ACTIVE for lease in holding),
        queued=len(core.queue),
    )


def held_mib(core: PoolCore, server: str) -> dict[str, float]:
    """Return the MiB that programs hold on each GPU of a server, by the GPU's id."""
    held = dict.fromkeys(core.servers[server].cards, 0.0)
    for lease in core.leases_on(server):
        for placement, mib in zip(lease.placements, lease.held_mib, strict=False):
            if placement.gpu in held:
                held[placement.gpu] += mib
    return held


def _held_part(core: PoolCore, server: str) -> float:
    cards = core.servers[server].cards
    return sum(_part(cards[gpu], mib) for gpu, mib in held_mib(core, server).items())


def _part(card: Card, mib: float) -> float:
    return mib / card.gpu.memory_mib
