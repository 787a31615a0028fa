# SPDX-License-Identifier: BSD-3-Clause
"""Quotas as bars, and as a form that an admin fills in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bfkernel.remote.limits import read_limit
from bfkernel.remote.messages import LimitUse, OwnQuota, QuotaAnswer, QuotaLimits, first_fault
from bfkernel.remote.pool.core import Quotas
from bfkernel.remote.pool.dashboard import words
from bfkernel.remote.pool.quota_settings import KINDS, QuotaName, limits_of

_USED_NAMES = {
    "gpus": "GPUs at once",
    "leases": "Leases at once",
    "memory_mib": "GPU memory",
    "gpu_hours_per_day": "GPU-hours today",
    "gpu_hours_per_week": "GPU-hours this week",
    "gpu_hours_per_term": "GPU-hours this term",
}
_UNITS_S = (("d", 86400), ("h", 3600), ("min", 60))
#: Less than this would be shown as zero.
_SHOWN = 0.005
#: From here on a bar warns.
_NEARLY = 0.8


@dataclass(frozen=True)
class LimitBar:
    """What is used of one limit."""

    name: str
    used: str
    #: "" where there is no limit
    limit: str
    part: float
    resets_at: float | None

    @property
    def level(self) -> str:
        """How near the limit is: ``free``, ``near`` or ``full``."""
        if not self.limit or self.part < _NEARLY:
            return "free"
        return "full" if self.part >= 1 else "near"


def scope_bars(answer: QuotaAnswer) -> list[tuple[str, list[LimitBar]]]:
    """Return each scope that has limits, with these; where none has, what is used."""
    bounded = [
        (_title(quota), [_bar(use) for use in quota.limits if use.limit is not None])
        for quota in answer.quotas
        if any(use.limit is not None for use in quota.limits)
    ]
    if bounded or not answer.quotas:
        return bounded
    first = answer.quotas[0]
    return [(_title(first), [_bar(use) for use in first.limits if use.used >= _SHOWN])]


def _title(quota: OwnQuota) -> str:
    if quota.scope == "group":
        return f"Group {quota.group}, all members together"
    if quota.scope == "user":
        return "You in all"
    return f"You, for group {quota.group}" if quota.group else "You"


def _bar(use: LimitUse) -> LimitBar:
    part = 0.0 if use.limit is None else use.used / use.limit if use.limit else 1.0
    limit = "" if use.limit is None else words.amount(use.name, use.limit)
    return LimitBar(
        _USED_NAMES[use.name], words.amount(use.name, use.used), limit, min(1.0, part), use.resets_at
    )


@dataclass(frozen=True)
class LimitField:
    """One limit in the form: its name in the API and for people, an example, and how it is shown."""

    name: str
    label: str
    example: str
    show: Callable[[float], str]


def _seconds(value: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS_S if value and value % size == 0), ("s", 1))
    return f"{value / size:.12g}{unit}"


def _mib(value: float) -> str:
    return f"{value / 1024:.12g}GiB" if value and value % 1024 == 0 else f"{value:.12g}MiB"


def _plain(value: float) -> str:
    return f"{value:.12g}"


FIELDS = (
    LimitField("gpus", "GPUs at once", "0.5", _plain),
    LimitField("leases", "Leases at once", "3", _plain),
    LimitField("memory_mib", "GPU memory", "16GiB", _mib),
    LimitField("gpu_hours_per_day", "GPU-hours a day", "4", _plain),
    LimitField("gpu_hours_per_week", "GPU-hours a week", "10", _plain),
    LimitField("gpu_hours_per_term", "GPU-hours a term", "100", _plain),
    LimitField("longest_lease_s", "Longest lease", "8h", _seconds),
    LimitField("longest_idle_s", "Longest idle time", "30min", _seconds),
    LimitField("longest_queue_s", "Longest wait in the queue", "2h", _seconds),
    LimitField("priority", "Priority", "0", _plain),
    LimitField("weight", "Weight in the queue", "1", _plain),
)


def read_limits(filled: Mapping[str, str]) -> QuotaLimits:
    """Return the limits that a filled form means; an empty field says nothing of its limit.

    Raises:
        ValueError: a field cannot be read; the message names it and shows an example.
    """
    values = {
        field.name: value for field in FIELDS if (value := _read(field, filled[field.name])) is not None
    }
    try:
        return QuotaLimits.model_validate(values, strict=False)
    except ValidationError as error:
        where, fault = first_fault(error)
        label = next((f.label for f in FIELDS if f.name == where.partition(".")[0]), "The quota")
        msg = f"{label}: {fault}."
        raise ValueError(msg) from error


def _read(field: LimitField, text: str) -> Any:
    try:
        return read_limit(field.name, text.strip())[1] if text.strip() else None
    except ValueError as error:
        msg = f"{field.label}: '{text[:50]}' cannot be read: write for example {field.example}, or unlimited."
        raise ValueError(msg) from error


def shown(limits: QuotaLimits, field: LimitField) -> str:
    """Return a limit as the form shows it; what is shown is read back as the same."""
    value = getattr(limits, field.name)
    return "" if value is None else value if isinstance(value, str) else field.show(value)


@dataclass(frozen=True)
class QuotaRow:
    """A quota in the admin's table."""

    of: QuotaName
    title: str
    limits: QuotaLimits

    @property
    def said(self) -> list[str]:
        """What it says, one text a limit."""
        return [f"{f.label} {text}" for f in FIELDS if (text := shown(self.limits, f))]


_KIND_TITLES: Mapping[str, str] = {
    "default": "Everybody",
    "groups": "Each member of group {}",
    "totals": "Group {}, all members together",
    "users": "User {}",
}


def quota_rows(quotas: Quotas) -> list[QuotaRow]:
    """Return all quotas, the default first."""
    named = [
        (QuotaName(kind, name), quota) for kind in KINDS[1:] for name, quota in getattr(quotas, kind).items()
    ]
    return [
        QuotaRow(of, _KIND_TITLES[of.kind].format(of.name), limits_of(quota))
        for of, quota in [(QuotaName("default", ""), quotas.default), *named]
    ]


def quota_row(quotas: Quotas, of: QuotaName) -> QuotaRow:
    """Return one quota; an empty one where there is none yet."""
    found = next((row for row in quota_rows(quotas) if row.of == of), None)
    return found or QuotaRow(of, _KIND_TITLES[of.kind].format(of.name), QuotaLimits())
