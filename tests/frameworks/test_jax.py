# SPDX-License-Identifier: BSD-3-Clause
"""JAX. XLA compiles to machine code, which the emulated GPU does not run: JAX does all but compute there."""

from __future__ import annotations

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks


def test_arrays(passes) -> None:
    """No file below /dev says that there is a GPU, and no variable is set by hand."""
    passes(environments.python(), PROGRAMS / "with_jax" / "arrays.py")
