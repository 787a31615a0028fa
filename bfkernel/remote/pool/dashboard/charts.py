# SPDX-License-Identifier: BSD-3-Clause
"""The last hours as lines: samples in, SVG paths out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from bfkernel.remote.messages import Sample
from bfkernel.remote.pool.dashboard import words

#: The drawing's own units; the page stretches it.
WIDTH, HEIGHT = 600, 100
#: Points of a line at most: more are not to be seen.
_MOST_POINTS = 200
#: Samples come once a minute; where none came for longer the pool did not run, and the line is broken.
_GAP_S = 180.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """One number over time. ``lines`` and ``areas`` are SVG path data."""

    key: str
    title: str
    lines: str
    areas: str
    top: str
    latest: str
    #: the chart in words, for who does not see it
    summary: str


def charts(samples: Sequence[Sample], since: float, now: float) -> list[Chart]:
    """Return the charts from ``since`` to ``now``, with the newest sample last."""
    gpus = max((sample.gpus for sample in samples), default=0) or 1
    queued = max((sample.queued for sample in samples), default=0) or 1

    def chart(
        key: str, title: str, top: float, value: Callable[[Sample], float | None], say: Callable[[float], str]
    ) -> Chart:
        points = [(s.at, v) for s in samples if (v := value(s)) is not None]
        return _chart(key, title, top, points, say, since, now)

    return [
        chart("leased", "GPUs leased", gpus, lambda s: s.leased, words.number),
        chart("held", "Memory held, in GPUs", gpus, lambda s: s.held, words.number),
        chart("busy", "GPUs computing", 1.0, lambda s: s.busy, words.percent),
        chart("queued", "Requests in the queue", queued, lambda s: s.queued, words.number),
    ]


def _chart(
    key: str,
    title: str,
    top: float,
    points: list[Point],
    say: Callable[[float], str],
    since: float,
    now: float,
) -> Chart:
    if not points:
        return Chart(key, title, "", "", say(top), "no figure", f"{title}: nothing is known.")
    values = [value for _, value in points]
    latest, mean = say(values[-1]), say(sum(values) / len(values))
    parts = [_drawn(part, top, since, now) for part in _unbroken(_thinned(points))]
    return Chart(
        key,
        title,
        lines=" ".join(_line(part) for part in parts),
        areas=" ".join(map(_area, parts)),
        top=say(top),
        latest=latest,
        summary=f"{title}: {latest} now, {mean} on average, {say(max(values))} at most.",
    )


def _thinned(points: list[Point]) -> list[Point]:
    """Return at most so many points that are worth drawing, each the mean of its neighbours."""
    size = ceil(len(points) / _MOST_POINTS)
    groups = (points[i : i + size] for i in range(0, len(points), size))
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _unbroken(points: list[Point]) -> Iterable[list[Point]]:
    span = points[-1][0] - points[0][0]
    gap_s = max(_GAP_S, 3 * span / len(points))
    part = [points[0]]
    for before, point in pairwise(points):
        if point[0] - before[0] > gap_s:
            yield part
            part = []
        part.append(point)
    yield part


def _drawn(points: list[Point], top: float, since: float, now: float) -> list[Point]:
    across = WIDTH / max(1.0, now - since)
    return [(across * (at - since), HEIGHT * (1 - min(1.0, value / top))) for at, value in points]


def _line(points: list[Point]) -> str:
    # A lone point is drawn as a short line, or it would not be seen.
    shown = points if len(points) > 1 else [(points[0][0] - 2, points[0][1]), points[0]]
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in shown)


def _area(points: list[Point]) -> str:
    return f"{_line(points)} L{points[-1][0]:.1f},{HEIGHT} L{points[0][0]:.1f},{HEIGHT}Z"
