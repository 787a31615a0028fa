# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel serve``, ``pool``, ``agent``: their options, on the command line and in a file."""

from .commands import agent, pool, serve

__all__ = ["agent", "pool", "serve"]
