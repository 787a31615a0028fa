# SPDX-License-Identifier: BSD-3-Clause
"""bfkernel on a JupyterHub: kernels by size for each student, quotas for each course.

In ``jupyterhub_config.py``, after everything else::

    from bfkernel_hub import configure

    configure(c)
"""

from bfkernel_hub.configuration import configure
from bfkernel_hub.settings import BfkernelHub

__version__ = "0.1.0.dev0"
__all__ = ["BfkernelHub", "configure"]
