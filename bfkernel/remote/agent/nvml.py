# SPDX-License-Identifier: BSD-3-Clause
"""What NVIDIA's management library knows of the GPUs and CUDA does not tell.

It is a detail everywhere: where it is missing, or does not know a GPU, the answer is None and all else works.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_EVERY_S = 2.0
#: Figures that are older are none: a library that hangs with its GPU must not look like an idle GPU.
_STALE_S = 10.0


@dataclass(frozen=True)
class Figures:
    """Of one GPU: for how much of the last moment some kernel ran (0 to 1), and MiB used by whomever."""

    busy: float | None = None
    memory_used_mib: float | None = None


UNKNOWN = Figures()


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    """Yield the library, or None where it cannot be used."""
    try:
        import pynvml  # type: ignore[import-untyped]

        pynvml.nvmlInit()
    except Exception:  # noqa: BLE001 - every reason to lack it is as good
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def driver_version() -> str | None:
    """Return NVIDIA's number of the installed driver, such as ``580.65.06``."""
    with _nvml() as nvml:
        if nvml is None:
            return None
        try:
            return str(nvml.nvmlSystemGetDriverVersion())
        except nvml.NVMLError:
            return None


class CardWatch:
    """Looks at the GPUs every two seconds, on a thread of its own: a call to a GPU that is lost may hang."""

    def __init__(self, gpu_ids: Sequence[str]) -> None:
        """``gpu_ids`` are UUIDs as CUDA tells them; NVML knows the GPUs by the same."""
        self._ids = tuple(gpu_ids)
        self._seen: tuple[float, dict[str, Figures]] = (float("-inf"), {})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nvml", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def figures(self, gpu_id: str) -> Figures:
        """Return what was seen of a GPU last."""
        at, seen = self._seen
        return UNKNOWN if time.monotonic() - at > _STALE_S else seen.get(gpu_id, UNKNOWN)

    def _run(self) -> None:
        with _nvml() as nvml:
            while nvml is not None and not self._stopping.is_set():
                seen = {gpu_id: _look(nvml, gpu_id) for gpu_id in self._ids}
                self._seen = (time.monotonic(), seen)
                self._stopping.wait(_EVERY_S)


def _look(nvml: Any, gpu_id: str) -> Figures:
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(gpu_id)
    except nvml.NVMLError:
        return UNKNOWN
    busy = used = None
    with contextlib.suppress(nvml.NVMLError):
        busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    with contextlib.suppress(nvml.NVMLError):
        used = nvml.nvmlDeviceGetMemoryInfo(handle).used / (1 << 20)
    return Figures(busy, used)
