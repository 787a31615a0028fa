# SPDX-License-Identifier: BSD-3-Clause
"""One graph whose nodes work on two GPUs of the lease, with copies between them; built, and captured."""

from __future__ import annotations

from ctypes import byref

from driver import Handle, Size, allocate, call, start
from graph_tools import (
    Add,
    Copy,
    begin,
    end,
    event,
    fill,
    graph,
    instantiate,
    node,
    nodes_of,
    numbers,
    run,
    set_words,
    stream,
)

N = 512


class Gpu:
    """A GPU's context, memory, stream and kernel."""

    def __init__(self, device: int) -> None:
        self.context = start(device)
        self.memory, self.stream = allocate(4 * N), stream()
        self.add = Add(self.memory, 10 * (device + 1), N)

    def current(self) -> None:
        call("cuCtxSetCurrent", self.context)

    def seen(self) -> list[int]:
        self.current()
        return sorted(set(numbers(self.memory, N)))

    def clear(self) -> None:
        self.current()
        set_words(self.memory, 0, N)


def across(source: Gpu, target: Gpu) -> Copy:
    return Copy(
        source_type=4, source=source.memory.value, source_pitch=4 * N, source_height=1,
        target_type=4, target=target.memory.value, target_pitch=4 * N, target_height=1,
        width=4 * N, height=1, depth=1,
    )  # fmt: skip


def kernel(whole: Handle, after: tuple[Handle, ...], gpu: Gpu) -> Handle:
    params = gpu.add.params()
    params.context = gpu.context.value
    gpu.current()
    return node("Kernel", whole, after, byref(params))


def built(first: Gpu, second: Gpu) -> None:
    """Seven and ten on the first, over to the second, twenty more there, and back."""
    whole = graph()
    filled = node("Memset", whole, (), byref(fill(first.memory, 7, N)), first.context)
    tens = kernel(whole, (filled,), first)
    there = node("Memcpy", whole, (tens,), byref(across(first, second)), first.context)
    added = kernel(whole, (there,), second)
    node("Memcpy", whole, (added,), byref(across(second, first)), second.context)
    first.current()
    executable = instantiate(whole)
    for on in (first, second):
        first.clear()
        second.clear()
        on.current()
        run(executable, on.stream)
        assert (first.seen(), second.seen()) == ([37], [37])


def captured(first: Gpu, second: Gpu) -> None:
    """A stream of the other GPU joins the capture by an event and leaves it by another."""
    first.clear()
    second.clear()
    first.current()
    fork = event()
    begin(first.stream)
    first.add.launch(first.stream)
    ends = (second.memory, second.context, first.memory, first.context)
    call("cuMemcpyPeerAsync", *ends, Size(4 * N), first.stream)
    call("cuEventRecord", fork, first.stream)
    second.current()
    join = event()
    call("cuStreamWaitEvent", second.stream, fork, 0)
    second.add.launch(second.stream)
    call("cuEventRecord", join, second.stream)
    first.current()
    call("cuStreamWaitEvent", first.stream, join, 0)
    whole = end(first.stream)
    assert len(nodes_of(whole)) == 3
    executable = instantiate(whole)
    run(executable, first.stream)
    assert (first.seen(), second.seen()) == ([10], [30])
    first.current()
    run(executable, first.stream)
    assert (first.seen(), second.seen()) == ([20], [40])


gpus = Gpu(0), Gpu(1)
built(*gpus)
captured(*gpus)
print("ok")
