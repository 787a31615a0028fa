# SPDX-License-Identifier: BSD-3-Clause
"""Driver calls and copies, straight into the null driver and over each transport; and the floors.

Where one process wakes another, it matters which cores they are on: a ping-pong on one core takes half of
what it takes on two. Left to itself, a busy machine has the one and a quiet machine the other. So for round
trips both ends have a core each, in the floor as in the product.
"""

from __future__ import annotations

from ..build import program
from ..figures import DIRECT, FLOOR, LARGEST_KIB, SIZES_KIB
from ..processes import FIRST_CORE, LAST_CORE, on_core, pin, workers
from ..running import Environment, Figures, clients, run
from ..stage import FloorServer, Measure, Stage, over

TRIPS, STEPS, WIRE_MIB = 20_000, 5_000, 1024
COPIED_BYTES, ENGINE_BYTES = 128 << 20, 1 << 30


def prepare_floors(stage: Stage) -> Measure:
    """Return what measures raw TCP and memcpy."""
    pings = FloorServer(stage.stack, where=on_core(FIRST_CORE)).command("ping", TRIPS // stage.part)
    server = FloorServer(stage.stack)
    ways = [server.command(what, WIRE_MIB // stage.part) for what in ("way", "memory")]
    memcpy = [program("floors"), "memcpy"]

    def measure() -> dict[str, Figures]:
        pinged, (there, in_memory) = run(pings, where=on_core(LAST_CORE)), map(run, ways)
        return {FLOOR: {**run(memcpy), **pinged, **there, **in_memory}}

    return measure


def prepare_calls(stage: Stage) -> Measure:
    """Return what measures calls."""
    posted = [program("calls"), str(stage.part)]

    def measure() -> dict[str, Figures]:
        return {
            name: {**run(posted, environment), **round_trips(stage, name, environment)}
            for name, environment in stage.series().items()
        }

    return measure


def round_trips(stage: Stage, series: str, environment: Environment) -> Figures:
    """Measure calls that wait, with the program and its worker on a core each."""
    with clients([program("client")], [environment]) as (client,):
        pin(client.pid, LAST_CORE)
        if series != DIRECT:
            for worker in workers(stage.pool):
                pin(worker.pid, FIRST_CORE)
        client.tell(f"trips {TRIPS // stage.part}")
        client.tell(f"steps {STEPS // stage.part}")
        return {"launch_sync_us": client.answer(), "step10_us": client.answer()}


def prepare_copies(stage: Stage) -> Measure:
    """Return what measures copies of all sizes."""
    sizes = [str(COPIED_BYTES // stage.part), str(SIZES_KIB[0]), str(SIZES_KIB[-1])]
    copies = [program("copies"), *sizes]
    return lambda: {name: run(copies, environment) for name, environment in stage.series().items()}


def prepare_engine(stage: Stage) -> Measure:
    """Return what measures large copies over TCP to a driver that has a copy engine for them.

    Through shared memory page-locked memory would be the engine's alone, and nothing left to measure.
    """
    copies = [program("copies"), str(ENGINE_BYTES // stage.part), str(LARGEST_KIB), str(LARGEST_KIB)]
    if "tcp" not in stage.transports:
        return dict
    lease = over("tcp", stage.engine_lease)
    return lambda: {"tcp": run(copies, lease)}
