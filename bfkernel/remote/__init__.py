# SPDX-License-Identifier: BSD-3-Clause
"""Everything behind the notebook: leases, GPU servers, and the forwarding of CUDA calls."""
