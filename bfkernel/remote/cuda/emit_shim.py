# SPDX-License-Identifier: BSD-3-Clause
"""The shim's half: stubs, exported symbols, the table of cuGetProcAddress, error names."""

from __future__ import annotations

from .emit_wire import BANNER, KINDS, element_type
from .header import Function, Parameter, base_name
from .specification import Call, Direction, Specification, SpecificationError


def api_header(specification: Specification) -> str:
    """``shim_api.h``: what each exported symbol calls, whether written by hand or generated."""
    lines = "".join(
        f"CUresult {call.name}({call.function.declaration});\n"
        for call in specification.calls.values()
        if call.klass in ("posted", "waiting", "local")
    )
    return f"{BANNER}#pragma once\n\nnamespace shim::api {{\n\n{lines}\n}}  // namespace shim::api\n"


def stubs(specification: Specification) -> str:
    """``shim_stubs.cpp``: the generated calls."""
    functions = "\n".join(
        _stub(call) for call in specification.calls.values() if call.generated and not call.stub_by_hand
    )
    headers = ("api", "arrays", "capture", "graphs", "host_functions", "modules", "request")
    includes = "".join(f'#include "shim/{header}.h"\n' for header in headers)
    return f"{BANNER}{includes}\nnamespace shim::api {{\n\n{functions}\n}}  // namespace shim::api\n"


def _stub(call: Call) -> str:
    before: list[str] = []
    encode: list[str] = []
    arrays: list[str] = []  # after the plain values, which say how long they are
    after: list[str] = []
    for parameter in call.function.parameters:
        direction = call.directions.get(parameter.name)
        is_array = direction is not None and direction.kind == "in" and direction.extent
        _stub_parameter(parameter, direction, before, arrays if is_array else encode, after)
    encode += arrays
    types = {p.type for p in call.function.parameters}
    anywhere = call.name.startswith(("cuDevice", "cuGreenCtx")) or "CUkernel" in types
    need = "Context::any" if anywhere or _frees_code(call) else "Context::current"
    if call.unsafe:
        before.append("capture::check_unsafe();")
    if call.settles:
        before.append("host_functions::settle(current_context());")
    body = [*before, f"Request request(Opcode::{call.name}, {need});", *encode]
    decodes = any(d.kind in ("out", "inout") for d in call.directions.values())
    if call.klass == "posted":
        body += ["request.post();"]
    elif decodes:
        body += ["const Reply reply = request.wait();", "wire::Decoder in = reply.decoder();"]
    else:
        body += ["request.wait();"]
    body += [*after, "return CUDA_SUCCESS;"]
    lines = "".join(f"  {line}\n" for line in body)
    return f"CUresult {call.name}({call.function.declaration}) {{\n{lines}}}\n"


def _frees_code(call: Call) -> bool:
    return any(d.kind == "free" and d.extent in ("module", "library") for d in call.directions.values())


def _stub_parameter(
    parameter: Parameter, direction: Direction | None, before: list[str], encode: list[str], after: list[str]
) -> None:
    name, kind = parameter.name, parameter.type
    if direction is None or direction.kind == "device":
        if kind in KINDS:
            encode.append(f"request.handle({name});")
        elif kind == "CUdevice":
            encode.append(f"request.device({name});")
        else:
            encode.append(f"request.fields({name});")
    elif direction.kind == "free":
        encode.append(f"request.handle({name});")
        after.append(f"release({name});")
    elif direction.kind == "new":
        before += [f"require({name});"]
        encode += [f"const auto {name}_new = create<{parameter.pointee}>();", f"request.handle({name}_new);"]
        after.append(f"*{name} = {name}_new;")
    elif direction.kind == "string":
        before.append(f"require({name});")
        encode.append(f"request.fields(std::string_view({name}));")
    elif direction.kind == "in" and not direction.extent:
        before.append(f"require({name});")
        encode.append(f"request.raw({name}, sizeof *{name});")
    elif direction.kind == "inout":
        before.append(f"require({name});")
        encode.append(f"request.raw({name}, sizeof *{name});")
        after.append(f"take_out({name}, in);")
    elif direction.kind == "address":
        encode.append(f"request.fields(reinterpret_cast<uint64_t>({name}));")
    elif direction.kind == "in":
        encode.append(
            f"request.elements({name}, wire::rows(sizeof({element_type(parameter)}), {direction.extent}));"
        )
    elif not direction.extent:
        if not direction.optional:
            before.append(f"require({name});")
        after.append(f"take_out({name}, in);")
    else:
        size = f"wire::rows(sizeof({element_type(parameter)}), {direction.extent})"
        before.append(f"require({name});")
        after.append(f"std::memcpy({name}, in.raw({size}).data(), {size});")


