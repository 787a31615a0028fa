# SPDX-License-Identifier: BSD-3-Clause
"""The same kernelspecs, with a light kernel in each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec

from bfkernel.provisioner.hub_kernels import SizedKernelSpecManager

_KERNEL = Path(__file__).with_name("kernel.py")
_PACKAGES = Path(__import__("zmq").__file__).parents[1]


class LightKernels(SizedKernelSpecManager):
    """A student's sizes and the plain kernels, in all of which only the program is another."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a kernelspec; the server calls this for each start."""
        spec: Any = super().get_kernel_spec(kernel_name)
        # Without -S, what packages do at each start of a Python takes longer than the kernel's start.
        spec.argv = [sys.executable, "-S", "-E", str(_KERNEL), str(_PACKAGES), "{connection_file}"]
        return spec
