# SPDX-License-Identifier: BSD-3-Clause
"""Tests of PTX execution: they drive any CUDA driver library through its C ABI."""
