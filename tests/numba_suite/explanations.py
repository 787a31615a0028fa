# SPDX-License-Identifier: BSD-3-Clause
"""Why tests of numba-cuda fail here: by name, or by the first part of several names."""

from __future__ import annotations

EXPLANATIONS = {
    "cudapy.test_cooperative_groups.TestCudaCooperativeGroups.test_external_cooperative_func": (
        "The emulated GPU refuses a shared variable inside a device function that is not inlined; NVRTC "
        "makes one of a function's static __shared__ variable. A GPU runs it."
    ),
    "cudapy.test_warning.TestWarnings.test_efficient_launch_configuration": (
        "The test wants no warning at all, and numba-cuda warns that nvJitLink is not installed. It is left "
        "out of the environment so that PTX reaches the driver."
    ),
    "cudapy.test_caching.CUDAAndCPUCachingTest.test_cpu_and_cuda_": (
        "Not about the GPU: numba 0.68 stamps a cache index with a hash of the source, numba-cuda 0.30 with "
        "its time and size, and each drops the index of the other, which the test wants to be shared."
    ),
}


def why(name: str) -> str:
    """Return the explanation of a failed test; an empty one where there is none."""
    return next((text for start, text in EXPLANATIONS.items() if name.startswith(start)), "")
