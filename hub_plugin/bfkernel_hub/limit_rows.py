# SPDX-License-Identifier: BSD-3-Clause
"""Somebody's quotas, in words: the rows of a table."""

from __future__ import annotations

from typing import NamedTuple

from bfkernel_hub.pool_api import Json

_NAMES = {
    "gpus": "GPUs at once",
    "leases": "kernels and commands at once",
    "memory_mib": "MiB of GPU memory at once",
    "gpu_hours_per_day": "GPU-hours today",
    "gpu_hours_per_week": "GPU-hours this week",
    "gpu_hours_per_term": "GPU-hours this term",
}


class LimitRow(NamedTuple):
    """One limit: of what, for which of the user's kernels, how much is used, and of how much."""

    name: str
    scope: str
    used: str
    limit: str


def limit_rows(quotas: list[Json]) -> list[LimitRow]:
    """Return the limits in ``quotas`` (as ``/api/v1/quota`` has them), those of courses first."""
    return [
        LimitRow(
            _NAMES.get(limit["name"], limit["name"]),
            _scope(quota),
            _amount(limit["used"]),
            _amount(limit["limit"]),
        )
        for quota in sorted(quotas, key=lambda quota: not quota["group"])
        for limit in quota["limits"]
        if limit["limit"] is not None
    ]


def _amount(value: float) -> str:
    return f"{round(value, 2):.12g}"


def _scope(quota: Json) -> str:
    if quota["scope"] == "group":
        return f"{quota['group']}, all members together"
    if quota["scope"] == "user":
        return "you in all"
    return str(quota["group"] or "kernels of no course")
