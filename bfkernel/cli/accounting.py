# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel quota`` and ``usage``: what one may hold, and what was used."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import datetime

import click

from bfkernel.remote.client import PoolClient
from bfkernel.remote.units import format_limit, parse_duration

from .options import Parsed, json_option, pool_option
from .tables import Json, mib, number, print_json, print_table, until

_LIMITS = {
    "gpus": "GPUs at once",
    "leases": "kernels and commands at once",
    "memory_mib": "GPU memory at once",
    "gpu_hours_per_day": "GPU-hours today",
    "gpu_hours_per_week": "GPU-hours this week",
    "gpu_hours_per_term": "GPU-hours this term",
}


def parse_time(text: str) -> float:
    """Return a time in seconds since the epoch: ``2026-11-01``, ``2026-11-01T08:00``, or ``7d``, so long ago.

    Dates are of this machine's time zone.

    Raises:
        ValueError: it is neither.
    """
    try:
        if re.match(r"\d{4}-", text):
            return datetime.fromisoformat(text).astimezone().timestamp()
        return time.time() - parse_duration(text)
    except ValueError as error:
        msg = f"'{text}' is no time: write a date (2026-11-01, 2026-11-01T08:00) or how long ago (12h, 7d)."
        raise ValueError(msg) from error


_TIME = Parsed("time", parse_time)


@click.command()
@json_option
@pool_option
def quota(as_json: bool, url: str | None) -> None:
    """Show what you may hold, what you hold now, and what you have used of your GPU-hours."""
    with PoolClient(url) as pool:
        answer = pool.quota()
    if as_json:
        print_json(answer)
        return
    groups = ", ".join(answer["groups"])
    click.echo(f"You are {answer['user']}{f', in {groups}' if groups else ''}.")
    for scope in answer["quotas"]:
        click.echo()
        print_table(
            _title(scope), ("", "You have", "of", "Starts anew"), _limit_rows(scope["limits"]), empty=""
        )
    click.echo(_terms(answer))


@click.command()
@click.option(
    "--by", type=click.Choice(["user", "group", "both"]), default="user", help="What to sum up by (user)."
)
@click.option(
    "--since", type=_TIME, metavar="TIME", help="From then on: 2026-11-01, or 7d (30d before --until)."
)
@click.option("--until", "end", type=_TIME, metavar="TIME", help="Up to then (now).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
@pool_option
def usage(
    by: str, since: float | None, end: float | None, as_csv: bool, as_json: bool, url: str | None
) -> None:
    """Show how many GPU-hours were used: your own, as an admin everybody's."""
    if as_csv and as_json:
        msg = "Give one of --csv and --json."
        raise click.UsageError(msg)
    with PoolClient(url) as pool:
        if as_csv:
            click.echo(pool.usage_csv(by, since, end), nl=False)
            return
        answer = pool.usage(by, since, end)
    if as_json:
        print_json(answer)
        return
    keys = ("user", "group") if by == "both" else (by,)
    rows = (
        [*(str(row[key] or "-") for key in keys), str(row["leases"]), number(row["gpu_hours"])]
        for row in answer["usage"]
    )
    columns = (*(key.capitalize() for key in keys), "Leases", "GPU-hours")
    period = f"{_moment(answer['start'])} to {_moment(answer['end'])}"
    print_table(period, columns, rows, empty=f"Nothing was used from {period}.")


def _title(scope: Json) -> str:
    kind, group = scope["scope"], scope["group"]
    if kind == "group":
        return f"All of {group} together"
    if kind == "user":
        return "All that you hold"
    return f"What you ask for with --group {group}" if group else "What you ask for without --group"


def _limit_rows(limits: Sequence[Json]) -> list[list[str]]:
    """Return a row for each limit; without any, for what is held."""
    limited = [use for use in limits if use["limit"] is not None]
    return [_limit_row(use) for use in limited or limits[:1]]


def _limit_row(use: Json) -> list[str]:
    amount = mib if use["name"] == "memory_mib" else number
    limit = "no limit" if use["limit"] is None else amount(use["limit"])
    resets_at = use.get("resets_at")
    again = "" if resets_at is None else f"{_moment(resets_at)} ({until(resets_at)})"
    return [_LIMITS.get(use["name"]) or str(use["name"]), amount(use["used"]), limit, again]


def _terms(answer: Json) -> str:
    """Return what holds for a new request, in sentences."""
    terms = (
        ("longest_lease_s", "A share ends {} after you got it."),
        ("longest_idle_s", "A share that computes nothing for {} is taken back."),
        ("longest_queue_s", "A request that has waited for {} is given up."),
    )
    said = [words.format(format_limit(answer[name])) for name, words in terms if answer[name] is not None]
    return " ".join(said) or "Shares have no time limit."


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%a %d %b %Y %H:%M %Z")
