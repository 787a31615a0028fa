# SPDX-License-Identifier: BSD-3-Clause
"""Options and argument types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from bfkernel.remote.client.size import Size
from bfkernel.remote.filters import Filter
from bfkernel.remote.units import parse_duration, parse_size_mib

Command = TypeVar("Command", bound=Callable[..., Any])


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """An argument that a function reads; its ``ValueError`` is the usage error's sentence."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the word; click calls this."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = Parsed("duration", parse_duration)
MEMORY = Parsed("size", parse_size_mib)
SIZE = Parsed("size", Size.parse)
FILTER = Parsed("filter", lambda text: Filter.parse(text).text)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
pool_option = click.option(
    "--pool", "url", metavar="URL", help="The pool's address, instead of BFKERNEL_POOL_URL."
)

# Everything after the options is the command's own, its options included.
COMMAND_SETTINGS = {"ignore_unknown_options": True, "allow_interspersed_args": False}
command_argument = click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)


filter_option = click.option(
    "--filter",
    "filters",
    type=FILTER,
    multiple=True,
    metavar="FILTER",
    help="Only GPUs that match, such as gpu=*A100* or cuda>=12.4; by server, gpu, driver, cuda or memory."
    " May be repeated.",
)
group_option = click.option(
    "--group", default="", help="The group or course that it counts for, if you are in several."
)


def request_options(command: Command) -> Command:
    """Add ``-n``, ``-p`` and ``-m`` (see :func:`chosen_size`), ``--filter``, ``--group`` and ``--wait``."""
    options = (
        click.option("-n", "--num-gpus", "gpus", type=int, default=1, help="How many GPUs (1)."),
        click.option("-p", "--partial", "fraction", type=float, help="The fraction of each GPU (1)."),
        click.option("-m", "--memory", "memory_mib", type=MEMORY, help="The memory of each GPU, in MiB."),
        filter_option,
        group_option,
        click.option(
            "--wait",
            "limit_s",
            type=DURATION,
            metavar="LIMIT",
            help="Wait so long at most (5m, 1h).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_size(fraction: float | None, memory_mib: int | None, gpus: int) -> Size:
    """Return the size that ``-n``, ``-p`` and ``-m`` mean; without ``-p`` and ``-m``, whole GPUs."""
    if fraction is not None and memory_mib is not None:
        msg = "-p and -m say the same thing in two ways: give one of them."
        raise click.UsageError(msg)
    whole = 1.0 if memory_mib is None else None
    return Size.of(whole if fraction is None else fraction, memory_mib, gpus)
