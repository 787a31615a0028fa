# SPDX-License-Identifier: BSD-3-Clause
"""Write what ``null_driver.c`` does not implement by hand, from a ``cuda.h``.

Usage: ``generate_stubs.py CUDA_H SOURCE FOLDER``. ``FOLDER/null_stubs.c`` answers NOT_SUPPORTED
for each function that SOURCE lacks; ``FOLDER/null_names.inc`` maps unversioned names to the newest ones.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DECLARED = re.compile(r"CUresult\s+CUDAAPI\s+(cu\w+)\s*\(")
RENAMED = re.compile(r"#\s*define\s+(cu[A-Z]\w+)\s+(?:__CUDA_API_P?T[SZ]{1,2}P?\()?(cu\w+?)\)?\s*$", re.M)
STUB = """int {0}(void) {{
  if (getenv("NULL_DRIVER_LOG")) fputs("null driver: {0} is not there\\n", stderr);
  return 801; /* CUDA_ERROR_NOT_SUPPORTED */
}}"""


def main(header_file: str, source_file: str, folder: str) -> None:
    header = re.sub(r"/\*.*?\*/|//[^\n]*", "", Path(header_file).read_text(), flags=re.S)
    newest = {name: re.sub(r"_pt[ds]s?z?$", "", target) for name, target in RENAMED.findall(header)}
    by_hand = set(re.findall(r"^CUresult (cu\w+)\(", Path(source_file).read_text(), flags=re.M))
    superseded = {name for name, target in newest.items() if name != target}
    missing = (set(DECLARED.findall(header)) | set(newest.values())) - by_hand - superseded
    stubs = ["#include <stdio.h>", "#include <stdlib.h>", *(STUB.format(name) for name in sorted(missing))]
    Path(folder, "null_stubs.c").write_text("\n".join(stubs) + "\n")
    names = (f'{{"{name}", "{target}"}},' for name, target in sorted(newest.items()))
    Path(folder, "null_names.inc").write_text("\n".join(names) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
