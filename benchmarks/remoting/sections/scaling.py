# SPDX-License-Identifier: BSD-3-Clause
"""Scaling: what clients on one GPU get through together, and whether all get their part."""

from __future__ import annotations

import statistics
import time

from ..build import program
from ..figures import CLIENTS, clients_series
from ..running import Environment, Figures, clients
from ..stage import Measure, Stage, over

#: All are told before they begin.
SOON_S = 0.05


def prepare(stage: Stage) -> Measure:
    """Return what measures each number of clients over each transport."""

    def measure() -> dict[str, Figures]:
        return {
            clients_series(transport, count): together(
                [over(transport, lease) for lease in stage.crowd[:count]], stage.seconds
            )
            for transport in stage.transports
            for count in CLIENTS
        }

    return measure


def together(environments: list[Environment], seconds: float) -> Figures:
    """Let clients launch for so long, all at once."""
    with clients([program("client")], environments) as started:
        end = time.monotonic() + SOON_S + seconds
        for client in started:
            client.tell(f"until {end}")
        rates = [client.answer() for client in started]
    return {"launches_per_s": sum(rates), "slowest": min(rates) / statistics.mean(rates)}
