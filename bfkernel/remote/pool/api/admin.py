# SPDX-License-Identifier: BSD-3-Clause
"""Paths for admins: servers out of service, and quotas."""

from __future__ import annotations

from urllib.parse import unquote

from bfkernel.remote.messages import DrainRequest, EnforceQuery, QuotaLimits, QuotasMessage, ServerMessage
from bfkernel.remote.pool.api.handler import ApiHandler, ProblemError
from bfkernel.remote.pool.api.operations import operation
from bfkernel.remote.pool.auth import Role
from bfkernel.remote.pool.quota_settings import KINDS, QuotaName, quota_of, quotas_message
from bfkernel.remote.pool.views import server_views


class AdminHandler(ApiHandler):
    """What only admins may do."""

    roles = frozenset({Role.ADMIN})

    def reply_server(self, name: str) -> None:
        """Send a server as it is now."""
        found = next((view for view in server_views(self.pool) if view.name == name), None)
        if found is None:  # another admin has made the pool forget it meanwhile
            raise self.no_such_server(name)
        self.reply(found)

    def no_such_server(self, name: str) -> ProblemError:
        """Return the problem of a name that no server has."""
        return ProblemError(404, "no-such-server", f"There is no GPU server {name[:200]}.")


class ServerAction(AdminHandler):
    """``/api/v1/servers/{name}/cordon``, ``uncordon`` and ``drain``."""

    @operation(request=DrainRequest, answer=ServerMessage)
    async def post(self, name: str, action: str) -> None:
        """Take the server out of service, or back into it."""
        try:
            if action == "drain":
                ask = self.body(DrainRequest) if self.request.body else DrainRequest()
                await self.pool.drain(name, ask.grace_s)
            else:
                await self.pool.cordon(name, action == "cordon")
        except KeyError:
            raise self.no_such_server(name) from None
        self.reply_server(name)


class OneServer(AdminHandler):
    """``/api/v1/servers/{name}``."""

    @operation(status=204, problems=(409,))
    async def delete(self, name: str) -> None:
        """Forget a server that is gone for good."""
        try:
            await self.pool.forget_server(name)
        except KeyError:
            raise self.no_such_server(name) from None
        except ValueError as error:
            raise ProblemError(409, "server-present", str(error)) from error
        self.set_status(204)


class Quotas(AdminHandler):
    """``/api/v1/quotas``."""

    @operation(answer=QuotasMessage)
    async def get(self) -> None:
        """Return all quotas as they are now."""
        self.reply(quotas_message(self.pool.core.quotas))


class OneQuota(AdminHandler):
    """``/api/v1/quotas/{kind}`` (``default``) and ``/api/v1/quotas/{kind}/{name}``.

    With ``enforce=true`` leases beyond the new limits are revoked, the newest first; else they run on.
    """

    @operation(request=QuotaLimits, query=EnforceQuery, answer=QuotasMessage)
    async def put(self, kind: str, name: str | None = None) -> None:
        """Set a quota, from now on and over restarts; it replaces the configuration's as a whole."""
        limits = self.body(QuotaLimits)
        await self.pool.set_quota(
            self._name(kind, name), quota_of(limits), enforce=self.query(EnforceQuery).enforce
        )
        self.reply(quotas_message(self.pool.core.quotas))

    @operation(query=EnforceQuery, answer=QuotasMessage)
    async def delete(self, kind: str, name: str | None = None) -> None:
        """Forget a quota that was set so; the configuration's applies again."""
        await self.pool.set_quota(self._name(kind, name), None, enforce=self.query(EnforceQuery).enforce)
        self.reply(quotas_message(self.pool.core.quotas))

    def _name(self, kind: str, name: str | None) -> QuotaName:
        if kind not in KINDS or (kind == "default") != (name is None):
            kinds = ", ".join(f"{k}/NAME" for k in KINDS[1:])
            raise ProblemError(404, "no-such-path", f"A quota's path ends in default, {kinds}.")
        name = unquote(name or "")
        if "\0" in name:
            raise ProblemError(422, "invalid", "The name of a user or group has no NUL character.")
        return QuotaName(kind, name)
