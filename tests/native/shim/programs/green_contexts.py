# SPDX-License-Identifier: BSD-3-Clause
"""Parts of a device, green contexts made of them, and what is made in a green context."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int, c_uint, c_uint64, sizeof

from driver import Address, Handle, Size, allocate, call, cuda, download, fails, function, launch, start

SM, WORK_QUEUES = 1, 1000
INVALID_VALUE, INVALID_CONTEXT, DESTROYED, INVALID_HANDLE = 1, 201, 709, 400
INVALID_RESOURCE_TYPE, DETACHED = 914, 917
NON_BLOCKING, DEFAULT_STREAM = 1, 1
MULTIPROCESSORS = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT


class Resource(ctypes.Structure):
    """CUdevResource, of multiprocessors."""

    _fields_ = (
        ("type", c_int),
        ("private", ctypes.c_ubyte * 92),
        ("count", c_uint),
        ("least", c_uint),
        ("alignment", c_uint),
        ("flags", c_uint),
        ("rest", ctypes.c_ubyte * 24),
        ("next", ctypes.c_void_p),
    )


class Group(ctypes.Structure):
    """CU_DEV_SM_RESOURCE_GROUP_PARAMS."""

    _fields_ = (("count", c_uint), ("rest", c_uint * 15))


def of(name: str, *whose: object) -> Resource:
    resource = Resource()
    call(name, *whose, byref(resource), SM)
    return resource


def whole() -> Resource:
    return of("cuDeviceGetDevResource", 0)


def split(least: int = 1) -> tuple[Resource, Resource]:
    part, rest, groups = Resource(), Resource(), c_uint(1)
    call("cuDevSmResourceSplitByCount", byref(part), byref(groups), byref(whole()), byref(rest), 0, least)
    assert groups.value == 1
    return part, rest


def green(part: Resource) -> Handle:
    description, made = Handle(), Handle()
    call("cuDevResourceGenerateDesc", byref(description), byref(part), 1)
    call("cuGreenCtxCreate", byref(made), description, 0, DEFAULT_STREAM)
    return made


def context_of(made: Handle) -> Handle:
    context = Handle()
    call("cuCtxFromGreenCtx", byref(context), made)
    return context


def stream_in(made: Handle, priority: int = 0) -> Handle:
    stream = Handle()
    call("cuGreenCtxStreamCreate", byref(stream), made, NON_BLOCKING, priority)
    return stream


def number(address: Address) -> int:
    return int.from_bytes(download(address, 4), "little")


def parts_add_up() -> None:
    count = c_int()
    call("cuDeviceGetAttribute", byref(count), MULTIPROCESSORS, 0)
    assert whole().count == count.value
    assert of("cuCtxGetDevResource", None).count == count.value
    part, rest = split()
    assert part.count + rest.count == count.value
    groups = c_uint()
    call("cuDevSmResourceSplitByCount", None, byref(groups), byref(whole()), None, 0, 1)
    assert groups.value == count.value // part.count
    wanted, made = (Group * 1)(Group(1)), (Resource * 1)()
    call("cuDevSmResourceSplit", made, 1, byref(whole()), byref(rest), 0, wanted)
    assert (made[0].count, rest.count) == (1, count.value - 1)
    assert wanted[0].count == 1
    if rest.count:
        call("cuDevSmResourceSplit", made, 1, byref(rest), byref(part), 0, (Group * 1)())
        assert (made[0].count, part.type) == (rest.count, 0)


def made_up_parts_are_refused() -> None:
    description = Handle()
    forged = Resource(type=SM, count=1)
    fails(INVALID_VALUE, "cuDevResourceGenerateDesc", byref(description), byref(forged), 1)
    fails(INVALID_RESOURCE_TYPE, "cuDevResourceGenerateDesc", byref(description), byref(Resource()), 1)
    fails(INVALID_VALUE, "cuDevResourceGenerateDesc", byref(description), byref(split()[0]), 0)
    # What a program writes into a part is not what it gets.
    part = split()[0]
    count, part.count = part.count, 1000
    assert of("cuGreenCtxGetDevResource", green(part)).count == count
    # Nor does a changed number name a part that is not there.
    ctypes.memset(ctypes.addressof(part) + sizeof(c_int) + 8, 0xFF, 8)
    fails(INVALID_VALUE, "cuDevResourceGenerateDesc", byref(description), byref(part), 1)
    fails(INVALID_VALUE, "cuGreenCtxCreate", byref(Handle()), Handle(0x1234), 0, DEFAULT_STREAM)
    fails(INVALID_CONTEXT, "cuGreenCtxDestroy", context)
    fails(INVALID_CONTEXT, "cuCtxFromGreenCtx", byref(Handle()), context)


def streams_of_a_green_context() -> None:
    part, _ = split()
    made = green(part)
    stream, seen, primary = stream_in(made, -99), Handle(), Handle()
    value = c_int()
    call("cuStreamGetPriority", stream, byref(value))
    assert value.value == -5
    call("cuStreamGetGreenCtx", stream, byref(seen))
    assert seen.value == made.value
    call("cuStreamGetCtx", stream, byref(seen))
    assert seen.value == context_of(made).value
    call("cuStreamGetCtx_v2", stream, byref(primary), byref(seen))
    assert (primary.value, seen.value) == (context.value, made.value)
    for default in (None, Handle(1)):
        call("cuStreamGetGreenCtx", default, byref(seen))
        assert not seen.value
    assert of("cuStreamGetDevResource", stream).count == part.count
    assert of("cuStreamGetDevResource", None).count == whole().count
    fails(INVALID_VALUE, "cuGreenCtxStreamCreate", byref(Handle()), made, 0, 0)
    memory, event, done = allocate(4), Handle(), Handle()
    for name in (event, done):
        call("cuEventCreate", byref(name), 0)
    call("cuMemsetD32_v2", memory, 5, Size(1))
    call("cuCtxRecordEvent", context, event)
    call("cuGreenCtxWaitEvent", made, event)
    assert launch(function("add"), 1, 1, memory, c_uint(7), c_uint(1), stream=stream) == 0
    call("cuGreenCtxRecordEvent", made, done)
    call("cuEventSynchronize", done)
    assert number(memory) == 12
    call("cuStreamDestroy_v2", stream)
    call("cuGreenCtxDestroy", made)
    fails(INVALID_CONTEXT, "cuGreenCtxDestroy", made)


def current_like_any_other() -> None:
    part, rest = split()
    made = green(part)
    inside = context_of(made)
    numbers = [c_uint64(), c_uint64()]
    call("cuGreenCtxGetId", made, byref(numbers[0]))
    call("cuGreenCtxGetId", green(rest if rest.type else part), byref(numbers[1]))
    assert numbers[0].value != numbers[1].value
    call("cuCtxPushCurrent_v2", inside)
    seen, device, stream = Handle(), c_int(-1), Handle()
    call("cuCtxGetCurrent", byref(seen))
    call("cuCtxGetDevice", byref(device))
    assert (seen.value, device.value) == (inside.value, 0)
    assert of("cuCtxGetDevResource", None).count == part.count
    call("cuStreamCreate", byref(stream), NON_BLOCKING)
    for one in (stream, None):
        call("cuStreamGetGreenCtx", one, byref(seen))
        assert seen.value == made.value
    fails(INVALID_HANDLE, "cuStreamGetCtx_v2", Handle(2), byref(Handle()), byref(Handle()))
    # Memory and code belong to the primary context, and outlive the green one.
    memory, add = allocate(4096), function("add")
    call("cuMemsetD32_v2", memory, 1, Size(1))
    for one in (stream, None, Handle(2)):
        result = launch(add, 1, 1, memory, c_uint(10), c_uint(1), stream=one)
        assert result == 0, (one, result)
        call("cuCtxSynchronize")
    assert number(memory) == 31
    fails(INVALID_CONTEXT, "cuCtxDestroy_v2", inside)
    call("cuCtxPopCurrent_v2", byref(seen))
    assert seen.value == inside.value
    call("cuGreenCtxDestroy", made)
    for name in ("cuStreamQuery", "cuStreamSynchronize"):
        fails(DETACHED, name, stream)
    assert launch(add, 1, 1, memory, c_uint(10), c_uint(1), stream=stream) == DETACHED
    call("cuStreamDestroy_v2", stream)
    fails(INVALID_CONTEXT, "cuCtxSetCurrent", inside)
    assert launch(add, 1, 1, memory, c_uint(10), c_uint(1)) == 0
    assert number(memory) == 41
    call("cuMemFree_v2", memory)


def captures_end_with_their_green_context() -> None:
    made = green(split()[0])
    stream, status = stream_in(made), c_int()
    call("cuStreamBeginCapture_v2", stream, 2)
    call("cuStreamIsCapturing", stream, byref(status))
    assert status.value == 1
    call("cuGreenCtxDestroy", made)
    fails(DETACHED, "cuStreamEndCapture", stream, byref(Handle()))
    call("cuStreamDestroy_v2", stream)
    allocate(64)  # no capture is left to forbid it


def the_primary_context_is_held_and_takes_all_along() -> None:
    made = green(split()[0])
    inside, flags, active = context_of(made), c_uint(), c_int()
    call("cuDevicePrimaryCtxRelease_v2", 0)
    call("cuDevicePrimaryCtxGetState", 0, byref(flags), byref(active))
    assert active.value == 1
    call("cuDevicePrimaryCtxReset_v2", 0)
    call("cuCtxSetCurrent", inside)
    fails(DESTROYED, "cuCtxSynchronize")
    fails(DESTROYED, "cuGreenCtxDestroy", made)
    call("cuDevicePrimaryCtxGetState", 0, byref(flags), byref(active))
    assert active.value == 0
    # Of a device whose primary context nobody has retained.
    call("cuCtxSetCurrent", None)
    again = green(split()[0])
    call("cuCtxSetCurrent", context_of(again))
    assert number(memory_of(3)) == 3
    call("cuCtxSetCurrent", None)
    call("cuGreenCtxDestroy", again)
    call("cuDevicePrimaryCtxGetState", 0, byref(flags), byref(active))
    assert active.value == 0


def memory_of(value: int) -> Address:
    memory = allocate(4)
    call("cuMemsetD32_v2", memory, value, Size(1))
    return memory


def work_queues_are_told_apart() -> None:
    """softgpu has none; what matters is that the type gets through."""
    assert cuda.cuDeviceGetDevResource(0, byref(Resource()), WORK_QUEUES) == INVALID_RESOURCE_TYPE


context = start()
parts_add_up()
made_up_parts_are_refused()
streams_of_a_green_context()
current_like_any_other()
captures_end_with_their_green_context()
work_queues_are_told_apart()
the_primary_context_is_held_and_takes_all_along()
print("ok")
