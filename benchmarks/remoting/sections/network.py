# SPDX-License-Identifier: BSD-3-Clause
"""The client in one host and the GPU in another: how round trips and bandwidth show."""

from __future__ import annotations

from collections.abc import Sequence

from ..build import program
from ..figures import (
    CAPS_GBIT,
    DELAYS_MS,
    DIRECTIONS,
    FAR_MS,
    NO_DELAY,
    QUICK_DELAYS_MS,
    cap_series,
    copy_name,
    delay_series,
)
from ..running import Environment, Figures, clients, run
from ..stage import Measure, Stage
from .steps import POSTED, prepare_traces, replay

#: A delay is measured for about so long, and with so many round trips at least and at most.
FEWEST, MOST = 16, 2000
#: Round trips until TCP sends a step at once: its window begins small and doubles with each.
WARM_UP = 12
#: What is copied at a bandwidth: about half a second each way.
COPIED_KIB = {1: 16 << 10, 10: 64 << 10}
FAR_KIB = 128 << 10
#: What a program is told that is to use so many streams.
STRIPES = {"one": "0", "several": "auto"}


def prepare_delays(stage: Stage) -> Measure:
    """Return what measures at every delay."""
    network, lease, floor = stage.network, stage.remote_lease, stage.remote_floor
    where, traces = network.client.where, prepare_traces()
    delays = QUICK_DELAYS_MS if stage.quick else DELAYS_MS
    networks = {NO_DELAY: 0.0, **{delay_series(delay): delay for delay in delays}}

    def at(delay_ms: float) -> Figures:
        network.delayed(delay_ms)  # none as well: the same cable, whose own cost is in all
        trips = max(FEWEST, min(MOST, round(stage.seconds / 3 / (delay_ms / 1000 + 5e-5))))
        figures = {
            **run(floor.command("ping", trips), where=where),
            **run(floor.command("step", max(FEWEST, trips // 20)), where=where),
        }
        with clients([*where, program("client")], [lease]) as (client,):
            client.tell(f"trips {trips}")
            figures["launch_sync_us"] = client.answer()
            client.tell(f"thousands {max(FEWEST, trips // 4)}")
            figures["thousand_ms"] = client.answer() / 1000
        for kind, path in traces.items():
            seconds = stage.seconds / 4 + (WARM_UP * delay_ms / 1000 if kind == POSTED else 0)
            figures[f"{kind}_ms"] = replay(path, seconds, lease, where)["step_ms"]
        return figures

    return lambda: {series: at(delay) for series, delay in networks.items()}


def prepare_caps(stage: Stage) -> Measure:
    """Return what measures at every bandwidth."""
    network, lease, floor = stage.network, stage.remote_lease, stage.remote_floor
    where = network.client.where

    def at(gbit_per_s: int) -> Figures:
        kib = COPIED_KIB[gbit_per_s]
        network.direct(gbit_per_s)
        figures = run(floor.command("way", kib >> 10), where=where)
        return {**figures, **{f"{way}_GBps": speed for way, speed in _copied(kib, lease, where).items()}}

    return lambda: {cap_series(cap): at(cap) for cap in CAPS_GBIT}


def prepare_distance(stage: Stage) -> Measure:
    """Return what measures large copies where a round trip is long and nothing else limits them."""
    network, lease, floor = stage.network, stage.remote_lease, stage.remote_floor
    where = network.client.where

    def measure() -> dict[str, Figures]:
        network.delayed(FAR_MS)
        figures = run(floor.command("way", FAR_KIB >> 10), where=where)
        for name, stripes in STRIPES.items():
            copied = _copied(FAR_KIB, {**lease, "BFKERNEL_STRIPES": stripes}, where)
            figures |= {f"{way}_{name}_GBps": speed for way, speed in copied.items()}
        return {delay_series(FAR_MS): figures}

    return measure


def _copied(kib: int, lease: Environment, where: Sequence[str]) -> Figures:
    """Return how fast pageable memory of this size is copied in each direction."""
    copied = run([program("copies"), str(kib << 11), str(kib), str(kib)], lease, where)
    return {way: copied[copy_name(way, "pageable", kib)] for way in DIRECTIONS}
