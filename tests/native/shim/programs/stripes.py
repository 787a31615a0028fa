# SPDX-License-Identifier: BSD-3-Clause
"""Large copies beside other calls, when their stripes are open. Arguments: how many; then what happens.

``copies`` checks bytes, ``fork`` does so in a process whose child has gone, ``break`` shuts a stripe.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading
import time
from pathlib import Path

from driver import Size, allocate, call, cuda, download, function, launch, noise, start, upload

LARGE = 5 << 20
WAIT_S = 20


def connections() -> list[int]:
    """Return the descriptors of the sockets to the GPU server."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as one:
                if one.family == socket.AF_INET and one.getpeername():
                    found.append(int(entry.name))
        except OSError:
            continue  # no socket, or the descriptor of this very listing
    return sorted(found)


def work(number: int, failures: list[BaseException]) -> None:
    """Copy there and back, and have the GPU change the bytes between."""
    try:
        start()
        kernel = function("add")
        for turn in range(4):
            size = LARGE + 4 * (1000 * number + turn)
            data, few = noise(size), noise(400)
            memory, other = allocate(size), allocate(400)
            upload(memory, data)
            upload(other, few)
            assert download(other, 400) == few
            assert download(memory, size) == data
            count = ctypes.c_uint32(100)
            assert launch(kernel, 1, 128, memory, ctypes.c_uint32(5), count) == 0
            back = download(memory, size)
            words = zip(memoryview(data[:400]).cast("I"), memoryview(back[:400]).cast("I"), strict=True)
            assert all((before + 5) & 0xFFFFFFFF == after for before, after in words)
            assert back[400:] == data[400:]
            call("cuMemFree_v2", memory)
            call("cuMemFree_v2", other)
    except BaseException as error:
        failures.append(error)
        raise


def copies() -> None:
    """Copy in several threads at once."""
    failures: list[BaseException] = []
    threads = [threading.Thread(target=work, args=(number, failures)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def settled(wanted: int) -> list[int]:
    """Return the further connections once there are so many, or after a while that would have sufficed."""
    deadline = time.monotonic() + (WAIT_S if wanted else 0.5)
    while len(connections()) != 1 + wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # they are there, and perhaps not yet in use
    return connections()[1:]


wanted, what = int(sys.argv[1]), sys.argv[2]
start()
memory = allocate(LARGE)
assert len(connections()) == 1, "none is opened before it is needed"
upload(memory, noise(LARGE))  # the first large copy has them opened
stripes = settled(wanted)
assert len(stripes) == wanted, stripes
if what == "fork":
    if (child := os.fork()) == 0:
        os._exit(len(connections()))
    assert os.waitpid(child, 0)[1] == 0, "a child lets go of all of them"
if what == "break":
    with socket.socket(fileno=os.dup(stripes[-1])) as last:
        last.shutdown(socket.SHUT_RDWR)
    codes = [cuda.cuMemcpyHtoD_v2(memory, noise(LARGE), Size(LARGE)) for _ in range(2)]
    assert codes[-1] == 46, codes
    assert cuda.cuCtxSynchronize() == 46
else:
    copies()
print("ok")
