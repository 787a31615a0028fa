# SPDX-License-Identifier: BSD-3-Clause
"""``docs/reference/configuration.md``, made of the traits: ``python -m bfkernel.cli.serving.reference``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from bfkernel.remote.options import Options

from .configuration import CLASSES
from .trait_options import Trait, flag, is_settable

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "configuration.md"

_HEAD = """\
# Configuration

<!-- Made by python -m bfkernel.cli.serving.reference; change the options' help instead. -->

`bfkernel pool`, `bfkernel agent` and `bfkernel serve` take each option from the first
of these that says something:

1. the command line,
2. the environment, where an option names a variable,
3. `bfkernel_config.py`: the file of `--config`, else the one in the working directory, else the one in the
   state directory (`--state-dir`, or the default one); the log says which was read,
4. the defaults below.

`bfkernel pool --generate-config` writes a `bfkernel_config.py` with all of them as comments, and never
overwrites one. One file serves all three commands: `PoolOptions` and `DashboardOptions` are for `pool` and
`serve`, `AgentOptions` for `agent` and `serve`, `ServerOptions` for all. A name or a value that means nothing
ends the command with exit code 64 and a sentence.

A name that ends in `_s` is a number of seconds, or a duration in words: `"60s"`, `"30min"`, `"2h"`, `"1d"`.
A name that ends in `_mib` is a number of MiB, or words such as `"32GiB"`.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for owner in CLASSES for line in _section(owner))])


def _section(owner: type[Options]) -> Iterator[str]:
    yield f"## {owner.__name__}\n"
    yield f"{inspect.getdoc(owner)}\n"
    for name, trait in owner.option_traits().items():
        if name in vars(owner):
            yield f"### `c.{owner.__name__}.{name}`\n"
            yield f"{_facts(name, trait)}\n"
            yield f"{_help(trait)}\n"


def _facts(name: str, trait: Trait) -> str:
    facts = [f"Default `{trait.default_value_repr()}`"]
    if is_settable(trait):
        facts.append(f"on the command line `{flag(name)}`")
    if variable := trait.metadata.get("envvar"):
        facts.append(f"in the environment `{variable}`")
    return f"{'; '.join(facts)}."


def _help(trait: Trait) -> str:
    # The double colon announces code, as traitlets and reStructuredText have it.
    return inspect.cleandoc(str(trait.help)).replace("::\n", ":\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
