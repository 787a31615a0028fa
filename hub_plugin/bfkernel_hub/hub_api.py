# SPDX-License-Identifier: BSD-3-Clause
"""The Hub's groups and users, as its API tells them to this service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bfkernel_hub.http_json import JsonClient, RefusedError

# With this the Hub answers in pages, each of which names the next.
_PAGES = "application/jupyterhub-pagination+json"


@dataclass(frozen=True)
class Group:
    """A Hub group: who is in it, and its properties."""

    name: str
    users: frozenset[str]
    properties: dict[str, Any]


class HubApi:
    """Asks the Hub. Every method raises ``http_json``'s errors."""

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def groups(self) -> list[Group]:
        """Return all groups (scopes ``list:groups``, ``read:groups``)."""
        found: list[Group] = []
        offset: int | None = 0
        while offset is not None:
            page = await self._client.ask("GET", f"/groups?offset={offset}&limit=200", Accept=_PAGES)
            found += [Group(g["name"], frozenset(g["users"]), g["properties"] or {}) for g in page["items"]]
            following = page["_pagination"]["next"]
            offset = following["offset"] if following else None
        return found

    async def has_user(self, name: str) -> bool:
        """Whether there is such a user (scope ``read:users:name``)."""
        try:
            await self._client.ask("GET", f"/users/{quote(name, safe='')}")
        except RefusedError as error:
            if error.status == 404:
                return False
            raise
        return True
