# SPDX-License-Identifier: BSD-3-Clause
"""The rounds: somebody is killed, comes back, and everything must be as it should."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil

from tests.chaos.client import Note
from tests.chaos.site import LIMIT_S, TTL_S, Member, Site
from tests.waiting import eventually

#: A lease without a holder ends a TTL after its last proof, or after a pool's start, if that is later; so
#: much more until the pool has looked and its agents have heard, on a machine that is busy with others.
MARGIN_S = 10.0
#: So long after a kill at the latest nothing comes back any more of what is sent to who was killed.
NOTICED_S = 0.2
VICTIMS = ("pool", "agent", "worker", "client")


@dataclass
class Report:
    """What happened in all rounds."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    leases: set[str] = field(default_factory=set)
    #: seconds from a holder's death until its lease had ended, as seen at the ends of rounds
    ended_after_s: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Chaos:
    """Kills members of a site in rounds and checks what must hold."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._chance = random.Random(seed)
        self._abandoned: dict[str, float] = {}
        self._pool_started_at = time.monotonic()
        self._killed_at = time.time()
        self.report = Report()

    def run(self, rounds: int) -> Report:
        """Do so many rounds, then wait until nothing is left of the dead.

        Raises AssertionError, with the round and the victims, as soon as something does not hold.
        """
        began = time.monotonic()
        self._settle()
        for number in range(rounds):
            victims = self._choose()
            try:
                self._round(victims)
            except AssertionError as error:
                msg = f"round {number}, victims {[name for _, name, _ in victims]}: {error}"
                raise AssertionError(msg) from error
            self.report.rounds += 1
        eventually(self._nothing_is_left, TTL_S + MARGIN_S, "the end of the leases of the dead")
        self.report.seconds = time.monotonic() - began
        return self.report

    # -- a round ----------------------------------------------------------------------------------------

    def _choose(self) -> list[tuple[str, str, Member | int]]:
        """Return one to three victims: what they are, their names, and whom to kill."""
        chosen: dict[str, tuple[str, str, Member | int]] = {}
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            kind = self._chance.choice(VICTIMS)
            if kind == "worker":
                workers = sorted(self._site.workers().items())
                if workers:
                    pid, lease = self._chance.choice(workers)
                    chosen[f"worker of {lease}"] = (kind, f"worker of {lease}", pid)
            else:
                member = self._chance.choice([m for m in self._site.members if m.kind == kind])
                chosen[member.name] = (kind, member.name, member)
        return list(chosen.values())

    def _round(self, victims: list[tuple[str, str, Member | int]]) -> None:
        before = self._site.notes()
        disturbed = self._who_may_be_disturbed(victims)
        for kind, _, victim in victims:
            time.sleep(self._chance.uniform(0.0, 0.15))
            self.report.kills[kind] += 1
            self._kill(victim)
        self._killed_at = time.time()
        time.sleep(self._chance.uniform(0.0, 0.15))
        for _, _, victim in victims:
            if isinstance(victim, Member):
                self._site.start(victim)
        if any(kind == "pool" for kind, _, _ in victims):
            eventually(lambda: self._site.get("/api/v1/gpus"), LIMIT_S, "an answer of the pool")
            self._pool_started_at = time.monotonic()
        self._settle()
        after = self._site.notes()
        for name in before.keys() - disturbed:
            same = (before[name].lease, before[name].disturbances) == (
                after[name].lease,
                after[name].disturbances,
            )
            assert same, f"{name} was disturbed: {before[name]} -> {after[name]}"

    def _kill(self, victim: Member | int) -> None:
        if isinstance(victim, int):
            try:
                psutil.Process(victim).kill()
            except psutil.NoSuchProcess:
                return
            return
        if victim.kind == "client" and (note := self._site.notes().get(victim.name)):
            self._abandoned[note.lease] = time.monotonic()
        self._site.kill(victim)

    def _who_may_be_disturbed(self, victims: list[tuple[str, str, Member | int]]) -> set[str]:
        """Return the clients that lose something by these deaths: themselves, a worker, a GPU server."""
        addresses = {str(m.options.get("data_port")) for _, _, m in victims if isinstance(m, Member)}
        leases = {name.removeprefix("worker of ") for _, name, _ in victims}
        names = {name for _, name, _ in victims}
        return {
            client
            for client, note in self._site.notes().items()
            if client in names or note.lease in leases or note.agent.rpartition(":")[2] in addresses
        }

    # -- what must hold ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Wait until everybody is back at work, then look at the books."""
        clients = [member for member in self._site.members if member.kind == "client"]

        def all_work() -> bool:
            notes = self._site.notes()
            return all((note := notes.get(c.name)) and self._works(note, c) for c in clients)

        def why() -> str:
            notes = self._site.notes().items()
            return "; ".join(f"{n}: {note.state}, {note.why}" for n, note in notes if note.state != "working")

        try:
            eventually(all_work, LIMIT_S, "the work of all clients")
        except AssertionError as error:
            msg = f"{error}: {why()}"
            raise AssertionError(msg) from error
        eventually(self._books_agree, LIMIT_S, "that the books agree")

    def _works(self, note: Note, client: Member) -> bool:
        """Whether a client's data went to and fro after the last kill: what it broke stands in the note."""
        heard = note.sent_at > self._killed_at + NOTICED_S
        return note.pid == client.pid and note.state == "working" and heard

    def _books_agree(self) -> bool:
        """Whether every client has its lease, no dead one's lives too long, and the GPUs' sums are right."""
        before, gpus, after = (self._site.get(f"/api/v1/{what}") for what in ("leases", "gpus", "leases"))
        if not (before and gpus and after):
            return False  # no pool just now
        live = {lease["id"]: lease for lease in after["leases"]}
        if live.keys() != {lease["id"] for lease in before["leases"]}:
            return False  # something changed meanwhile
        owned = {note.lease for note in self._site.notes().values()}
        self.report.leases |= live.keys()
        self._forget_ended(live.keys())
        leftover = live.keys() - owned - self._abandoned.keys()
        # A lease whose request was answered by a dying pool is nobody's: its holder never heard of it.
        for lease in leftover:
            self._abandoned[lease] = time.monotonic()
        return owned <= live.keys() and self._sums_are_right(live, gpus["gpus"])

    def _forget_ended(self, live: object) -> None:
        now = time.monotonic()
        for lease, since in list(self._abandoned.items()):
            if lease not in live:  # type: ignore[operator]
                self.report.ended_after_s.append(now - since)
                del self._abandoned[lease]
                continue
            overdue = now - max(since, self._pool_started_at) - TTL_S
            assert overdue < MARGIN_S, f"lease {lease} of a dead holder is {overdue:.1f} s overdue"

    @staticmethod
    def _sums_are_right(live: dict[str, dict[str, object]], gpus: list[dict[str, object]]) -> bool:
        for gpu in gpus:
            shares = [
                lease["memory_mib"]
                for lease in live.values()
                for held in lease["gpus"]  # type: ignore[attr-defined]
                if (held["server"], held["id"]) == (gpu["server"], gpu["id"])
            ]
            # What drains is booked for a moment longer than its lease lives.
            if gpu["leased_mib"] != sum(shares):  # type: ignore[arg-type]
                return False
        return True

    def _nothing_is_left(self) -> bool:
        owned = {note.lease for note in self._site.notes().values()}
        return self._books_agree() and not self._abandoned and set(self._site.workers().values()) <= owned
