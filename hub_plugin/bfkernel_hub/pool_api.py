# SPDX-License-Identifier: BSD-3-Clause
"""The pool's HTTP API (bfkernel's docs/reference/http-api.md), as far as this service needs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bfkernel_hub.http_json import JsonClient

Json = dict[str, Any]


class PoolApi:
    """Asks the pool, as whoever the token is. Every method raises ``http_json``'s errors."""

    def __init__(self, url: str, token: str) -> None:
        self._client = JsonClient(f"{url.rstrip('/')}/api/v1", token)

    async def leases(self) -> list[Json]:
        """Return the live leases: everybody's to an admin, one's own to a user."""
        return list((await self._client.ask("GET", "/leases"))["leases"])

    async def release(self, lease_id: str) -> None:
        """Give a lease back; an admin takes it back."""
        await self._client.ask("DELETE", f"/leases/{quote(lease_id, safe='')}")

    async def quota(self) -> Json:
        """Return one's own quotas, with what is used of them."""
        return dict(await self._client.ask("GET", "/quota"))

    async def quotas(self) -> Json:
        """Return all quotas, by kind (for admins)."""
        return dict(await self._client.ask("GET", "/quotas"))

    async def set_quota(self, kind: str, name: str, limits: Json | None, *, enforce: bool) -> None:
        """Set a quota, or (None) forget the one that was set so (for admins)."""
        path = f"/quotas/{kind}" + (f"/{quote(name, safe='')}" if name else "")
        method = "DELETE" if limits is None else "PUT"
        await self._client.ask(method, f"{path}?enforce={'true' if enforce else 'false'}", limits)
