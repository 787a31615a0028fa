# SPDX-License-Identifier: BSD-3-Clause
"""``python -m benchmarks.remoting``: measure, keep, and show."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from . import check, pictures, report
from .build import ROOT, build
from .figures import TRANSPORTS
from .network import NoNetwork
from .running import Failed, Figures
from .sections import SECTIONS
from .stage import Measure, Stage

RESULTS = ROOT / "benchmarks" / "results" / "remoting.json"
ROUNDS, QUICK_ROUNDS = 5, 3


def measure(stage: Stage, rounds: int, sections: list[str]) -> dict[str, Any]:
    """Return, for each section and series, the figures of every round; and what was measured again."""
    taken: dict[str, dict[str, list[Any]]] = {name: defaultdict(list) for name in sections}
    failures: list[str] = []
    measures = {name: made for name in sections if (made := _prepared(name, stage))}
    for number in range(1, rounds + 1):
        for name, measure_once in measures.items():
            began = time.monotonic()
            for series, figures in _measured(measure_once, failures).items():
                taken[name][series].append(figures)
            took = time.monotonic() - began
            print(f"round {number} of {rounds}: {name}, {took:.1f} s", file=sys.stderr, flush=True)
    return {"failures": failures, "taken": taken}


def _measured(measure_once: Measure, failures: list[str]) -> dict[str, Figures]:
    """Measure; once more if something fails, which ``failures`` keeps: a round is complete or is none."""
    try:
        return measure_once()
    except Failed as error:
        print(f"measured again, since {error}", file=sys.stderr)
        failures.append(str(error))
    try:
        return measure_once()
    except Failed as error:
        sys.exit(f"{error}\nIt failed twice in a row.")


def _prepared(name: str, stage: Stage) -> Measure | None:
    try:
        return SECTIONS[name](stage)
    except NoNetwork as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return None


def machine(stage: Stage) -> dict[str, Any]:
    """Return on what this was measured."""
    cpu = Path("/proc/cpuinfo").read_text()
    models = [line.split(":", 1)[1].strip() for line in cpu.splitlines() if line.startswith("model name")]
    made = vars(stage).get("network")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "tcp": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "delays_by": made.delayed_by if made else None,
    }


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remoting", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls and rounds; kept only with --json")
    parser.add_argument("--check", action="store_true", help="hold it against limits.txt; 1 if worse")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} unless said, {QUICK_ROUNDS} with --quick")
    parser.add_argument("--transports", default=",".join(TRANSPORTS), help="of %(default)s")
    parser.add_argument("--sections", default=",".join(SECTIONS), help="of %(default)s; kept only if all")
    parser.add_argument("--json", type=Path, help=f"where to keep the rounds: {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--show", action="store_true", help="measure nothing, show what was kept")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # what was started is ended too
    whole = not options.quick and options.sections == parser.get_default("sections")
    kept = options.json or (RESULTS if whole else None)
    if options.show:
        results = json.loads((kept or RESULTS).read_text())
    else:
        build()
        rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
        with Stage(options.transports.split(","), options.quick) as stage:
            measured = measure(stage, rounds, options.sections.split(","))
            about = {"date": time.strftime("%Y-%m-%d"), "rounds": rounds, "machine": machine(stage)}
        results = {**about, **measured}
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(results, indent=1) + "\n")
    if kept == RESULTS:
        report.write(results)
        pictures.draw(results["taken"])
    if options.check:
        sys.exit(check.report(results["taken"]))
    print(report.text(results))


if __name__ == "__main__":
    main()
