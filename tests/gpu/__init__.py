# SPDX-License-Identifier: BSD-3-Clause
"""The hardware check: what bfkernel does on a real GPU, beside the same programs natively.

docs/howto/gpu-check.md says how to run it. The driver of the check needs nothing but Python's own library:
it runs where bfkernel is not installed.
"""
