# SPDX-License-Identifier: BSD-3-Clause
"""Start-up: from the first CUDA call to the first result, with code that the server keeps and with new."""

from __future__ import annotations

import itertools
import os
import statistics
import time

from ..build import program
from ..figures import COLD, DIRECT, WARM
from ..running import Environment, Figures, run
from ..stage import Measure, Stage

#: One start is a few milliseconds: a round is the median of some.
STARTS = 5


def prepare(stage: Stage) -> Measure:
    """Return what measures starts."""
    salts = itertools.count(int.from_bytes(os.urandom(4), "little") << 16)

    def measure() -> dict[str, Figures]:
        taken = {}
        for name, environment in stage.series().items():
            fresh = [next(salts) for _ in range(STARTS)]
            first = medians([start(salt, environment) for salt in fresh])
            if name == DIRECT:
                taken[DIRECT] = first
                continue
            taken[f"{name} {COLD}"] = first
            taken[f"{name} {WARM}"] = medians([start(salt, environment) for salt in fresh])
        return taken

    return measure


def medians(starts: list[Figures]) -> Figures:
    """Return the median of each figure."""
    return {name: statistics.median(each[name] for each in starts) for name in starts[0]}


def start(salt: int, environment: Environment) -> Figures:
    """Start a program whose code is made of ``salt``."""
    figures = run(
        [program("startup"), str(time.monotonic()), str(salt)], {**environment, "BFKERNEL_LOG": "stats"}
    )
    if "sent_bytes" in figures:
        figures["sent_KiB"] = figures.pop("sent_bytes") / 1024
    return figures
