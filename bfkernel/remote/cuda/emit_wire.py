# SPDX-License-Identifier: BSD-3-Clause
"""What shim and worker share: the opcodes and how each kind of parameter travels."""

from __future__ import annotations

from .header import Parameter
from .specification import Specification

BANNER = "// Generated from bfkernel/remote/cuda/driver_api.spec. Do not edit.\n"

# Handle type → how its objects are called in wire::Kind.
KINDS = {
    "CUcontext": "context",
    "CUstream": "stream",
    "CUevent": "event",
    "CUmodule": "module",
    "CUlibrary": "library",
    "CUfunction": "function",
    "CUkernel": "function",
    "CUmemoryPool": "pool",
    "CUarray": "array",
    "CUmipmappedArray": "mipmapped_array",
    "CUgraph": "graph",
    "CUgraphNode": "graph_node",
    "CUgraphExec": "graph_exec",
    "CUgreenCtx": "green_context",
}


def element_type(parameter: Parameter) -> str:
    """Return the type of what a pointer points to; untyped memory is bytes."""
    pointee = parameter.pointee
    return "std::byte" if pointee == "void" else pointee


def opcodes(specification: Specification) -> str:
    """``wire/opcodes.h``."""
    lines = "".join(f"  {name} = {code},\n" for name, code in specification.opcodes.items())
    names = "".join(f'    case Opcode::{name}: return "{name}";\n' for name in specification.opcodes)
    return (
        f"{BANNER}#pragma once\n\n#include <cstdint>\n\nnamespace wire {{\n\n"
        "// Both sides must have been built from the same specification; the worker's greeting says which\n"
        '// (field "calls").\n'
        f'inline constexpr const char* kSpecificationDigest = "{specification.digest}";\n\n'
        f"enum class Opcode : uint16_t {{\n{lines}}};\n\n"
        "inline const char* opcode_name(Opcode opcode) {\n  switch (opcode) {\n"
        f'{names}  }}\n  return "unknown";\n}}\n\n}}  // namespace wire\n'
    )
