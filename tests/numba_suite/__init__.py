# SPDX-License-Identifier: BSD-3-Clause
"""numba-cuda's own tests, run through the shim on softgpu: `python -m tests.numba_suite`."""
