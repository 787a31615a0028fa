# SPDX-License-Identifier: BSD-3-Clause
"""Read the driver functions out of NVIDIA's ``cuda.h`` and their versions out of ``cudaTypedefs.h``.

Only as much of a preprocessor as these two headers need: ``#if defined``, ``#define``, ``#undef`` of names.
They are read as their own makers build them (``__CUDA_API_VERSION_INTERNAL``), which declares every entry
point that a driver exports: old forms, new forms and the per-thread default stream forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DEFINED = {"__CUDA_API_VERSION_INTERNAL", "__cplusplus", "__LP64__", "__GNUC__", "_GNU_SOURCE"}
PER_THREAD_SUFFIXES = ("_ptds", "_ptsz")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a driver function: ``type`` as C spells it, without the name."""

    type: str
    name: str

    @property
    def is_pointer(self) -> bool:
        """Whether it is an address of this process."""
        return "*" in self.type

    @property
    def pointee(self) -> str:
        """The type behind one pointer, without const."""
        return self.type[: self.type.rindex("*")].replace("const", "").strip()


@dataclass(frozen=True)
class Function:
    """One exported function: its symbol and its parameters."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def declaration(self) -> str:
        """The parameter list in C++."""
        return ", ".join(f"{p.type} {p.name}" for p in self.parameters)

    @property
    def arguments(self) -> str:
        """The parameters' names, as a call passes them on."""
        return ", ".join(p.name for p in self.parameters)


@dataclass(frozen=True)
class Entry:
    """One answer of ``cuGetProcAddress``: for a public name, from this CUDA version on, this symbol."""

    name: str
    version: int
    symbol: str
    per_thread: bool


def base_name(symbol: str) -> str:
    """``cuMemcpyHtoD_v2_ptds`` → ``cuMemcpyHtoD_v2``."""
    for suffix in PER_THREAD_SUFFIXES:
        symbol = symbol.removesuffix(suffix)
    return symbol


def public_name(symbol: str) -> str:
    """``cuMemcpyHtoD_v2_ptds`` → ``cuMemcpyHtoD``: what a program asks ``cuGetProcAddress`` for."""
    return re.sub(r"_v\d+$", "", base_name(symbol))


def _without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return text.replace("\\\n", " ")


def _condition(expression: str, defined: set[str]) -> bool:
    """Evaluate what the headers use: defined(), !, &&, ||, and comparisons, which count as false."""
    expression = re.sub(r"defined\s*\(?\s*(\w+)\s*\)?", lambda m: str(m.group(1) in defined), expression)
    expression = (
        expression.replace("&&", " and ").replace("||", " or ").replace("!=", "≠").replace("!", " not ")
    )
    if not re.fullmatch(r"[\s()]*((True|False|and|or|not)[\s()]*)+", expression):
        return False
    return bool(eval(expression, {"__builtins__": {}}))  # noqa: S307 (only the words checked above can occur)


def preprocess(text: str) -> str:
    """Return the text with conditionals resolved and ``cu…`` names replaced as the headers' macros say."""
    defined = set(DEFINED)
    macros: dict[str, str] = {}
    lines: list[str] = []
    stack: list[tuple[bool, bool]] = []  # (this branch is read, some branch was read)
    for line in _without_comments(text).splitlines():
        directive = re.match(r"\s*#\s*(\w+)\s*(.*)", line)
        reading = all(active for active, _ in stack)
        if not directive:
            if reading:
                lines.append(re.sub(r"\bcu[A-Z]\w*", lambda m: macros.get(m.group(), m.group()), line))
            continue
        word, rest = directive.group(1), directive.group(2).strip()
        if word in ("if", "ifdef", "ifndef"):
            value = _condition(f"defined({rest})" if word != "if" else rest, defined) != (word == "ifndef")
            stack.append((value, value))
        elif word == "elif":
            _, done = stack.pop()
            value = not done and _condition(rest, defined)
            stack.append((value, done or value))
        elif word == "else":
            _, done = stack.pop()
            stack.append((not done, True))
        elif word == "endif":
            stack.pop()
        elif reading and word == "define":
            _define(rest, defined, macros)
        elif reading and word == "undef":
            defined.discard(rest)
            macros.pop(rest, None)
    return "\n".join(lines)


