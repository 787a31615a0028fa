# SPDX-License-Identifier: BSD-3-Clause
"""What libnvidia-ml.so.1 exports, and that its structs lie in memory as nvidia-ml-py's do."""

from __future__ import annotations

import ctypes
import inspect
import re
import subprocess
from pathlib import Path

import pynvml
import pytest

from bfkernel.remote import native_files

SOURCES = Path(__file__).parents[3] / "bfkernel" / "remote" / "native" / "nvml"
TYPES = {
    "unsigned": ctypes.c_uint,
    "int": ctypes.c_int,
    "nvmlReturn_t": ctypes.c_int,
    "long long": ctypes.c_longlong,
    "unsigned long long": ctypes.c_ulonglong,
    "char": ctypes.c_char,
    "unsigned char": ctypes.c_ubyte,
}
#: What nvidia-ml-py calls a struct of ours.
PYTHON_NAMES = {
    "nvmlMemory_t": "c_nvmlMemory_t",
    "nvmlMemory_v2_t": "c_nvmlMemory_v2_t",
    "nvmlPciInfo_v2_t": "nvmlPciInfo_v2_t",
    "nvmlPciInfo_t": "nvmlPciInfo_t",
    "nvmlPciInfoExt_v1_t": "nvmlPciInfoExt_v1_t",
    "nvmlProcessInfo_t": "c_nvmlProcessInfo_v2_t",
    "nvmlUtilization_t": "c_nvmlUtilization_t",
    "nvmlTemperature_v1_t": "c_nvmlTemperature_v1_t",
    "nvmlFieldValue_t": "c_nvmlFieldValue_t",
    "nvmlConfComputeSystemState_t": "c_nvmlConfComputeSystemState_t",
    "nvmlSystemConfComputeSettings_t": "c_nvmlSystemConfComputeSettings_v1_t",
    "nvmlGpuFabricInfo_t": "c_nvmlGpuFabricInfo_t",
    "nvmlGpuFabricInfo_v2_t": "c_nvmlGpuFabricInfo_v2_t",
    "nvmlGpuFabricInfo_v3_t": "c_nvmlGpuFabricInfo_v3_t",
}


def exported() -> set[str]:
    library = native_files.client_dir() / "libnvidia-ml.so.1"
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[2] for line in listing.splitlines()}


def test_every_function_of_the_specification_is_exported_and_nothing_else() -> None:
    lines = (SOURCES / "nvml_api.spec").read_text().splitlines()
    assert exported() == {line.split()[0] for line in lines if line and not line.startswith("#")}


def test_every_function_that_nvidia_ml_py_looks_up_is_exported() -> None:
    wanted = set(re.findall(r'_nvmlGetFunctionPointer\("(\w+)"', inspect.getsource(pynvml)))
    assert len(wanted) > 300
    assert wanted <= exported()


def struct_of(name: str) -> type[ctypes.Structure]:
    """Return a struct of ``types.h`` as ctypes lays it out."""
    text = (SOURCES / "types.h").read_text()
    body = re.search(rf"struct {name} {{[^\n]*\n(.*?)\n}};", text, re.DOTALL)
    assert body, name
    fields = []
    for kind, field, count in re.findall(r"^  ([\w ]+) (\w+)(?:\[(\d+)\])?;", body[1], re.MULTILINE):
        fields.append((field, TYPES[kind] * int(count) if count else TYPES[kind]))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


@pytest.mark.parametrize("name", sorted(PYTHON_NAMES))
def test_a_struct_lies_in_memory_as_in_nvidia_ml_py(name: str) -> None:
    ours, theirs = struct_of(name), getattr(pynvml, PYTHON_NAMES[name])
    assert ctypes.sizeof(ours) == ctypes.sizeof(theirs)
    offsets = [getattr(ours, field[0]).offset for field in ours._fields_]
    assert offsets[: len(theirs._fields_)] == [
        getattr(theirs, field[0]).offset for field in theirs._fields_[: len(offsets)]
    ]
