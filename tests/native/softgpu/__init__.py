# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the driver's calls around kernels: streams, memory, graphs; they fit any CUDA driver library."""
