# SPDX-License-Identifier: BSD-3-Clause
"""What the workers take of the server: CPU for a launch, memory each, and fifty of them together."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..build import program
from ..figures import CROWD
from ..processes import cpu_s, memory
from ..running import Client, Environment, Figures, Pool, clients, leases
from ..stage import Measure, Stage, over

LAUNCHES = 400_000
STEPS_PER_S = 10
NULL, SOFTGPU = "one, null driver", "one, softgpu"
IDLE, BUSY = f"{CROWD} idle", f"{CROWD} lightly busy"


def prepare(stage: Stage) -> Measure:
    """Return what measures workers, over the first of the transports."""
    transport = stage.transports[0]
    (soft,) = stage.stack.enter_context(leases(stage.softgpu_pool))

    def measure() -> dict[str, Figures]:
        taken = {}
        with clients([program("client")], [over(transport, stage.lease)]) as (client,):
            taken[NULL] = {**memory(stage.pool), **per_launch(client, stage.pool, LAUNCHES // stage.part)}
        with clients([program("client")], [over(transport, soft)]):
            taken[SOFTGPU] = memory(stage.softgpu_pool)
        environments = [over(transport, lease) for lease in stage.crowd]
        taken.update(crowd(stage.pool, environments, 2 * stage.seconds))
        return taken

    return measure


def per_launch(client: Client, of: Pool, count: int) -> Figures:
    """Return what a worker's CPU does for a launch."""
    before = cpu_s(of)
    client.tell(f"launches {count}")
    client.answer()
    return {"cpu_us_per_launch": (cpu_s(of) - before) / count * 1e6}


def crowd(of: Pool, environments: Sequence[Environment], seconds: float) -> dict[str, Figures]:
    """Return what many workers take whose programs do nothing, and then little."""
    with clients([program("client")], environments) as started:
        before = cpu_s(of)
        time.sleep(seconds)
        idle = {**memory(of), "cpu_percent": (cpu_s(of) - before) / seconds * 100}
        before = cpu_s(of)
        end = time.monotonic() + seconds
        for client in started:
            client.tell(f"lightly {end} {STEPS_PER_S}")
        for client in started:
            client.answer()
        busy = {**memory(of), "cpu_percent": (cpu_s(of) - before) / seconds * 100}
    return {IDLE: idle, BUSY: busy}