def _define(rest: str, defined: set[str], macros: dict[str, str]) -> None:
    defined.add(re.split(r"[\s(]", rest, maxsplit=1)[0])
    per_thread = re.fullmatch(r"(cu\w+)\s+__CUDA_API_(PTDS|PTSZ)\((cu\w+)\)", rest)
    plain = re.fullmatch(r"(cu\w+)\s+(cu\w+)", rest)
    if per_thread:
        macros[per_thread.group(1)] = f"{per_thread.group(3)}_{per_thread.group(2).lower()}"
    elif plain:
        macros[plain.group(1)] = plain.group(2)


def _parameter(text: str, position: int) -> Parameter:
    text = " ".join(text.split())
    match = re.fullmatch(r"(.*?[\s*])(\w+)(\[\w*\])?", text)
    if match is None or match.group(2) in ("int", "long", "char"):
        return Parameter(text, f"argument{position}")
    kind, name, array = match.groups()
    return Parameter(kind.strip() + (" *" if array else ""), name)


def parse_functions(text: str) -> dict[str, Function]:
    """Return every function that a header declares, by symbol."""
    functions: dict[str, Function] = {}
    for match in re.finditer(r"CUresult\s+CUDAAPI\s+(cu\w+)\s*\(([^)]*)\)\s*;", preprocess(text)):
        name, body = match.groups()
        pieces = [] if body.strip() in ("", "void") else body.split(",")
        parameters = tuple(_parameter(piece, i) for i, piece in enumerate(pieces))
        functions.setdefault(name, Function(name, parameters))
    return functions


@dataclass(frozen=True)
class Headers:
    """The headers of one CUDA version, in ``folder``."""

    folder: Path

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Every function of ``cuda.h``, by symbol."""
        return parse_functions(self._read("cuda.h"))

    @cached_property
    def interop_names(self) -> list[str]:
        """Symbols of the OpenGL, EGL and VDPAU headers."""
        names: set[str] = set()
        for header in ("cudaGL.h", "cudaEGL.h", "cudaVDPAU.h"):
            text = preprocess(self._read(header))
            names |= set(re.findall(r"CUresult\s+CUDAAPI\s+(cu\w+)\s*\(", text))
        return sorted(names)

    @cached_property
    def version(self) -> int:
        """CUDA_VERSION, 13000 for 13.0."""
        return int(re.findall(r"#define CUDA_VERSION (\d+)", self._read("cuda.h"))[0])

    @cached_property
    def typedef_versions(self) -> dict[str, set[tuple[int, bool]]]:
        """Public name → {(version, per-thread form)} from the names of the ``PFN_…`` types."""
        versions: dict[str, set[tuple[int, bool]]] = {}
        for header in ("cudaTypedefs.h", "cudaProfilerTypedefs.h"):
            for name, version, suffix in re.findall(
                r"\*\s*PFN_(cu\w+?)_v(\d+)(_ptds|_ptsz)?\)", self._read(header)
            ):
                versions.setdefault(name, set()).add((int(version), bool(suffix)))
        return versions

    @cached_property
    def error_codes(self) -> list[tuple[str, int, str]]:
        """(name, value, one-line description) of every CUresult."""
        text = self._read("cuda.h")
        enum = text[text.index("typedef enum cudaError_enum {") :]
        enum = enum[: enum.index("} CUresult;")]
        codes = []
        for comment, name, value in re.findall(r"/\*\*(.*?)\*/\s*(CUDA_\w+)\s*=\s*(\w+)", enum, flags=re.S):
            words = " ".join(re.sub(r"::|\\[cp]|^\s*\*", "", line).strip() for line in comment.splitlines())
            codes.append((name, int(value, 0), " ".join(words.split())))
        return codes

    def _read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")
