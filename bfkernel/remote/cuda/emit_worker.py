# SPDX-License-Identifier: BSD-3-Clause
"""The worker's half: one case a generated call, and the list of driver functions."""

from __future__ import annotations

from .emit_wire import BANNER, KINDS, element_type
from .header import Parameter, base_name
from .specification import Call, Specification


def driver_table(specification: Specification) -> str:
    """``driver_table.inc``: X(name) for every function of cuda.h, oldest form first for each name."""
    names = sorted({base_name(name) for name in specification.headers.functions})
    return BANNER + "".join(f"BFKERNEL_DRIVER_FUNCTION({name})\n" for name in names)


def dispatch(specification: Specification) -> str:
    """``worker_dispatch.inc``: to be included once, in namespace worker, after Session is complete."""
    cases = "".join(
        _case(call) for call in specification.calls.values() if call.generated and not call.blocks
    )
    return f"""{BANNER}
// Executes one generated call. Of Session, handle<H>(Kind, id) and drop(Kind, id) throw for an unknown id,
// adopt(Kind, id, handle) names a new object, device(ordinal) is the driver's CUdevice, driver() the table of
// function pointers, check_device(address, size) throws when these bytes are not this worker's device memory.
// A call that this driver does not have answers CUDA_ERROR_NOT_SUPPORTED. *known is false for other opcodes.
inline CUresult dispatch_generated(Session& session, uint16_t opcode, wire::Decoder& in, wire::Encoder& out,
                                   bool* known) {{
  using wire::dimensions;
  using wire::Kind;
  using wire::pitched;
  using wire::rows;
  *known = true;
  switch (static_cast<wire::Opcode>(opcode)) {{
{cases}    default:
      *known = false;
      return CUDA_ERROR_NOT_SUPPORTED;
  }}
}}
"""


def _case(call: Call) -> str:
    before: list[str] = []
    arrays: list[str] = []  # after the plain values, which say how long they are
    after: list[str] = []
    checks: list[str] = []
    arguments: list[str] = []
    for parameter in call.function.parameters:
        direction = call.directions.get(parameter.name)
        is_array = direction is not None and direction.kind == "in" and direction.extent
        _parameter(call, parameter, arrays if is_array else before, checks, after, arguments)
    before += arrays
    driver = f"session.driver().{call.name}"
    body = [*before, "in.end();", *checks, f"if (!{driver}) return CUDA_ERROR_NOT_SUPPORTED;"]
    invocation = f"{driver}({', '.join(arguments)})"
    if after:
        body += [f"const CUresult result = {invocation};"]
        body += ["if (result == CUDA_SUCCESS) {", *(f"  {line}" for line in after), "}", "return result;"]
    else:
        body += [f"return {invocation};"]
    lines = "".join(f"      {line}\n" for line in body)
    return f"    case wire::Opcode::{call.name}: {{\n{lines}    }}\n"


def _parameter(
    call: Call,
    parameter: Parameter,
    before: list[str],
    checks: list[str],
    after: list[str],
    arguments: list[str],
) -> None:
    name, kind = parameter.name, parameter.type
    direction = call.directions.get(name)
    if direction is None or direction.kind == "device":
        arguments.append(name)
        if kind in KINDS:
            before.append(
                f"const auto {name} = session.handle<{kind}>(Kind::{KINDS[kind]}, in.take<uint64_t>());"
            )
        elif kind == "CUdevice":
            before.append(f"const CUdevice {name} = session.device(in.take<int32_t>());")
        else:
            before.append(f"const auto {name} = in.take<{kind}>();")
        if direction is not None:
            checks.append(f"session.check_device({name}, {direction.extent});")
    elif direction.kind == "free":
        before.append(f"const auto {name}_id = in.take<uint64_t>();")
        checks.append(
            f"const auto {name} = static_cast<{kind}>(session.drop(Kind::{direction.extent}, {name}_id));"
        )
        arguments.append(name)
    elif direction.kind == "new":
        before.append(f"const auto {name}_id = in.take<uint64_t>();")
        checks.append(f"{parameter.pointee} {name}{{}};")
        arguments.append(f"&{name}")
        after.append(f"session.adopt(Kind::{direction.extent}, {name}_id, {name});")
    elif direction.kind == "string":
        before.append(f"const auto {name} = in.take<std::string>();")
        arguments.append(f"{name}.c_str()")
    elif direction.kind == "address":
        before.append(f"const auto {name} = reinterpret_cast<{kind}>(in.take<uint64_t>());")
        arguments.append(name)
    elif direction.kind == "inout" or (direction.kind == "in" and not direction.extent):
        before.append(f"{element_type(parameter)} {name};")
        before.append(f"std::memcpy(&{name}, in.raw(sizeof {name}).data(), sizeof {name});")
        arguments.append(f"&{name}")
        if direction.kind == "inout":
            after.append(f"out.raw(&{name}, sizeof {name});")
    elif direction.kind == "out" and not direction.extent:
        before.append(f"{element_type(parameter)} {name}{{}};")
        arguments.append(f"&{name}")
        after.append(f"out.raw(&{name}, sizeof {name});")
    elif direction.kind == "in":
        kind = element_type(parameter)
        before.append(
            f"const wire::Elements<{kind}> {name}(in.raw(wire::rows(sizeof({kind}), {direction.extent})));"
        )
        arguments.append(f"{name}.data()")
    else:
        kind = element_type(parameter)
        checks.append(f"wire::Elements<{kind}> {name}(wire::capped({direction.extent}, sizeof({kind})));")
        arguments.append(f"{name}.data()")
        after.append(f"out.raw({name}.data(), {name}.bytes());")
