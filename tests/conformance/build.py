# SPDX-License-Identifier: BSD-3-Clause
"""Build the conformance programs with ninja, in every way that is asked for.

``python -m tests.conformance.build --folder OUT [NAME…] [--ways plain-static …] [--include I --lib L]``

A way is who compiles and how the runtime is linked. ``plain``: the C++ compiler, the kernels' PTX as data,
against the headers and the libraries of any CUDA runtime from 12.0 on. ``nvcc``: all of it with nvcc, the
kernels as PTX for compute_75. ``native``: the same with machine code for this machine's GPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from .sources import PROGRAMS, Program, all_programs
from .toolkit import Toolkit, find_nvcc, installed, of_nvcc, packaged

WAYS = ("plain-static", "plain-shared", "nvcc-static", "nvcc-shared", "native-static", "native-shared")
BUILD_LIMIT_S = 540
Found = TypeVar("Found")
_CODE = {"nvcc": "-gencode arch=compute_75,code=compute_75", "native": "-arch=native"}


def compilers(ways: Sequence[str]) -> list[str]:
    """Return who compiles in ``ways``, each once."""
    return list(dict.fromkeys(way.split("-")[0] for way in ways))


def executable(folder: Path, program: Program, way: str) -> Path:
    """Where :func:`build` puts it."""
    return folder / way / program.name


def build(
    folder: Path,
    programs: Sequence[Program],
    ways: Sequence[str],
    *,
    toolkit: Toolkit | None = None,
    jobs: int | None = None,
) -> None:
    """Build ``programs`` in all ``ways``; `toolkit` is the runtime of the plain ones."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_rules(ways, toolkit), *(line for way in ways for p in programs for line in _link(p, way))]
    for compiler in compilers(ways):
        lines += [line for program in programs for line in _compile(program, compiler)]
    rules = "\n".join(lines) + "\n"
    file = folder / "build.ninja"
    if not file.exists() or file.read_text() != rules:
        file.write_text(rules)
    command = [
        sys.executable,
        "-m",
        "ninja",
        "-C",
        str(folder),
        "-k",
        "0",
        *(["-j", str(jobs)] if jobs else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    if done.returncode:
        msg = f"the conformance programs do not build:\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
        raise RuntimeError(msg)


def _rules(ways: Sequence[str], toolkit: Toolkit | None) -> list[str]:
    lines = ["ninja_required_version = 1.5"]
    asked = compilers(ways)
    if "plain" in asked:
        lines += _plain_rules(toolkit or _required(installed(), "the CUDA runtime's headers"))
    if set(asked) & set(_CODE):
        nvcc = _required(find_nvcc(), "nvcc")
        libraries = _required(of_nvcc(nvcc), "the toolkit of nvcc").lib
        for compiler in (name for name in asked if name in _CODE):
            lines += _nvcc_rules(compiler, nvcc, libraries)
    return lines


def _required(found: Found | None, what: str) -> Found:
    if found is None:
        msg = f"{what}: not found"
        raise RuntimeError(msg)
    return found


def _plain_rules(toolkit: Toolkit) -> list[str]:
    compiler = os.environ.get("CXX", "c++")
    flags = f"-std=c++20 -O1 -Wall -Wno-unused-variable -isystem {toolkit.include}"
    if fallback := packaged():  # some packages of the runtime lack the files that their headers include
        flags += f" -idirafter {fallback.include}"
    return [
        "rule compile-plain",
        f"  command = {compiler} {flags} -MD -MF $out.d $flags -x c++ -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        "rule link-plain-static",
        f"  command = {compiler} $in {toolkit.static} -lpthread -ldl -lrt -o $out",
        "rule link-plain-shared",
        f"  command = {compiler} $in {toolkit.shared} -Wl,-rpath,{toolkit.lib} -lpthread -o $out",
    ]


def _nvcc_rules(compiler: str, nvcc: Path, libraries: Path) -> list[str]:
    link = f"  command = {nvcc} {_CODE[compiler]} -Wno-deprecated-gpu-targets"
    return [
        f"rule compile-{compiler}",
        f"  command = {nvcc} -std=c++20 -O1 {_CODE[compiler]} -MD -MF $out.d $flags -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        f"rule link-{compiler}-static",
        f"{link} -cudart static $in -o $out",
        f"rule link-{compiler}-shared",
        f"{link} -cudart shared $in -Xlinker -rpath -Xlinker {libraries} -o $out",
    ]


def _link(program: Program, way: str) -> list[str]:
    return [f"build {way}/{program.name}: link-{way} {way.split('-')[0]}/{program.name}.o"]


def _compile(program: Program, compiler: str) -> list[str]:
    plain = compiler == "plain"
    flags = [f"-I{PROGRAMS}"]
    if plain and program.device_code:
        flags.append(f"'-DCONFORMANCE_PTX=\"{program.ptx}\"'")
    if program.per_thread_default_stream:
        flags.append("-DCUDA_API_PER_THREAD_DEFAULT_STREAM" if plain else "--default-stream per-thread")
    embedded = f" | {program.ptx}" if plain and program.device_code else ""
    return [
        f"build {compiler}/{program.name}.o: compile-{compiler} {program.source}{embedded}",
        f"  flags = {' '.join(flags)}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["plain-shared"])
    parser.add_argument("--include", type=Path, help="the folder of cuda_runtime_api.h")
    parser.add_argument("--lib", type=Path, help="the folder of libcudart")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("names", nargs="*", help="programs (all)")
    options = parser.parse_args()
    toolkit = Toolkit(options.include.resolve(), options.lib.resolve()) if options.include else None
    wanted = [p for p in all_programs() if not options.names or p.name in options.names]
    build(options.folder.resolve(), wanted, options.ways, toolkit=toolkit, jobs=options.jobs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
