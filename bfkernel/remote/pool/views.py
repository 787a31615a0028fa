# SPDX-License-Identifier: BSD-3-Clause
"""Leases, GPUs and servers as the HTTP API shows them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict

from bfkernel.remote.grants import Grant
from bfkernel.remote.messages import GpuMessage, HolderMessage, LeaseGpu, LeaseMessage, ServerMessage
from bfkernel.remote.pool.auth import Principal
from bfkernel.remote.pool.placement import Card, Server
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.records import Lease, LeaseState


def lease_view(
    pool: PoolService, lease: Lease, viewer: Principal, *, with_token: bool = True
) -> LeaseMessage:
    """Return a lease as ``viewer`` may see it: the token is its owner's alone."""
    now = pool.clock()
    core = pool.core
    server = core.servers.get(lease.server or "")
    queued = lease.state is LeaseState.QUEUED
    position = core.queue.position(lease) if queued else None
    serving = server if lease.state.holds else None
    own = viewer.user == lease.user
    return LeaseMessage(
        id=lease.id,
        revision=lease.revision,
        state=lease.state,
        user=lease.user,
        holder=HolderMessage(**asdict(lease.holder)),
        fraction=lease.share.fraction,
        memory_mib=lease.memory_mib,
        gpus=_lease_gpus(lease, server),
        gpu_count=lease.gpu_count,
        server=lease.server,
        agent=serving.address if serving else None,
        token=_token(pool, lease, serving.name, now) if serving and own and with_token else None,
        size=lease.size,
        position=position,
        queue_length=len(core.queue) if queued else None,
        eta_s=None,
        message=_message(pool, lease, position),
        created_at=lease.created_at,
        granted_at=lease.granted_at,
        ended_at=lease.ended_at,
        ttl_s=core.ttl_s,
        expires_in_s=core.expires_in_s(now, lease) if lease.state.live else None,
        held_mib=sum(lease.held_mib) if lease.state.holds else 0.0,
        workers=lease.workers if lease.state.holds else 0,
        last_call_at=lease.last_call_at,
    )


def gpu_views(pool: PoolService) -> list[GpuMessage]:
    """Return every GPU of every server, by server and index."""
    return [
        view for _, server in sorted(pool.core.servers.items()) for view in _server_gpus(pool, server)
    ]  # fmt: skip


def server_views(pool: PoolService) -> list[ServerMessage]:
    """Return every server, by name."""
    return [_server(pool, server) for _, server in sorted(pool.core.servers.items())]


def _token(pool: PoolService, lease: Lease, server: str, now: float) -> str:
    return pool.signer.sign(Grant(lease.id, lease.user, server, lease.placements, as_of=now))


def _lease_gpus(lease: Lease, server: Server | None) -> list[LeaseGpu]:
    cards = server.cards if server else {}
    return [_lease_gpu(cards[p.gpu]) for p in lease.placements if p.gpu in cards]


def _lease_gpu(card: Card) -> LeaseGpu:
    gpu = card.gpu
    return LeaseGpu(id=gpu.id, index=gpu.index, name=gpu.name, server=gpu.server, emulated=gpu.emulated)


def _message(pool: PoolService, lease: Lease, position: int | None) -> str:
    if position is not None:
        place = f"position {position} of {len(pool.core.queue)} in the queue"
        if any(server.present for server in pool.core.servers.values()):
            return (
                place
                if pool.core.servable(lease)
                else f"{place}; no GPU server that can serve it is connected"
            )
        return f"{place}; no GPU server is connected"
    if lease.state.holds:
        return f"granted on {lease.server}"
    return lease.message


def _server_gpus(pool: PoolService, server: Server) -> list[GpuMessage]:
    held: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for lease in pool.core.leases_on(server.name):
        for ordinal, placement in enumerate(lease.placements):
            count[placement.gpu] += 1
            if ordinal < len(lease.held_mib):
                held[placement.gpu] += lease.held_mib[ordinal]
    return [
        GpuMessage(
            **_lease_gpu(card).model_dump(),
            memory_mib=card.gpu.memory_mib,
            leased_mib=card.leased_mib,
            free_mib=max(0, card.free_mib),
            held_mib=held[gpu_id],
            leases=count[gpu_id],
        )
        for gpu_id, card in server.cards.items()
    ]


def _server(pool: PoolService, server: Server) -> ServerMessage:
    cards = server.cards.values()
    leases = list(pool.core.leases_on(server.name))
    return ServerMessage(
        name=server.name,
        state="ready" if server.present else "absent",
        agent=server.address,
        driver=server.driver,
        version=server.version,
        seen_s_ago=max(0.0, pool.clock() - server.seen_at),
        gpu_count=len(cards),
        memory_mib=sum(card.gpu.memory_mib for card in cards),
        leased_mib=sum(card.leased_mib for card in cards),
        free_mib=sum(max(0, card.free_mib) for card in cards),
        leases=len(leases),
        workers=sum(lease.workers for lease in leases),
    )
