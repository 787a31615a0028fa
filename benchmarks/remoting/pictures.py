# SPDX-License-Identifier: BSD-3-Clause
"""The pictures of a run, into docs/explanation/performance/."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .build import ROOT
from .comparisons import PING
from .figures import (
    CAPS_GBIT,
    CLIENTS,
    COLD,
    DELAYS_MS,
    DIRECT,
    DIRECTIONS,
    FIGURES,
    FLOOR,
    KIND_TEXT,
    SIZES_KIB,
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

FOLDER = ROOT / "docs" / "explanation" / "performance"
RECORDED = "recorded"
COLOURS = {RECORDED: "#7a4fa3", "tcp": "#d9722b", "shared": "#2b6cb0", DIRECT: "#888888", FLOOR: "#444444"}
WORDS = {**TRANSPORTS, DIRECT: "straight into the null driver"}
STYLE: Any = {
    "font.size": 10, "axes.grid": True, "grid.color": "#e4e4e4", "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "figure.dpi": 110,
    "axes.titlesize": 11, "svg.hashsalt": "bfkernel",
}  # fmt: skip


FLOOR_LINES: list[tuple[str, str, Any]] = [
    ("memcpy_GBps", "memcpy", (0, (6, 2))),
    ("tcp_GBps", "raw TCP", "--"),
    ("tcp_store_GBps", "raw TCP, the receiver copies", "-."),
]


def draw(taken: Taken) -> None:
    """Draw what was measured."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, picture in PICTURES.items():
        with plt.rc_context(STYLE):
            figure = picture(plt, taken)
            if figure is not None:
                figure.savefig(FOLDER / f"{name}.png", bbox_inches="tight", metadata={"Software": None})
                plt.close(figure)


class Points(NamedTuple):
    """What of a curve was measured: where, the median, and the smallest and largest of the rounds."""

    which: list[int]
    middle: list[float]
    low: list[float]
    high: list[float]


def _points(taken: Taken, curve: Sequence[At], unit: float = 1) -> Points:
    rounds = {i: [value / unit for value in at.rounds(taken)] for i, at in enumerate(curve)}
    there = {i: values for i, values in rounds.items() if values}
    middle, low, high = ([how(values) for values in there.values()] for how in (statistics.median, min, max))
    return Points(list(there), middle, low, high)


def _line(axes: Any, x: Sequence[float], points: Points, **style: Any) -> None:
    """Draw medians, and in a paler band what the rounds were."""
    at = [x[i] for i in points.which]
    if at:
        (line,) = axes.plot(at, points.middle, marker="o", markersize=3.5, **style)
        axes.fill_between(at, points.low, points.high, color=line.get_color(), alpha=0.15, linewidth=0)


def calls(plt: Any, taken: Taken) -> Any:
    """Bars of what a call costs, over each transport and directly."""
    figures = FIGURES["calls"]
    sides = [side for side in (DIRECT, *TRANSPORTS) if taken.get("calls", {}).get(side)]
    ping = PING.median(taken)
    if not sides or ping is None:
        return None
    figure, axes = plt.subplots(figsize=(8.5, 3.9))
    height = 0.8 / len(sides)
    for number, side in enumerate(sides):
        values = [At("calls", side, each.name).median(taken) or 0 for each in figures]
        places = [row + (number - (len(sides) - 1) / 2) * height for row in range(len(figures))]
        bars = axes.barh(places, values, height * 0.9, color=COLOURS[side], label=WORDS[side])
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    axes.axvline(ping, color=COLOURS[FLOOR], linestyle="--", linewidth=1, label="raw TCP: one ping-pong")
    axes.set(xscale="log", xlabel="µs (logarithmic)", title="What a call costs")
    axes.set_yticks(range(len(figures)), [each.text for each in figures])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.16), ncol=2)
    return figure


def copies(plt: Any, taken: Taken) -> Any:
    """Curves of copies by size, one panel for each direction."""
    if not taken.get("copies"):
        return None
    figure, panels = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True)
    for axes, (way, title) in zip(panels, DIRECTIONS.items(), strict=True):
        for side, kind in itertools.product(TRANSPORTS, KIND_TEXT):
            curve = [At("copies", side, copy_name(way, kind, kib)) for kib in SIZES_KIB]
            style = {"color": COLOURS[side], "linestyle": "-" if kind == "pageable" else ":"}
            label = f"{TRANSPORTS[side]}, {KIND_TEXT[kind]}"
            _line(axes, SIZES_KIB, _points(taken, curve), label=label, **style)
        for name, text, dash in FLOOR_LINES:
            floor = At("floors", FLOOR, name).median(taken)
            if floor is not None:
                axes.axhline(floor, color=COLOURS[FLOOR], linestyle=dash, linewidth=1, label=text)
        axes.set(xscale="log", title=title[0].upper() + title[1:], xlabel="size of a copy")
        axes.set(yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(SIZES_KIB, [size_text(kib) for kib in SIZES_KIB], rotation=40, fontsize=8)
        axes.minorticks_off()
    panels[0].set_ylabel("GB/s (logarithmic)")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.08), ncol=4
    )
    return figure


