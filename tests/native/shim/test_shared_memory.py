# SPDX-License-Identifier: BSD-3-Clause
"""Memory that the program and the GPU both use: managed memory and mapped host memory."""

from __future__ import annotations

import pytest

from .conftest import Run


@pytest.mark.parametrize("program", ["managed.py", "mapped.py"])
def test_both_sides_see_what_the_other_wrote(leased: Run, program: str) -> None:
    result = leased(program)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
