# SPDX-License-Identifier: BSD-3-Clause
"""Tables for people, JSON for programs; both on stdout."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

Json = dict[str, Any]


def print_json(content: Any) -> None:
    """Print ``content`` for a program."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print a table, or the sentence ``empty`` when it has no rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # Fold, never cut: an id that ends in "…" cannot be copied.
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
        count += 1
    if count == 0:
        click.echo(empty)
        return
    if title:
        click.echo(title)
    console = Console()
    if not console.is_terminal:
        # Nobody looks at a terminal: its width is no reason to fold lines.
        console = Console(width=250)
    console.print(table)


def mib(amount: float | None) -> str:
    """Return an amount of memory for people."""
    return "-" if amount is None else f"{amount:,.1f}".removesuffix(".0") + " MiB"


def age(since: float | None) -> str:
    """Return how long ago a time (seconds since the epoch) was: ``5 s``, ``3 min``, ``2 h``."""
    return "-" if since is None else span(time.time() - since)


def until(then: float | None) -> str:
    """Return how long it is until a time (seconds since the epoch): ``in 3 min``."""
    return "-" if then is None else f"in {span(then - time.time())}"


def span(seconds: float) -> str:
    """Return a time span for people, a negative one as nothing: ``5 s``, ``3 min``, ``2 h``, ``9 d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def number(amount: float | None) -> str:
    """Return a number for people: two decimals at most, more where it is small."""
    if amount is None:
        return "-"
    return f"{amount:,.2f}".rstrip("0").rstrip(".") if amount >= 1 else f"{amount:.3g}"


def holder(lease: Json) -> str:
    """Return who holds a lease: ``notebook.ipynb on host``."""
    who = lease.get("holder") or {}
    name = who.get("name") or who.get("kind") or "-"
    return f"{name} on {who['host']}" if who.get("host") else str(name)


def gpu_name(gpu: Json) -> str:
    """Return a GPU's name. An emulated one always says so."""
    name = str(gpu.get("name") or "GPU")
    return f"{name} (emulated)" if gpu.get("emulated") and "emulated" not in name.lower() else name


def places(lease: Json) -> str:
    """Return where a lease's GPUs are: ``server:0, server:1``."""
    return ", ".join(f"{gpu['server']}:{gpu['index']}" for gpu in lease.get("gpus") or []) or "-"
