# SPDX-License-Identifier: BSD-3-Clause
"""What numba-cuda's tests expect of their pytest configuration, which is not in its wheel."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="class")
def initialize_from_pytest_config(request: pytest.FixtureRequest) -> None:
    """Give a test class the attribute that its FileCheck assertions read (numba.cuda.testing)."""
    request.cls._dump_failed_filechecks = False
