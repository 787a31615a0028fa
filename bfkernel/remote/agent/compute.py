# SPDX-License-Identifier: BSD-3-Clause
"""How the leases of a GPU share its compute: by turns, or side by side under NVIDIA's MPS.

``timeslice`` is what a GPU does with several processes by itself. Under ``mps`` (Multi-Process Service) their
kernels run at the same time, and each lease is kept to its part of the multiprocessors. Sources: NVIDIA's
"Multi-Process Service" (docs.nvidia.com/deploy/mps) and nvidia-cuda-mps-control(1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from bfkernel.remote.records import Placement
from bfkernel.remote.state_dir import ConfigurationError

Compute = Literal["timeslice", "mps"]
COMPUTE_MODES: tuple[Compute, ...] = get_args(Compute)
_DEFAULT_PIPE_DIRECTORY = "/tmp/nvidia-mps"  # noqa: S108 - MPS's own default


def check_compute(compute: Compute, environment: Mapping[str, str]) -> None:
    """Check that workers with this environment can share compute in this way.

    Raises:
        ConfigurationError: unknown, or MPS is wanted and its daemon does not run.
    """
    if compute not in COMPUTE_MODES:
        msg = f"'{compute}' is no way to share compute: choose {' or '.join(COMPUTE_MODES)}."
        raise ConfigurationError(msg)
    # A CUDA program that finds no daemon runs without MPS and says nothing, so it is looked for here.
    folder = Path(environment.get("CUDA_MPS_PIPE_DIRECTORY") or _DEFAULT_PIPE_DIRECTORY)
    if compute == "mps" and not (folder / "control").exists():
        msg = (
            f"The MPS control daemon does not run ({folder} has no control): start it with "
            f"'nvidia-cuda-mps-control -d' as this user, or choose --compute timeslice."
        )
        raise ConfigurationError(msg)


def compute_environment(
    compute: Compute, placements: Sequence[Placement], card_mib: Mapping[str, int]
) -> dict[str, str]:
    """Return what a worker's environment needs so that its lease gets the compute that goes with its memory.

    ``card_mib`` has the memory of each GPU. The percentage holds for all GPUs of a process: it is that of the
    card of which the lease has most. MPS's own memory limit (``CUDA_MPS_PINNED_DEVICE_MEM_LIMIT``) is not
    set: it counts each process for itself and the worker counts the lease, so it would either never be
    reached or refuse what the worker has granted.
    """
    if compute != "mps":
        return {}
    share = max(placement.memory_mib / card_mib[placement.gpu] for placement in placements)
    percentage = min(100, max(1, math.ceil(100 * share)))
    return {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(percentage)}
