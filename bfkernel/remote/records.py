# SPDX-License-Identifier: BSD-3-Clause
"""The records that pool, agent and clients share: a share, a GPU, a lease.

They hold facts and no behaviour beyond arithmetic on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from math import ceil

from bfkernel.remote.filters import CardFacts, Filter

MAX_GPUS_PER_LEASE = 16


class LeaseState(str, Enum):
    """Where a lease is in its life."""

    QUEUED = "queued"
    GRANTED = "granted"
    ACTIVE = "active"
    IDLE = "idle"
    RELEASED = "released"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REFUSED = "refused"

    @property
    def holds(self) -> bool:
        """Whether a lease in this state holds its share of a GPU."""
        return self in (LeaseState.GRANTED, LeaseState.ACTIVE, LeaseState.IDLE)

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

    def hundredths_on(self, card_mib: int) -> int:
        """Return what this share counts in quotas: hundredths of a GPU, rounded up."""
        if self.memory_mib is not None:
            return ceil(Fraction(100 * self.memory_mib, card_mib))
        return _hundredths_of(self.fraction)

    def size(self, gpu_count: int = 1) -> str:
        """Return the name that people see: ``GPU 0.02``, ``GPU 0.5x2``, ``GPU 2048m``."""
        amount = f"{self.memory_mib}m" if self.memory_mib is not None else f"{self.fraction:g}"
        return f"GPU {amount}" + (f"x{gpu_count}" if gpu_count > 1 else "")


@lru_cache(maxsize=4096)
def _mib_of(fraction: float | None, card_mib: int) -> int:
    return int(Fraction(str(fraction)) * card_mib)


@lru_cache(maxsize=4096)
def _hundredths_of(fraction: float | None) -> int:
    return ceil(Fraction(str(fraction)) * 100)


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
class Need:
    """What a request needs of GPUs: the same share of each of several on one server, all matching filters.

    Requests of one need are alike to the scheduler: where one has no room, no other has.
    """

    share: Share
    gpu_count: int = 1
    filters: tuple[Filter, ...] = ()

    def allows(self, facts: CardFacts) -> bool:
        """Whether a GPU is one that the filters mean."""
        return all(f.matches(facts) for f in self.filters)


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
    need: Need
    holder: Holder
    created_at: float
    #: order of arrival
    sequence: int
    #: the user's groups when the lease was asked for
    groups: tuple[str, ...] = ()
    #: the group that the lease counts for in usage, or ""
    group: str = ""
    #: whether the request named that group, so that the lease counts there and not in the user's own account
    group_named: bool = False
    #: higher goes first; from the quota
    priority: int = 0
    #: place within the priority: the fair-share tag (see ``pool.core.queue``)
    tag: float = 0.0
    #: what it counts in quotas: hundredths of a GPU over all its GPUs; before a grant, the least it can be
    hundredths: int = 0
    #: MiB over all its GPUs that a request can take at the least; a grant's are in its placements
    least_mib: int = 0
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
    #: no longer than this in the queue, without GPU work, and at all; None is without limit
    longest_queue_s: float | None = None
    longest_idle_s: float | None = None
    longest_lease_s: float | None = None
    # What follows is known from events only: it is not stored.
    #: one sentence for the holder: the lease is about to end
    notice: str = ""
    #: when an idle lease is taken back
    idle_until: float | None = None
    #: hundredths of later requests that were granted while this one found no room
    passed: int = 0
    proof_at: float = 0.0
    #: when a restart of the pool brought it back; GPU work before is unknown until its server tells
    restored_at: float = 0.0
    workers: int = 0
    held_mib: list[float] = field(default_factory=list)
    last_call_at: float | None = None

    @property
    def share(self) -> Share:
        """What it is of each GPU."""
        return self.need.share

    @property
    def gpu_count(self) -> int:
        """How many GPUs it is of."""
        return self.need.gpu_count

    @property
    def size(self) -> str:
        """The name that people see: ``GPU 0.02``."""
        return self.share.size(self.gpu_count)

    @property
    def group_asked(self) -> str:
        """The group that the request named, or ""."""
        return self.group if self.group_named else ""

    @property
    def memory_mib(self) -> int | None:
        """MiB on each GPU; where cards differ, the least. None before a grant by fraction."""
        if self.placements:
            return min(p.memory_mib for p in self.placements)
        return self.share.memory_mib

    @property
    def ends_at(self) -> float | None:
        """When a granted lease reaches its time limit."""
        if self.granted_at is None or self.longest_lease_s is None:
            return None
        return self.granted_at + self.longest_lease_s

    @property
    def quiet_since(self) -> float:
        """Since when a granted lease does no GPU work, as far as its server has told."""
        return max(self.granted_at or self.created_at, self.last_call_at or self.restored_at)
