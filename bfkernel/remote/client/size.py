# SPDX-License-Identifier: BSD-3-Clause
"""Sizes as people write them: ``0.02``, ``0.5x2`` (half of each of two GPUs), ``2048m`` (MiB)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bfkernel.remote.records import MAX_GPUS_PER_LEASE, Share
from bfkernel.remote.units import parse_size_mib

_SIZE = re.compile(r"(?P<number>\d*\.?\d+)(?P<unit>[a-z]*?)(?:x(?P<gpus>\d{1,4}))?")


@dataclass(frozen=True)
class Size:
    """The same share of each of ``gpus`` GPUs."""

    share: Share
    gpus: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.gpus <= MAX_GPUS_PER_LEASE:
            msg = f"A lease has 1 to {MAX_GPUS_PER_LEASE} GPUs, not {self.gpus}."
            raise ValueError(msg)

    @classmethod
    def of(cls, fraction: float | None, memory_mib: int | None, gpus: int = 1) -> Size:
        """Return a size by fraction or by MiB; ``ValueError`` with one sentence when neither or both."""
        return cls(Share(fraction, memory_mib), gpus)

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read a size as it stands in a kernelspec's name; ``ValueError`` with one sentence otherwise."""
        match = _SIZE.fullmatch(text.strip().lower())
        if match is None:
            msg = f"'{text}' is no size: write a fraction (0.02), one of several GPUs (0.5x2) or MiB (2048m)."
            raise ValueError(msg)
        gpus = int(match["gpus"] or 1)
        if match["unit"]:
            return cls.of(None, parse_size_mib(match["number"] + match["unit"]), gpus)
        return cls.of(float(match["number"]), None, gpus)

    @property
    def display_name(self) -> str:
        """What a launcher shows: ``GPU 0.02``."""
        return self.share.size(self.gpus)

    @property
    def kernel_name(self) -> str:
        """The kernelspec's name: ``gpu-0.02``."""
        return self.display_name.lower().replace(" ", "-")

    def __str__(self) -> str:
        return self.display_name.removeprefix("GPU ")
