# SPDX-License-Identifier: BSD-3-Clause
"""The example of docs/explanation/scheduling.md is what the pool does."""

from __future__ import annotations

from pathlib import Path

from pool_story import Story

from bfkernel.remote.records import Lease, LeaseState

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "scheduling.md"
OUTCOMES = {LeaseState.GRANTED: "granted", LeaseState.QUEUED: "waits"}


def rows() -> list[list[str]]:
    _, example = PAGE.read_text().split("### An example")
    table = [line for line in example.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_example_of_the_page() -> None:
    story = Story()
    story.server("gpu1", 40960, 40960)
    leases: list[Lease] = []
    for event, tag, outcome, passed, free in rows():
        user, verb, *_, amount = event.split()
        waiting = list(story.core.queue)
        if verb == "asks":
            leases.append(story.ask(float(amount), user=user))
            assert (f"{leases[-1].tag:g}", OUTCOMES[leases[-1].state]) == (tag, outcome), event
        else:
            story.release(
                next(
                    lease
                    for lease in leases
                    if lease.state.holds and (lease.user, f"GPU {amount}") == (user, lease.size)
                )
            )
            served = [lease for lease in waiting if lease.state.holds]
            assert ", ".join(f"{lease.user} granted" for lease in served) == outcome, event
        ada = next((lease for lease in leases if lease.user == "ada"), None)
        assert str(ada.passed if ada else 0) == passed, event
        assert ", ".join(map(str, story.free())) == free, event
    assert len(leases) == 6
