# SPDX-License-Identifier: BSD-3-Clause
"""cuda-python. numba-cuda needs it, so it is in the default set-up and these tests are too."""

from __future__ import annotations

import sys

import pytest

from .conftest import PROGRAMS


@pytest.mark.parametrize("program", ["bindings", "core", "graphs"])
def test_program(passes, program: str) -> None:
    passes(sys.executable, PROGRAMS / "with_cuda_python" / f"{program}.py")
