# SPDX-License-Identifier: BSD-3-Clause
"""Print the requirements of pyproject.toml and of the named extras, one a line, for pip on a command line."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib


def main(file: str, *extras: str) -> None:
    project = tomllib.loads(Path(file).read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    print("\n".join(requirement.replace(" ", "") for requirement in wanted))


if __name__ == "__main__":
    main(*sys.argv[1:])
