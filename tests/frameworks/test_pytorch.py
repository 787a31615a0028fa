# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch's CUDA build. Its kernels are machine code, so on the emulated GPU it does all but compute."""

from __future__ import annotations

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize("program", ["tensors", "allocator", "loaders"])
def test_program(passes, program: str) -> None:
    passes(environments.python(), PROGRAMS / "with_torch" / f"{program}.py")


def test_the_allocator_with_memory_that_it_maps_itself(passes) -> None:
    program = PROGRAMS / "with_torch" / "allocator.py"
    # What PyTorch asks NVML about the GPU's fabric gives no cause for a warning.
    interpreter = (environments.python(), "-W", "error")
    passes(*interpreter, program, PYTORCH_CUDA_ALLOC_CONF="expandable_segments:True")


def test_two_gpus_of_one_lease(passes) -> None:
    passes(environments.python(), PROGRAMS / "with_torch" / "two_gpus.py", gpus=2)
