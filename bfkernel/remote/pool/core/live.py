# SPDX-License-Identifier: BSD-3-Clause
"""The live leases and all the books that must agree with them: queue, bookings, tallies, changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bfkernel.remote.pool.core.alarms import Alarms
from bfkernel.remote.pool.core.bookings import Bookings
from bfkernel.remote.pool.core.deadlines import Times, next_look, notice
from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.forecast import History
from bfkernel.remote.pool.core.placement import Place
from bfkernel.remote.pool.core.queue import FairShare, WaitingLine
from bfkernel.remote.pool.core.quotas import Scope
from bfkernel.remote.pool.core.tallies import Tallies, weight_of
from bfkernel.remote.pool.core.transitions import transition
from bfkernel.remote.pool.core.windows import Calendar
from bfkernel.remote.records import Lease, LeaseState


@dataclass
class Changes:
    """What events changed since the last :meth:`LiveLeases.take_changes`.

    ``leases`` are to be stored and announced; ``servers`` to be stored; ``moved`` says whether places in the
    queue changed; ``freed`` are servers on which a lease ended, whose agents should hear of it at once.
    """

    leases: dict[str, Lease] = field(default_factory=dict)
    servers: set[str] = field(default_factory=set)
    moved: bool = False
    freed: set[str] = field(default_factory=set)


@dataclass
class _User:
    """A user's live leases, what they count together, and the last tag of each priority."""

    leases: dict[str, Lease] = field(default_factory=dict)
    hundredths: int = 0
    last_tags: dict[int, float] = field(default_factory=dict)


class LiveLeases:
    """Leases that wait or hold. Every way in, through and out keeps the books."""

    def __init__(self, times: Times, calendar: Calendar, fleet: Fleet, tallies: Tallies) -> None:
        self.queue = WaitingLine()
        self.bookings = Bookings(fleet)
        self.history = History()
        self.fair = FairShare()
        self.alarms: Alarms[str] = Alarms()
        self.by_id: dict[str, Lease] = {}
        self._times = times
        self._calendar = calendar
        self._fleet = fleet
        self._tallies = tallies
        self._users: dict[str, _User] = {}
        self._groups: defaultdict[str, dict[str, Lease]] = defaultdict(dict)
        self._changes = Changes()
        self._moves_told = 0

    # -- ways in, through and out -----------------------------------------------------------------------

    def admit(self, now: float, lease: Lease, weight: float) -> None:
        """Let a new request into the queue."""
        self._enter(now, lease)
        own = self._users[lease.user]
        not_before = own.last_tags.get(lease.priority, 0.0)
        lease.tag = self.fair.tag(lease, own.hundredths, weight, not_before)
        own.last_tags[lease.priority] = lease.tag
        self.queue.add(lease)
        self.changed(lease)

    def restore(self, now: float, lease: Lease) -> None:
        """Take a stored lease back; :meth:`resume_order` follows the last."""
        if lease.state is LeaseState.IDLE:
            lease.idle_until = now + self._times.idle_grace_s
        else:
            lease.restored_at = now
        self._enter(now, lease)
        if lease.state is LeaseState.QUEUED:
            self._users[lease.user].last_tags[lease.priority] = lease.tag
            self.queue.add(lease)
            return
        self.fair.granted(lease)
        self.bookings.book(lease)
        self._tallies.resume_rate(now, lease)
        self.tell(now, lease)

    def resume_order(self, weight: Callable[[Lease], float]) -> None:
        """Let requests to come go behind restored ones as if there had been no restart."""
        totals: dict[str, int] = {}
        for lease in self.queue:
            if lease.user not in totals:
                held = (each.hundredths for each in self.of_user(lease.user).values() if each.state.holds)
                totals[lease.user] = sum(held)
            totals[lease.user] += lease.hundredths
            self.fair.resume(lease, totals[lease.user], weight(lease))

    def grant(self, now: float, lease: Lease, place: Place, hundredths: int) -> None:
        """Give a queued lease its place; ``hundredths`` is what it counts there."""
        asked = weight_of(lease)
        self._users[lease.user].hundredths += hundredths - lease.hundredths
        self.queue.remove(lease)
        transition(lease, "grant", now)
        lease.server, lease.placements, lease.hundredths = place.server.name, place.placements, hundredths
        self.fair.granted(lease)
        self.bookings.book(lease)
        self._tallies.grant(now, lease, asked)
        self.changed(lease)
        self.watch(now, lease)

    def end(self, now: float, lease: Lease, name: str, code: str, message: str) -> None:
        """Take a live lease through an ending transition and out of the books."""
        held = lease.state.holds
        if not held:
            self.queue.remove(lease)
        transition(lease, name, now, code, message)
        lease.notice = ""
        self._tallies.end(now, lease, held)
        del self.by_id[lease.id]
        self._leave(lease)
        self.alarms.set(lease.id, None)
        self.changed(lease)
        if held:
            self.history.add(now - (lease.granted_at or now))
            self.bookings.unbook(lease)
            self._changes.freed.add(lease.server or "")

    # -- what holders and the database are told ---------------------------------------------------------

    def tell(self, now: float, lease: Lease) -> None:
        """Bring the notice of a granted lease up to date."""
        drain_at = self._fleet.servers[lease.server or ""].drain_at
        words = notice(self._times, self._calendar, now, lease, drain_at)
        if lease.notice != words:
            lease.notice = words
            lease.revision += 1
            self.changed(lease)

    def changed(self, lease: Lease) -> None:
        """Note that a lease is to be stored and announced."""
        self._changes.leases[lease.id] = lease

    def server_changed(self, name: str) -> None:
        """Note that a server is to be stored."""
        self._changes.servers.add(name)

    def is_unsaved(self, lease_id: str) -> bool:
        """Whether the lease has changed since the last :meth:`take_changes`."""
        return lease_id in self._changes.leases

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        changes, self._changes = self._changes, Changes()
        changes.moved, self._moves_told = self.queue.moves != self._moves_told, self.queue.moves
        return changes

    # -- questions --------------------------------------------------------------------------------------

    def of_user(self, user: str) -> Mapping[str, Lease]:
        """Return a user's live leases by id, in order of arrival."""
        own = self._users.get(user)
        return own.leases if own else {}

    def holding(self) -> Iterable[Lease]:
        """Leases that hold a share."""
        return (lease for lease in self.by_id.values() if lease.state.holds)

    def holding_in(self, scope: Scope) -> list[Lease]:
        """Return the leases that hold a share and count in ``scope``."""
        if scope.kind == "group":
            return [lease for lease in self._groups[scope.group].values() if lease.state.holds]
        own = (lease for lease in self.of_user(scope.user).values() if lease.state.holds)
        return [lease for lease in own if scope.kind == "user" or scope.group == lease.group_asked]

    def watch(self, now: float, lease: Lease) -> None:
        """Set when to look at a lease again."""
        self.alarms.set(lease.id, next_look(self._times, now, lease))

    def _enter(self, now: float, lease: Lease) -> None:
        lease.proof_at = now
        self.by_id[lease.id] = lease
        own = self._users.setdefault(lease.user, _User())
        own.leases[lease.id] = lease
        own.hundredths += lease.hundredths
        self._groups[lease.group][lease.id] = lease
        self._tallies.ask(now, lease)
        self.watch(now, lease)

    def _leave(self, lease: Lease) -> None:
        own = self._users[lease.user]
        own.hundredths -= lease.hundredths
        del own.leases[lease.id]
        if not own.leases:
            del self._users[lease.user]
        del self._groups[lease.group][lease.id]
