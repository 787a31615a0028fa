# SPDX-License-Identifier: BSD-3-Clause
"""What goes over the pool's HTTP API, checked on both sides.

The contract is ``docs/reference/protocol.md``, section 4.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bfkernel.remote.filters import MAX_FILTERS, Filter
from bfkernel.remote.records import MAX_GPUS_PER_LEASE, LeaseState

MAX_WAIT_S = 60.0
# PostgreSQL stores no NUL characters.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Text = Annotated[str, Field(max_length=500, pattern=_NO_NUL)]
Mib = Annotated[int, Field(ge=1, le=1 << 40)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Message(BaseModel):
    """An answer, or what a newer version of ours may send: fields that we do not know are passed over."""

    model_config = ConfigDict(strict=True)


class Asked(BaseModel):
    """What is asked of us. A field that we do not know is an error: it would be lost silently."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Query(BaseModel):
    """Parameters of a query, read from text."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def _at_most_a_minute(seconds: float) -> float:
    return min(seconds, MAX_WAIT_S)


Wait = Annotated[float, Field(ge=0), AfterValidator(_at_most_a_minute)]
Moment = Annotated[float, Field(ge=0, le=1e11)]


class LeasesQuery(Query):
    """The query of ``GET /api/v1/leases``: whether ended leases are listed too, the last 1000."""

    all: bool = False


class WaitQuery(Query):
    """Wait for news: answer when the lease's revision is not ``since``, or after ``wait_s`` seconds."""

    since: int | None = Field(default=None, ge=0, lt=1 << 62)
    wait_s: Wait = 0.0


class ReportQuery(Query):
    """Answer an agent's report when one of its leases ends, or after ``wait_s`` seconds."""

    wait_s: Wait = 0.0


class HolderMessage(Message):
    """Who uses a lease, for display."""

    kind: Text = ""
    name: Text = ""
    host: Text = ""
    pid: int | None = Field(default=None, ge=0, le=1 << 32)


def _filter(text: str) -> str:
    return Filter.parse(text).text


class LeaseRequest(Asked):
    """``POST /api/v1/leases``."""

    fraction: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    memory_mib: Mib | None = None
    gpu_count: int = Field(default=1, ge=1, le=MAX_GPUS_PER_LEASE)
    holder: HolderMessage = Field(default_factory=HolderMessage)
    #: the group that the lease shall count for; the user must be in it
    group: Annotated[str, Field(max_length=200)] = ""
    #: such as ``cuda>=12.4``; the GPUs match all of them
    filters: list[Annotated[str, AfterValidator(_filter)]] = Field(default=[], max_length=MAX_FILTERS)

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
    filters: list[str] = []
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


class GpuMessage(LeaseGpu):
    """``GET /api/v1/gpus``: a GPU; ``held_mib`` is what programs really hold of what is leased."""

    memory_mib: int
    leased_mib: int
    free_mib: int
    held_mib: float
    leases: int
    #: share of the time in which it computes (0 to 1), and MiB in use, where its driver tells them
    busy: float | None = None
    used_mib: float | None = None


class GpuList(Message):
    """``GET /api/v1/gpus``, by server and index."""

    gpus: list[GpuMessage]


class ServerMessage(Message):
    """``GET /api/v1/servers``: a GPU server.

    ``state`` is ``ready``, ``absent``, ``cordoned`` or ``draining``.
    """

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
    driver_version: str = ""
    cuda_version: str = ""
    #: how programs share a GPU's time: ``timeslice`` or ``mps``
    compute: str = ""
    #: when its leases end for an admin's drain
    drain_at: float | None = None


class ServerList(Message):
    """``GET /api/v1/servers``, by name."""

    servers: list[ServerMessage]


class DrainRequest(Asked):
    """``POST /api/v1/servers/{name}/drain``: take a server out of service; holders have ``grace_s`` left."""

    grace_s: float = Field(default=0.0, ge=0, le=30 * 86400)


