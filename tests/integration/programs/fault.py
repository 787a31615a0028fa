# SPDX-License-Identifier: BSD-3-Clause
"""Store to an address that is nobody's; print the errors of the next two synchronising calls."""

from __future__ import annotations

import ctypes

from device import call, launch, open_device

open_device()
launch("wild_store", 1, 1, (0x7000,), (ctypes.c_uint64,))
for _ in range(2):
    try:
        call("cuCtxSynchronize")
    except RuntimeError as error:
        print("error", error, flush=True)
    else:
        print("no error", flush=True)
