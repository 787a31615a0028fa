# SPDX-License-Identifier: BSD-3-Clause
"""Lets JAX see the GPU of a lease on a machine that has none.

JAX tries CUDA only where there is a file such as ``/dev/nvidiactl`` (0.10.2: ``jax/_src/hardware_utils.py``);
no variable changes that, and only root can make one. Modules of the namespace ``jax_plugins`` are JAX's way
to add devices, and it imports all that it finds before it looks for that file. This one names the file of the
lease as another sign of a GPU; the driver behind the lease then says whether there is one.

In a routed process this folder is on ``PYTHONPATH`` (``environment.py``), so that it works in every Python
environment, whether bfkernel is installed there or not. It must import nothing but JAX.
"""

from __future__ import annotations

import os


def initialize() -> None:
    """Add the lease's file to the signs of a GPU. JAX calls this once, when it looks for devices."""
    from jax._src import hardware_utils  # type: ignore[import-not-found]

    lease_file = os.environ.get("BFKERNEL_LEASE_FILE")
    signs = getattr(hardware_utils, "_NVIDIA_GPU_DEVICES", None)
    if lease_file and isinstance(signs, list) and lease_file not in signs:
        signs.append(lease_file)
