# SPDX-License-Identifier: BSD-3-Clause
"""The pool at work: the core, its database, and whoever waits for a change.

Everything runs on one event loop. An event changes the core at once; its changes are committed before anybody
is answered or woken (:class:`Commits`).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import secrets
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from bfkernel.remote.grants import GrantSigner
from bfkernel.remote.logs import event
from bfkernel.remote.messages import Sample, UsageRow
from bfkernel.remote.pool.auth import Principal
from bfkernel.remote.pool.clock import PoolClock
from bfkernel.remote.pool.commits import NOT_STORED, Commits, StoreFailedError
from bfkernel.remote.pool.core import Changes, Period, Policy, PoolCore, Quota, Request, Server, ServerReport
from bfkernel.remote.pool.quota_settings import QuotaName, overridden
from bfkernel.remote.pool.sampling import sample
from bfkernel.remote.pool.store import DeposedError, Store
from bfkernel.remote.pool.waiters import Waiters
from bfkernel.remote.records import Holder, Lease, LeaseState, Need

log = logging.getLogger("pool")

#: Who waits hears of a new place in the queue at most this often; in a long queue more rarely, so that
#: about so many are told a second.
_MOVED_EVERY_S = 0.5
_MOVED_PER_S = 200
_REPORT_EVERY_S = 2.0
_SAMPLE_EVERY_S = 60.0


class PoolService:
    """What the HTTP API does. Its methods are called on the event loop only."""

    def __init__(
        self, store: Store, signer: GrantSigner, policy: Policy, clock: Callable[[], float] | None = None
    ) -> None:
        self.signer = signer
        self.policy = policy
        self.ttl_s = policy.times.ttl_s
        self.report_every_s = min(_REPORT_EVERY_S, self.ttl_s / 4)
        self.clock = clock or PoolClock()
        self._store = store
        self._lease_waiters = Waiters()
        self._agent_waiters = Waiters()
        self._change_waiters = Waiters()
        self._moved_timer: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self.grants = 0
        self.core = self._restored()
        self._commits = Commits(self.core, store, self._announce, self.abandon)

    def start(self) -> None:
        """Let time pass from now on."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._tick_for_ever(), name="pool ticks"),
            loop.create_task(self._sample_for_ever(), name="pool samples"),
        ]
        self._tasks[0].add_done_callback(self._time_stands_still)

    async def stop(self) -> None:
        """Answer everybody who waits and write what is not yet written. Leases stay as they are."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        self._wake_everybody()
        if not self.lost.is_set():
            with contextlib.suppress(StoreFailedError):
                await self._commits.committed()
        self._commits.close()

    def abandon(self) -> None:
        """Answer nobody any more: what this service decided and did not store never was.

        Called when another replica may decide by now, and when the database, or the core, fails.
        """
        self._commits.abandon()
        for task in self._tasks:
            task.cancel()
        self._wake_everybody()

    @property
    def lost(self) -> asyncio.Event:
        """Set when what was decided may not be stored: nobody is answered any more."""
        return self._commits.lost

    # -- what holders do --------------------------------------------------------------------------------

    async def request(self, by: Principal, need: Need, holder: Holder, group: str = "") -> Lease:
        """Ask for a lease; it comes back granted, queued or refused."""
        groups = tuple(sorted(by.groups))
        request = Request(secrets.token_hex(8), by.name, need, holder, groups, group)
        lease = self.core.request(self.clock(), request)
        await self._commits.settled(lease.id)
        return lease

    async def heartbeat(self, lease: Lease) -> Lease:
        """Take a holder's proof of life; an ended lease comes back as it is."""
        if lease.id in self.core.leases:
            lease = self.core.heartbeat(self.clock(), lease.id)
        await self._commits.settled(lease.id)
        return lease

    async def end(self, lease: Lease, by: Principal) -> Lease:
        """Release one's own lease, or revoke somebody else's. An ended lease comes back as it is."""
        if lease.id in self.core.leases:
            if by.name == lease.user:
                lease = self.core.release(self.clock(), lease.id)
            else:
                lease = self.core.revoke(self.clock(), lease.id, f"The lease was revoked by {by.name}.")
        await self._commits.committed()
        return lease

    async def find(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended."""
        await self._commits.settled(lease_id)
        return self.core.leases.get(lease_id) or self._store.find(lease_id)

    async def wait_for_change(self, lease: Lease, since: int, wait_s: float) -> Lease:
        """Return the lease when its revision is not ``since``, or after ``wait_s`` seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            await self._commits.settled(lease.id)
            lease = self.core.leases.get(lease.id) or self._store.find(lease.id) or lease
            remaining_s = deadline - time.monotonic()
            news = self.core.revision(lease) != since or not lease.state.live
            if news or self._closing or remaining_s <= 0:
                return lease
            if not self.lost.is_set():
                await self._lease_waiters.wait(lease.id, remaining_s)

    async def leases(self, user: str | None, ended: bool) -> list[Lease]:
        """Return the leases of ``user``, or of everybody, in order of arrival."""
        await self._commits.all_settled()
        found = list((self.core.leases if user is None else self.core.leases_of(user)).values())
        if ended:
            found += self._store.ended(user)
        return sorted(found, key=lambda lease: lease.sequence)

    # -- what agents do ---------------------------------------------------------------------------------

    async def report(self, report: ServerReport, wait_s: float) -> tuple[float, list[str], list[str]]:
        """Take an agent's report.

        The answer comes at once when a lease of it is over, else when one ends or after ``wait_s`` seconds.

        Returns:
            the time as of which the rest is true, the leases of the server, the reported ones that are over.
        """
        over = self.core.report(self.clock(), report)
        await self._commits.committed()
        used = [use.lease for use in report.uses if use.workers]
        if not over and wait_s > 0 and not self._closing:
            await self._agent_waiters.wait(report.server, wait_s)
            await self._commits.still_deciding()
        serve = {lease.id for lease in self.core.leases_on(report.server)}
        return self.clock(), sorted(serve), [use for use in used if use not in serve]

    def agent_left(self, name: str, instance: str) -> None:
        """Note that an agent has closed its connection; unless it soon reports, another may take its name."""
        self.core.agent_left(self.clock(), name, instance)

    # -- what admins do ---------------------------------------------------------------------------------

    async def set_quota(self, of: QuotaName, quota: Quota | None, *, enforce: bool = False) -> None:
        """Set a quota at run time, or (None) go back to the configuration's."""
        try:
            await self._commits.written(self._store.set_quota, of, quota)
        except (DeposedError, SQLAlchemyError) as error:
            raise StoreFailedError(NOT_STORED) from error
        quotas = overridden(self.policy.quotas, self._store.quotas())
        self.core.set_quotas(self.clock(), quotas, enforce=enforce)
        await self._commits.committed()
        self._change_waiters.wake_all()

    async def cordon(self, name: str, cordoned: bool) -> Server:
        """Take a server out of service for new leases, or back into it. Raises KeyError."""
        server = self.core.cordon(self.clock(), name, cordoned)
        await self._commits.committed()
        return server

    async def drain(self, name: str, grace_s: float) -> Server:
        """Take a server out of service, and end its leases after ``grace_s`` seconds. Raises KeyError."""
        now = self.clock()
        server = self.core.drain(now, name, now + grace_s)
        self.core.tick(now)
        await self._commits.committed()
        return server

    async def forget_server(self, name: str) -> None:
        """Remove a server that is gone. Raises KeyError, and ValueError while its agent reports."""
        self.core.forget_server(self.clock(), name)
        await self._commits.committed()

    # -- the past, and what comes -----------------------------------------------------------------------

    async def usage(self, by: str, start: float, end: float, user: str | None) -> list[UsageRow]:
        """Return what was used between two times; see :meth:`History.usage`."""
        await self._commits.committed()
        return await asyncio.to_thread(self._store.history.usage, by, start, end, self.clock(), user)

    async def samples(self, since: float) -> list[Sample]:
        """Return the samples after ``since``."""
        return await asyncio.to_thread(self._store.history.samples, since)

    @property
    def closing(self) -> bool:
        """Whether the pool is about to end."""
        return self._closing or self.lost.is_set()

    async def wait_for_any_change(self, timeout_s: float) -> bool:
        """Return True when any lease or server has changed, False after ``timeout_s`` seconds."""
        return not self.closing and await self._change_waiters.wait("any", timeout_s)

    # -- within -----------------------------------------------------------------------------------------

    def _restored(self) -> PoolCore:
        policy, now = self.policy, self.clock()
        quotas = overridden(policy.quotas, self._store.quotas())
        core = PoolCore(dataclasses.replace(policy, quotas=quotas))
        windows = {period: policy.calendar.window(period, now).start for period in Period}
        core.restore(now, self._store.load(windows))
        return core

    def _announce(self, changes: Changes) -> None:
        for lease in changes.leases.values():
            self.grants += lease.state is LeaseState.GRANTED
            facts = {"server": lease.server, "memory_mib": lease.memory_mib, "why": lease.message or None}
            log.info(event(lease.state.value, lease=lease.id, user=lease.user, size=lease.size, **facts))
        self._lease_waiters.wake(changes.leases)
        self._agent_waiters.wake(changes.freed)
        if changes.moved and self._moved_timer is None:
            pause_s = max(_MOVED_EVERY_S, len(self.core.queue) / _MOVED_PER_S)
            self._moved_timer = asyncio.get_running_loop().call_later(pause_s, self._announce_moved)
        if changes.leases or changes.servers or changes.moved:
            self._change_waiters.wake_all()

    def _wake_everybody(self) -> None:
        for waiters in (self._lease_waiters, self._agent_waiters, self._change_waiters):
            waiters.wake_all()

    def _announce_moved(self) -> None:
        self._moved_timer = None
        self._lease_waiters.wake(lease.id for lease in self.core.queue)

    async def _tick_for_ever(self) -> None:
        pause = min(0.5, self.ttl_s / 10)
        before = self.clock()
        while True:
            await asyncio.sleep(pause)
            now = self.clock()
            if now - before > pause + self.ttl_s / 4:
                # This process was stopped or starved: heartbeats that came meanwhile are still unread.
                log.warning(event("stalled", seconds=now - before))
                self.core.resume(now)
            before = now
            self.core.tick(now)
            with contextlib.suppress(StoreFailedError):
                await self._commits.committed()

    def _time_stands_still(self, ticks: asyncio.Task[None]) -> None:
        # Nothing would expire any more. What is stored counts, and whoever leads next reads it.
        if not ticks.cancelled():
            log.critical(event("ticks-failed"), exc_info=ticks.exception())
            self.abandon()

    async def _sample_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_EVERY_S)
            now = sample(self.core, self.clock())
            try:
                await self._commits.written(self._store.history.add_sample, now)
            except SQLAlchemyError as error:
                log.warning(event("sample-lost", reason=error))
