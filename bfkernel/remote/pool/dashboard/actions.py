# SPDX-License-Identifier: BSD-3-Clause
"""What buttons do: each takes a form, does one thing, and sends the browser back with the news."""

from __future__ import annotations

from bfkernel.remote.pool.api.handler import ProblemError
from bfkernel.remote.pool.dashboard.admin import AdminPage, quota_name
from bfkernel.remote.pool.dashboard.limits import FIELDS, quota_row, read_limits
from bfkernel.remote.pool.dashboard.pages import Page
from bfkernel.remote.pool.quota_settings import quota_of
from bfkernel.remote.units import parse_duration

_LONGEST_GRACE_S = 30 * 86400


class Release(Page):
    """``/actions/release``: give back a lease of one's own, or leave the queue."""

    async def post(self) -> None:
        """Release the lease that the form names."""
        lease = await self.lease(self.get_body_argument("lease", ""))
        if lease.user != self.principal.name:
            raise ProblemError(403, "not-permitted", "This lease is somebody else's.")
        await self.pool.end(lease, self.principal)
        self.go("/", f"{lease.size} was released.")


class Revoke(AdminPage):
    """``/actions/revoke``: take back anybody's lease."""

    async def post(self) -> None:
        """Revoke the lease that the form names."""
        lease = await self.lease(self.get_body_argument("lease", ""))
        await self.pool.end(lease, self.principal)
        self.go("/admin", f"The lease of {lease.user} ({lease.size}) was taken back.")


class ServerForm(AdminPage):
    """``/actions/server``: cordon, uncordon, drain or forget a server."""

    async def post(self) -> None:
        """Do what the form's button says."""
        name, action = self.get_body_argument("server", ""), self.get_body_argument("do", "")
        try:
            news = await self._act(name, action)
        except KeyError:
            raise ProblemError(404, "no-such-server", f"There is no GPU server {name[:200]}.") from None
        except ValueError as error:
            raise ProblemError(409, "server-present", str(error)) from error
        self.go("/admin", news)

    async def _act(self, name: str, action: str) -> str:
        if action == "drain":
            await self.pool.drain(name, self._grace_s())
            return f"{name} is being drained."
        if action == "forget":
            await self.pool.forget_server(name)
            return f"{name} was forgotten."
        if action not in ("cordon", "uncordon"):
            raise ProblemError(422, "invalid", "A server is cordoned, uncordoned, drained or forgotten.")
        await self.pool.cordon(name, action == "cordon")
        return f"{name} takes no new leases." if action == "cordon" else f"{name} takes leases again."

    def _grace_s(self) -> float:
        text = self.get_body_argument("grace", "") or "0"
        try:
            grace_s = parse_duration(text)
        except ValueError as error:
            raise ProblemError(422, "invalid", f"Grace: {error}") from error
        if grace_s > _LONGEST_GRACE_S:
            raise ProblemError(422, "invalid", "Grace: at most 30 days.")
        return grace_s


class QuotaForm(AdminPage):
    """``/actions/quota``: set a quota, or go back to the configuration's."""

    async def post(self) -> None:
        """Do what the form's button says."""
        of = quota_name(self.get_body_argument("kind", ""), self.get_body_argument("name", ""))
        row = quota_row(self.pool.core.quotas, of)
        enforce = self.get_body_argument("enforce", "") == "yes"
        if self.get_body_argument("do", "") == "reset":
            await self.pool.set_quota(of, None, enforce=enforce)
            self.go("/admin", f"{row.title}: the configuration's quota applies.")
            return
        filled = {field.name: self.get_body_argument(field.name, "") for field in FIELDS}
        try:
            limits = read_limits(filled)
        except ValueError as error:
            self.set_status(422)
            self.render("quota.html", row=row, fields=FIELDS, values=filled, problem=str(error))
            return
        await self.pool.set_quota(of, quota_of(limits), enforce=enforce)
        self.go("/admin", f"{row.title}: the quota was set.")
