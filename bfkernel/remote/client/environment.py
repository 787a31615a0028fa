# SPDX-License-Identifier: BSD-3-Clause
"""What a routed process gets: the variables that make its CUDA calls go to the lease's GPU."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bfkernel.remote.native_files import client_dir, stand_in_dir


def routed_environment(lease_file: Path, base: Mapping[str, str]) -> dict[str, str]:
    """Return ``base`` with the variables that route CUDA to the lease of ``lease_file``.

    ``CUDA_VISIBLE_DEVICES`` is left alone: it selects among the GPUs of the lease, as it does among local
    ones. Raises ``FileNotFoundError`` when the shim has not been built.
    """
    folder = client_dir()
    shim = str(folder / "libcuda.so.1")
    others = base.get("LD_LIBRARY_PATH", "")
    # First, so that the shim wins over a driver installed on this machine, and only once across nested runs.
    search = [str(folder), *(path for path in others.split(":") if path and path != str(folder))]
    return {
        **base,
        "BFKERNEL_LEASE_FILE": str(lease_file),
        "LD_LIBRARY_PATH": ":".join(search),
        # Triton asks `ldconfig` for the driver, numba (before numba-cuda) tries libcuda.so in system folders:
        # neither would look at LD_LIBRARY_PATH first.
        "TRITON_LIBCUDA_PATH": str(folder),
        "NUMBA_CUDA_DRIVER": shim,
        **_with_nvidia_smi(base),
    }


def _with_nvidia_smi(base: Mapping[str, str]) -> dict[str, str]:
    """Return what makes ``nvidia-smi`` answer: nothing where the machine has one, which finds our NVML."""
    stand_in = str(stand_in_dir())
    folders = [folder for folder in base.get("PATH", os.defpath).split(os.pathsep) if folder != stand_in]
    path = os.pathsep.join(folders)
    if not stand_in_dir().is_dir() or shutil.which("nvidia-smi", path=path):
        return {"PATH": path} if "PATH" in base else {}
    # Last, so that one that is installed later wins. The stand-in needs a Python that has this package.
    return {"PATH": os.pathsep.join([*folders, stand_in]), "BFKERNEL_PYTHON": sys.executable}
