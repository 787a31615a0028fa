# SPDX-License-Identifier: BSD-3-Clause
"""Use the GPU in ways that follow from a seed, until an end that follows from it too, or until killed.

Arguments: ``SEED``. Needs nothing but ctypes, so that it is at work a few hundredths of a second after its
start. Calls may fail (it shares a small lease with others, and may be in the child of a fork); it must only
never leave anything behind.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

SEED = int(sys.argv[1])
MIB = 1 << 20
LIFE_S = 3.0
PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.global .u32 counter;
.visible .entry spin(.param .u64 data, .param .u32 rounds)
{
  .reg .pred p; .reg .b32 r<4>; .reg .b64 d1;
  ld.param.u64 d1, [data]; ld.param.u32 r1, [rounds]; mov.u32 r2, 0;
AGAIN:
  add.u32 r2, r2, 1; setp.lt.u32 p, r2, r1; @p bra AGAIN;
  st.global.u32 [d1], r2; ret;
}
"""
choose = random.Random(SEED)
cuda = ctypes.CDLL("libcuda.so.1")
libc = ctypes.CDLL(None)
Size, Handle, Address = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_uint64
HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
kept: list[object] = []  # what the driver calls or reads later
memory: list[tuple[Address, int]] = []
streams: list[Handle | None] = [None]
function = Handle()
begun = time.monotonic()


def new(name: str, *arguments: object) -> Handle:
    out = Handle()
    getattr(cuda, name)(ctypes.byref(out), *arguments)
    return out


def start() -> None:
    cuda.cuInit(0)
    cuda.cuCtxSetCurrent(new("cuDevicePrimaryCtxRetain", 0))
    load()


def load() -> None:
    cuda.cuModuleGetFunction(ctypes.byref(function), new("cuModuleLoadData", PTX), b"spin")


def allocate() -> None:
    address, size = Address(), choose.choice((1000, MIB, 9 * MIB))
    if cuda.cuMemAlloc_v2(ctypes.byref(address), Size(size)) == 0:
        memory.append((address, size))


def free() -> None:
    if memory:
        cuda.cuMemFree_v2(memory.pop(choose.randrange(len(memory)))[0])


def copy_in() -> None:
    if memory:
        address, size = choose.choice(memory)
        cuda.cuMemcpyHtoD_v2(address, bytes(size), Size(size))


def copy_out() -> None:
    if memory:
        address, size = choose.choice(memory)
        cuda.cuMemcpyDtoH_v2(ctypes.create_string_buffer(size), address, Size(size))


def launch() -> None:
    if not memory:
        return
    values = (choose.choice(memory)[0], ctypes.c_uint32(choose.choice((1, 1000, 3_000_000))))
    pointers = (Handle * 2)(*[ctypes.addressof(value) for value in values])
    kept.append(values)
    for _ in range(choose.choice((1, 50))):
        cuda.cuLaunchKernel(function, 4, 1, 1, 32, 1, 1, 0, choose.choice(streams), pointers, None)


def call_host() -> None:
    pause = choose.choice((0, 0.01, 5))
    native = HostFunction(lambda _: time.sleep(pause))
    kept.append(native)
    cuda.cuLaunchHostFunc(choose.choice(streams[1:] or streams), native, None)


def synchronise() -> None:
    cuda.cuCtxSynchronize()


def look() -> None:
    """Ask NVML."""
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    nvml.nvmlInit_v2()
    device, figures = Handle(), (ctypes.c_ulonglong * 3)()
    nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device))
    nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(figures))


def fork() -> None:
    """The child goes on as if nothing had happened, for a moment."""
    if os.fork() == 0:
        for work in choose.choices((allocate, copy_out, look), k=2):
            work()
        time.sleep(choose.choice((0, 0.2)))
        os._exit(0)


def run_program() -> None:
    """A child that outlives us must not keep our connection open."""
    kept.append(subprocess.Popen(["sleep", "30"], start_new_session=True, stdin=subprocess.DEVNULL))


def start_thread() -> None:
    def work() -> None:
        cuda.cuCtxSetCurrent(new("cuDevicePrimaryCtxRetain", 0))
        for _ in range(10):
            choose.choice(STEPS)()

    threading.Thread(target=work, daemon=choose.random() < 0.5).start()


STEPS: tuple[Callable[[], None], ...] = (
    *(allocate, allocate, copy_in, copy_in, copy_out, launch, launch, call_host, synchronise, free, load),
    lambda: streams.append(new("cuStreamCreate", 1)),
)
RARE: tuple[Callable[[], None], ...] = (fork, run_program, start_thread, look)


def exit_in_a_thread() -> None:
    threading.Thread(target=libc.exit, args=(3,)).start()
    while True:
        copy_out()


def become_another_program() -> None:
    os.execv("/bin/sleep", ["sleep", str(choose.choice((0, 30)))])


ENDS: tuple[Callable[[], object], ...] = (
    lambda: time.sleep(60),
    lambda: sys.exit(0),
    lambda: os._exit(1),
    os.abort,
    lambda: ctypes.string_at(8),  # SIGSEGV
    lambda: os.kill(os.getpid(), signal.SIGTERM),
    lambda: cuda.cuDevicePrimaryCtxReset_v2(0),
    exit_in_a_thread,
    become_another_program,
)

if choose.random() < 0.2:
    fork()  # before CUDA: the child may begin afresh, and shares what it inherits
if choose.random() < 0.1:
    look()
start()
for _ in range(choose.choice((0, 5, 40))):
    if time.monotonic() - begun > LIFE_S:
        break
    choose.choice(RARE if choose.random() < 0.1 else STEPS)()
choose.choice(ENDS)()
