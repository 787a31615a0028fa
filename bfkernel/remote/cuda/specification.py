# SPDX-License-Identifier: BSD-3-Clause
"""Read ``driver_api.spec`` and check it against the headers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from .header import PER_THREAD_SUFFIXES, Entry, Function, Headers, base_name, parse_functions, public_name

SPECIFICATION = Path(__file__).with_name("driver_api.spec")
MESSAGES = Path(__file__).parents[1] / "native" / "wire"
FIRST_MESSAGE_OPCODE = 16
FIRST_CALL_OPCODE = 256


class SpecificationError(ValueError):
    """A line of the specification cannot be used; the message names it."""


def _refuse(message: str) -> NoReturn:
    raise SpecificationError(message)


@dataclass(frozen=True)
class Direction:
    """What a pointer or an address means: out, in, inout, string, address, new, free or device.

    ``extent`` is in C++.
    """

    kind: str
    extent: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Call:
    """One line: how a driver function is answered."""

    function: Function
    group: str
    klass: str  # posted, waiting, local, alias, absent
    by_hand: bool = False
    early: bool = False
    stub_by_hand: bool = False
    blocks: bool = False
    settles: bool = False
    unsafe: bool = False
    target: str = ""
    reason: str = ""
    directions: dict[str, Direction] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's symbol."""
        return self.function.name

    @property
    def generated(self) -> bool:
        """It has an opcode of its own, and the worker's half comes from the generator."""
        return self.klass in ("posted", "waiting") and not self.by_hand


@dataclass(frozen=True)
class Specification:
    """All lines, in order."""

    headers: Headers
    text: str
    messages: tuple[tuple[str, str], ...]
    calls: dict[str, Call]

    @cached_property
    def opcodes(self) -> dict[str, int]:
        """Opcode of every message and every generated call."""
        codes = {name: FIRST_MESSAGE_OPCODE + i for i, (name, _) in enumerate(self.messages)}
        generated = [call.name for call in self.calls.values() if call.generated]
        return codes | {name: FIRST_CALL_OPCODE + i for i, name in enumerate(generated)}

    @property
    def digest(self) -> str:
        """Tells two builds with different opcodes or payloads apart."""
        lines = [line.split("#")[0].split() for line in self.text.splitlines()]
        text = repr([line for line in lines if line])
        text += "".join(path.read_text(encoding="utf-8") for path in sorted(MESSAGES.glob("*messages.h")))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def resolve(self, call: Call) -> Call:
        """Follow an alias to what it stands for."""
        return self.calls[call.target] if call.klass == "alias" else call

    def symbols(self, call: Call) -> list[str]:
        """Return the exported symbols of a call: its own and its per-thread forms."""
        known = self.headers.functions.keys() | set(self.headers.interop_names)
        return [call.name] + [call.name + s for s in PER_THREAD_SUFFIXES if call.name + s in known]

    @cached_property
    def proc_addresses(self) -> list[Entry]:
        """What ``cuGetProcAddress`` knows, by public name and rising version."""
        return sorted(self._proc_addresses(), key=lambda e: (e.name, e.per_thread, e.version))

    def _proc_addresses(self) -> Iterator[Entry]:
        forms: dict[str, list[str]] = {}
        for name in self.calls:
            forms.setdefault(public_name(name), []).append(name)
        for public, names in forms.items():
            plain = sorted(
                v for v, per_thread in self.headers.typedef_versions.get(public, ()) if not per_thread
            )
            names.sort(key=_form_number)
            if not plain:
                continue
            if len(plain) != len(names):
                _refuse(f"{public}: {len(names)} forms but versions {plain}")
            for version, name in zip(plain, names, strict=True):
                for symbol in self.symbols(self.calls[name]):
                    yield Entry(public, version, symbol, symbol != base_name(symbol))


def _form_number(name: str) -> int:
    match = re.search(r"_v(\d+)$", name)
    return int(match.group(1)) if match else 1


