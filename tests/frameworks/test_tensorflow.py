# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow. Most of its kernels are machine code, so on the emulated GPU it does all but compute."""

from __future__ import annotations

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks


def test_tensors(passes) -> None:
    # TensorFlow 2.21 looks for cuSOLVER where its own wheel for pip does not have it, and then takes no GPU.
    libraries = environments.wheels(12) / "cusolver" / "lib"
    program = PROGRAMS / "with_tensorflow" / "tensors.py"
    passes(environments.python(12), program, LD_LIBRARY_PATH=str(libraries))
