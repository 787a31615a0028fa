# SPDX-License-Identifier: BSD-3-Clause
"""The sections: each is prepared once, and then measures its figures once a round.

``prepare(stage)`` returns what measures: a function that returns figures for each series.
"""

from __future__ import annotations

from collections.abc import Callable

from ..stage import Measure, Stage
from . import calls, network, overhead, scaling, startup, steps

SECTIONS: dict[str, Callable[[Stage], Measure]] = {
    "floors": calls.prepare_floors,
    "calls": calls.prepare_calls,
    "copies": calls.prepare_copies,
    "engine": calls.prepare_engine,
    "startup": startup.prepare,
    "step": steps.prepare,
    "network": network.prepare_delays,
    "bandwidth": network.prepare_caps,
    "distance": network.prepare_distance,
    "scaling": scaling.prepare,
    "overhead": overhead.prepare,
}
