# SPDX-License-Identifier: BSD-3-Clause
"""The kernels of a student on a JupyterHub: the sizes that the Hub's plug-in names, and no other GPU kernels.

``bfkernel-hub`` sets ``BFKERNEL_SIZES`` and ``--ServerApp.kernel_spec_manager_class`` for each single-user
server. The kernelspecs are made from that list when somebody asks: nothing of them is on a disk.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import unquote

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from traitlets import Instance, Type, default

from bfkernel.remote.client.size import Size

from . import provisioner  # noqa: F401 (imported when the server starts, and not when its first kernel does)
from .kernelspec import LOGO_DIR, kernel_json, kernel_name

SIZES_VARIABLE = "BFKERNEL_SIZES"


class SizedKernelSpecManager(KernelSpecManager):
    """Adds the sizes of ``BFKERNEL_SIZES`` to the kernelspecs of another manager.

    The variable is a JSON list, percent-encoded, of objects with ``size`` (``0.02``), which may have
    ``group`` (which the lease counts for), ``course`` (shown behind the size) and ``name`` (shown in its
    place). Without the variable, everything is as the other manager has it.
    """

    others = Type(
        KernelSpecManager,
        klass=KernelSpecManager,
        help="""
        The class that finds the kernelspecs that are no sizes, for a site that has one of its own::

            c.SizedKernelSpecManager.others = "nb_conda_kernels.CondaKernelSpecManager"
        """,
    ).tag(config=True)

    delegate = Instance(KernelSpecManager)

    @default("delegate")
    def _default_delegate(self) -> KernelSpecManager:
        found: KernelSpecManager = self.others(parent=self)
        return found

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the folder of each kernelspec, by name. Called by :meth:`get_all_specs` and Jupyter."""
        found: dict[str, str] = self.delegate.find_kernel_specs()
        sizes = self._sizes()
        if sizes is None:
            return found
        # A GPU kernel of the installation is not one of this student's sizes.
        plain = {name: folder for name, folder in found.items() if not self._is_ours(name)}
        return {**plain, **dict.fromkeys(sizes, str(LOGO_DIR))}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a kernelspec. Called when a kernel starts, and for each one that a launcher lists.

        Raises ``NoSuchKernel``, also for a size that this student has no more.
        """
        sizes = self._sizes()
        if sizes and kernel_name in sizes:
            return KernelSpec(resource_dir=str(LOGO_DIR), **sizes[kernel_name])
        if sizes is not None and self._is_ours(kernel_name):
            raise NoSuchKernel(kernel_name)
        return self.delegate.get_kernel_spec(kernel_name)

    def _is_ours(self, name: str) -> bool:
        try:
            metadata = self.delegate.get_kernel_spec(name).metadata
        except Exception:  # noqa: BLE001 (what is wrong with it, get_all_specs says)
            return False
        return bool(metadata.get("kernel_provisioner", {}).get("provisioner_name") == "bfkernel")

    def _sizes(self) -> dict[str, dict[str, Any]] | None:
        text = os.environ.get(SIZES_VARIABLE)
        if text is None:
            return None
        try:
            offers = list(json.loads(unquote(text)))
        except (ValueError, TypeError) as error:
            self.log.error("%s is malformed, so there are no GPU kernels: %s", SIZES_VARIABLE, error)  # noqa: TRY400
            return {}
        found = {}
        for offer in offers:
            try:
                name, content = _kernel(offer)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self.log.error("%s: %r is passed over: %s", SIZES_VARIABLE, offer, error)  # noqa: TRY400
            else:
                found[name] = content
        return found


def _kernel(offer: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return a kernelspec's name and content."""
    size = Size.parse(offer["size"])
    group, course = offer.get("group", ""), offer.get("course", "")
    shown = offer.get("name") or size.display_name
    content = kernel_json(size, display_name=f"{shown} ({course})" if course else shown, group=group)
    return kernel_name(size, group), content
