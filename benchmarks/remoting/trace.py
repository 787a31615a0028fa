# SPDX-License-Identifier: BSD-3-Clause
"""A trace of driver calls: ``training_step.txt``, whose head says what its lines mean."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRACE = Path(__file__).resolve().parent / "training_step.txt"
#: A call's name, and how many numbers follow it.
NUMBERS = {
    "launch": 2,
    "attribute": 3,
    "occupancy": 3,
    "to_device": 2,
    "to_host": 2,
    "memset": 2,
    "record": 2,
    "wait": 2,
    "synchronise": 1,
}
Call = tuple[Any, ...]  # a name, and numbers


@dataclass(frozen=True)
class Trace:
    """Kernels, each with the sizes of its parameters in bytes, and calls in their order."""

    kernels: list[tuple[int, ...]]
    calls: list[Call]

    @classmethod
    def parse(cls, text: str) -> Trace:
        """Read a trace; ``ValueError`` with the line that is no call."""
        kernels: list[tuple[int, ...]] = []
        calls: list[Call] = []
        for line in text.splitlines():
            name, *words = line.partition("#")[0].split() or [""]
            numbers = [int(word) for word in words if word.isdigit()]
            if not name:
                continue
            if name == "kernel" and numbers and numbers[0] == len(kernels):
                kernels.append(tuple(numbers[1:]))
            elif NUMBERS.get(name) == len(numbers) == len(words):
                calls.append((name, *numbers))
            else:
                msg = f"no call: {line!r}"
                raise ValueError(msg)
        return cls(kernels, calls)

    def __str__(self) -> str:
        declared = [("kernel", number, *sizes) for number, sizes in enumerate(self.kernels)]
        return "".join(" ".join(map(str, line)) + "\n" for line in [*declared, *self.calls])

    def counts(self) -> dict[str, int]:
        """Return how often each call is made."""
        return dict(Counter(call[0] for call in self.calls))

    def summary(self) -> str:
        """Return the counts in words."""
        return ", ".join(f"{count:,} {name}" for name, count in self.counts().items())

    def without(self, *names: str) -> Trace:
        """Return the trace without these calls."""
        return Trace(self.kernels, [call for call in self.calls if call[0] not in names])
