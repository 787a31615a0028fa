# SPDX-License-Identifier: BSD-3-Clause
"""A training step replayed: as it was recorded, and the part of it that is posted."""

from __future__ import annotations

from ..build import FOLDER, program
from ..running import Environment, Figures, run
from ..stage import Measure, Stage
from ..trace import TRACE, Trace

#: What else there is in a recorded step than launches, memsets, events, a scalar back and a synchronise:
#: kernels' properties set and asked for, and the batch, which is bytes rather than calls.
LEFT_OUT = ("attribute", "occupancy", "to_device")
RECORDED, POSTED = "recorded", "posted"


def prepare(stage: Stage) -> Measure:
    """Return what replays in every series."""
    traces = prepare_traces()

    def measure() -> dict[str, Figures]:
        taken: dict[str, Figures] = {}
        for series, environment in stage.series().items():
            taken[series] = {}
            for kind, path in traces.items():
                seconds = stage.seconds / 2
                once = _counted(path, 0, environment)
                often = _counted(path, seconds, environment)
                taken[series][f"{kind}_ms"] = often["step_ms"]
                if "waiting_calls" in often and often["steps"] > once["steps"]:
                    waits = often["waiting_calls"] - once["waiting_calls"]
                    taken[series][f"{kind}_waits"] = waits / (often["steps"] - once["steps"])
        return taken

    return measure


def _counted(path: str, seconds: float, environment: Environment) -> Figures:
    return replay(path, seconds, {**environment, "BFKERNEL_LOG": "stats"})


def replay(path: str, seconds: float, environment: Environment, where: list[str] | None = None) -> Figures:
    """Replay a trace, once to warm up and then for some seconds, once at least."""
    return run([program("replay"), path, str(seconds)], environment, where or [])


def prepare_traces() -> dict[str, str]:
    """Return the paths of the traces."""
    trace = Trace.parse(TRACE.read_text())
    posted = FOLDER / "posted_step.txt"
    posted.write_text(str(trace.without(*LEFT_OUT)))
    return {RECORDED: str(TRACE), POSTED: str(posted)}
