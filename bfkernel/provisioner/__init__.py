# SPDX-License-Identifier: BSD-3-Clause
"""The kernel provisioner, the kernelspec writer, and what the notebook sees of its lease.

``FractionalGPUProvisioner`` is what the entry point ``bfkernel`` in the group
``jupyter_client.kernel_provisioners`` names. It is imported when asked for: a kernel that loads
``bfkernel.provisioner.magics`` has no use for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .provisioner import FractionalGPUProvisioner

__all__ = ["FractionalGPUProvisioner"]


def __getattr__(name: str) -> Any:
    if name == "FractionalGPUProvisioner":
        from .provisioner import FractionalGPUProvisioner

        return FractionalGPUProvisioner
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
