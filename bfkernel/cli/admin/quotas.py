# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel admin quota``: what users and groups may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

from bfkernel.cli.options import json_option, pool_option
from bfkernel.cli.tables import Json, print_json, print_table
from bfkernel.remote.client import PoolClient
from bfkernel.remote.limits import read_limit
from bfkernel.remote.units import format_limit

Command = TypeVar("Command", bound=Callable[..., Any])

_WHOSE = {"groups": "each of group {}", "totals": "group {} together", "users": "user {}"}


@click.group()
def quota() -> None:
    """Show and set what users and groups may hold."""


def _of_whom(command: Command) -> Command:
    """Add the options that say whose quota is meant; see :func:`_named`."""
    for option in (
        click.option("--enforce", is_flag=True, help="Revoke leases beyond it, the newest first."),
        click.option("--default", "of_all", is_flag=True, help="The quota of everybody else."),
        click.option("--total", is_flag=True, help="With --group: that of all its members together."),
        click.option("--group", help="The quota of each member of this group."),
        click.option("--user", help="The quota of this user."),
    ):
        command = option(command)
    return command


@quota.command()
@json_option
@pool_option
def show(as_json: bool, url: str | None) -> None:
    """Show all quotas as they are now."""
    with PoolClient(url) as pool:
        quotas = pool.quotas()
    if as_json:
        print_json(quotas)
        return
    print_table("", ("Quota of", "Limits"), _rows(quotas), empty="")


@quota.command(name="set")
@_of_whom
@click.argument("limits", nargs=-1, required=True, metavar="LIMIT=VALUE...")
@pool_option
def set_(limits: tuple[str, ...], enforce: bool, url: str | None, **of_whom: Any) -> None:
    """Set limits of a quota; those that are not named stay as they are.

    Leases that run go on unless --enforce is given. It holds over restarts, and before the configuration's.
    Values are numbers, or words: 2h, 8GiB, unlimited, and none for a limit that another quota may set.

    Limits: gpus, leases, memory, gpu_hours_per_day, gpu_hours_per_week, gpu_hours_per_term,
    longest_lease, longest_idle, longest_queue, priority, weight.

    For example: bfkernel admin quota set --group cs231n gpus=0.5 gpu_hours_per_week=10
    """
    kind, name = _named(**of_whom)
    changes = dict(_limit(word) for word in limits)
    with PoolClient(url) as pool:
        before = _quota_in(pool.quotas(), kind, name)
        after = pool.set_quota(kind, name, {**before, **changes}, enforce=enforce)
    click.echo(f"{_whose(kind, name)}: {_words(_quota_in(after, kind, name))}")


@quota.command()
@_of_whom
@pool_option
def unset(enforce: bool, url: str | None, **of_whom: Any) -> None:
    """Go back to the quota of the configuration."""
    kind, name = _named(**of_whom)
    with PoolClient(url) as pool:
        after = pool.unset_quota(kind, name, enforce=enforce)
    click.echo(f"{_whose(kind, name)}: {_words(_quota_in(after, kind, name))}")


def _named(*, user: str | None, group: str | None, total: bool, of_all: bool) -> tuple[str, str]:
    """Return the kind and the name of the quota that the options mean."""
    if (user is not None) + (group is not None) + of_all != 1:
        msg = "Say whose quota: one of --user NAME, --group NAME and --default."
        raise click.UsageError(msg)
    if total and group is None:
        msg = "--total goes with --group."
        raise click.UsageError(msg)
    if group is not None:
        return "totals" if total else "groups", group
    return ("users", user) if user is not None else ("default", "")


def _limit(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        msg = f"'{word}' is no limit: write one such as gpus=0.5."
        raise click.UsageError(msg)
    return read_limit(name.strip().replace("-", "_"), value.strip())


def _quota_in(quotas: Json, kind: str, name: str) -> Json:
    found: Json = quotas[kind] if kind == "default" else quotas[kind].get(name, {})
    return found


def _rows(quotas: Json) -> Iterator[Sequence[str]]:
    yield "everybody else", _words(quotas["default"])
    for kind in _WHOSE:
        for name, limits in quotas[kind].items():
            yield _whose(kind, name), _words(limits)


def _whose(kind: str, name: str) -> str:
    return _WHOSE[kind].format(name) if name else "everybody else"


def _words(limits: Json) -> str:
    """Return limits as they are written: ``gpus=0.5 longest_lease=2 h``."""
    said = (f"{name.removesuffix('_s')}={_value(name, v)}" for name, v in limits.items() if v is not None)
    return ", ".join(said) or "says nothing"


def _value(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return format_limit(value).replace(" ", "") if name.endswith("_s") else f"{value:g}"
