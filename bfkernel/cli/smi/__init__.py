# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel smi``, which also stands in for ``nvidia-smi``: the lease inside one, the pool outside."""

from .command import smi

__all__ = ["smi"]
