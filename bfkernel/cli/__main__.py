# SPDX-License-Identifier: BSD-3-Clause
"""``python -m bfkernel.cli``: the same as ``bfkernel``."""

from .main import main

main()
