# SPDX-License-Identifier: BSD-3-Clause
"""Records as rows of the pool's database, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from bfkernel.remote.filters import parse_filters
from bfkernel.remote.pool.core import Server
from bfkernel.remote.pool.schema import gpus, servers
from bfkernel.remote.records import Gpu, Holder, Lease, LeaseState, Need, Placement, Share

Row = dict[str, Any]

#: Columns that are a lease's attributes as they are.
_PLAIN = (
    "id",
    "user",
    "created_at",
    "sequence",
    "group",
    "group_named",
    "priority",
    "tag",
    "hundredths",
    "least_mib",
    "revision",
    "server",
    "code",
    "message",
    "granted_at",
    "ended_at",
    "longest_queue_s",
    "longest_idle_s",
    "longest_lease_s",
)
#: Columns that change in a lease's life.
CHANGING = (
    "revision",
    "state",
    "server",
    "placements",
    "hundredths",
    "code",
    "message",
    "granted_at",
    "ended_at",
)
_PLAIN_CHANGING = [name for name in CHANGING if name in _PLAIN]


def lease_row(lease: Lease) -> Row:
    """Return a lease as it is stored."""
    return {
        **{name: getattr(lease, name) for name in _PLAIN},
        **_coded(lease),
        "holder": vars(lease.holder),
        "fraction": lease.share.fraction,
        "asked_mib": lease.share.memory_mib,
        "gpu_count": lease.gpu_count,
        "filters": [f.text for f in lease.need.filters],
        "groups": list(lease.groups),
    }


def changing_row(lease: Lease) -> Row:
    """Return what of a stored lease may have changed, and its id as ``of``."""
    return {"of": lease.id, **{name: getattr(lease, name) for name in _PLAIN_CHANGING}, **_coded(lease)}


def _coded(lease: Lease) -> Row:
    return {
        "state": lease.state.value,
        "placements": [[p.gpu, p.memory_mib] for p in lease.placements],
    }


def lease_of(row: sa.RowMapping) -> Lease:
    """Return the lease that was stored as ``row``."""
    share = Share(row["fraction"], row["asked_mib"])
    return Lease(
        **{name: row[name] for name in _PLAIN},
        need=Need(share, row["gpu_count"], parse_filters(row["filters"])),
        holder=Holder(**row["holder"]),
        groups=tuple(row["groups"]),
        state=LeaseState(row["state"]),
        placements=_placements(row["placements"]),
    )


def server_row(server: Server) -> Row:
    """Return a server as it is stored, without its GPUs."""
    return {column.name: getattr(server, column.name) for column in servers.columns}


def server_of(row: sa.RowMapping) -> Server:
    """Return the server that was stored as ``row``, without its GPUs."""
    return Server(**dict(row))


def gpu_row(gpu: Gpu) -> Row:
    """Return a GPU as it is stored."""
    return {column.name: getattr(gpu, column.name) for column in gpus.columns}


def _placements(pairs: Sequence[Sequence[Any]]) -> tuple[Placement, ...]:
    return tuple(Placement(gpu, mib) for gpu, mib in pairs)
