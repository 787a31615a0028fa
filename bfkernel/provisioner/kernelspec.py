# SPDX-License-Identifier: BSD-3-Clause
"""Writes kernelspecs: one folder with ``kernel.json`` and a logo for each size that a course offers."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager

from bfkernel.remote.client.size import Size

# The sizes that lie ready in share/jupyter/kernels.
STOCK_SIZES = ("0.02", "0.05", "0.1", "1")
LOGO_DIR = Path(__file__).parent / "logo"
MAGICS = "bfkernel.provisioner.magics"


def kernel_name(size: Size, group: str = "") -> str:
    """Return a kernelspec's name: ``gpu-0.02``, for a group ``gpu-0.02-cs231n``.

    Jupyter's names have letters, digits and ``._-`` only; what else a group's name has becomes ``-``, and a
    digest of the whole name tells it from others that look the same then: ``gpu-0.02-cs-101-d8e25ab0``.
    """
    shown = re.sub("[^a-z0-9._-]+", "-", group.lower()).strip("-")
    digest = "" if shown == group.lower() else hashlib.sha256(group.encode()).hexdigest()[:8]
    return "-".join(part for part in (size.kernel_name, shown, digest) if part)


def kernel_json(
    size: Size,
    *,
    python: str = "python",
    display_name: str | None = None,
    group: str = "",
    filters: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content of ``kernel.json`` for a share of ``size``.

    ``group`` is the group that its leases count for, ``filters`` what its GPUs must be.
    ``python`` runs the kernel; jupyter replaces a bare ``python`` by the interpreter that it runs in itself.
    """
    config: dict[str, Any] = {}
    if size.share.fraction is not None:
        config["fraction"] = size.share.fraction
    else:
        config["memory_mib"] = size.share.memory_mib
    if size.gpus > 1:
        config["gpus"] = size.gpus
    if group:
        config["group"] = group
    if filters:
        config["filters"] = list(filters)
    return {
        # IPython only warns about an extension that it does not find, so %gpu is missing, and nothing else,
        # where the kernel's Python has no bfkernel.
        "argv": [python, "-m", "ipykernel_launcher", f"--ext={MAGICS}", "-f", "{connection_file}"],
        "display_name": display_name or size.display_name + (f" ({group})" if group else ""),
        "language": "python",
        "metadata": {
            "debugger": True,
            "kernel_provisioner": {"provisioner_name": "bfkernel", "config": config},
        },
    }


def write_kernelspec(folder: Path, content: dict[str, Any]) -> None:
    """Write one kernelspec into ``folder``, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for logo in sorted(LOGO_DIR.iterdir()):
        shutil.copyfile(logo, folder / logo.name)


def install_kernelspec(
    size: Size,
    *,
    name: str | None = None,
    user: bool = False,
    prefix: str | None = None,
    group: str = "",
    **content: Any,
) -> Path:
    """Install a kernelspec where ``jupyter`` finds it, replacing one of the same name, and return its folder.

    ``user`` chooses the user's own data folder, ``prefix`` an environment's; neither the system's.
    ``content`` is passed to :func:`kernel_json`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / (name or kernel_name(size, group))
        write_kernelspec(folder, kernel_json(size, group=group, **content))
        installed = KernelSpecManager().install_kernel_spec(
            str(folder), kernel_name=folder.name, user=user, prefix=prefix
        )
    return Path(installed)
