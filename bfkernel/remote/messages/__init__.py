# SPDX-License-Identifier: BSD-3-Clause
"""What goes over the pool's HTTP API, checked on both sides.

The contract is ``docs/reference/protocol.md``, section 4.
"""

from bfkernel.remote.messages.about import HealthMessage, Problem
from bfkernel.remote.messages.agents import (
    AgentReport,
    EndedConnection,
    OverLease,
    ReportAnswer,
    ReportedGpu,
    ReportedLease,
    ReportedShare,
    ReportQuery,
)
from bfkernel.remote.messages.base import MAX_WAIT_S, WaitQuery, first_fault
from bfkernel.remote.messages.leases import (
    HolderMessage,
    LeaseGpu,
    LeaseList,
    LeaseMessage,
    LeaseRequest,
    LeasesQuery,
    QueueEntry,
    QueueList,
)
from bfkernel.remote.messages.quotas import (
    EnforceQuery,
    LimitUse,
    OwnQuota,
    QuotaAnswer,
    QuotaLimits,
    QuotasMessage,
)
from bfkernel.remote.messages.servers import DrainRequest, GpuList, GpuMessage, ServerList, ServerMessage
from bfkernel.remote.messages.usage import (
    Sample,
    UsageList,
    UsageQuery,
    UsageRow,
    UtilizationMessage,
    UtilizationQuery,
)

__all__ = [
    "MAX_WAIT_S",
    "AgentReport",
    "DrainRequest",
    "EndedConnection",
    "EnforceQuery",
    "GpuList",
    "GpuMessage",
    "HealthMessage",
    "HolderMessage",
    "LeaseGpu",
    "LeaseList",
    "LeaseMessage",
    "LeaseRequest",
    "LeasesQuery",
    "LimitUse",
    "OverLease",
    "OwnQuota",
    "Problem",
    "QueueEntry",
    "QueueList",
    "QuotaAnswer",
    "QuotaLimits",
    "QuotasMessage",
    "ReportAnswer",
    "ReportQuery",
    "ReportedGpu",
    "ReportedLease",
    "ReportedShare",
    "Sample",
    "ServerList",
    "ServerMessage",
    "UsageList",
    "UsageQuery",
    "UsageRow",
    "UtilizationMessage",
    "UtilizationQuery",
    "WaitQuery",
    "first_fault",
]
