# SPDX-License-Identifier: BSD-3-Clause
"""Quotas of the configuration and of the groups' properties, brought to the pool and kept there."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bfkernel_hub.group_policy import GroupPolicy
from bfkernel_hub.http_json import RefusedError
from bfkernel_hub.hub_api import Group
from bfkernel_hub.pool_api import PoolApi
from bfkernel_hub.settings import BfkernelHub

log = logging.getLogger("bfkernel_hub")
Limits = dict[str, Any]
# Whom the default is not to bound has a quota already when it comes.
_ORDER = ("users", "groups", "totals", "default")


class QuotaName(NamedTuple):
    """Which quota: ``default`` (no name), ``groups``, ``totals`` or ``users``, and whose."""

    kind: str
    name: str


_DEFAULT = QuotaName("default", "")


class Wanted(NamedTuple):
    """The quotas as they should be, and the groups whose property cannot be read: what they have stays.

    ``idle_timeout_s`` is the one that comes without a default of the configuration's.
    """

    limits: dict[QuotaName, Limits]
    unread: frozenset[str] = frozenset()
    idle_timeout_s: float | None = None

    def over(self, now: Mapping[str, Any]) -> dict[QuotaName, Limits]:
        """Return the limits for a pool that has the quotas ``now``.

        It takes a default as a whole: its own limits would end with one of a timeout alone.
        """
        if self.idle_timeout_s is None:
            return self.limits
        default = {**_limits(now, _DEFAULT), "longest_idle_s": self.idle_timeout_s}
        return {**self.limits, _DEFAULT: default}

    def leaves(self, of: QuotaName) -> bool:
        """Whether a quota stays as it is, once it is set."""
        return of.kind in ("groups", "totals") and of.name in self.unread


def wanted(settings: BfkernelHub, groups: Iterable[Group], said: Said) -> Wanted:
    """Return the quotas as they should be: a group's property goes over the configuration's, by field."""
    default = dict(settings.quotas.get("default", {}))
    idle_timeout_s = settings.idle_timeout_s
    if default and idle_timeout_s is not None:
        default.setdefault("longest_idle_s", idle_timeout_s)
    found = {_DEFAULT: default} if default else {}
    for kind in ("groups", "totals", "users"):
        for name, limits in settings.quotas.get(kind, {}).items():
            found[QuotaName(kind, name)] = dict(limits)
    unread = set()
    for group in groups:
        try:
            policy = GroupPolicy.read(group.properties)
        except ValueError as error:
            said.once(f"group {group.name}: {error} Until then its quotas stay as they are.")
            unread.add(group.name)
            continue
        for fault in policy.faults:
            said.once(f"group {group.name}: {fault}")
        for kind, limits in (("groups", policy.limits), ("totals", policy.total)):
            if limits:
                name = QuotaName(kind, group.name)
                found[name] = {**found.get(name, {}), **limits}
    return Wanted(found, frozenset(unread), None if default else idle_timeout_s)


class Said:
    """Logs a sentence once, not at each look."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, sentence: str) -> None:
        """Log it if it has not been."""
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning("%s", sentence)


class QuotaKeeper:
    """Makes the pool's quotas those that are wanted.

    Which ones it has set stands in a file, so that one that is wanted no longer goes, also after a restart,
    and those that others have set at the pool stay.
    """

    def __init__(self, pool: PoolApi, notes: Path, said: Said, *, enforce: bool) -> None:
        self._pool = pool
        self._notes = notes
        self._said = said
        self._enforce = enforce
        self._own = _read(notes)

    async def apply(self, wanted: Wanted) -> None:
        """Set what differs, forget what is no longer wanted. Raises ``ServerAwayError``."""
        now = await self._pool.quotas()
        should = wanted.over(now)
        left = {of for of in self._own if wanted.leaves(of)}
        for of, limits in sorted(should.items(), key=lambda each: _ORDER.index(each[0].kind)):
            if of not in left and (_limits(now, of) != limits or of not in self._own):
                await self._set(of, limits)
        for of in sorted(self._own - set(should) - left):
            await self._set(of, None)

    async def _set(self, of: QuotaName, limits: Limits | None) -> None:
        try:
            await self._pool.set_quota(of.kind, of.name, limits, enforce=self._enforce)
        except RefusedError as error:
            self._said.once(f"the pool refuses the quota of {' '.join(of).strip()}: {error}")
            return
        log.info("quota of %s: %s", " ".join(of).strip(), "forgotten" if limits is None else limits)
        self._own = self._own - {of} if limits is None else self._own | {of}
        self._notes.write_text(json.dumps(sorted(self._own)), encoding="utf-8")


def _limits(quotas: Mapping[str, Any], of: QuotaName) -> Limits:
    found = quotas["default"] if of.kind == "default" else quotas[of.kind].get(of.name, {})
    return {name: value for name, value in found.items() if value is not None}


def _read(notes: Path) -> set[QuotaName]:
    try:
        return {QuotaName(*of) for of in json.loads(notes.read_text(encoding="utf-8"))}
    except FileNotFoundError:
        return set()
    except (ValueError, TypeError):
        log.warning("%s is damaged: quotas that are no longer wanted may stay at the pool.", notes)
        return set()
