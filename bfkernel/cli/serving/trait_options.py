# SPDX-License-Identifier: BSD-3-Clause
"""Options of the command line, made of traits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from traitlets import Bool, Container, Dict, Enum, Integer, TraitType

from bfkernel.remote.options import Duration, FilePath, MemoryMib, Options
from bfkernel.remote.state_dir import ConfigurationError

Command = TypeVar("Command", bound=Callable[..., Any])
Trait = TraitType[Any, Any]

_UNITS = ("_s", "_mib")
_METAVARS = {Duration: "DURATION", MemoryMib: "SIZE", FilePath: "PATH", Integer: "NUMBER"}


class _OfTrait(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A word that a trait reads and checks."""

    def __init__(self, owner: type[Options], trait: Trait) -> None:
        self.name = "text"
        self._owner = owner
        self._trait = trait

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            read = self._trait.from_string(value) if isinstance(value, str) else value
            return getattr(self._owner(**{str(self._trait.name): read}), str(self._trait.name))
        except (ConfigurationError, ValueError) as error:
            self.fail(str(error), param, ctx)


def options_of(*owners: type[Options], serve: bool = False) -> Callable[[Command], Command]:
    """Add an option for each trait of ``owners`` that a line can set; what is not given is None.

    With ``serve``, those are left out that ``bfkernel serve`` decides itself.
    """

    def decorate(command: Command) -> Command:
        for owner, trait in reversed(list(_settable(owners, serve=serve))):
            command = _option(owner, trait)(command)
        return command

    return decorate


def given(owner: type[Options], options: dict[str, Any], *, serve: bool = False) -> dict[str, Any]:
    """Return those of ``options`` that were given and are ``owner``'s."""
    names = [str(trait.name) for _, trait in _settable((owner,), serve=serve)]
    return {name: options[name] for name in names if options.get(name) is not None}


def flag(name: str) -> str:
    """Return an option's name on the command line: ``--lease-ttl`` for ``lease_ttl_s``."""
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return "--" + name.replace("_", "-")


def first_paragraph(trait: Trait) -> str:
    """Return what a trait is, in a line."""
    return " ".join(str(trait.help).strip().split("\n\n")[0].split())


def is_settable(trait: Trait) -> bool:
    """Whether an option of the command line sets a trait: its value fits into a word, and it asks for one."""
    return not isinstance(trait, (Container, Dict)) and trait.metadata.get("line", True)


def _settable(owners: tuple[type[Options], ...], *, serve: bool) -> Iterator[tuple[type[Options], Trait]]:
    seen = set()
    for owner in owners:
        for name, trait in owner.option_traits().items():
            if name in seen or not is_settable(trait) or (serve and trait.metadata.get("serve") is False):
                continue
            seen.add(name)
            yield owner, trait


def _option(owner: type[Options], trait: Trait) -> Callable[[Command], Command]:
    name, told = str(trait.name), first_paragraph(trait)
    if isinstance(trait, Bool):
        return click.option(flag(name), name, is_flag=True, default=None, help=told)
    unless_given = [trait.metadata.get("envvar"), trait.default_value]
    if any(unless_given):
        told = f"{told.rstrip('.')} ({', else '.join(str(value) for value in unless_given if value)})."
    kind = click.Choice(trait.values or ()) if isinstance(trait, Enum) else _OfTrait(owner, trait)
    metavar = trait.metadata.get("metavar") or next(
        (word for cls, word in _METAVARS.items() if isinstance(trait, cls)), None
    )
    return click.option(
        flag(name), name, type=kind, metavar=metavar, envvar=trait.metadata.get("envvar"), help=told
    )
