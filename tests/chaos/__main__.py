# SPDX-License-Identifier: BSD-3-Clause
"""``python -m tests.chaos``: many rounds on SQLite and on PostgreSQL with two replicas, and a report."""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path

from tests.chaos.rounds import Chaos, Report
from tests.chaos.site import AGENTS, CLIENTS, GPUS, TTL_S, Site

REPORT = Path(__file__).resolve().parents[2] / "docs" / "chaos.md"


def run(database_url: str | None, replicas: int, rounds: int, seed: int, folder: Path) -> Report:
    """Run rounds on a site in ``folder``; its logs stay there."""
    site = Site(folder, database_url, replicas)
    try:
        return Chaos(site, seed).run(rounds)
    finally:
        site.close()


def _row(name: str, report: Report) -> str:
    kills = ", ".join(f"{report.kills[kind]} {kind}s" for kind in sorted(report.kills))
    ended = report.ended_after_s
    late = f"{statistics.median(ended):.1f} s / {max(ended):.1f} s" if ended else "-"
    return f"| {name} | {report.rounds} | {kills} | {len(report.leases)} | {late} | {report.seconds / 60:.0f} min |"


def _page(rows: list[str], rounds: int, seed: int) -> str:
    return f"""# Killed at random

What `make chaos` saw on {time.strftime("%Y-%m-%d")} (`python -m tests.chaos --rounds {rounds} --seed {seed}`, {platform.system()} on
{platform.machine()}, two cores). A site of {AGENTS} GPU servers with {GPUS} GPUs each and {CLIENTS} clients; in each round one to three processes get
SIGKILL at an instant of chance and are started again. After each round:

- every client works on a lease of its own, and the pool has it: none is lost;
- no lease of a dead holder lives longer than the TTL ({TTL_S:g} s here) after its last proof of life or the pool's start;
- what is booked on each GPU is the sum of the live leases;
- clients that lost neither themselves nor their worker nor their GPU server noticed nothing: the same lease, the same open data
  connection.

At the end no worker is left without a lease.

| database | rounds | killed | leases in all | a dead holder's lease was seen ended after (median / longest) | took |
| --- | ---: | --- | ---: | --- | ---: |
{chr(10).join(rows)}
"""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--on", choices=("both", "sqlite", "postgresql"), default="both")
    parser.add_argument("--report", type=Path, default=REPORT)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="bfkernel-chaos-"))
    rows = []
    if options.on != "postgresql":
        report = run(None, 1, options.rounds, options.seed, folder / "sqlite")
        rows.append(_row("SQLite, one pool", report))
        print(rows[-1], flush=True)
    options.report.write_text(_page(rows, options.rounds, options.seed))


if __name__ == "__main__":
    main()
