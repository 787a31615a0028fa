# SPDX-License-Identifier: BSD-3-Clause
"""``--query-gpu`` and ``--query-compute-apps``: chosen fields as comma-separated values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import click

from .cards import Card, Process, System

UNKNOWN = "[N/A]"
_SWITCH = ("Disabled", "Enabled")
_COMPUTE_MODES = ("Default", "Exclusive_Thread", "Prohibited", "Exclusive_Process")
_DOMAINS = ("graphics", "sm", "memory", "video")
_SHORT_DOMAINS = {"graphics": "gr", "sm": "sm", "memory": "mem", "video": "video"}


@dataclass(frozen=True)
class Row:
    """What a line is about: a GPU, and a process on it where processes are listed."""

    card: Card
    count: int
    system: System
    process: Process | None = None


@dataclass(frozen=True)
class Format:
    """The words after ``--format=csv``."""

    header: bool = True
    units: bool = True

    @classmethod
    def parse(cls, text: str) -> Format:
        """Read ``csv,noheader,nounits``."""
        words = {word.strip() for word in text.split(",")}
        if "csv" not in words or words - {"csv", "noheader", "nounits"}:
            msg = f"'{text}' is no format: write csv, or csv,noheader,nounits."
            raise click.UsageError(msg)
        return cls("noheader" not in words, "nounits" not in words)


@dataclass(frozen=True)
class Field:
    """One column: its unit, and how to get it."""

    get: Callable[[Row], object]
    unit: str = ""


def _mib(size: int) -> int:
    return size >> 20


def _watts(milliwatts: int | None) -> str | None:
    return None if milliwatts is None else f"{milliwatts / 1000:.2f}"


def _choice(words: tuple[str, ...], number: int | None) -> str | None:
    return words[number] if number is not None and 0 <= number < len(words) else None


def _stamp(_row: Row) -> str:
    return time.strftime("%Y/%m/%d %H:%M:%S.000")


def _clock_fields() -> Iterator[tuple[str, Field]]:
    for number, domain in enumerate(_DOMAINS):
        current = Field(lambda row, n=number: row.card.clocks_mhz[n], "MHz")  # type: ignore[misc]
        most = Field(lambda row, n=number: row.card.max_clocks_mhz[n], "MHz")  # type: ignore[misc]
        for name in (domain, _SHORT_DOMAINS[domain]):
            yield f"clocks.current.{name}", current
            yield f"clocks.{name}", current
            yield f"clocks.max.{name}", most


GPU_FIELDS: dict[str, Field] = {
    "timestamp": Field(_stamp),
    "count": Field(lambda row: row.count),
    "index": Field(lambda row: row.card.index),
    "name": Field(lambda row: row.card.name),
    "gpu_name": Field(lambda row: row.card.name),
    "uuid": Field(lambda row: row.card.uuid),
    "gpu_uuid": Field(lambda row: row.card.uuid),
    "pci.bus_id": Field(lambda row: row.card.bus_id),
    "gpu_bus_id": Field(lambda row: row.card.bus_id),
    "driver_version": Field(lambda row: row.system.driver),
    "compute_cap": Field(lambda row: row.card.compute_cap),
    "memory.total": Field(lambda row: _mib(row.card.total_bytes), "MiB"),
    "memory.used": Field(lambda row: _mib(row.card.used_bytes), "MiB"),
    "memory.free": Field(lambda row: _mib(row.card.free_bytes), "MiB"),
    "memory.reserved": Field(lambda _row: 0, "MiB"),
    "utilization.gpu": Field(lambda row: row.card.gpu_utilization, "%"),
    "utilization.memory": Field(lambda row: row.card.memory_utilization, "%"),
    "temperature.gpu": Field(lambda row: row.card.temperature),
    "power.draw": Field(lambda row: _watts(row.card.power_mw), "W"),
    "power.limit": Field(lambda row: _watts(row.card.power_limit_mw), "W"),
    "enforced.power.limit": Field(lambda row: _watts(row.card.power_limit_mw), "W"),
    "fan.speed": Field(lambda row: row.card.fan_percent, "%"),
    "pstate": Field(
        lambda row: None if row.card.performance_state is None else f"P{row.card.performance_state}"
    ),
    "compute_mode": Field(lambda row: _choice(_COMPUTE_MODES, row.card.compute_mode)),
    "persistence_mode": Field(lambda row: _choice(_SWITCH, row.card.persistence)),
    "ecc.mode.current": Field(lambda row: _choice(_SWITCH, row.card.ecc)),
    "display_active": Field(lambda _row: _SWITCH[0]),
    "display_mode": Field(lambda _row: _SWITCH[0]),
    "mig.mode.current": Field(lambda _row: None),
    "pcie.link.gen.current": Field(lambda row: row.card.pcie_generation),
    "pcie.link.width.current": Field(lambda row: row.card.pcie_width),
    **dict(_clock_fields()),
}

PROCESS_FIELDS: dict[str, Field] = {
    "timestamp": GPU_FIELDS["timestamp"],
    "gpu_name": GPU_FIELDS["name"],
    "gpu_uuid": GPU_FIELDS["uuid"],
    "gpu_bus_id": GPU_FIELDS["pci.bus_id"],
    "pid": Field(lambda row: row.process and row.process.pid),
    "process_name": Field(lambda row: row.process and row.process.name),
    "name": Field(lambda row: row.process and row.process.name),
    "used_memory": Field(lambda row: row.process and _mib(row.process.used_bytes), "MiB"),
    "used_gpu_memory": Field(lambda row: row.process and _mib(row.process.used_bytes), "MiB"),
}


def header(names: list[str], known: dict[str, Field], form: Format) -> str:
    """Return the first line. A name that is no field is a usage error."""
    for name in names:
        if name not in known:
            msg = f"'{name}' is no field that can be asked for. There are: {', '.join(sorted(known))}."
            raise click.UsageError(msg)
    units = (known[name].unit if form.units else "" for name in names)
    return ", ".join(f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True))


def lines(rows: Iterable[Row], names: list[str], known: dict[str, Field], form: Format) -> Iterator[str]:
    """Return one line for each row."""
    for row in rows:
        yield ", ".join(_cell(known[name], row, units=form.units) for name in names)


def _cell(field: Field, row: Row, *, units: bool) -> str:
    value = field.get(row)
    if value is None:
        return UNKNOWN
    return f"{value} {field.unit}" if units and field.unit else str(value)
