# SPDX-License-Identifier: BSD-3-Clause
"""What the test programs share: a context on GPU 0, two kernels, and calls that raise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cuda.bindings import driver

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry square(.param .u64 data, .param .u32 n)
{
 .reg .pred p; .reg .b32 r<6>; .reg .b64 d<4>;
 ld.param.u64 d1, [data]; ld.param.u32 r1, [n];
 mov.u32 r2, %ctaid.x; mov.u32 r3, %ntid.x; mov.u32 r4, %tid.x; mad.lo.s32 r5, r2, r3, r4;
 setp.ge.u32 p, r5, r1; @p bra DONE;
 mul.wide.u32 d2, r5, 4; add.u64 d3, d1, d2;
 ld.global.u32 r2, [d3]; mul.lo.u32 r2, r2, r2; st.global.u32 [d3], r2;
DONE: ret;
}
.visible .entry wild_store(.param .u64 address)
{
 .reg .b32 r<2>; .reg .b64 d<2>;
 ld.param.u64 d1, [address]; mov.u32 r1, 7; st.global.u32 [d1], r1; ret;
}
\0"""


def call(function: str, *arguments: Any) -> Any:
    """Call the driver; return its values or raise ``RuntimeError`` with the error's name."""
    result, *values = getattr(driver, function)(*arguments)
    if result != driver.CUresult.CUDA_SUCCESS:
        msg = f"{function}: {driver.CUresult(result).name}"
        raise RuntimeError(msg)
    return values[0] if len(values) == 1 else tuple(values)


def failure(function: str, *arguments: Any) -> str:
    """Call the driver and return the name of its error; empty when it succeeds."""
    try:
        call(function, *arguments)
    except RuntimeError as error:
        return str(error)
    return ""


def wait_for_file(path: str) -> None:
    """Wait until a test makes the file; not for ever."""
    give_up = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < give_up:
        time.sleep(0.05)


def open_device() -> Any:
    """Initialise, make GPU 0's primary context current and return the device."""
    call("cuInit", 0)
    device = call("cuDeviceGet", 0)
    call("cuCtxSetCurrent", call("cuDevicePrimaryCtxRetain", device))
    return device


def launch(kernel: str, blocks: int, threads: int, values: tuple[Any, ...], types: tuple[Any, ...]) -> None:
    """Launch one of ``PTX``'s kernels on the default stream."""
    function = call("cuModuleGetFunction", module(), kernel.encode())
    call("cuLaunchKernel", function, blocks, 1, 1, threads, 1, 1, 0, 0, (values, types), 0)


_module: Any = None


def module() -> Any:
    """Return the module of ``PTX``, loaded once."""
    global _module
    if _module is None:
        _module = call("cuModuleLoadData", PTX)
    return _module
