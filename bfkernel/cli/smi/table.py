# SPDX-License-Identifier: BSD-3-Clause
"""The table that everybody knows from ``nvidia-smi``, about a lease."""

from __future__ import annotations

import time

from bfkernel import __version__
from bfkernel.remote.client import LeaseFile

from .cards import Card, System

_WIDTHS = (41, 24, 22)
_INSIDE = sum(_WIDTHS) + 2


def table(lease: LeaseFile, system: System, cards: list[Card]) -> str:
    """Return the whole table as text."""
    return "\n".join([time.ctime(), *_gpus(lease, system, cards), "", *_processes(cards)])


def _gpus(lease: LeaseFile, system: System, cards: list[Card]) -> list[str]:
    whole = f" of {lease.device}" if lease.device else ""
    where = f" on {lease.server}" if lease.server else ""
    share = f"A share, not the whole card: {lease.size}{whole}{where}"
    titles = (
        ("GPU  Name", "Persistence-M", "Bus-Id", "Disp.A", "", "ECC"),
        ("Fan  Temp  Perf", "Pwr:Usage/Cap", "", "Memory-Usage", "GPU-Util", "Compute M."),
    )
    versions = f"Driver: {system.driver or 'N/A'}   CUDA: {system.cuda or 'N/A'}"
    lines = [
        _rule(),
        f"| {_spread(f'bfkernel smi {__version__}', versions, _INSIDE - 2)} |",
        f"| {_fit(share, _INSIDE - 2)} |",
        _rule("+"),
        *(_row(*title) for title in titles),
        _rule("+", "="),
    ]
    for card in cards:
        lines += [*_card(card), _rule("+")]
    return lines


def _card(card: Card) -> list[str]:
    bus = card.bus_id or "N/A"
    memory = f"{card.used_bytes >> 20}MiB / {card.total_bytes >> 20}MiB"
    state = "N/A" if card.performance_state is None else f"P{card.performance_state}"
    reading = f"{_percent(card.fan_percent):>4}  {_unit(card.temperature, 'C'):>4}  {state:>4}"
    mode = "Default" if card.compute_mode == 0 else "N/A" if card.compute_mode is None else "Restricted"
    return [
        _row(f"{card.index:>3}  {card.name}", _switch(card.persistence), bus, "Off", "", _switch(card.ecc)),
        _row(reading, _power(card), "", memory, _percent(card.gpu_utilization), mode),
    ]


def _processes(cards: list[Card]) -> list[str]:
    lines = [
        _rule(),
        f"| {_fit('Processes of the lease:', _INSIDE - 2)} |",
        f"| {_spread(' GPU         PID   Type   Process name', 'GPU Memory', _INSIDE - 2)} |",
        f"|{'=' * _INSIDE}|",
    ]
    found = [(card.index, process) for card in cards for process in card.processes]
    for index, process in found:
        left = f"{index:>4}  {process.pid:>10}      C   {process.name}"
        lines.append(f"| {_spread(left, f'{process.used_bytes >> 20}MiB', _INSIDE - 2)} |")
    if not found:
        lines.append(f"| {_fit(' No running processes found', _INSIDE - 2)} |")
    return [*lines, _rule()]


def _row(*cells: str) -> str:
    pairs = zip(cells[::2], cells[1::2], _WIDTHS, strict=True)
    return "|" + "|".join(f" {_spread(left, right, width - 2)} " for left, right, width in pairs) + "|"


def _rule(joint: str = "-", line: str = "-") -> str:
    ends = "+" if joint == "-" else "|" if line == "=" else "+"
    return ends + joint.join(line * width for width in _WIDTHS) + ends


def _fit(text: str, width: int) -> str:
    return text[:width].ljust(width)


def _spread(left: str, right: str, width: int) -> str:
    room = width - len(right) - 1
    return f"{left[:room]:<{room}} {right}" if room > 0 else right[:width]


def _unit(value: int | None, unit: str) -> str:
    return "N/A" if value is None else f"{value}{unit}"


def _percent(value: int | None) -> str:
    return _unit(value, "%")


def _switch(value: int | None) -> str:
    return "N/A" if value is None else "On" if value else "Off"


def _power(card: Card) -> str:
    parts = (card.power_mw, card.power_limit_mw)
    return " / ".join("N/A" if mw is None else f"{mw // 1000}W" for mw in parts)
