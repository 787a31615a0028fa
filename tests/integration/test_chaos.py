# SPDX-License-Identifier: BSD-3-Clause
"""Some rounds of random kills on each database; ``make test-slow`` does fifty, ``make chaos`` a thousand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.postgres import Cluster

FEW, MANY = 12, 50


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_leaked_or_disturbed(database: str, rounds: int, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    if database == "sqlite":
        report = run(None, 1, rounds, seed, tmp_path / "site")
    else:
        with Cluster() as cluster:
            report = run(cluster.new_database(), 2, rounds, seed, tmp_path / "site")
    assert report.rounds == rounds
    assert set(report.kills) <= {"pool", "agent", "worker", "client"}
    if rounds == MANY:
        assert len(report.kills) == 4, "somebody was never killed"
