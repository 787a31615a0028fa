# SPDX-License-Identifier: BSD-3-Clause
"""Which sizes a student sees: the configuration's entries and the properties of the student's groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bfkernel_hub.group_policy import GroupPolicy
from bfkernel_hub.size_text import check_size

_KEYS = {"size", "groups", "course", "name"}


@dataclass(frozen=True)
class SizeEntry:
    """An entry of ``c.BfkernelHub.sizes``; without groups it is for everybody."""

    size: str
    groups: tuple[str, ...] = ()
    course: str = ""
    name: str = ""

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> SizeEntry:
        """Read an entry; raises ValueError with one sentence when it is malformed."""
        if unknown := set(entry) - _KEYS:
            msg = f"an entry has size, groups, course and name, not {', '.join(sorted(unknown))}."
            raise ValueError(msg)
        groups = entry.get("groups", [])
        if not isinstance(groups, list | tuple):
            msg = f"groups is a list of names: write ['{groups}']."
            raise ValueError(msg)  # noqa: TRY004 (one kind of error for all that an admin mistypes)
        return cls(
            check_size(entry.get("size")), tuple(groups), entry.get("course", ""), entry.get("name", "")
        )


@dataclass(frozen=True)
class Offer:
    """A kernel in a student's launcher; its lease counts for ``group`` ("": the pool chooses one)."""

    size: str
    group: str = ""
    course: str = ""
    name: str = ""


def offers(entries: Iterable[SizeEntry], groups: Mapping[str, GroupPolicy]) -> list[Offer]:
    """Return what a member of ``groups`` sees, in the configuration's order."""
    found = []
    for entry in entries:
        if not entry.groups:
            found.append(Offer(entry.size, "", entry.course, entry.name))
        for group in entry.groups:
            policy = groups.get(group)
            if policy is not None and policy.sizes is None:
                found.append(Offer(entry.size, group, policy.course or entry.course, entry.name))
    for group, policy in sorted(groups.items()):
        found += [Offer(size, group, policy.course or _course(entries, group)) for size in policy.sizes or ()]
    return list(dict.fromkeys(found))


def _course(entries: Iterable[SizeEntry], group: str) -> str:
    return next((entry.course for entry in entries if group in entry.groups), "")
