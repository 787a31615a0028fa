# SPDX-License-Identifier: BSD-3-Clause
"""The records that pool, agent and clients share: a share, a GPU, a lease.

They hold facts and no behaviour beyond arithmetic on them; they import nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import lru_cache

MAX_GPUS_PER_LEASE = 16


class LeaseState(str, Enum):
    """Where a lease is in its life."""

    QUEUED = "queued"
    GRANTED = "granted"
    ACTIVE = "active"
    RELEASED = "released"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REFUSED = "refused"

    @property
    def holds(self) -> bool:
        """Whether a lease in this state holds its share of a GPU."""
        return self in (LeaseState.GRANTED, LeaseState.ACTIVE)

    @property
    def live(self) -> bool:
        """Whether a lease in this state holds a share or waits for one."""
        return self is LeaseState.QUEUED or self.holds


@dataclass(frozen=True)
class Share:
    """A part of one GPU: a fraction of its memory (0 < fraction <= 1), or MiB. Exactly one is set."""

    fraction: float | None = None
    memory_mib: int | None = None

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.memory_mib is None):
            msg = "A share is either a fraction or MiB: give exactly one."
            raise ValueError(msg)
        if self.fraction is not None and not 0 < self.fraction <= 1:
            msg = f"A fraction of a GPU is above 0 and at most 1, not {self.fraction}."
            raise ValueError(msg)
        if self.memory_mib is not None and self.memory_mib < 1:
            msg = f"A share has at least 1 MiB, not {self.memory_mib}."
            raise ValueError(msg)

    def memory_on(self, card_mib: int) -> int:
        """Return the MiB that this share takes of a card of ``card_mib`` MiB.

        The fraction counts as the decimal number that was written: 0.29 of 100 MiB is 29, although the
        binary product is below 29. What is left of a MiB is dropped, so that 1/f shares fit on a card.
        """
        if self.memory_mib is not None:
            return self.memory_mib
        return _mib_of(self.fraction, card_mib)

    def size(self, gpu_count: int = 1) -> str:
        """Return the name that people see: ``GPU 0.02``, ``GPU 0.5x2``, ``GPU 2048m``."""
        amount = f"{self.memory_mib}m" if self.memory_mib is not None else f"{self.fraction:g}"
        return f"GPU {amount}" + (f"x{gpu_count}" if gpu_count > 1 else "")


@lru_cache(maxsize=4096)
def _mib_of(fraction: float | None, card_mib: int) -> int:
    return int(Fraction(str(fraction)) * card_mib)


@dataclass(frozen=True)
class Gpu:
    """A GPU of a server. ``id`` is the driver's UUID, ``GPU-…``; it is unique within its server."""

    server: str
    id: str
    index: int
    name: str
    memory_mib: int
    emulated: bool = False


@dataclass(frozen=True)
class Holder:
    """Who uses a lease, as told by the client and used for display only: a kernel or a command."""

    kind: str = ""
    name: str = ""
    host: str = ""
    pid: int | None = None


@dataclass(frozen=True)
class Placement:
    """What a lease holds of one GPU."""

    gpu: str
    memory_mib: int


@dataclass
class Lease:
    """A share of one GPU, or of several on one server, that a holder has or waits for.

    Times are seconds since the epoch. The pool's core alone changes a lease.
    """

    id: str
    user: str
    share: Share
    gpu_count: int
    holder: Holder
    created_at: float
    #: order of arrival: the queue is sorted by it
    sequence: int
    state: LeaseState = LeaseState.QUEUED
    #: grows with every change that a client may wait for
    revision: int = 1
    server: str | None = None
    placements: tuple[Placement, ...] = ()
    #: why the lease was refused or ended: for programs, and in one sentence for people
    code: str = ""
    message: str = ""
    granted_at: float | None = None
    ended_at: float | None = None
    # What follows is known from heartbeats and reports only: it is not stored.
    proof_at: float = 0.0
    workers: int = 0
    held_mib: list[float] = field(default_factory=list)
    last_call_at: float | None = None

    @property
    def size(self) -> str:
        """The name that people see: ``GPU 0.02``."""
        return self.share.size(self.gpu_count)

    @property
    def memory_mib(self) -> int | None:
        """MiB on each GPU; where cards differ, the least. None before a grant by fraction."""
        if self.placements:
            return min(p.memory_mib for p in self.placements)
        return self.share.memory_mib
