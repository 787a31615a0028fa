# SPDX-License-Identifier: BSD-3-Clause
"""What the native tests share: the CUDA driver library under test, opened once per session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ptx.harness import Driver


def driver_path() -> Path | None:
    """The library named by BFKERNEL_TEST_DRIVER, or the installed softgpu; None where there is none."""
    if named := os.environ.get("BFKERNEL_TEST_DRIVER"):
        return Path(named).resolve()
    try:
        from bfkernel import native_files

        found = Path(native_files.softgpu())
    except (ImportError, OSError):
        found = Path(__file__).resolve().parents[2] / "bfkernel" / "lib" / "libsoftgpu.so"
    return found if found.exists() else None


@pytest.fixture(scope="session")
def driver_library() -> Path:
    """Path of the CUDA driver library under test; skips where there is none."""
    path = driver_path()
    if path is None:
        pytest.skip("no CUDA driver library: install bfkernel, or name one in BFKERNEL_TEST_DRIVER")
    return path


@pytest.fixture(scope="session")
def session_gpu(driver_library: Path) -> Iterator[Driver]:
    """Device 0 with its primary context current, for the whole session."""
    driver = Driver(driver_library)
    with driver.primary_context():
        yield driver


@pytest.fixture
def gpu(session_gpu: Driver) -> Iterator[Driver]:
    """Device 0 in a working context; a test that leaves it faulted spoils no other test."""
    yield session_gpu
    session_gpu.heal()