def entries(specification: Specification) -> str:
    """``shim_entries.cpp``: every exported symbol."""
    text = [
        _entry(specification, call, symbol)
        for call in specification.calls.values()
        for symbol in specification.symbols(call)
    ]
    return f'{BANNER}#include "shim/entry.h"\n\nextern "C" {{\n\n{"".join(text)}\n}}  // extern "C"\n'


def _entry(specification: Specification, call: Call, symbol: str) -> str:
    target = specification.resolve(call)
    function = call.function
    head = f"BFKERNEL_EXPORT CUresult {symbol}({function.declaration})"
    if target.klass == "absent":
        return f'{head} {{ return shim::absent("{symbol}", "{target.reason}"); }}\n'
    per_thread = symbol != base_name(symbol)
    invocation = _per_thread_invocation(specification, target, function) if per_thread else ""
    invocation = invocation or f"shim::api::{target.name}({_arguments(function, target.function)})"
    mode = "shim::Mode::early" if target.early else "shim::Mode::normal"
    mode = "shim::Mode::per_thread" if per_thread else mode
    trailing = f", {function.arguments}" if function.parameters else ""
    body = f'return shim::enter<{mode}>("{symbol}", [&] {{ return {invocation}; }}{trailing});'
    return f"{head} {{\n  {body}\n}}\n"


def _arguments(function: Function, target: Function) -> str:
    """Aliases may differ in the names of plain types only; a cast says so where the compiler would object."""
    pairs = zip(function.parameters, target.parameters, strict=True)
    return ", ".join(p.name if p.type == t.type else f"({t.type}){p.name}" for p, t in pairs)


def _per_thread_invocation(specification: Specification, target: Call, function: Function) -> str:
    """Return how a generated call without a stream parameter works: as its asynchronous sibling."""
    if not target.generated or any(p.type == "CUstream" for p in target.function.parameters):
        return ""
    stem = target.name.removesuffix("_v2")
    for name in (f"{stem}Async_v2", f"{stem}Async"):
        if name in specification.calls:
            arguments = ", ".join(filter(None, (function.arguments, "nullptr")))
            return f"shim::api::{name}({arguments})"
    message = f"{target.name} has a per-thread form but no asynchronous sibling"
    raise SpecificationError(message)


def proc_addresses(specification: Specification) -> str:
    """``shim_proc_addresses.inc``: {name, version, per thread, symbol}, sorted by name, then version."""
    lines = "".join(
        f'{{"{e.name}", {e.version}, {str(e.per_thread).lower()}, reinterpret_cast<void*>(&::{e.symbol})}},\n'
        for e in specification.proc_addresses
    )
    return BANNER + lines


def exports(specification: Specification) -> str:
    """``shim_exports.map``: a linker version script; only the driver's names leave the library.

    And one for our own NVML library: ``native/shim/monitor.h``.
    """
    names = "".join(
        f"    {symbol};\n" for call in specification.calls.values() for symbol in specification.symbols(call)
    )
    return f"{{\n  global:\n    bfkernel_monitor;\n{names}  local: *;\n}};\n"


def errors(specification: Specification) -> str:
    """``shim_errors.inc``: {code, name, description}."""
    lines = []
    for name, value, comment in specification.headers.error_codes:
        sentence = comment.split(". ")[0].rstrip(".").replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{{{value}, "{name}", "{sentence}"}},\n')
    return BANNER + "".join(lines)
