# SPDX-License-Identifier: BSD-3-Clause
"""Conditional nodes: what the host sets and what a kernel decides, and which body then runs."""

from __future__ import annotations

import ctypes
from ctypes import addressof, byref, c_uint, c_uint64, c_void_p

from driver import Address, Handle, Size, allocate, call, fails, function, launch, start
from graph_tools import (
    INVALID_VALUE,
    Add,
    KernelParams,
    begin,
    end,
    fill,
    graph,
    instantiate,
    node,
    numbers,
    run,
    set_words,
    status,
    stream,
    type_of,
)

N, CONDITIONAL, ASSIGN_DEFAULT = 64, 13, 1
IF, WHILE, SWITCH = 0, 1, 2
# Takes one from the first word and tells the condition what is left.
COUNT_DOWN = b"""
.version 8.0
.target sm_80
.address_size 64
.extern .func cudaGraphSetConditional (.param .b64 handle, .param .b32 value);
.visible .entry count_down(.param .u64 data, .param .u64 condition)
{
  .reg .b32 r1; .reg .b64 d<3>;
  ld.param.u64 d1, [data]; ld.param.u64 d2, [condition];
  ld.global.u32 r1, [d1]; sub.u32 r1, r1, 1; st.global.u32 [d1], r1;
  { .param .b64 p0; .param .b32 p1; st.param.b64 [p0], d2; st.param.b32 [p1], r1;
    call.uni cudaGraphSetConditional, (p0, p1); }
  ret;
}
\0"""


class Params(ctypes.Structure):
    """CUgraphNodeParams of a conditional node."""

    _fields_ = (
        ("type", c_uint),
        ("reserved", c_uint * 3),
        ("handle", c_uint64),
        ("kind", c_uint),
        ("size", c_uint),
        ("bodies", ctypes.POINTER(c_void_p)),
        ("context", c_void_p),
        ("rest", ctypes.c_ubyte * 208),
    )


assert ctypes.sizeof(Params) == 256


class Condition:
    """A conditional node of a graph, and the graphs that are its bodies."""

    def __init__(self, whole: Handle, kind: int, default: int, size: int = 1, after: Handle | None = None):
        self.handle = c_uint64()
        call("cuGraphConditionalHandleCreate", byref(self.handle), whole, context, default, ASSIGN_DEFAULT)
        params = Params(CONDITIONAL, handle=self.handle.value, kind=kind, size=size, context=context.value)
        before, count = ((c_void_p * 1)(after.value), 1) if after else (None, 0)
        self.node = Handle()
        call("cuGraphAddNode_v2", byref(self.node), whole, before, None, Size(count), byref(params))
        self.bodies = [Handle(params.bodies[i]) for i in range(size)]
        assert type_of(self.node) == CONDITIONAL


class CountDown:
    """The kernel above, as a node and as a launch."""

    def __init__(self, words: Address, condition: c_uint64) -> None:
        self.function = function("count_down", COUNT_DOWN)
        self.values = (Address(words.value), c_uint64(condition.value))

    def params(self) -> KernelParams:
        self.pointers = (c_void_p * 2)(*map(addressof, self.values))
        one = (c_uint * 3)(1, 1, 1)
        return KernelParams(self.function.value, one, one, 0, addressof(self.pointers))

    def launch(self, on: Handle) -> None:
        assert launch(self.function, 1, 1, *self.values, stream=on) == 0


def the_body_of_what_holds() -> None:
    memory, on = allocate(4 * N), stream()
    for holds in (0, 1):
        for size in (1, 2):
            whole = graph()
            condition = Condition(whole, IF, holds, size)
            for number, body in enumerate(condition.bodies):
                node("Memset", body, (), byref(fill(memory, 40 + number, N)), context)
            set_words(memory, 1, N)
            run(instantiate(whole), on)
            expected = 40 if holds else 41 if size == 2 else 1
            assert numbers(memory, N) == [expected] * N, (holds, size)


def one_of_many() -> None:
    memory, on = allocate(4 * N), stream()
    for chosen in (0, 2, 3):
        whole = graph()
        for number, body in enumerate(Condition(whole, SWITCH, chosen, 3).bodies):
            node("Memset", body, (), byref(fill(memory, 50 + number, N)), context)
        set_words(memory, 1, N)
        run(instantiate(whole), on)
        assert numbers(memory, N) == [50 + chosen if chosen < 3 else 1] * N


def as_long_as_the_kernel_says() -> None:
    words, sums, on, whole = allocate(4), allocate(4 * N), stream(), graph()
    clear = node("Memset", whole, (), byref(fill(sums, 0, N)), context)
    condition = Condition(whole, WHILE, 1, after=clear)
    (body,) = condition.bodies
    count = CountDown(words, condition.handle)
    first = node("Kernel", body, (), byref(count.params()))
    node("Kernel", body, (first,), byref(Add(sums, 3, N).params()))
    executable = instantiate(whole)
    for rounds in (1, 7):
        set_words(words, rounds, 1)
        run(executable, on)
        assert numbers(words, 1) == [0]
        assert numbers(sums, N) == [3 * rounds] * N


def a_body_that_a_stream_captures() -> None:
    """As libraries write loops: the body is captured; a condition within a condition decides as well."""
    words, sums, on, whole = allocate(4), allocate(4 * N), stream(), graph()
    condition = Condition(whole, WHILE, 1)
    (body,) = condition.bodies
    call("cuStreamBeginCaptureToGraph", on, body, None, None, Size(0), 2)
    assert status(on) == 1
    CountDown(words, condition.handle).launch(on)
    Add(sums, 1, N).launch(on)
    assert end(on).value == body.value
    inner = Condition(body, IF, 1)
    node("Kernel", inner.bodies[0], (), byref(Add(sums, 10, N).params()))
    set_words(words, 4, 1)
    set_words(sums, 0, N)
    run(instantiate(whole), on)
    total = numbers(sums, N)
    assert total == [44] * N, total[:4]
    begin(on)
    call("cuStreamEndCapture", on, byref(Handle()))


def errors() -> None:
    whole, handle, none = graph(), c_uint64(), Handle()
    call("cuGraphConditionalHandleCreate", byref(handle), whole, context, 0, 0)
    for kind, size in ((WHILE, 2), (IF, 3), (SWITCH, 0), (9, 1)):
        wrong = Params(CONDITIONAL, handle=handle.value, kind=kind, size=size, context=context.value)
        fails(INVALID_VALUE, "cuGraphAddNode_v2", byref(none), whole, None, None, Size(0), byref(wrong))
    strange = Params(CONDITIONAL, handle=handle.value + 64, kind=IF, size=1, context=context.value)
    fails(INVALID_VALUE, "cuGraphAddNode_v2", byref(none), whole, None, None, Size(0), byref(strange))


context = start()
the_body_of_what_holds()
one_of_many()
as_long_as_the_kernel_says()
a_body_that_a_stream_captures()
errors()
print("ok")
