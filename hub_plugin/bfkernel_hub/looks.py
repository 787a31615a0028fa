# SPDX-License-Identifier: BSD-3-Clause
"""Pages in the Hub's look: its own templates and style sheets, rendered here."""

from __future__ import annotations

import html
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyterhub._data import DATA_FILES_PATH
from jupyterhub.utils import url_path_join

_HERE = Path(__file__).parent


class Looks:
    """Renders templates that extend the Hub's ``page.html``."""

    static_path = _HERE / "static"

    def __init__(self, hub_prefix: str, service_prefix: str, service_name: str) -> None:
        """``hub_prefix``: where the Hub is (``/hub/``); its style sheets are read from there."""
        self._hub = hub_prefix
        self._service_prefix = service_prefix
        self._service_name = service_name
        hubs = FileSystemLoader(str(Path(DATA_FILES_PATH) / "templates"))
        self._templates = Environment(
            # As in the Hub: "page.html" is the nearest one, "templates/page.html" the Hub's own.
            loader=ChoiceLoader(
                [FileSystemLoader(str(_HERE / "templates")), PrefixLoader({"templates": hubs}), hubs]
            ),
            autoescape=True,
        )
        self._templates.filters["duration"] = duration

    def render(self, template: str, user: dict[str, Any], *, xsrf: str, **values: Any) -> str:
        """Return a page for a user, as the Hub's API describes it."""
        scopes = {"access:services"}
        page: str = self._templates.get_template(template).render(
            base_url=self._hub,
            prefix=self._hub.removesuffix("hub/"),
            user=SimpleNamespace(name=user["name"], json_escaped_name=_escaped(user["name"])),
            static_url=self._static_url,
            logout_url=url_path_join(self._hub, "logout"),
            login_url=url_path_join(self._hub, "login"),
            # What the page may do is the pool's matter; these only choose the menu's links.
            parsed_scopes=scopes,
            expanded_scopes=scopes,
            services=[],
            no_spawner_check=True,
            xsrf=xsrf,
            xsrf_token=xsrf,
            bfkernel_scopes=sorted(scopes),
            bfkernel_service=self._service_name,
            service_prefix=self._service_prefix,
            **values,
        )
        return page

    def _static_url(self, path: str, **_options: Any) -> str:
        return f"{self._hub}static/{path}"


def duration(seconds: float | None) -> str:
    """Return a time for people: ``40 s``, ``12 min``, ``3 h``."""
    if seconds is None:
        return "unknown"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _escaped(name: str) -> str:
    return html.escape(json.dumps(name)[1:-1], quote=False)
