# SPDX-License-Identifier: BSD-3-Clause
"""Looks at the Hub's groups and users again and again, and has the pool follow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from bfkernel_hub.http_json import RefusedError, ServerAwayError
from bfkernel_hub.hub_api import Group, HubApi
from bfkernel_hub.metrics import Ending, ServiceMetrics
from bfkernel_hub.pool_api import Json, PoolApi
from bfkernel_hub.quotas import QuotaKeeper, Said, wanted
from bfkernel_hub.settings import BfkernelHub

log = logging.getLogger("bfkernel_hub")

_USERS_EVERY_S = 60.0
# For so long the pool may believe an old answer of the Hub's on somebody's groups, and grant by it.
_LEFT_S = 150.0
_WORDS = {
    Ending.SERVER_STOPPED: "has no server any more",
    Ending.LEFT_GROUP: "left its group",
    Ending.USER_GONE: "is no user any more",
}


class Departures:
    """Who has left which group lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._members: set[tuple[str, str]] = set()
        self._left: dict[tuple[str, str], float] = {}

    def look(self, groups: Iterable[Group]) -> None:
        """Compare with the last look."""
        now = self._clock()
        members = {(user, group.name) for group in groups for user in group.users}
        self._left.update(dict.fromkeys(self._members - members, now + _LEFT_S))
        self._left = {who: until for who, until in self._left.items() if until > now and who not in members}
        self._members = members

    def over(self, lease: Json) -> bool:
        """Whether a lease counts for a group that its holder has left."""
        return (lease["user"], lease["group"]) in self._left


class Watcher:
    """Keeps the pool as the Hub says, until :meth:`run` is cancelled."""

    def __init__(self, settings: BfkernelHub, hub: HubApi, pool: PoolApi, metrics: ServiceMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._hub = hub
        self._pool = pool
        self._said = Said()
        notes = settings.state / "quotas-set-by-the-hub.json"
        self._keeper = QuotaKeeper(pool, notes, self._said, enforce=settings.enforce_quotas)
        self._departures = Departures()
        self._known: set[str] = set()
        self._users_at = 0.0

    async def run(self) -> None:
        """Look every ``poll_s`` seconds. A Hub or pool that is away is tried again."""
        trouble = ""
        while True:
            try:
                with self._metrics.look():
                    await self.look()
                trouble = ""
            except (ServerAwayError, RefusedError) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("looking again every %g s: %s", self._settings.poll_s, trouble)
            except Exception:
                # A defect here is no reason to end the pool that this service runs.
                log.exception("looking again in %g s", self._settings.poll_s)
            await asyncio.sleep(self._settings.poll_s)

    async def look(self) -> None:
        """Have the pool follow the groups as they are now."""
        groups = await self._hub.groups()
        await self._keeper.apply(wanted(self._settings, groups, self._said))
        self._departures.look(groups)
        leases = await self._pool.leases()
        await self._end([lease for lease in leases if self._departures.over(lease)], Ending.LEFT_GROUP)
        if time.monotonic() >= self._users_at:
            self._users_at = time.monotonic() + _USERS_EVERY_S
            gone = await self._gone({lease["user"] for lease in leases})
            await self._end([lease for lease in leases if lease["user"] in gone], Ending.USER_GONE)

    async def server_stopped(self, user: str) -> None:
        """End the kernels' leases of a user whose last server has stopped. The Hub's hook leads here.

        Leases of commands stay: they may run on another machine, with a token of the user's own.
        """
        leases = await self._pool.leases()
        own = [lease for lease in leases if lease["user"] == user and lease["holder"]["kind"] == "kernel"]
        await self._end(own, Ending.SERVER_STOPPED)

    async def _gone(self, users: set[str]) -> set[str]:
        """Return those that the Hub has known, and knows no more; a pool may have users of its own."""
        here = {user for user in sorted(users) if await self._hub.has_user(user)}
        gone = (users - here) & self._known
        self._known = (self._known | here) - gone
        return gone

    async def _end(self, leases: list[Json], why: Ending) -> None:
        for lease in leases:
            await self._pool.release(lease["id"])
            self._metrics.ended(why)
            log.info("lease=%s user=%s %s: taken back", lease["id"], lease["user"], _WORDS[why])
