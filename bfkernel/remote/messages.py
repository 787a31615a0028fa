# SPDX-License-Identifier: BSD-3-Clause
"""What goes over the pool's HTTP API, checked on both sides.

The contract is ``docs/reference/protocol.md``, section 4.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bfkernel.remote.records import MAX_GPUS_PER_LEASE, LeaseState

Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=500)]
Mib = Annotated[int, Field(ge=1, le=1 << 40)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Message(BaseModel):
    """An answer, or what a newer version of ours may send: fields that we do not know are passed over."""

    model_config = ConfigDict(strict=True)


class HolderMessage(Message):
    """Who uses a lease, for display."""

    kind: Text = ""
    name: Text = ""
    host: Text = ""
    pid: int | None = Field(default=None, ge=0, le=1 << 32)


class LeaseRequest(BaseModel):
    """``POST /api/v1/leases``. A field that we do not know is an error: it would be lost silently."""

    model_config = ConfigDict(strict=True, extra="forbid")

    fraction: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    memory_mib: Mib | None = None
    gpu_count: int = Field(default=1, ge=1, le=MAX_GPUS_PER_LEASE)
    holder: HolderMessage = Field(default_factory=HolderMessage)

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


class GpuMessage(LeaseGpu):
    """``GET /api/v1/gpus``: a GPU; ``held_mib`` is what programs really hold of what is leased."""

    memory_mib: int
    leased_mib: int
    free_mib: int
    held_mib: float
    leases: int


class ServerMessage(Message):
    """``GET /api/v1/servers``: a GPU server. ``state`` is ``ready`` or ``absent``."""

    name: str
    state: str
    agent: str
    driver: str
    version: str
    seen_s_ago: float
    gpu_count: int
    memory_mib: int
    leased_mib: int
    free_mib: int
    leases: int
    workers: int


class ReportedGpu(Message):
    """A GPU in an agent's report."""

    id: Name
    index: int = Field(ge=0, lt=1024)
    name: Name
    memory_mib: Mib
    emulated: bool


class ReportedLease(Message):
    """What the workers of one lease do. ``held_mib`` has one entry a GPU, in the lease's order."""

    id: Name
    workers: int = Field(ge=0)
    held_mib: list[Seconds] = Field(default=[], max_length=MAX_GPUS_PER_LEASE)
    last_call_at: Seconds | None = None


class EndedConnection(Message):
    """A worker that has ended since the last report, and how."""

    lease: Name
    pid: int
    outcome: Text


class AgentReport(Message):
    """``POST /api/v1/agents/{name}/report``. ``instance`` differs from one start of the agent to the next."""

    instance: Name
    address: Name
    version: Text
    driver: Text
    gpus: list[ReportedGpu] = Field(max_length=1024)
    leases: list[ReportedLease] = Field(default=[], max_length=100_000)
    ended: list[EndedConnection] = Field(default=[], max_length=100_000)

    @model_validator(mode="after")
    def _distinct_gpus(self) -> AgentReport:
        if len({gpu.id for gpu in self.gpus}) != len(self.gpus):
            msg = "two GPUs have the same id"
            raise ValueError(msg)
        return self


class OverLease(Message):
    """A lease whose workers must end, and why."""

    id: str
    message: str


class ReportAnswer(Message):
    """The pool's word to an agent, true at the pool's time ``as_of``.

    ``serve`` is every lease of the server; ``over`` are reported ones whose workers must end.
    """

    as_of: float
    public_key: str
    serve: list[str]
    over: list[OverLease]
    report_every_s: float


class Problem(Message):
    """An error, ``application/problem+json`` (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
