# SPDX-License-Identifier: BSD-3-Clause
"""Device code that one lease has sent travels no second time."""

from __future__ import annotations

import re

from .leased_program import LeasedProgram


def test_code_travels_once_to_a_server_also_over_its_restart(pool, processes, env):
    counted = {**env, "BFKERNEL_LOG": "stats"}

    def bytes_sent() -> tuple[int, int]:
        """Run the program on a lease of its own; return what it sent, and how much code it has."""
        before = len(_sent(processes.logs()))
        seen = LeasedProgram(processes, counted, "large_code").seen()
        assert seen["squared"] == 49
        after = _sent(processes.logs())
        assert len(after) == before + 1
        return after[-1], seen["code_bytes"]

    sent, code = bytes_sent()
    assert sent > code
    assert bytes_sent()[0] < 4096
    pool.restart()
    assert bytes_sent()[0] < 4096


def _sent(logs: str) -> list[int]:
    return [int(found) for found in re.findall(r"waiting calls, (\d+) bytes sent", logs)]
