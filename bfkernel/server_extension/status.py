# SPDX-License-Identifier: BSD-3-Clause
"""``/bfkernel/api/status``."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from bfkernel.provisioner import FractionalGPUProvisioner


class StatusHandler(APIHandler):
    """What the kernels of this server hold; for whoever may read its kernels."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return ``{"kernels": {kernel id: share}}``, without kernels that have none.

        Called by JupyterLab's status item every few seconds: it answers from what is known, and asks nobody.
        """
        self.finish({"kernels": shares(self.kernel_manager)})


def shares(kernel_manager: Any) -> dict[str, dict[str, Any]]:
    """Return the share of each running kernel that has one, by the kernel's id.

    ``docs/reference/jupyter-status.md`` says what is in it.
    """
    found = {}
    for kernel_id in kernel_manager.list_kernel_ids():
        provisioner = kernel_manager.get_kernel(kernel_id).provisioner
        share = provisioner.share() if isinstance(provisioner, FractionalGPUProvisioner) else None
        if share is not None:
            found[kernel_id] = share
    return found
