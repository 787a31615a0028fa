# SPDX-License-Identifier: BSD-3-Clause
"""Write, from ``nvml_api.spec``, the stubs of what is not answered and the list of exports.

CMake runs this at build time: ``python generate.py FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path

SPECIFICATION = Path(__file__).with_name("nvml_api.spec")
BANNER = "// Generated from nvml_api.spec. Do not edit.\n"
RESULTS = {"refused": "NVML_ERROR_NO_PERMISSION", "absent": "NVML_ERROR_NOT_SUPPORTED"}


def read_specification(text: str) -> dict[str, str]:
    """Return the class of each function: ``answered``, ``refused`` or ``absent``."""
    functions: dict[str, str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        name, klass = words
        if klass not in {"answered", *RESULTS} or name in functions:
            message = f"nvml_api.spec: '{line}' has an unknown class, or the name is there twice"
            raise ValueError(message)
        functions[name] = klass
    return functions


def stubs(functions: dict[str, str]) -> str:
    """Return the C++ source of what is not answered. Whatever the arguments are, they are left alone."""
    lines = [
        f"NVML_API nvmlReturn_t {name}() {{ return {RESULTS[klass]}; }}"
        for name, klass in functions.items()
        if klass in RESULTS
    ]
    return "\n".join([BANNER + '#include "nvml/types.h"\n', *lines, ""])


def exports(functions: dict[str, str]) -> str:
    """Return the linker's version script."""
    names = "".join(f"    {name};\n" for name in functions)
    return f"{{\n  global:\n{names}  local: *;\n}};\n"


def main(folder: Path) -> None:
    """Write both files into ``folder``."""
    functions = read_specification(SPECIFICATION.read_text(encoding="utf-8"))
    for name, content in (("nvml_stubs.cpp", stubs(functions)), ("nvml_exports.map", exports(functions))):
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
