# SPDX-License-Identifier: BSD-3-Clause
"""Calls that are sent and not waited for."""

from __future__ import annotations

from .leased_program import LeasedProgram


def test_a_posted_call_arrives_though_no_other_follows(pool, processes, env):
    seen = LeasedProgram(processes, env, "unattended").seen()
    assert seen["arrived"] == seen["rounds"]
