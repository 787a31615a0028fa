# SPDX-License-Identifier: BSD-3-Clause
"""Numbers, sizes and times as people read them."""

from __future__ import annotations

from bfkernel.remote.records import LeaseState
from bfkernel.remote.units import format_duration

_STATES = {
    LeaseState.QUEUED: "waiting",
    LeaseState.GRANTED: "not used yet",
    LeaseState.ACTIVE: "active",
    LeaseState.IDLE: "idle",
}
_DAY_S = 86400.0


def state(of: LeaseState) -> str:
    """Return a live lease's state in words."""
    return _STATES.get(of, of.value)


def memory(mib: float) -> str:
    """Return MiB as a person writes them: ``640 MiB``, ``1.5 GiB``, ``80 GiB``."""
    if mib < 1024:
        return f"{mib:.0f} MiB"
    gib = mib / 1024
    return f"{gib:.1f} GiB" if gib < 100 and round(gib, 1) % 1 else f"{gib:.0f} GiB"


def number(value: float) -> str:
    """Return a number with at most two decimals: ``0.02``, ``1.5``, ``12``."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(part: float) -> str:
    """Return a part of one as a percentage."""
    return f"{100 * part:.0f} %"


def duration(seconds: float) -> str:
    """Return a rough duration: ``40 s``, ``2 min``, ``3 h``, ``4 days``."""
    days = round(seconds / _DAY_S)
    return f"{days} days" if days > 1 else format_duration(seconds)


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def about(eta_s: float | None) -> str:
    """Return in what time something is expected."""
    return "unknown" if eta_s is None else f"about {duration(eta_s)}"


def count(how_many: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun: ``1 lease``, ``3 leases``."""
    return f"{how_many} {one if how_many == 1 else more or one + 's'}"


def amount(name: str, value: float) -> str:
    """Return what a quota's limit of that name counts, with its unit."""
    if name == "memory_mib":
        return memory(value)
    return number(value)
