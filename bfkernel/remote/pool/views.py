# SPDX-License-Identifier: BSD-3-Clause
"""Leases, the queue, GPUs, servers and quotas as the HTTP API shows them."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from bfkernel.remote.grants import Grant
from bfkernel.remote.messages import (
    GpuMessage,
    HolderMessage,
    LeaseGpu,
    LeaseMessage,
    LimitUse,
    OwnQuota,
    QueueEntry,
    QuotaAnswer,
    ServerMessage,
)
from bfkernel.remote.pool.auth import Principal
from bfkernel.remote.pool.core import UNLIMITED, Card, Ceiling, Period, Server
from bfkernel.remote.pool.sampling import held_mib
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.records import Lease, LeaseState
from bfkernel.remote.units import format_duration


def lease_view(
    pool: PoolService, lease: Lease, viewer: Principal, *, with_token: bool = True
) -> LeaseMessage:
    """Return a lease as ``viewer`` may see it: the token is its owner's alone."""
    now = pool.clock()
    core = pool.core
    server = core.servers.get(lease.server or "")
    queued = lease.state is LeaseState.QUEUED
    position = core.queue.position(lease) if queued else None
    eta_s = core.eta_s(now, lease) if queued else None
    serving = server if lease.state.holds else None
    own = viewer.name == lease.user
    return LeaseMessage(
        id=lease.id,
        revision=core.revision(lease),
        state=lease.state,
        user=lease.user,
        holder=HolderMessage(**vars(lease.holder)),
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
        eta_s=eta_s,
        message=_message(pool, lease, position, eta_s),
        created_at=lease.created_at,
        granted_at=lease.granted_at,
        ended_at=lease.ended_at,
        ttl_s=pool.ttl_s,
        expires_in_s=core.expires_in_s(now, lease) if lease.state.live else None,
        held_mib=sum(lease.held_mib) if lease.state.holds else 0.0,
        workers=lease.workers if lease.state.holds else 0,
        last_call_at=lease.last_call_at,
        group=lease.group,
        filters=[f.text for f in lease.need.filters],
        priority=lease.priority,
        notice=lease.notice,
        ends_at=lease.ends_at,
        idle_until=lease.idle_until,
    )


def queue_view(pool: PoolService, viewer: Principal, most: int | None = None) -> list[QueueEntry]:
    """Return the queue in order, the first ``most``; other people's names are for admins only."""
    now, core = pool.clock(), pool.core
    return [
        QueueEntry(
            position=position,
            size=lease.size,
            group=lease.group,
            priority=lease.priority,
            created_at=lease.created_at,
            eta_s=core.eta_s(now, lease),
            lease=lease.id if known else None,
            user=lease.user if known else None,
            holder=HolderMessage(**vars(lease.holder)) if known else None,
        )
        for position, lease in enumerate(islice(core.queue, most), 1)
        for known in [viewer.admin or viewer.name == lease.user]
    ]


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


def _message(pool: PoolService, lease: Lease, position: int | None, eta_s: float | None) -> str:
    if position is not None:
        return _place_in_queue(pool, lease, position, eta_s)
    if lease.state.holds:
        return lease.notice or f"granted on {lease.server}"
    return lease.message


def _place_in_queue(pool: PoolService, lease: Lease, position: int, eta_s: float | None) -> str:
    place = f"position {position} of {len(pool.core.queue)} in the queue"
    if not any(server.present for server in pool.core.servers.values()):
        return f"{place}; no GPU server is connected"
    if not pool.core.servable(lease):
        which = "takes new leases" if pool.core.connected(lease) else "is connected"
        return f"{place}; no GPU server that can serve it {which}"
    return place if eta_s is None else f"{place}, about {format_duration(eta_s)}"


def _server_gpus(pool: PoolService, server: Server) -> list[GpuMessage]:
    held = held_mib(pool.core, server.name)
    count = Counter(p.gpu for lease in pool.core.leases_on(server.name) for p in lease.placements)
    return [
        GpuMessage(
            **_lease_gpu(card).model_dump(),
            memory_mib=card.gpu.memory_mib,
            leased_mib=card.leased_mib,
            free_mib=max(0, card.free_mib),
            held_mib=held[gpu_id],
            leases=count[gpu_id],
            busy=card.busy,
            used_mib=card.used_mib,
        )
        for gpu_id, card in server.cards.items()
    ]


def _server_state(server: Server) -> str:
    if not server.present:
        return "absent"
    if server.drain_at is not None:
        return "draining"
    return "cordoned" if server.cordoned else "ready"


def _server(pool: PoolService, server: Server) -> ServerMessage:
    cards = server.cards.values()
    leases = list(pool.core.leases_on(server.name))
    return ServerMessage(
        name=server.name,
        state=_server_state(server),
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
        driver_version=server.driver_version,
        cuda_version=server.cuda_version,
        compute=server.compute,
        drain_at=server.drain_at,
    )


def quota_view(pool: PoolService, user: str, groups: list[str]) -> QuotaAnswer:
    """Return what a user may hold, holds and has used: without a group, and for each group with a quota."""
    quotas = pool.core.quotas
    ceilings: dict[Ceiling, None] = {}
    for named in ["", *(group for group in groups if group in quotas.groups or group in quotas.totals)]:
        charged = named or quotas.group_charged(groups)
        ceilings.update(dict.fromkeys(quotas.ceilings(user, groups, named, charged)))
    terms = quotas.terms(user, groups, "")
    now = pool.clock()
    return QuotaAnswer(
        user=user,
        groups=groups,
        quotas=[_own_quota(pool, now, ceiling) for ceiling in ceilings],
        longest_lease_s=_finite(terms.longest_lease_s),
        longest_idle_s=_finite(terms.longest_idle_s),
        longest_queue_s=_finite(terms.longest_queue_s),
        priority=int(terms.priority or 0),
    )


def _own_quota(pool: PoolService, now: float, ceiling: Ceiling) -> OwnQuota:
    quota, tally = ceiling.quota, pool.core.tally(now, ceiling)
    limits = [
        LimitUse(name="gpus", limit=_finite(quota.gpus), used=tally.hundredths / 100),
        LimitUse(name="leases", limit=_finite(quota.leases), used=tally.leases),
        LimitUse(name="memory_mib", limit=_finite(quota.memory_mib), used=tally.memory_mib),
    ]
    limits += [
        LimitUse(
            name=f"gpu_hours_per_{period.value}",
            limit=_finite(quota.gpu_hours(period)),
            used=round(tally.gpu_hours(period), 6),
            resets_at=pool.policy.calendar.window(period, now).end,
        )
        for period in Period
    ]
    return OwnQuota(scope=ceiling.scope.kind, group=ceiling.scope.group, limits=limits)


def _finite(limit: float | None) -> float | None:
    return None if limit == UNLIMITED else limit
