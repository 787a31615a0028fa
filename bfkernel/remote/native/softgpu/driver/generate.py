# SPDX-License-Identifier: BSD-3-Clause
"""Write the parts of softgpu's ABI that follow from NVIDIA's headers alone.

CMake runs this at build time. From ``cuda.h`` (as the compiler sees it) and ``cudaTypedefs.h`` it writes one
C++ file with

- a function for every declared name that this folder does not implement: it forwards to an implemented one of
  the same prototype (``cuCtxDestroy`` to ``cuCtxDestroy_v2``), or answers ``CUDA_ERROR_NOT_SUPPORTED``;
- the ``_ptds`` and ``_ptsz`` form of every implemented function that has one;
- the table behind ``cuGetProcAddress``: which version of the API introduced which form of a name;
- the names of the error codes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

EXPORT = re.compile(r"^SOFTGPU_API (cu\w+)\(", re.MULTILINE)
DECLARATION = re.compile(r"\bCUresult\s+(cu[A-Z]\w*)\s*\(([^;{}]*)\)\s*(?:__attribute__\(\([^;]*\)\)\s*)?;")
PER_THREAD = re.compile(r"_pt[ds][sz]$")
SUFFIX = re.compile(r"^(cu\w+?)(?:_v(\d))?$")
TYPEDEF = re.compile(r"\*PFN_(cu\w+?)_v(\d+)(_pt[ds][sz])?\)")


@dataclass(frozen=True)
class Function:
    """One declared entry point: its parameters as written, and their names."""

    name: str
    parameters: str

    @property
    def names(self) -> list[str]:
        """Return the parameters' names, in order."""
        if self.parameters in {"", "void"}:
            return []
        return [re.findall(r"\w+", part)[-1] for part in self.parameters.split(",")]

    @property
    def types(self) -> str:
        """Return the parameters' types as one string that tells prototypes apart."""
        if self.parameters in {"", "void"}:
            return ""
        parts = [re.sub(r"\w+\s*$", "", part.strip()) for part in self.parameters.split(",")]
        return ",".join(re.sub(r"\s+", "", part) for part in parts)


