# SPDX-License-Identifier: BSD-3-Clause
"""What is compared with what, and the goals of the design for it.

A comparison is a figure against another of the same round, so that a machine that is slow for a minute is
slow for both; of the rounds' comparisons the median counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .figures import (
    CAPS_GBIT,
    CLIENTS,
    DELAYS_MS,
    DIRECTIONS,
    FAR_MS,
    FIGURES,
    FLOOR,
    KIND_TEXT,
    KINDS,
    LARGEST_KIB,
    NO_DELAY,
    TRANSPORTS,
    WARM,
    At,
    Taken,
    cap_series,
    clients_series,
    copy_name,
    delay_series,
    size_text,
)


class Bound(NamedTuple):
    """What a value is not to pass."""

    sign: str
    number: float

    def holds(self, value: float) -> bool:
        """Say whether the value is on the right side."""
        return value <= self.number if self.sign == "<=" else value >= self.number

    def __str__(self) -> str:
        return f"{'≤' if self.sign == '<=' else '≥'} {self.number:g}"


@dataclass(frozen=True)
class Comparison:
    """A figure, over or minus another, and the goal for it (None: nobody has set one)."""

    name: str
    text: str
    value: At
    goal: Bound | None = None
    over: At | None = None
    minus: At | None = None
    unit: str = ""

    def median(self, taken: Taken) -> float | None:
        """Return the median of the rounds' comparisons, None where something was not measured."""
        values = self.value.rounds(taken)
        other = self.over or self.minus
        if other is not None:
            combine: Callable[[float, float], float] = _divided if self.over else _less
            values = list(map(combine, values, other.rounds(taken)))
        return statistics.median(values) if values else None


def _divided(left: float, right: float) -> float:
    return left / right


def _less(left: float, right: float) -> float:
    return left - right


def _at_most(number: float) -> Bound:
    return Bound("<=", number)


def _at_least(number: float) -> Bound:
    return Bound(">=", number)


PING = At("floors", FLOOR, "tcp_rtt_us")
WIRE, STORE = At("floors", FLOOR, "tcp_GBps"), At("floors", FLOOR, "tcp_store_GBps")
#: The program's side of a copy: 256 MiB that no cache holds.
MEMORY = {
    "h2d": ("from", At("floors", FLOOR, "tcp_from_GBps")),
    "d2h": ("into", At("floors", FLOOR, "tcp_to_GBps")),
}
MEMCPY = At("floors", FLOOR, "memcpy_GBps")


def _of_calls(transport: str) -> Iterator[Comparison]:
    """What a call costs; the goals of calls that wait are multiples of a ping-pong over TCP."""
    tcp = transport == "tcp"
    goals = {
        "launch_enqueue_us": ("launch_enqueue", _at_most(0.5), None),
        "launch_through_us": ("launch_through", _at_most(1.5 if tcp else 1.0), None),
        "launch_sync_us": ("launch_sync", _at_most(1.2 if tcp else 0.2), PING),
        "step10_us": ("step10", _at_most(1.3) if tcp else None, PING),
        "alloc_free_us": ("alloc_free", _at_most(20), None),
        "posted_4K_us": ("posted_4K", _at_most(5), None),
    }
    for figure in FIGURES["calls"]:
        if figure.name in goals:
            name, goal, over = goals[figure.name]
            text = f"{figure.text} ÷ ping-pong" if over else figure.text
            at = At("calls", transport, figure.name)
            yield Comparison(f"{name}.{transport}", text, at, goal, over, unit="" if over else figure.unit)
            if not over:  # what the check can compare between machines
                text = f"{figure.text} ÷ ping-pong"
                yield Comparison(f"{name}/ping.{transport}", text, at, None, PING)


def _of_copies(transport: str) -> Iterator[Comparison]:
    for way, text in DIRECTIONS.items():
        for kind in KINDS:
            at = At("copies", transport, copy_name(way, kind, LARGEST_KIB))
            name, text_of = f"{way}_{kind}", f"{text}, {KIND_TEXT[kind]}, {size_text(LARGEST_KIB)}"
            if transport == "shared":
                goal = _at_least(0.5 if kind == "pageable" else 0.9)
                yield Comparison(f"{name}/memcpy.shared", f"{text_of} ÷ memcpy", at, goal, MEMCPY)
                continue
            goal = _at_least(0.9)
            yield Comparison(f"{name}/wire.tcp", f"{text_of} ÷ raw TCP", at, goal, WIRE)
            preposition, memory = MEMORY[way]
            text_of_memory = f"{text_of} ÷ raw TCP {preposition} {size_text(LARGEST_KIB)}"
            yield Comparison(f"{name}/memory.tcp", text_of_memory, at, goal, memory)
            yield Comparison(f"{name}/store.tcp", f"{text_of} ÷ raw TCP that copies", at, None, STORE)


