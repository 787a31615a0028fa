# SPDX-License-Identifier: BSD-3-Clause
"""Print the folder of cuda.h that the running Python's ``nvidia-cuda-runtime`` package installed.

CMake calls this while it configures; the package is a build requirement in ``pyproject.toml``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def cuda_include() -> Path:
    """Return the folder that holds ``cuda.h``, or raise ``FileNotFoundError`` with what to install."""
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    for root in roots:
        for header in sorted(root.glob("**/cuda.h")):
            return header.parent
    msg = "cuda.h was not found: install nvidia-cuda-runtime, or set BFKERNEL_CUDA_INCLUDE to its folder."
    raise FileNotFoundError(msg)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{cuda_include()}\n")
    except FileNotFoundError as error:
        sys.exit(str(error))
