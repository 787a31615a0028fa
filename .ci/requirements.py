# SPDX-License-Identifier: BSD-3-Clause
"""Print the requirements of pyproject.toml and of the named extras, one a line, for pip on a command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib


def requirements(project: dict[str, Any], extra: str) -> Iterator[str]:
    """Yield the requirements of one extra; ``NAME[other]`` of the project itself stands for that extra."""
    for requirement in project["optional-dependencies"][extra]:
        own = re.fullmatch(rf"{project['name']}\[(\w+)\]", requirement)
        if own:
            yield from requirements(project, own[1])
        else:
            yield requirement


def main(file: str, *extras: str) -> None:
    """Print the project's requirements and those of ``extras``."""
    project = tomllib.loads(Path(file).read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += requirements(project, extra)
    print("\n".join(requirement.replace(" ", "") for requirement in dict.fromkeys(wanted)))


if __name__ == "__main__":
    main(*sys.argv[1:])