def load(headers: Headers, path: Path = SPECIFICATION) -> Specification:
    """Parse the specification. Raises SpecificationError for a line that does not fit the headers."""
    text = path.read_text(encoding="utf-8")
    messages: list[tuple[str, str]] = []
    calls: dict[str, Call] = {}
    group = ""
    previous = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            group = stripped.lstrip("# ") if not previous else group
        elif stripped.startswith("message "):
            _, name, klass = stripped.split()
            messages.append((name, klass))
        elif stripped:
            call = _parse_call(stripped, group.split(":")[0].split(" (")[0], headers)
            if call.name in calls:
                _refuse(f"{call.name} is listed twice")
            calls[call.name] = call
        previous = stripped
    specification = Specification(headers, text, tuple(messages), calls)
    _check(specification)
    return specification


def _parse_call(line: str, group: str, headers: Headers) -> Call:
    match = re.match(r"(cu\w+)(\([^)]*\))?\s*(=|\w+)\s*(.*)$", line)
    if match is None:
        _refuse(f"cannot read: {line}")
    name, prototype, klass, rest = match.groups()
    function = _function(name, prototype, headers)
    if klass == "=":
        return Call(function, group, "alias", target=rest.strip())
    if klass == "absent":
        return Call(function, group, "absent", reason=rest.strip().strip('"'))
    if klass not in ("posted", "waiting", "local"):
        _refuse(f"{name}: '{klass}' is no class")
    flags = dict.fromkeys(("by hand", "early", "blocks", "settles", "unsafe", "stub by hand"), False)
    directions: dict[str, Direction] = {}
    for piece in filter(None, (p.strip() for p in re.split(r",\s*(?![^\[]*\])", rest))):
        if piece in flags:
            flags[piece] = True
        else:
            parameter, _, direction = piece.partition(":")
            directions[parameter.strip()] = _parse_direction(name, direction.strip())
    return Call(
        function,
        group,
        klass,
        by_hand=flags["by hand"],
        early=flags["early"],
        stub_by_hand=flags["stub by hand"],
        blocks=flags["blocks"],
        settles=flags["settles"],
        unsafe=flags["unsafe"],
        directions=directions,
    )


def _function(name: str, prototype: str | None, headers: Headers) -> Function:
    if prototype is not None:
        return parse_functions(f"CUresult CUDAAPI {name}{prototype};")[name]
    if name in headers.functions:
        return headers.functions[name]
    if name in headers.interop_names:
        return Function(name, ())  # only ever absent: called with whatever arguments, it looks at none
    _refuse(f"{name} is in none of the headers")


def _parse_direction(name: str, text: str) -> Direction:
    if match := re.fullmatch(r"(in|out|device)\[(.*)\]", text):
        return Direction(match.group(1), match.group(2))
    if match := re.fullmatch(r"(new|free) (\w+)", text):
        return Direction(match.group(1), match.group(2))
    if text in ("in", "out", "inout", "string", "address"):
        return Direction(text)
    if text == "out?":
        return Direction("out", optional=True)
    _refuse(f"{name}: cannot read the direction '{text}'")


def _check(specification: Specification) -> None:
    declared = {base_name(name) for name in specification.headers.functions}
    missing = sorted(declared - specification.calls.keys())
    if missing:
        _refuse(f"cuda.h has functions that driver_api.spec does not list: {', '.join(missing)}")
    for call in specification.calls.values():
        names = {parameter.name for parameter in call.function.parameters}
        if unknown := call.directions.keys() - names:
            _refuse(f"{call.name} has no parameter {', '.join(sorted(unknown))}")
        if call.klass == "alias":
            _check_alias(specification, call)
        if call.generated:
            for parameter in call.function.parameters:
                if parameter.is_pointer and parameter.name not in call.directions:
                    _refuse(f"{call.name}: say what {parameter.name} means")


def _check_alias(specification: Specification, call: Call) -> None:
    target = specification.calls.get(call.target)
    if target is None or target.klass in ("alias", "absent"):
        _refuse(f"{call.name} = {call.target}: no such call")
    ours, theirs = ([p.type for p in f.parameters] for f in (call.function, target.function))
    if len(ours) != len(theirs):
        _refuse(f"{call.name} and {call.target} take different parameters")
