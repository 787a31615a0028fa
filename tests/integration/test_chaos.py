# SPDX-License-Identifier: BSD-3-Clause
"""Fifty rounds of random kills on each database; ``make chaos`` makes a thousand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.postgres import Cluster

ROUNDS = 50


@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_leaked_or_disturbed(database: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    if database == "sqlite":
        report = run(None, 1, ROUNDS, seed, tmp_path / "site")
    else:
        with Cluster() as cluster:
            report = run(cluster.new_database(), 2, ROUNDS, seed, tmp_path / "site")
    assert report.rounds == ROUNDS
    assert set(report.kills) == {"pool", "agent", "worker", "client"}
