# SPDX-License-Identifier: BSD-3-Clause
"""What a routed process gets: the variables that make its CUDA calls go to the lease's GPU."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bfkernel.remote.native_files import client_dir, stand_in_dir

# Holds nothing but the namespace jax_plugins: it hides no module of the program's.
JAX_PLUGINS = Path(__file__).resolve().parent / "jax"


def routed_environment(lease_file: Path, base: Mapping[str, str]) -> dict[str, str]:
    """Return ``base`` with the variables that route CUDA to the lease of ``lease_file``.

    ``CUDA_VISIBLE_DEVICES`` is left alone: it selects among the GPUs of the lease, as it does among local
    ones. Raises ``FileNotFoundError`` when the shim has not been built.
    """
    folder = client_dir()
    shim = str(folder / "libcuda.so.1")
    # First, so that the shim wins over a driver installed on this machine.
    libraries = [str(folder), *_others(base.get("LD_LIBRARY_PATH", ""), folder)]
    modules = [*_others(base.get("PYTHONPATH", ""), JAX_PLUGINS), str(JAX_PLUGINS)]
    return {
        **base,
        "BFKERNEL_LEASE_FILE": str(lease_file),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        # Triton asks `ldconfig` for the driver, numba (before numba-cuda) tries libcuda.so in system folders:
        # neither would look at LD_LIBRARY_PATH first.
        "TRITON_LIBCUDA_PATH": str(folder),
        "NUMBA_CUDA_DRIVER": shim,
        "PYTHONPATH": os.pathsep.join(modules),
        # JAX asks CUPTI for its version, and CUPTI 13.2 overflows its stack where the driver has no profiler.
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": base.get("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1"),
        **_with_nvidia_smi(base),
    }


def _others(search_path: str, folder: Path) -> list[str]:
    """Return the folders of a search path but for one, which runs within runs would add again and again."""
    return [entry for entry in search_path.split(os.pathsep) if entry not in ("", str(folder))]


def _with_nvidia_smi(base: Mapping[str, str]) -> dict[str, str]:
    """Return what makes ``nvidia-smi`` answer: nothing where the machine has one, which finds our NVML."""
    stand_in = str(stand_in_dir())
    folders = [folder for folder in base.get("PATH", os.defpath).split(os.pathsep) if folder != stand_in]
    path = os.pathsep.join(folders)
    if not stand_in_dir().is_dir() or shutil.which("nvidia-smi", path=path):
        return {"PATH": path} if "PATH" in base else {}
    # Last, so that one that is installed later wins. The stand-in needs a Python that has this package.
    return {"PATH": os.pathsep.join([*folders, stand_in]), "BFKERNEL_PYTHON": sys.executable}
