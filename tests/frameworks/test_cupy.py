# SPDX-License-Identifier: BSD-3-Clause
"""CuPy, which compiles most of its kernels itself: as PTX, the emulated GPU runs them."""

from __future__ import annotations

import re

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks
# Without accelerators: CUB's kernels come with CuPy as machine code.
ENVIRONMENT = {"CUPY_COMPILE_WITH_PTX": "1", "CUPY_ACCELERATORS": ""}


@pytest.mark.parametrize("program", ["arrays", "kernels", "streams", "memory", "managed", "graphs"])
def test_program(passes, program: str) -> None:
    passes(environments.python(), PROGRAMS / "with_cupy" / f"{program}.py", **ENVIRONMENT)


# The second wait of "arrays" is CuPy's own question whether an upload is over.
@pytest.mark.parametrize(("kind", "waits"), [("arrays", 2), ("scalars", 1), ("pools", 1)])
def test_a_step_waits_as_often_as_it_means_to(leased, kind: str, waits: int) -> None:
    counts = []
    for steps in (10, 60):
        program = [PROGRAMS / "with_cupy" / "steps.py", kind, steps]
        result = leased(environments.python(), *program, BFKERNEL_LOG="stats", **ENVIRONMENT)
        assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
        counted = re.search(r"(\d+) waiting calls", result.stderr)
        assert counted, result.stderr
        counts.append(int(counted[1]))
    assert counts[1] - counts[0] == 50 * waits


def test_machine_code_of_cupys_own_says_that_there_is_no_kernel(leased) -> None:
    """A sum by CUB fails aloud: it once gave 0.0."""
    code = "import cupy; print(cupy.ones(1000).sum())"
    result = leased(environments.python(), "-c", code, CUPY_COMPILE_WITH_PTX="1", CUPY_ACCELERATORS="cub")
    assert result.returncode == 1
    assert "no kernel image is available" in result.stderr
