# SPDX-License-Identifier: BSD-3-Clause
"""The Jupyter server extension: ``/bfkernel/api/status`` tells front ends what each kernel holds of a GPU.

Events of Jupyter's tell them when that changes.

``etc/jupyter/jupyter_server_config.d/bfkernel.json`` enables it. It needs ``jupyter_server``, which the
provisioner does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

EVENT_SCHEMA = Path(__file__).parent / "event_schemas" / "lease_changes" / "v1.yaml"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Say where the extension is. Called by Jupyter server when it looks for its extensions."""
    return [{"module": "bfkernel.server_extension"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the handler and the events' schema. Called by Jupyter server once, at its start."""
    from jupyter_server.utils import url_path_join

    from .status import StatusHandler

    path = url_path_join(server.web_app.settings["base_url"], "bfkernel/api/status")
    server.web_app.add_handlers(".*$", [(path, StatusHandler)])  # type: ignore[no-untyped-call]
    # Before anybody subscribes: an open subscription does not hear of schemas that come later.
    if server.event_logger is not None:
        server.event_logger.register_event_schema(EVENT_SCHEMA)
