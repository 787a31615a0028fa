# SPDX-License-Identifier: BSD-3-Clause
"""``python -m bfkernel.remote.cuda generate|coverage|check``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import coverage, emit_shim, emit_wire, emit_worker
from .find_header import cuda_include
from .header import Headers
from .specification import Specification, SpecificationError, load

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = DOCS / "compatibility.md"
BY_HAND = DOCS / "compatibility"

OUTPUTS = {
    "wire/opcodes.h": emit_wire.opcodes,
    "worker_dispatch.inc": emit_worker.dispatch,
    "driver_table.inc": emit_worker.driver_table,
    "shim_api.h": emit_shim.api_header,
    "shim_stubs.cpp": emit_shim.stubs,
    "shim_entries.cpp": emit_shim.entries,
    "shim_proc_addresses.inc": emit_shim.proc_addresses,
    "shim_exports.map": emit_shim.exports,
    "shim_errors.inc": emit_shim.errors,
}


def write_all(specification: Specification, folder: Path) -> None:
    """Write every output under ``folder``, touching only the files whose text changed."""
    for name, emit in OUTPUTS.items():
        path = folder / name
        text = emit(specification)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main() -> int:
    """Run one of the generator's commands."""
    parser = argparse.ArgumentParser(prog="python -m bfkernel.remote.cuda", description=__doc__)
    parser.add_argument("command", choices=["generate", "coverage", "check"])
    parser.add_argument("folder", nargs="?", type=Path, help="where generate writes")
    parser.add_argument(
        "--include", type=Path, help="folder of cuda.h (default: that of nvidia-cuda-runtime)"
    )
    arguments = parser.parse_args()
    try:
        specification = load(Headers(arguments.include or cuda_include()))
        if arguments.command == "generate":
            write_all(specification, arguments.folder)
        elif arguments.command == "coverage":
            PAGE.write_text(coverage.page(specification, BY_HAND), encoding="utf-8")
    except (SpecificationError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
