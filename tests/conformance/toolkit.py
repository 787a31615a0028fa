# SPDX-License-Identifier: BSD-3-Clause
"""Where the CUDA runtime's header and libraries are, and nvcc."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Toolkit:
    """A folder of headers and a folder of libraries that belong together."""

    include: Path
    lib: Path

    @property
    def shared(self) -> Path:
        return min(
            self.lib.glob("libcudart.so*"), key=lambda path: len(path.name), default=self.lib / "libcudart.so"
        )

    @property
    def static(self) -> Path:
        return self.lib / "libcudart_static.a"


def packaged() -> Toolkit | None:
    """The runtime of the package nvidia-cuda-runtime, where it is installed with headers."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for part in ("cu13", "cuda_runtime"):
            found = Toolkit(Path(folder, part, "include"), Path(folder, part, "lib"))
            if (found.include / "cuda_runtime_api.h").exists() and found.shared.exists():
                return found
    return None


def find_nvcc() -> Path | None:
    """The nvcc that NVCC names, that is on the PATH, or where CUDA's installer puts it."""
    named = os.environ.get("NVCC") or shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    return Path(named) if Path(named).exists() else None


def of_nvcc(nvcc: Path) -> Toolkit | None:
    """The toolkit that ``nvcc`` itself compiles against."""
    said = subprocess.run(
        [nvcc, "--dryrun", "-c", "any.cu"], capture_output=True, text=True, timeout=30, check=False
    )
    tops = [line[7:] for line in said.stderr.splitlines() if line.startswith("#$ TOP=")]
    for top in (*tops, "/usr/local/cuda"):
        for lib in ("lib64", "lib", "targets/x86_64-linux/lib"):
            found = Toolkit(Path(top).resolve() / "include", Path(top).resolve() / lib)
            if (found.include / "cuda_runtime_api.h").exists() and found.shared.exists():
                return found
    return None


def installed() -> Toolkit | None:
    """The toolkit that programs are built against: the package's, else the one of nvcc."""
    nvcc = find_nvcc()
    return packaged() or (of_nvcc(nvcc) if nvcc else None)
