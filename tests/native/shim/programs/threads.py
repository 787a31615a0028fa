# SPDX-License-Identifier: BSD-3-Clause
"""Threads share the context and do not disturb each other, on their own default streams too."""

from __future__ import annotations

import ctypes
import threading

from driver import Size, allocate, call, function, launch, noise, start

start()
kernel = function("add")
failures: list[BaseException] = []


def work(number: int) -> None:
    try:
        start()
        for turn in range(40):
            size = 4 * (100 * number + turn + 1)
            data, out = noise(size), ctypes.create_string_buffer(size)
            memory = allocate(size)
            call("cuMemcpyHtoD_v2_ptds", memory, data, Size(size))
            count = ctypes.c_uint32(size // 4)
            assert (
                launch(
                    kernel, size // 256 + 1, 64, memory, ctypes.c_uint32(5), count, stream=ctypes.c_void_p(2)
                )
                == 0
            )
            call("cuMemcpyDtoH_v2_ptds", out, memory, Size(size))
            words = memoryview(data).cast("I")
            assert all(
                (a + 5) & 0xFFFFFFFF == b for a, b in zip(words, memoryview(out.raw).cast("I"), strict=True)
            )
            call("cuMemFree_v2", memory)
    except BaseException as error:
        failures.append(error)
        raise


threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("failed" if failures else "ok")