def _of_engine(transport: str) -> Iterator[Comparison]:
    """The same, where the driver's own part takes no core's time."""
    if transport == "tcp":
        for figure in FIGURES["engine"]:
            name = figure.name.removesuffix(f"_{LARGEST_KIB}K_GBps")
            text = f"{figure.text}, by a copy engine ÷ raw TCP"
            yield Comparison(f"{name}/engine.tcp", text, At("engine", "tcp", figure.name), None, WIRE)


def _of_steps(transport: str) -> Iterator[Comparison]:
    for kind, text in (
        ("recorded", "PyTorch's step, as recorded"),
        ("posted", "its launches, memsets and events, and one synchronise"),
    ):
        at = At("step", transport, f"{kind}_waits")
        goal = _at_most(1)
        yield Comparison(f"{kind}_waits.{transport}", f"waiting calls of {text}", at, goal)


def _of_networks() -> Iterator[Comparison]:
    for kind, name, goal in (("thousand", "thousand", _at_most(1.2)), ("posted", "step", None)):
        far, near = At("network", delay_series(1), f"{kind}_ms"), At("network", NO_DELAY, f"{kind}_ms")
        text = f"{far.text}: at 1 ms round trip − at none"
        yield Comparison(f"{name}_at_1ms.network", text, far, goal, minus=near, unit="ms")
    for delay in DELAYS_MS:
        series = delay_series(delay)
        at, ping = At("network", series, "launch_sync_us"), At("network", series, "tcp_rtt_us")
        text = f"launch + synchronise ÷ ping-pong, at {series}"
        yield Comparison(f"launch_sync_{delay:g}ms.network", text, at, None, ping)
    for cap in CAPS_GBIT:
        series = cap_series(cap)
        for way, text in DIRECTIONS.items():
            at, wire = At("bandwidth", series, f"{way}_GBps"), At("bandwidth", series, "tcp_GBps")
            name = f"{way}_{cap:g}Gbit.network"
            yield Comparison(name, f"{text} ÷ raw TCP, at {series}", at, None, wire)
    far = delay_series(FAR_MS)
    for way, text in DIRECTIONS.items():
        at, wire = At("distance", far, f"{way}_several_GBps"), At("distance", far, "tcp_GBps")
        yield Comparison(f"{way}_far.network", f"{text} ÷ raw TCP of one stream, at {far}", at, None, wire)


def _of_starts(transport: str) -> Iterator[Comparison]:
    """A start whose code the server keeps."""
    series = f"{transport} {WARM}"
    text = "calls that wait until the first result, the code kept by the server"
    yield Comparison(f"start_waits.{transport}", text, At("startup", series, "waiting_calls"))
    text = "bytes sent until the first result, 1 MiB of code kept by the server"
    at = At("startup", series, "sent_KiB")
    yield Comparison(f"start_sent.{transport}", text, at, _at_most(4), unit="KiB")


def _of_clients(transport: str) -> Iterator[Comparison]:
    most = clients_series(transport, CLIENTS[-1])
    at, one = (
        At("scaling", most, "launches_per_s"),
        At("scaling", clients_series(transport, 1), "launches_per_s"),
    )
    text = f"launches a second of {CLIENTS[-1]} clients together ÷ one client's"
    yield Comparison(f"clients_together.{transport}", text, at, _at_least(0.8), one)
    at, text = At("scaling", most, "slowest"), f"the slowest of {CLIENTS[-1]} clients ÷ the mean"
    yield Comparison(f"slowest_client.{transport}", text, at, _at_least(0.5))


def comparisons(transports: Sequence[str] = tuple(TRANSPORTS)) -> list[Comparison]:
    """Return all comparisons of these transports."""
    made: list[Comparison] = []
    for transport in transports:
        for part in (_of_calls, _of_copies, _of_engine, _of_starts, _of_steps, _of_clients):
            made += part(transport)
    return [*made, *_of_networks()]
