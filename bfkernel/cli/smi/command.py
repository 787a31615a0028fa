# SPDX-License-Identifier: BSD-3-Clause
"""The command itself: where it looks, and which of its forms is asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import pynvml  # type: ignore[import-untyped]

from bfkernel.cli.exits import NO_SHARE_NOW, Failure
from bfkernel.cli.options import json_option, pool_option
from bfkernel.cli.tables import print_json
from bfkernel.remote.client import LeaseFile, PoolClient

from .cards import Card, System, read_cards, read_system
from .fields import GPU_FIELDS, PROCESS_FIELDS, Field, Format, Row, header, lines
from .pool_view import card_of, print_pool
from .table import table

NO_VERSIONS = System(None, None)
STANDS_IN = (
    "This machine has no nvidia-smi: bfkernel answers in its place, and shows what this process leases."
)


@dataclass(frozen=True)
class Wish:
    """What is to be shown, and of which GPUs."""

    as_json: bool
    listing: bool
    gpu_fields: str | None
    process_fields: str | None
    form: str | None
    ids: str | None
    stand_in: bool

    def wants(self, card: Card) -> bool:
        """Whether ``-i`` names this GPU, by index, UUID or bus id; all are wanted without it."""
        names = {str(card.index), card.uuid, card.bus_id}
        return self.ids is None or any(word.strip() in names for word in self.ids.split(","))


@click.command()
@json_option
@click.option("-L", "--list-gpus", "listing", is_flag=True, help="One line for each GPU.")
@click.option("--query-gpu", "gpu_fields", metavar="FIELD,…", help="Chosen fields of each GPU.")
@click.option("--query-compute-apps", "process_fields", metavar="FIELD,…", help="And of each process.")
@click.option("--format", "form", metavar="csv[,noheader][,nounits]", help="How --query-… prints.")
@click.option("-i", "--id", "ids", metavar="ID,…", help="Only these GPUs: index, UUID or bus id.")
@click.option("-l", "--loop", "every_s", type=click.FloatRange(min=0.1), help="Again every so many seconds.")
@click.option("--stand-in", is_flag=True, hidden=True)
@pool_option
def smi(
    as_json: bool,
    listing: bool,
    gpu_fields: str | None,
    process_fields: str | None,
    form: str | None,
    ids: str | None,
    every_s: float | None,
    stand_in: bool,
    url: str | None,
) -> None:
    """Show GPUs as nvidia-smi does: inside a lease its share and its processes, outside it the pool.

    For scripts: bfkernel smi --query-gpu=name,memory.used,memory.total --format=csv,noheader,nounits
    """
    if (gpu_fields or process_fields) and form is None:
        msg = "--query-gpu and --query-compute-apps need --format=csv."
        raise click.UsageError(msg)
    wish = Wish(as_json, listing, gpu_fields, process_fields, form, ids, stand_in)
    lease = os.environ.get("BFKERNEL_LEASE_FILE")
    if lease:
        _show_lease(wish, Path(lease), every_s)
    else:
        _show_pool(wish, url, every_s)


def _show_lease(wish: Wish, path: Path, every_s: float | None) -> None:
    lease = _granted(path)
    try:
        pynvml.nvmlInit()
        try:
            _repeat(lambda: _print_lease(wish, lease), every_s)
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        msg = f"{lease.size} cannot be asked: {error}."
        raise Failure(msg) from error


def _granted(path: Path) -> LeaseFile:
    try:
        lease = LeaseFile.read(path)
    except (OSError, ValueError):
        msg = "The command or kernel that held this GPU lease has ended."
        raise Failure(msg, NO_SHARE_NOW) from None
    if lease.state != "granted":
        msg = f"{lease.size}: {lease.message or lease.state}"
        raise Failure(msg, NO_SHARE_NOW)
    return lease


def _print_lease(wish: Wish, lease: LeaseFile) -> None:
    cards, system = [card for card in read_cards() if wish.wants(card)], read_system()
    if wish.as_json:
        known = ("lease", "size", "state", "server", "device", "emulated", "fraction", "memory_mib")
        print_json(
            {
                "lease": {name: getattr(lease, name) for name in known},
                **asdict(system),
                "gpus": [asdict(card) for card in cards],
            }
        )
    elif not _print_for_scripts(wish, cards, system):
        if wish.stand_in:
            click.echo(STANDS_IN)
        click.echo(table(lease, system, cards))


def _show_pool(wish: Wish, url: str | None, every_s: float | None) -> None:
    with PoolClient(url) as pool:

        def show() -> None:
            gpus, leases = pool.gpus(), pool.leases()
            cards = [card for card in map(card_of, range(len(gpus)), gpus) if wish.wants(card)]
            if wish.as_json:
                print_json({"gpus": gpus, "leases": leases})
            elif not _print_for_scripts(wish, cards, NO_VERSIONS):
                print_pool(gpus, leases)

        _repeat(show, every_s)


def _print_for_scripts(wish: Wish, cards: Sequence[Card], system: System) -> bool:
    """Print a form that programs read, if one is asked for. No word of ours may come before it."""
    if wish.listing:
        for card in cards:
            click.echo(f"GPU {card.index}: {card.name} (UUID: {card.uuid})")
        return True
    rows = [Row(card, len(cards), system) for card in cards]
    if wish.gpu_fields:
        _print_csv(wish, wish.gpu_fields, rows, GPU_FIELDS)
    elif wish.process_fields:
        rows = [Row(r.card, r.count, system, process) for r in rows for process in r.card.processes]
        _print_csv(wish, wish.process_fields, rows, PROCESS_FIELDS)
    else:
        return False
    return True


def _print_csv(wish: Wish, fields: str, rows: list[Row], known: dict[str, Field]) -> None:
    form = Format.parse(wish.form or "csv")
    names = [name.strip() for name in fields.split(",")]
    first = header(names, known, form)
    if form.header:
        click.echo(first)
    for line in lines(rows, names, known, form):
        click.echo(line)


def _repeat(show: Callable[[], None], every_s: float | None) -> None:
    show()
    while every_s:
        time.sleep(every_s)
        show()
