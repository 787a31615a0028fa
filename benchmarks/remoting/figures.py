# SPDX-License-Identifier: BSD-3-Clause
"""All that is measured. The one list: tables, pictures and comparisons read it.

A figure is what one run of one section gives for one *series*: a transport, a network, a number of clients.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Section, series, then a dictionary of figures for each round.
Taken = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]
TRANSPORTS = {"shared": "shared memory", "tcp": "TCP"}
FLOOR, DIRECT = "floor", "direct"
DELAYS_MS = (0.05, 0.2, 1, 10, 50)
QUICK_DELAYS_MS = (1,)
NO_DELAY = "no delay"
CAPS_GBIT = (1, 10)
FAR_MS = 10
CLIENTS = (1, 2, 4, 8, 16)
CROWD = 50
COLD, WARM = "cold", "warm"
SIZES_KIB = tuple(4 * 4**power for power in range(9))
LARGEST_KIB = SIZES_KIB[-1]
KINDS = ("pageable", "pinned")


class Figure(NamedTuple):
    """A figure's name in a section, what it is in words, and its unit."""

    name: str
    text: str
    unit: str


def size_text(kib: int) -> str:
    """Return a size as people write it."""
    return f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB"


def delay_series(delay_ms: float) -> str:
    """Return the name of the series of a network with this delay."""
    return f"{delay_ms:g} ms"


def cap_series(gbit_per_s: float) -> str:
    """Return the name of the series of a network with this bandwidth."""
    return f"{gbit_per_s:g} Gbit/s"


def clients_series(transport: str, count: int) -> str:
    """Return the name of the series of so many clients over a transport."""
    return f"{transport} {count}"


def copy_name(direction: str, kind: str, kib: int) -> str:
    """Return the name of the figure of copies ``h2d`` or ``d2h``."""
    return f"{direction}_{kind}_{kib}K_GBps"


DIRECTIONS = {"h2d": "copy to device", "d2h": "copy to host"}
STREAMS = {"one": "one stream", "several": "as many streams as it takes"}
KIND_TEXT = {"pageable": "pageable", "pinned": "page-locked"}


def _copies(sizes_kib: Sequence[int]) -> list[Figure]:
    return [
        Figure(copy_name(way, kind, kib), f"{text}, {KIND_TEXT[kind]}, {size_text(kib)}", "GB/s")
        for kib in sizes_kib
        for way, text in DIRECTIONS.items()
        for kind in KINDS
    ]


FIGURES: dict[str, list[Figure]] = {
    "floors": [
        Figure("tcp_rtt_us", "raw TCP: ping-pong of 64 bytes, median", "µs"),
        Figure("tcp_GBps", "raw TCP: one way", "GB/s"),
        Figure("tcp_from_GBps", "raw TCP: one way, from 256 MiB", "GB/s"),
        Figure("tcp_to_GBps", "raw TCP: one way, into 256 MiB", "GB/s"),
        Figure("tcp_store_GBps", "raw TCP: one way, the receiver copies to 256 MiB", "GB/s"),
        Figure("memcpy_GBps", "memcpy of 256 MiB in one thread", "GB/s"),
    ],
    "calls": [
        Figure("launch_enqueue_us", "asynchronous launch, cost to the caller", "µs"),
        Figure("launch_through_us", "asynchronous launch, through to execution", "µs"),
        Figure("launch_sync_us", "launch + stream synchronise, median", "µs"),
        Figure("step10_us", "10 launches, event, 4-byte copy to host, synchronise", "µs"),
        Figure("alloc_free_us", "cuMemAlloc + cuMemFree of 64 KiB", "µs"),
        Figure("posted_4K_us", "asynchronous copy to device, 4 KiB, through", "µs"),
    ],
    "copies": _copies(SIZES_KIB),
    "engine": _copies([LARGEST_KIB]),
    "startup": [
        Figure("process_ms", "the process, until its first CUDA call", "ms"),
        Figure("context_ms", "cuInit to the first context", "ms"),
        Figure("module_ms", "load of 1 MiB of code", "ms"),
        Figure("launch_ms", "stream, memory, first launch, synchronise", "ms"),
        Figure("first_result_ms", "from the first CUDA call to the first result", "ms"),
        Figure("waiting_calls", "calls that wait for the server, until the first result", ""),
        Figure("sent_KiB", "bytes sent, until the first result", "KiB"),
    ],
    "step": [
        Figure("recorded_ms", "PyTorch's step, as recorded", "ms"),
        Figure("recorded_waits", "calls of it that wait for the server", ""),
        Figure("posted_ms", "its launches, memsets and events, and one synchronise", "ms"),
        Figure("posted_waits", "calls of it that wait for the server", ""),
    ],
    "network": [
        Figure("tcp_rtt_us", "raw TCP: ping-pong of 64 bytes, median", "µs"),
        Figure("launch_sync_us", "launch + stream synchronise, median", "µs"),
        Figure("thousand_ms", "1,000 launches, 10 events, one synchronise, median", "ms"),
        Figure("posted_ms", "launches, memsets and events of PyTorch's step, one synchronise", "ms"),
        Figure("recorded_ms", "PyTorch's step, as recorded", "ms"),
        Figure("tcp_step_ms", "raw TCP: 1 MiB there, 64 bytes back", "ms"),
    ],
    "bandwidth": [
        Figure("tcp_GBps", "raw TCP: one way", "GB/s"),
        Figure("h2d_GBps", "copy to device, pageable", "GB/s"),
        Figure("d2h_GBps", "copy to host, pageable", "GB/s"),
    ],
    "distance": [
        Figure("tcp_GBps", "raw TCP: one way, one stream", "GB/s"),
        *(
            Figure(f"{way}_{name}_GBps", f"{text}, pageable, over {streams}", "GB/s")
            for way, text in DIRECTIONS.items()
            for name, streams in STREAMS.items()
        ),
    ],
    "scaling": [
        Figure("launches_per_s", "launches a second, all together", ""),
        Figure("slowest", "the slowest ÷ the mean", ""),
    ],
    "overhead": [
        Figure("cpu_us_per_launch", "CPU of a worker for a launch", "µs"),
        Figure("pss_mib", "memory of the workers, shared pages divided (PSS)", "MiB"),
        Figure("rss_mib", "memory of the workers, shared pages counted for each (RSS)", "MiB"),
        Figure("cpu_percent", "CPU of the workers, in percent of one core", "%"),
    ],
}


class At(NamedTuple):
    """Where a figure is."""

    section: str
    series: str
    figure: str

    def rounds(self, taken: Taken) -> list[float]:
        """Return its value in each round; empty where it was not measured."""
        return [
            figures[self.figure]
            for figures in taken.get(self.section, {}).get(self.series, [])
            if self.figure in figures
        ]

    @property
    def text(self) -> str:
        """Return what the figure is, in words."""
        return next(figure.text for figure in FIGURES[self.section] if figure.name == self.figure)

    def median(self, taken: Taken) -> float | None:
        """Return its median over the rounds, None where it was not measured."""
        values = self.rounds(taken)
        return statistics.median(values) if values else None
