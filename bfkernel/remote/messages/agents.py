# SPDX-License-Identifier: BSD-3-Clause
"""What agents report, and what they are told."""

from __future__ import annotations

from pydantic import Field, model_validator

from bfkernel.remote.messages.base import Message, Mib, Name, Query, Seconds, Text, Wait
from bfkernel.remote.records import MAX_GPUS_PER_LEASE


class ReportQuery(Query):
    """Answer an agent's report when one of its leases ends, or after ``wait_s`` seconds."""

    wait_s: Wait = 0.0


class ReportedGpu(Message):
    """A GPU in an agent's report.

    ``busy`` (0 to 1, averaged by the driver) and ``memory_used_mib``, by whomever, are NVML's; None where it
    does not know.
    """

    id: Name
    index: int = Field(ge=0, lt=1024)
    name: Name
    memory_mib: Mib
    emulated: bool
    busy: float | None = Field(default=None, ge=0, le=1)
    memory_used_mib: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class ReportedShare(Message):
    """What the workers of a lease may hold of a GPU."""

    gpu: Name
    memory_mib: Mib


class ReportedLease(Message):
    """What the workers of one lease do.

    ``shares`` and ``held_mib`` have one entry a GPU, in the lease's order. ``last_call_at``: when a worker
    was last at work, by the agent's clock; a kernel that runs is work.
    """

    id: Name
    workers: int = Field(ge=0)
    shares: list[ReportedShare] = Field(default=[], max_length=MAX_GPUS_PER_LEASE)
    held_mib: list[Seconds] = Field(default=[], max_length=MAX_GPUS_PER_LEASE)
    last_call_at: Seconds | None = None


class EndedConnection(Message):
    """A worker that has ended since the last report, and how."""

    lease: Name
    pid: int
    outcome: Text


class AgentReport(Message):
    """``POST /api/v1/agents/{name}/report``.

    ``instance`` differs from one start of the agent to the next. ``driver`` is for people;
    ``driver_version`` (``580.65.06``) and ``cuda_version`` (``13.0``) are for filters, and empty where
    unknown. ``compute`` is how leases share a GPU's compute: ``timeslice`` or ``mps``.
    """

    instance: Name
    address: Name
    version: Text
    driver: Text
    driver_version: Text = ""
    cuda_version: Text = ""
    compute: Text = "timeslice"
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