Limit = Annotated[float, Field(ge=0)]
Unlimited = Literal["unlimited"]


class QuotaLimits(Asked):
    """The limits of a quota; None says nothing: the next quota applies (user, then group, then default)."""

    gpus: Limit | Unlimited | None = None
    leases: Limit | Unlimited | None = None
    memory_mib: Limit | Unlimited | None = None
    gpu_hours_per_day: Limit | Unlimited | None = None
    gpu_hours_per_week: Limit | Unlimited | None = None
    gpu_hours_per_term: Limit | Unlimited | None = None
    longest_lease_s: Limit | Unlimited | None = None
    longest_idle_s: Limit | Unlimited | None = None
    longest_queue_s: Limit | Unlimited | None = None
    priority: int | None = Field(default=None, ge=-1000, le=1000)
    weight: float | None = Field(default=None, gt=0, le=1000)


class QuotasMessage(Asked):
    """``GET /api/v1/quotas``: all quotas. ``totals`` bound whole groups, ``groups`` each of their members."""

    default: QuotaLimits = Field(default_factory=QuotaLimits)
    groups: dict[str, QuotaLimits] = {}
    totals: dict[str, QuotaLimits] = {}
    users: dict[str, QuotaLimits] = {}


class LimitUse(Message):
    """One limit and what is used of it. ``used`` counts waiting requests too, but not in GPU-hours.

    ``limit`` is None where there is none. ``resets_at`` is when a window of GPU-hours begins anew.
    """

    name: str
    limit: float | None
    used: float
    resets_at: float | None = None


class OwnQuota(Message):
    """``GET /api/v1/quota``: what bounds a user in one scope.

    ``scope`` is ``account`` (what a user has for ``group``, or for no group that was named), ``user`` or
    ``group`` (all members together).
    """

    scope: str
    group: str
    limits: list[LimitUse]


class QuotaAnswer(Message):
    """``GET /api/v1/quota``: all scopes, and the terms of a new request."""

    user: str
    groups: list[str]
    quotas: list[OwnQuota]
    longest_lease_s: float | None
    longest_idle_s: float | None
    longest_queue_s: float | None
    priority: int


class UsageRow(Message):
    """``GET /api/v1/usage``: what one user or group used between two times."""

    user: str | None
    group: str | None
    leases: int
    gpu_hours: float


class UsageList(Message):
    """``GET /api/v1/usage``, the most first; ``start`` and ``end`` in seconds since the epoch."""

    by: str
    start: float
    end: float
    usage: list[UsageRow]


class UsageQuery(Query):
    """The query of ``GET /api/v1/usage``; without ``start``, the 30 days before ``end``."""

    by: Literal["user", "group", "both"] = "user"
    start: Moment | None = None
    end: Moment | None = None
    format: Literal["json", "csv"] = "json"


class Sample(Message):
    """``GET /api/v1/utilization``: the pool at one time, in GPUs; see ``pool.schema.samples``."""

    at: float
    gpus: int
    leased: float
    held: float
    busy: float | None
    leases: int
    active: int
    queued: int


class UtilizationQuery(Query):
    """The query of ``GET /api/v1/utilization``: how far back."""

    since_s: float = Field(default=6 * 3600.0, ge=0, le=31 * 86400)


class UtilizationMessage(Message):
    """``GET /api/v1/utilization``: one sample a minute, the oldest first."""

    samples: list[Sample]


class EnforceQuery(Query):
    """The query of a quota's change: whether leases beyond it are revoked."""

    enforce: bool = False


class HealthMessage(Message):
    """``GET /healthz``. ``role`` is ``leader``, or ``follower`` where another replica decides."""

    status: str
    version: str
    role: Literal["leader", "follower"]


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


class ReportedLease(Message):
    """What the workers of one lease do. ``held_mib`` has one entry a GPU, in the lease's order.

    ``last_call_at``: when a worker was last at work, by the agent's clock; a kernel that runs is work.
    """

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


class Problem(Message):
    """An error, ``application/problem+json`` (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
