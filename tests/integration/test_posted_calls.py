# SPDX-License-Identifier: BSD-3-Clause
"""Calls that are sent and not waited for."""

from __future__ import annotations

import pytest

from .leased_program import LeasedProgram


@pytest.mark.parametrize("transport", ["shared", "tcp"])
def test_a_posted_call_arrives_though_no_other_follows(pool, processes, env, transport):
    over = {**env, "BFKERNEL_TRANSPORT": transport}
    seen = LeasedProgram(processes, over, "unattended").seen()
    assert seen["arrived"] == seen["rounds"]
