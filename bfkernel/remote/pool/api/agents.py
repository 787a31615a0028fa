# SPDX-License-Identifier: BSD-3-Clause
"""What agents send."""

from __future__ import annotations

import asyncio
import logging

from bfkernel.remote.logs import event
from bfkernel.remote.messages import (
    AgentReport,
    OverLease,
    ReportAnswer,
    ReportedLease,
    ReportQuery,
)
from bfkernel.remote.pool.api.handler import ApiHandler, ProblemError
from bfkernel.remote.pool.api.operations import operation
from bfkernel.remote.pool.auth import Role
from bfkernel.remote.pool.core import GpuUse, LeaseUse, NameTakenError, ServerReport
from bfkernel.remote.records import Gpu, Placement

log = logging.getLogger("pool.http")


class Report(ApiHandler):
    """``/api/v1/agents/{name}/report``."""

    roles = frozenset({Role.AGENT, Role.ADMIN})
    _waiting: asyncio.Task[tuple[float, list[str], list[str]]] | None = None

    @operation(request=AgentReport, query=ReportQuery, answer=ReportAnswer, problems=(409,))
    async def post(self, name: str) -> None:
        """Take an agent's heartbeat.

        With ``wait_s``, answer when one of its leases ends, or after that time.
        """
        message = self.body(AgentReport)
        self._name, self._instance = name, message.instance
        wait_s = self.query(ReportQuery).wait_s
        for ended in message.ended:
            log.info(
                event("worker-ended", lease=ended.lease, server=name, pid=ended.pid, outcome=ended.outcome)
            )
        self._waiting = asyncio.ensure_future(self.pool.report(_server_report(name, message), wait_s))
        try:
            as_of, serve, over = await self._waiting
        except asyncio.CancelledError:
            return
        except NameTakenError as error:
            raise ProblemError(409, "name-taken", str(error)) from error
        self.reply(
            ReportAnswer(
                as_of=as_of,
                public_key=self.pool.signer.public_key,
                serve=serve,
                over=[OverLease(id=name, message=await self._why_over(name)) for name in over],
                report_every_s=self.pool.report_every_s,
            )
        )

    async def _why_over(self, lease_id: str) -> str:
        lease = await self.pool.find(lease_id)
        return (lease.message if lease else "") or "The pool does not know the lease."

    def on_connection_close(self) -> None:
        """Stop waiting for an agent that has gone; Tornado calls this."""
        if self._waiting:
            self._waiting.cancel()
            self.pool.agent_left(self._name, self._instance)


def _server_report(name: str, message: AgentReport) -> ServerReport:
    return ServerReport(
        server=name,
        instance=message.instance,
        address=message.address,
        gpus=[Gpu(name, g.id, g.index, g.name, g.memory_mib, g.emulated) for g in message.gpus],
        uses=[_lease_use(use) for use in message.leases],
        ended=[connection.lease for connection in message.ended],
        driver=message.driver,
        version=message.version,
        driver_version=message.driver_version,
        cuda_version=message.cuda_version,
        compute=message.compute,
        gpu_uses={g.id: GpuUse(g.busy, g.memory_used_mib) for g in message.gpus},
    )


def _lease_use(use: ReportedLease) -> LeaseUse:
    placements = tuple(Placement(share.gpu, share.memory_mib) for share in use.shares)
    return LeaseUse(use.id, use.workers, use.held_mib, use.last_call_at, placements)
