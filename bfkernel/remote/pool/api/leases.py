# SPDX-License-Identifier: BSD-3-Clause
"""Leases: asking, proving, waiting for news, releasing."""

from __future__ import annotations

from bfkernel.remote.filters import parse_filters
from bfkernel.remote.messages import (
    LeaseList,
    LeaseMessage,
    LeaseRequest,
    LeasesQuery,
    WaitQuery,
)
from bfkernel.remote.pool.api.handler import ApiHandler, PatientHandler, ProblemError
from bfkernel.remote.pool.api.operations import operation
from bfkernel.remote.pool.views import lease_view
from bfkernel.remote.records import Holder, LeaseState, Need, Share


class Leases(ApiHandler):
    """``/api/v1/leases``."""

    @operation(request=LeaseRequest, answer=LeaseMessage, status=201, problems=(409,))
    async def post(self) -> None:
        """Ask for a lease."""
        ask = self.body(LeaseRequest)
        need = Need(Share(ask.fraction, ask.memory_mib), ask.gpu_count, parse_filters(ask.filters))
        holder = Holder(**ask.holder.model_dump())
        lease = await self.pool.request(self.principal, need, holder, ask.group)
        if lease.state is LeaseState.REFUSED:
            # 409: no GPU of this pool could; 403: this user may not.
            raise ProblemError(409 if lease.code == "no-such-size" else 403, lease.code, lease.message)
        self.note_holder(lease)
        self.set_header("Location", f"/api/v1/leases/{lease.id}")
        self.reply_lease(lease, 201)

    @operation(query=LeasesQuery, answer=LeaseList)
    async def get(self) -> None:
        """List one's leases; an admin sees everybody's."""
        ended = self.query(LeasesQuery).all
        found = await self.pool.leases(None if self.principal.admin else self.principal.name, ended)
        views = (lease_view(self.pool, lease, self.principal, with_token=False) for lease in found)
        self.reply(LeaseList(leases=list(views)))


class OneLease(PatientHandler):
    """``/api/v1/leases/{id}``."""

    holding = frozenset({"DELETE"})

    @operation(query=WaitQuery, answer=LeaseMessage)
    async def get(self, lease_id: str) -> None:
        """Return the lease; with ``since``, when its revision is another, or after ``wait_s``."""
        lease = await self.news_of(await self.lease(lease_id))
        if lease:
            self.reply_lease(lease)

    @operation(answer=LeaseMessage)
    async def delete(self, lease_id: str) -> None:
        """Release the lease; an admin's DELETE of somebody else's revokes it."""
        self.reply_lease(await self.pool.end(await self.lease(lease_id), self.principal))


class Heartbeat(PatientHandler):
    """``/api/v1/leases/{id}/heartbeat``."""

    holding = frozenset({"POST"})

    @operation(query=WaitQuery, answer=LeaseMessage, problems=(410,))
    async def post(self, lease_id: str) -> None:
        """Prove that the holder lives, which counts at once; with ``since``, answer as a GET does."""
        lease = await self.lease(lease_id)
        if lease.user != self.principal.name:
            raise ProblemError(403, "not-permitted", "Only its owner keeps a lease alive.")
        proved = await self.news_of(await self.pool.heartbeat(lease))
        if proved is None:
            return
        if not proved.state.live:
            raise ProblemError(410, "ended", proved.message or "The lease is over.")
        self.note_holder(proved)
        self.reply_lease(proved)
