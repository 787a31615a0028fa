# SPDX-License-Identifier: BSD-3-Clause
"""The conformance programs as their sources describe themselves.

The comment at a source's head says what the program must print (the lines after ``expected:``) and what it
needs (``gpus: 2``, ``default stream: per-thread``); what lies between ``#ifdef __CUDACC__`` and its
``#endif`` or ``#else`` is for CUDA compilers only. Kernels of several programs are in ``*_kernels.h``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
PTX = HERE / "ptx"

_DEVICE_CODE = re.compile(r"^#ifdef __CUDACC__$(.*?)^#(?:endif|else)", re.MULTILINE | re.DOTALL)
_SHARED_KERNELS = re.compile(r'^#include "(\w+_kernels\.h)"$', re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """One program: its source, its needs, and what it prints when all is well."""

    source: Path
    expected: str
    gpus: int
    per_thread_default_stream: bool
    device_code: str

    @property
    def name(self) -> str:
        return self.source.stem

    @property
    def ptx(self) -> Path:
        return PTX / f"{self.name}.ptx"

    @property
    def digest(self) -> str:
        """What its kernels' PTX was made from."""
        return hashlib.sha256(self.device_code.encode()).hexdigest()

    @property
    def ptx_is_current(self) -> bool:
        if not self.device_code:
            return not self.ptx.exists()
        return self.ptx.exists() and self.ptx.read_text().startswith(f"// kernels: {self.digest}\n")


def parse(source: Path) -> Program:
    """Read one program's description."""
    text = source.read_text()
    head = []
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        head.append(line[2:].removeprefix(" "))
    said = dict(line.split(": ", 1) for line in head if re.match(r"(gpus|default stream): ", line))
    expected = head[head.index("expected:") + 1 :]
    shared = [source.with_name(name).read_text() for name in _SHARED_KERNELS.findall(text)]
    return Program(
        source,
        "".join(f"{line}\n" for line in expected),
        int(said.get("gpus", 1)),
        said.get("default stream") == "per-thread",
        "".join(_DEVICE_CODE.findall("".join([text, *shared]))).strip(),
    )


def all_programs() -> list[Program]:
    """Return every program, by name."""
    return [parse(source) for source in sorted(PROGRAMS.glob("*.cu"))]
