# SPDX-License-Identifier: BSD-3-Clause
"""What a worker's environment says about its part of a GPU's compute."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfkernel.remote.agent.compute import check_compute, compute_environment
from bfkernel.remote.records import Placement, Share
from bfkernel.remote.state_dir import ConfigurationError

CARDS = {"small": 16384, "large": 81559}


@pytest.mark.parametrize(
    ("share", "percentage"),
    [(Share(0.02), 2), (Share(0.125), 13), (Share(0.001), 1), (Share(1.0), 100), (Share(memory_mib=2048), 3)],
)
def test_under_mps_compute_follows_memory(share: Share, percentage: int) -> None:
    placement = Placement("large", share.memory_on(CARDS["large"]))
    environment = compute_environment("mps", [placement], CARDS)
    assert environment == {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(percentage)}


def test_of_unlike_cards_the_larger_part_counts() -> None:
    placements = [Placement("large", 2048), Placement("small", 2048)]
    environment = compute_environment("mps", placements, CARDS)
    assert environment == {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "13"}


def test_by_turns_nothing_is_set() -> None:
    assert compute_environment("timeslice", [Placement("large", 1)], CARDS) == {}


def test_mps_needs_its_daemon(tmp_path: Path) -> None:
    environment = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    check_compute("timeslice", environment)
    with pytest.raises(ConfigurationError, match=f"does not run .{tmp_path} has no control"):
        check_compute("mps", environment)
    (tmp_path / "control").touch()
    check_compute("mps", environment)


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose timeslice or mps"):
        check_compute("mig", {})  # type: ignore[arg-type]
