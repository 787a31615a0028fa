# SPDX-License-Identifier: BSD-3-Clause
"""GPUs as bars: a piece for each lease, as wide as its share, filled as far as programs hold memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bfkernel.remote.messages import GpuMessage, ServerMessage
from bfkernel.remote.pool.auth import Principal
from bfkernel.remote.pool.dashboard import words
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.pool.views import gpu_views, server_views
from bfkernel.remote.records import Holder, Lease, LeaseState

_SOMEBODY = "somebody"
#: In pieces wider than so much of a bar there is room for a name.
_ROOM_FOR_A_NAME = 0.12


@dataclass(frozen=True)
class Piece:
    """What one lease has of one GPU. Widths are parts of the GPU, ``filled`` is a part of the piece."""

    lease: Lease
    left: float
    width: float
    memory_mib: int
    held_mib: float
    #: whose it is, as the viewer may know
    who: str
    own: bool
    holder: Holder | None

    @property
    def filled(self) -> float:
        """The part of its memory that programs hold."""
        return min(1.0, self.held_mib / self.memory_mib)

    @property
    def state(self) -> LeaseState:
        """What the lease does."""
        return self.lease.state

    @property
    def named(self) -> bool:
        """Whether there is room for a name."""
        return self.width >= _ROOM_FOR_A_NAME

    @property
    def title(self) -> str:
        """The piece in one line."""
        held = f"{words.memory(self.held_mib)} held of {words.memory(self.memory_mib)}"
        return f"{self.who}: {self.lease.size}, {words.state(self.state)}, {held}"


@dataclass(frozen=True)
class GpuPicture:
    """One GPU with its leases."""

    gpu: GpuMessage
    pieces: list[Piece] = field(default_factory=list)

    @property
    def leased(self) -> float:
        """The part that leases have."""
        return self.gpu.leased_mib / self.gpu.memory_mib

    @property
    def summary(self) -> str:
        """The bar for who does not see it."""
        free = f"{words.memory(self.gpu.free_mib)} free"
        return f"GPU {self.gpu.index}: {words.count(len(self.pieces), 'lease')}, {free}"


@dataclass(frozen=True)
class ServerPicture:
    """One server with its GPUs."""

    server: ServerMessage
    gpus: list[GpuPicture]


def server_pictures(pool: PoolService, viewer: Principal) -> list[ServerPicture]:
    """Return every server as ``viewer`` may see it, by name."""
    gpus: dict[str, list[GpuMessage]] = defaultdict(list)
    for gpu in gpu_views(pool):
        gpus[gpu.server].append(gpu)
    return [
        ServerPicture(server, _pictures(pool, viewer, gpus[server.name])) for server in server_views(pool)
    ]


def _pictures(pool: PoolService, viewer: Principal, gpus: list[GpuMessage]) -> list[GpuPicture]:
    pictures = {gpu.id: GpuPicture(gpu) for gpu in sorted(gpus, key=lambda gpu: gpu.index)}
    leases = pool.core.leases_on(gpus[0].server) if gpus else ()
    for lease in sorted(leases, key=lambda lease: lease.sequence):
        for gpu_id, memory_mib, held_mib in _parts(lease):
            if picture := pictures.get(gpu_id):
                picture.pieces.append(_piece(picture, lease, memory_mib, held_mib, viewer))
    return list(pictures.values())


def _parts(lease: Lease) -> Iterator[tuple[str, int, float]]:
    held = [*lease.held_mib, *[0.0] * len(lease.placements)]
    return ((p.gpu, p.memory_mib, mib) for p, mib in zip(lease.placements, held, strict=False))


def _piece(picture: GpuPicture, lease: Lease, memory_mib: int, held_mib: float, viewer: Principal) -> Piece:
    own = lease.user == viewer.name
    known = own or viewer.admin
    before = picture.pieces[-1] if picture.pieces else None
    return Piece(
        lease,
        left=before.left + before.width if before else 0.0,
        width=memory_mib / picture.gpu.memory_mib,
        memory_mib=memory_mib,
        held_mib=held_mib,
        who=lease.user if known else _SOMEBODY,
        own=own,
        holder=lease.holder if known else None,
    )
