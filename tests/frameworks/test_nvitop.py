# SPDX-License-Identifier: BSD-3-Clause
"""nvitop, which asks NVML by nvidia-ml-py."""

from __future__ import annotations

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks


def test_monitor(passes) -> None:
    passes(environments.python(), PROGRAMS / "with_nvitop" / "monitor.py")
