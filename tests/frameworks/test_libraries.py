# SPDX-License-Identifier: BSD-3-Clause
"""NVIDIA's libraries make their handles on the emulated GPU, for CUDA 12 and 13."""

from __future__ import annotations

import sys

import pytest

from . import environments
from .conftest import PROGRAMS

pytestmark = pytest.mark.frameworks
# NCCL looks for a network and listens: on this machine only.
ENVIRONMENT = {"NCCL_SOCKET_IFNAME": "lo"}
LIBRARIES = ("cublas", "cublaslt", "cudnn", "cufft", "curand", "cusparse", "cusolver", "nccl")


@pytest.mark.parametrize("major", [12, 13])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_handle_is_made_and_destroyed(passes, library: str, major: int) -> None:
    program = PROGRAMS / "creation.py"
    passes(sys.executable, program, library, environments.wheels(major), **ENVIRONMENT)


@pytest.mark.parametrize("major", [12, 13])
def test_nccl_joins_two_gpus(passes, major: int) -> None:
    program = PROGRAMS / "creation.py"
    passes(sys.executable, program, "nccl", environments.wheels(major), gpus=2, **ENVIRONMENT)
