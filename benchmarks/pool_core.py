# SPDX-License-Identifier: BSD-3-Clause
"""The pool's core alone: grants and releases a second, as live leases and the queue grow.

    python benchmarks/pool_core.py [--seconds 1.0] [--json FILE]

The fleet is always the same: 250 cards in 32 servers. So many live leases are there all the time, of 500
users in 20 groups with quotas of GPUs and GPU-hours. In each step one of them is released, a user asks anew,
and the pool's changes are taken, as the service does. With a queue, so many requests for whole cards wait
meanwhile: nothing is free for them, the first has been passed as often as it may be, and a server is kept for
it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "pool_core.json"
sys.path.insert(0, str(ROOT))

from bfkernel.remote.pool.core import Policy, PoolCore, Quota, Quotas, Request, ServerReport  # noqa: E402
from bfkernel.remote.records import Gpu, Lease, Need, Share  # noqa: E402

SERVERS, CARDS, CARD_MIB = 32, 250, 81920
LIVE = (100, 1_000, 10_000)
QUEUED = (0, 1_000)
USERS, GROUPS = 500, 20
SMALL, FILLER, WHOLE = Need(Share(0.02)), Need(Share(0.6)), Need(Share(1.0))


def fleet() -> Iterator[ServerReport]:
    """Eight cards in each server, and seven in the last six."""
    for server in range(SERVERS):
        name = f"gpu{server:02}"
        count = 8 if server < CARDS - 7 * SERVERS else 7
        gpus = [Gpu(name, f"GPU-{i}", i, "Benchmark GPU", CARD_MIB) for i in range(count)]
        yield ServerReport(name, "a", f"{name}:1", gpus, [])


class Load:
    """A core with so many live leases, in a steady state."""

    def __init__(self, live: int, queued: int) -> None:
        groups = {f"g{n}": Quota(gpus=100, gpu_hours_per_term=10_000) for n in range(GROUPS)}
        totals = {name: Quota(gpus=CARDS, gpu_hours_per_term=100_000) for name in groups}
        self.core = PoolCore(Policy(quotas=Quotas(groups=groups, totals=totals)))
        self.now = 1.8e9
        self.random = random.Random(1)
        self.count = 0
        for report in fleet():
            self.core.report(self.now, report)
        self.held = [self.ask(SMALL) for _ in range(live)]
        if queued:
            self.crowd(queued)
        self.core.take_changes()

    def crowd(self, queued: int) -> None:
        """Put something on every card, then let requests of whole cards wait."""
        while (lease := self.ask(FILLER, "filler", ())).server:
            pass
        self.core.release(self.now, lease.id)
        for _ in range(queued):
            self.ask(WHOLE)
        assert len(self.core.queue) == queued, len(self.core.queue)

    def ask(self, need: Need, user: str = "", groups: tuple[str, ...] | None = None) -> Lease:
        self.count += 1
        n = self.random.randrange(USERS)
        mine = (f"g{n % GROUPS}",) if groups is None else groups
        return self.core.request(self.now, Request(f"l{self.count}", user or f"u{n}", need, groups=mine))

    def step(self) -> None:
        """One release and one grant."""
        self.now += 1e-3
        at = self.random.randrange(len(self.held))
        self.core.release(self.now, self.held[at].id)
        self.core.take_changes()
        self.held[at] = lease = self.ask(SMALL)
        assert lease.server is not None, lease.message
        self.core.take_changes()


def measure(live: int, queued: int, seconds: float) -> float:
    """Return grants (each with a release) a second of processor time, the best of five rounds."""
    load = Load(live, queued)
    best = 0.0
    for _ in range(5):
        steps, begun = 0, time.process_time()
        while time.process_time() - begun < seconds / 5:
            load.step()
            steps += 1
        best = max(best, steps / (time.process_time() - begun))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    arguments = parser.parse_args()
    rows = []
    print(f"{CARDS} cards in {SERVERS} servers; pairs of a grant and a release, per second of one core\n")
    print(f"{'live leases':>12}{'queued':>10}{'pairs/s':>12}{'µs a pair':>12}")
    for queued in QUEUED:
        for live in LIVE:
            rate = measure(live, queued, arguments.seconds)
            rows.append({"live": live, "queued": queued, "pairs_per_s": round(rate)})
            print(f"{live:>12,}{queued:>10,}{rate:>12,.0f}{1e6 / rate:>12.0f}")
    facts = {"cards": CARDS, "servers": SERVERS, "python": sys.version.split()[0], "rows": rows}
    arguments.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
