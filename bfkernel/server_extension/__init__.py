# SPDX-License-Identifier: BSD-3-Clause
"""The Jupyter server extension: ``/bfkernel/api/status`` tells front ends what each kernel holds of a GPU.

``etc/jupyter/jupyter_server_config.d/bfkernel.json`` enables it. It needs ``jupyter_server``, which the
provisioner does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Say where the extension is. Called by Jupyter server when it looks for its extensions."""
    return [{"module": "bfkernel.server_extension"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the handler. Called by Jupyter server once, at its start."""
    from jupyter_server.utils import url_path_join

    from .status import StatusHandler

    path = url_path_join(server.web_app.settings["base_url"], "bfkernel/api/status")
    server.web_app.add_handlers(".*$", [(path, StatusHandler)])  # type: ignore[no-untyped-call]
