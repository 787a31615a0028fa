# SPDX-License-Identifier: BSD-3-Clause
"""Start-up: from the first CUDA call to the first result, with code that the server keeps and with new."""

from __future__ import annotations

import itertools
import os
import time

from ..build import program
from ..figures import DIRECT
from ..running import Environment, Figures, run
from ..stage import Measure, Stage


def prepare(stage: Stage) -> Measure:
    """Return what measures starts."""
    salts = itertools.count(int.from_bytes(os.urandom(4), "little") << 16)

    def measure() -> dict[str, Figures]:
        taken = {}
        for name, environment in stage.series().items():
            salt = next(salts)
            if name == DIRECT:
                taken[DIRECT] = start(salt, environment)
                continue
            taken[f"{name} cold"] = start(salt, environment)
            taken[f"{name} warm"] = start(salt, environment)
        return taken

    return measure


def start(salt: int, environment: Environment) -> Figures:
    """Start a program whose code is made of ``salt``."""
    figures = run(
        [program("startup"), str(time.monotonic()), str(salt)], {**environment, "BFKERNEL_LOG": "stats"}
    )
    if "sent_bytes" in figures:
        figures["sent_KiB"] = figures.pop("sent_bytes") / 1024
    return figures
