# SPDX-License-Identifier: BSD-3-Clause
"""Compiling the null driver and the programs of the benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "benchmarks" / "native"
FOLDER = ROOT / "build" / "bench"
NULL_DRIVER = FOLDER / "lib" / "libcuda.so.1"
#: The same with a copy engine: large copies move nothing.
ENGINE_DRIVER = FOLDER / "engine" / "libcuda.so.1"
SOFTGPU = ROOT / "bfkernel" / "lib" / "libsoftgpu.so"
ON_CUDA = ("calls", "copies", "startup", "client", "replay")
OTHERS = ("floors", "relay")
sys.path.insert(0, str(ROOT / "bfkernel" / "remote" / "cuda"))


def program(name: str) -> str:
    """Return the path of a program that ``build`` has made."""
    return str(FOLDER / name)


def build() -> None:
    """Compile everything into ``build/bench``."""
    header = _include() / "cuda.h"
    FOLDER.mkdir(parents=True, exist_ok=True)
    stubs = [NATIVE / "generate_stubs.py", header, NATIVE / "null_driver.c", FOLDER]
    _run(sys.executable, *stubs)
    for driver, options in {NULL_DRIVER: [], ENGINE_DRIVER: ["-DCOPY_ENGINE"]}.items():
        driver.parent.mkdir(parents=True, exist_ok=True)
        compile_driver(driver, *options, NATIVE / "null_driver.c", FOLDER / "null_stubs.c", "-ldl")
    for name in ON_CUDA:
        _compile(program(name), NATIVE / f"{name}.c", NULL_DRIVER)
    for name in OTHERS:
        _compile(program(name), NATIVE / f"{name}.c")


def compile_driver(library: Path, *rest: str | Path) -> None:
    """Compile a ``libcuda.so.1`` of sources and options."""
    _compile(library, "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", *rest)


def _compile(target: str | Path, *rest: str | Path) -> None:
    compiler = os.environ.get("CC", "cc")
    _run(compiler, "-O2", "-w", f"-I{_include()}", f"-I{FOLDER}", "-o", target, *rest)


def _include() -> Path:
    from find_header import cuda_include  # type: ignore[import-not-found]  # a module of the native build, not of the package

    return Path(cuda_include())


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, timeout=120)
