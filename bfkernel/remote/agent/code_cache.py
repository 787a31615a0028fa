# SPDX-License-Identifier: BSD-3-Clause
"""The folder in which this server's workers keep device code that clients have sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CodeCache:
    """Files named by their hash, shared by all leases; what was not used for longest goes first."""

    folder: Path
    size_mib: int

    @classmethod
    def in_state(cls, state_dir: Path, size_mib: int) -> CodeCache:
        """Return the cache of an agent's state; what earlier starts have kept is still there."""
        folder = state_dir / "code"
        folder.mkdir(mode=0o700, exist_ok=True)
        return cls(folder, size_mib)

    def arguments(self) -> list[str]:
        """Return what a worker's command line says of it."""
        return ["--code-cache", str(self.folder), "--code-cache-size", str(self.size_mib << 20)]
