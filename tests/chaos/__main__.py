# SPDX-License-Identifier: BSD-3-Clause
"""``python -m tests.chaos``: many rounds on SQLite and on PostgreSQL with two replicas, and a report."""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from tests.chaos.rounds import Chaos, Report
from tests.chaos.site import AGENTS, CLIENTS, GPUS, TTL_S, Site
from tests.postgres import Cluster

REPORT = Path(__file__).resolve().parents[2] / "docs" / "chaos.md"
PAGE = Path(__file__).with_name("report.md")


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
    cells = [name, report.rounds, kills, len(report.leases), late, f"{report.seconds / 60:.0f} min"]
    return f"| {' | '.join(map(str, cells))} |"


def _page(rows: list[str], rounds: int, seed: int) -> str:
    return PAGE.read_text().format(
        date=time.strftime("%Y-%m-%d"),
        command=f"python -m tests.chaos --rounds {rounds} --seed {seed}",
        agents=AGENTS,
        gpus=GPUS,
        clients=CLIENTS,
        ttl=f"{TTL_S:g} s",
        rows="\n".join(rows),
    )


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
    if options.on != "sqlite":
        with Cluster() as cluster:
            report = run(cluster.new_database(), 2, options.rounds, options.seed, folder / "postgresql")
        rows.append(_row("PostgreSQL, two replicas", report))
        print(rows[-1], flush=True)
    options.report.write_text(_page(rows, options.rounds, options.seed))


if __name__ == "__main__":
    main()
