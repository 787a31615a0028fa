# SPDX-License-Identifier: BSD-3-Clause
"""Streams, events, threads and host functions with CuPy."""

from __future__ import annotations

import threading

import cupy


def streams_and_events() -> None:
    first, second = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    with first:
        begin.record()
        x = cupy.arange(100_000, dtype=cupy.float32) * 2
        computed = first.record()
    second.wait_event(computed)
    with second:
        y = x + 1
        end.record()
    end.synchronize()
    assert second.done
    assert cupy.cuda.get_elapsed_time(begin, end) >= 0
    assert float(y[10]) == 21
    assert cupy.cuda.get_current_stream() == cupy.cuda.Stream.null


def threads() -> None:
    results = [0.0] * 6

    def work(number: int) -> None:
        with cupy.cuda.Stream(non_blocking=True) as stream:
            total = cupy.zeros(1000)
            for _ in range(20):
                total += number
            results[number] = float(total.sum())
            stream.synchronize()

    each = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert results == [20_000.0 * number for number in range(6)]


def host_functions() -> None:
    seen: list[int] = []
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        x = cupy.ones(1000)
        for number in range(5):
            x += 1
            stream.launch_host_func(seen.append, number)
    stream.synchronize()
    assert seen == [0, 1, 2, 3, 4]
    assert float(x[0]) == 6


streams_and_events()
threads()
host_functions()
print("ok")
