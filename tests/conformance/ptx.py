# SPDX-License-Identifier: BSD-3-Clause
"""Make the checked-in PTX of the kernels, with nvcc: ``python -m tests.conformance.ptx [--all]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from .sources import PTX, Program, all_programs
from .toolkit import find_nvcc

ARCHITECTURE = "compute_75"


def make(program: Program, nvcc: Path) -> str:
    """Compile the kernels of ``program`` to PTX."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "kernels.ptx")
        target = [f"-arch={ARCHITECTURE}", "-std=c++20", "-o", str(output)]
        subprocess.run([nvcc, "-ptx", *target, str(program.source)], check=True, timeout=120)
        return f"// kernels: {program.digest}\n{output.read_text()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what is up to date")
    options = parser.parse_args()
    if (nvcc := find_nvcc()) is None:
        print("no nvcc on the PATH", file=sys.stderr)
        return 1
    programs = all_programs()
    for program in programs:
        if program.device_code and (options.all or not program.ptx_is_current):
            print(program.name)
            program.ptx.write_text(make(program, nvcc))
    known = {program.ptx for program in programs if program.device_code}
    for stale in set(PTX.glob("*.ptx")) - known:
        stale.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