def network(plt: Any, taken: Taken) -> Any:
    """What a round trip costs: single calls, and a training step."""
    series = [delay_series(delay) for delay in DELAYS_MS]
    if not taken.get("network"):
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.9))
    curves = [
        (left, "tcp_rtt_us", 1e3, "raw TCP: ping-pong", FLOOR),
        (left, "launch_sync_us", 1e3, "launch + synchronise", "tcp"),
        (right, "posted_ms", 1, "its launches and one synchronise", "tcp"),
        (right, "recorded_ms", 1, "as PyTorch calls", RECORDED),
    ]
    for axes, name, unit, text, colour in curves:
        curve = [At("network", each, name) for each in series]
        _line(axes, DELAYS_MS, _points(taken, curve, unit), color=COLOURS[colour], label=text)
    right.plot(
        DELAYS_MS, DELAYS_MS, color=COLOURS[FLOOR], linestyle="--", linewidth=1, label="one round trip"
    )
    left.set_title("A call that waits")
    right.set_title("A training step (ResNet-56, no computing)")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="round trip of the network, ms", ylabel="ms")
        axes.set_xticks(DELAYS_MS, [f"{delay:g}" for delay in DELAYS_MS])
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.minorticks_off()
        axes.legend(loc="upper left")
    return figure


def bandwidth(plt: Any, taken: Taken) -> Any:
    """How much of a narrow network copies use."""
    series = [cap_series(cap) for cap in CAPS_GBIT if taken.get("bandwidth", {}).get(cap_series(cap))]
    if not series:
        return None
    figure, panels = plt.subplots(1, len(series), figsize=(3.4 * len(series), 3.2))
    figures, colours = FIGURES["bandwidth"], (COLOURS[FLOOR], COLOURS["tcp"], "#e9a36c")
    for axes, name in zip(panels if len(series) > 1 else [panels], series, strict=True):
        values = [At("bandwidth", name, each.name).median(taken) or 0 for each in figures]
        bars = axes.bar(range(len(figures)), values, 0.65, color=colours)
        axes.bar_label(bars, fmt="%.3g", fontsize=8)
        axes.set(title=name, ylabel="GB/s")
        axes.set_xticks(range(len(figures)), ["raw TCP", "to device", "to host"])
        axes.grid(visible=False, axis="x")
    figure.tight_layout()
    return figure


def startup(plt: Any, taken: Taken) -> Any:
    """Where the time to the first result goes."""
    phases = [("context_ms", "cuInit to context", "#2b6cb0"), ("module_ms", "1 MiB of code", "#d9722b"),
              ("launch_ms", "first launch and synchronise", "#6aa84f")]  # fmt: skip
    names = [(f"{side} {state}", f"{text}, {state} code cache")
             for side, text in TRANSPORTS.items() for state in (COLD, WARM)]  # fmt: skip
    names = [(name, text) for name, text in names if taken.get("startup", {}).get(name)]
    if not names:
        return None
    figure, axes = plt.subplots(figsize=(8, 0.7 + 0.55 * len(names)))
    left = [0.0] * len(names)
    for phase, text, colour in phases:
        values = [At("startup", name, phase).median(taken) or 0 for name, _ in names]
        axes.barh(range(len(names)), values, 0.6, left=left, color=colour, label=text)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_yticks(range(len(names)), [text for _, text in names])
    axes.set(xlabel="ms", title="From the first CUDA call to the first result")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.22), ncol=3)
    return figure


def scaling(plt: Any, taken: Taken) -> Any:
    """What clients get through together, and the slowest of them."""
    if not taken.get("scaling"):
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
    for side, text in TRANSPORTS.items():
        series = [clients_series(side, count) for count in CLIENTS]
        for axes, name, unit in ((left, "launches_per_s", 1e6), (right, "slowest", 1)):
            curve = [At("scaling", each, name) for each in series]
            _line(axes, CLIENTS, _points(taken, curve, unit), color=COLOURS[side], label=text)
    left.set(title="All clients together", ylabel="million launches a second", ylim=(0, None))
    right.set(title="The slowest client, relative to the mean", ylim=(0, 1.05))
    for axes in (left, right):
        axes.set(xscale="log", xlabel="clients on one GPU")
        axes.set_xticks(CLIENTS, [str(count) for count in CLIENTS])
        axes.minorticks_off()
        axes.legend(loc="lower left")
    return figure


PICTURES: dict[str, Callable[[Any, Taken], Any]] = {
    "calls": calls,
    "copies": copies,
    "startup": startup,
    "network": network,
    "bandwidth": bandwidth,
    "scaling": scaling,
}
