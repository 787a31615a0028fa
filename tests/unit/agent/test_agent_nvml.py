# SPDX-License-Identifier: BSD-3-Clause
"""What an agent makes of NVML's answers, where there are any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

import pynvml  # type: ignore[import-untyped]
import pytest

from bfkernel.remote.agent.nvml import UNKNOWN, CardWatch, Figures, driver_version

GPU, MIG = "GPU-1f2e", "MIG-77aa"


def not_supported(*_: Any) -> NoReturn:
    raise pynvml.NVMLError_NotSupported


def by_uuid(uuid: str) -> str:
    if uuid not in (GPU, MIG):
        raise pynvml.NVMLError_NotFound
    return uuid


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An NVML with a GPU, and a part of one of which it knows the memory alone."""
    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580.65.06",
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlDeviceGetUtilizationRates": lambda h: not_supported() if h == MIG else SimpleNamespace(gpu=37),
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=1536 << 20),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    return monkeypatch


@pytest.fixture
def watch() -> Iterator[CardWatch]:
    watch = CardWatch([GPU, MIG, "GPU-softgpu"])
    watch.start()
    yield watch
    watch.stop()
    watch._thread.join(10)


def test_figures_are_matched_by_uuid(library: pytest.MonkeyPatch, watch: CardWatch) -> None:
    end = time.monotonic() + 10
    while watch.figures(GPU) == UNKNOWN and time.monotonic() < end:
        time.sleep(0.01)
    assert watch.figures(GPU) == Figures(busy=0.37, memory_used_mib=1536.0)
    assert watch.figures(MIG) == Figures(busy=None, memory_used_mib=1536.0)
    assert watch.figures("GPU-softgpu") == UNKNOWN
    assert driver_version() == "580.65.06"


def test_old_figures_are_none(library: pytest.MonkeyPatch, watch: CardWatch) -> None:
    watch.stop()
    watch._thread.join(10)
    assert watch.figures(GPU) != UNKNOWN
    library.setattr("bfkernel.remote.agent.nvml._STALE_S", -1.0)
    assert watch.figures(GPU) == UNKNOWN


def test_without_the_library_nothing_is_known(library: pytest.MonkeyPatch) -> None:
    library.setattr(pynvml, "nvmlInit", not_supported)
    watch = CardWatch([GPU])
    watch.start()
    watch._thread.join(10)
    assert not watch._thread.is_alive()
    assert watch.figures(GPU) == UNKNOWN
    assert driver_version() is None


def test_a_number_that_the_library_does_not_know(library: pytest.MonkeyPatch) -> None:
    library.setattr(pynvml, "nvmlSystemGetDriverVersion", not_supported)
    assert driver_version() is None
