# SPDX-License-Identifier: BSD-3-Clause
"""JAX: as it is, and computing with the PTX that XLA writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks
ASSEMBLER = Path(__file__).parents[2] / "examples" / "softgpu_ptxas"


def test_arrays(passes) -> None:
    """No file below /dev says that there is a GPU, and no variable is set by hand."""
    passes(environments.python(), PROGRAMS / "with_jax" / "arrays.py")


def test_computing(passes) -> None:
    """With an assembler that leaves PTX as it is; XLA's measurements use machine code, so without them."""
    settings = {"PATH": f"{ASSEMBLER}:/usr/bin:/bin", "XLA_FLAGS": "--xla_gpu_autotune_level=0"}
    passes(environments.python(), PROGRAMS / "with_jax" / "computing.py", **settings)