def preprocess(compiler: str, header: Path) -> str:
    """Return the header as the compiler sees it with all versions of the API visible."""
    command = [compiler, "-E", "-P", "-x", "c++", "-D__CUDA_API_VERSION_INTERNAL=1", str(header)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def declarations(text: str) -> dict[str, Function]:
    """Return every entry point that the header declares."""
    found: dict[str, Function] = {}
    for name, parameters in DECLARATION.findall(text):
        found.setdefault(name, Function(name, re.sub(r"\s+", " ", parameters).strip()))
    return found


def implemented_in(folder: Path) -> set[str]:
    """Return the names that the C++ files of a folder define."""
    return {name for path in sorted(folder.glob("*.cpp")) for name in EXPORT.findall(path.read_text())}


def family(name: str) -> str:
    """Return a name without its version suffix."""
    match = SUFFIX.match(name)
    return match.group(1) if match else name


def forward_target(function: Function, known: dict[str, Function], implemented: set[str]) -> str | None:
    """Return the implemented function of the same family and prototype that a name can forward to."""
    base = family(function.name)
    for name in sorted(implemented):
        if name in known and family(name) == base and known[name].types == function.types:
            return name
    return None


def define(function: Function, body: str) -> str:
    """Return the definition of one exported function."""
    return f'extern "C" CUresult {function.name}({function.parameters}) {{ {body} }}\n'


def definitions(known: dict[str, Function], implemented: set[str]) -> tuple[str, set[str]]:
    """Return the C++ of all missing functions, and the names that now do something."""
    lines: list[str] = []
    working = set(implemented)
    for name, function in sorted(known.items()):
        if name in implemented or PER_THREAD.search(name):
            continue
        target = forward_target(function, known, implemented)
        if target:
            working.add(name)
            lines.append(define(function, f"return {target}({', '.join(function.names)});"))
        else:
            lines.append(define(function, "return CUDA_ERROR_NOT_SUPPORTED;"))
    for name, function in sorted(known.items()):
        if not PER_THREAD.search(name):
            continue
        base = PER_THREAD.sub("", name)
        if base in working and base in known and known[base].types == function.types:
            working.add(name)
            call = f"{base}({', '.join(function.names)})"
            lines.append(define(function, f"softgpu::driver::PerThreadDefaultStream scope; return {call};"))
        else:
            lines.append(define(function, "return CUDA_ERROR_NOT_SUPPORTED;"))
    return "".join(lines), working


def versions(typedefs: str) -> dict[str, list[int]]:
    """Return for each plain name the versions of the API that introduced its forms, oldest first."""
    found: dict[str, set[int]] = {}
    for name, version, per_thread in TYPEDEF.findall(typedefs):
        if not per_thread:  # those came later (7000) without being new forms
            found.setdefault(name, set()).add(int(version))
    return {name: sorted(numbers) for name, numbers in found.items()}


def proc_table(known: dict[str, Function], working: set[str], history: dict[str, list[int]]) -> str:
    """Return the rows of the cuGetProcAddress table, for names that do something."""
    rows: list[str] = []
    for name, introduced in sorted(history.items()):
        forms = sorted(
            (form for form in known if family(form) == name and not PER_THREAD.search(form)),
            key=lambda form: int(m.group(2) or 1) if (m := SUFFIX.match(form)) else 1,
        )
        # Where the counts differ the oldest forms are gone from the header.
        for form, version in zip(reversed(forms), reversed(introduced), strict=False):
            if form not in working:
                continue
            own = next((form + end for end in ("_ptds", "_ptsz") if form + end in working), None)
            thread = f"reinterpret_cast<void*>({own})" if own else "nullptr"
            rows.append(f'    {{"{name}", {version}, reinterpret_cast<void*>({form}), {thread}}},\n')
    return "".join(rows)


def error_rows(text: str) -> str:
    """Return the rows of the table of error names."""
    body = text[text.index("typedef enum cudaError_enum") : text.index("} CUresult;")]
    names = re.findall(r"\b(CUDA_(?:SUCCESS|ERROR_\w+))\s*=", body)
    return "".join(f'    {{{name}, "{name}"}},\n' for name in names)


def main() -> None:
    """Write the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--include", type=Path, required=True, help="folder of cuda.h")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    text = preprocess(arguments.compiler, arguments.include / "cuda.h")
    known = declarations(text)
    implemented = implemented_in(Path(__file__).parent)
    # cuProfilerStart and its like have a header of their own, which not every toolkit package installs.
    elsewhere = {name: Function(name, "") for name in sorted(implemented - known.keys())}
    prototypes = "".join(f'extern "C" CUresult {name}();\n' for name in elsewhere)
    code, working = definitions(known | elsewhere, implemented)
    typedefs = ("cudaTypedefs.h", "cudaProfilerTypedefs.h")
    history = versions("".join((arguments.include / name).read_text() for name in typedefs))
    arguments.output.write_text(
        "// Written by generate.py; do not edit.\n"
        '#include "driver/exports.h"\n'
        '#include "driver/stream.h"\n\n'
        f"{prototypes}{code}\n"
        "namespace softgpu::driver {\n\n"
        f"const ProcEntry kProcTable[] = {{\n{proc_table(known | elsewhere, working, history)}}};\n"
        "const size_t kProcTableSize = sizeof kProcTable / sizeof *kProcTable;\n\n"
        f"const ErrorEntry kErrorTable[] = {{\n{error_rows(text)}}};\n"
        "const size_t kErrorTableSize = sizeof kErrorTable / sizeof *kErrorTable;\n\n"
        "}  // namespace softgpu::driver\n"
    )


if __name__ == "__main__":
    main()
