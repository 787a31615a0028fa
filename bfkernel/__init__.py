# SPDX-License-Identifier: BSD-3-Clause
"""bfkernel: a share of a remote GPU for every Jupyter kernel."""

__version__ = "0.1.0"
