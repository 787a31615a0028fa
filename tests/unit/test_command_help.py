# SPDX-License-Identifier: BSD-3-Clause
"""Every command says what it does, and what each of its options does."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from bfkernel.cli.main import cli


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            if not below.hidden:
                yield from commands(below, f"{path} {name}")


ALL = dict(commands(cli, "bfkernel"))


@pytest.mark.parametrize("path", ALL)
def test_a_command_says_what_it_and_its_options_do(path):
    command = ALL[path]
    assert (command.help or "").split("\n")[0].endswith((".", ":"))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert (parameter.help or "").endswith("."), parameter.opts
    shown = command.get_help(click.Context(command, info_name=path))
    # A terminal that is 80 characters wide folds no line of it in a place of its own.
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("path", [path for path in ALL if path.count(" ") == 1])
def test_underscores_will_do(path):
    name = path.split()[1]
    assert cli.get_command(click.Context(cli), name.replace("-", "_")) is ALL[path]


def test_what_prints_a_table_prints_json():
    tables = [
        "list-gpus",
        "servers",
        "queue",
        "leases",
        "quota",
        "usage",
        "health",
        "smi",
        "admin quota show",
    ]
    for path in tables:
        assert any("--json" in parameter.opts for parameter in ALL[f"bfkernel {path}"].params), path
