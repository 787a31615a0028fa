# SPDX-License-Identifier: BSD-3-Clause
"""Leases and the queue."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from bfkernel.remote.filters import MAX_FILTER_LENGTH, MAX_FILTERS, Filter
from bfkernel.remote.messages.base import Asked, Message, Mib, Query, Text
from bfkernel.remote.records import MAX_GPUS_PER_LEASE, LeaseState


class LeasesQuery(Query):
    """The query of ``GET /api/v1/leases``: whether ended leases are listed too, the last 1000."""

    all: bool = False


class HolderMessage(Message):
    """Who uses a lease, for display."""

    kind: Text = ""
    name: Text = ""
    host: Text = ""
    pid: int | None = Field(default=None, ge=0, le=1 << 32)


def _filter(text: str) -> str:
    return Filter.parse(text).text


_FilterText = Annotated[Text, Field(max_length=MAX_FILTER_LENGTH), AfterValidator(_filter)]


class LeaseRequest(Asked):
    """``POST /api/v1/leases``."""

    fraction: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    memory_mib: Mib | None = None
    gpu_count: int = Field(default=1, ge=1, le=MAX_GPUS_PER_LEASE)
    holder: HolderMessage = Field(default_factory=HolderMessage)
    #: the group that the lease shall count for; the user must be in it
    group: Annotated[Text, Field(max_length=200)] = ""
    #: such as ``cuda>=12.4``; the GPUs match all of them
    filters: list[_FilterText] = Field(default=[], max_length=MAX_FILTERS)

    @model_validator(mode="after")
    def _one_amount(self) -> LeaseRequest:
        if (self.fraction is None) == (self.memory_mib is None):
            msg = "give either fraction or memory_mib"
            raise ValueError(msg)
        return self


class LeaseGpu(Message):
    """A GPU as a lease shows it."""

    id: str
    index: int
    name: str
    server: str
    emulated: bool


class LeaseMessage(Message):
    """A lease."""

    id: str
    revision: int
    state: LeaseState
    user: str
    holder: HolderMessage
    fraction: float | None
    memory_mib: int | None
    gpus: list[LeaseGpu]
    gpu_count: int
    server: str | None
    agent: str | None
    token: str | None = None
    size: str
    position: int | None
    queue_length: int | None
    eta_s: float | None
    message: str
    created_at: float
    granted_at: float | None
    ended_at: float | None
    ttl_s: float
    expires_in_s: float | None
    held_mib: float
    workers: int
    last_call_at: float | None
    group: str = ""
    filters: list[str] = Field(default=[])
    priority: int = 0
    #: one sentence for the holder when the lease is about to end
    notice: str = ""
    #: when the lease reaches its time limit, and when it is taken back unless it is used; None: never
    ends_at: float | None = None
    idle_until: float | None = None


class LeaseList(Message):
    """``GET /api/v1/leases``, in order of arrival."""

    leases: list[LeaseMessage]


class QueueEntry(Message):
    """A queued lease as everybody may see it: whose it is, is None for other people's."""

    position: int
    size: str
    group: str
    priority: int
    created_at: float
    eta_s: float | None
    lease: str | None
    user: str | None
    holder: HolderMessage | None


class QueueList(Message):
    """``GET /api/v1/queue``: requests that wait, in the order in which they are to be served."""

    queue: list[QueueEntry]
