# SPDX-License-Identifier: BSD-3-Clause
"""``configure(c)``: adds the service, roles, scopes and hooks to what the admin has set."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from traitlets.config import Config
from traitlets.config.loader import LazyConfigValue

from bfkernel_hub.hooks import StopNotice, before_spawn, chained
from bfkernel_hub.settings import BfkernelHub

SETTINGS_VARIABLE = "BFKERNEL_HUB_SETTINGS"
SECRET_VARIABLE = "BFKERNEL_HUB_SECRET"  # noqa: S105 (a name)

_TEMPLATES = Path(__file__).parent / "templates"
#: The Hub's own role ``server``: what a single-user server's token may, where no admin has said otherwise.
_SERVER_SCOPES = ["users:activity!user", "access:servers!server"]
_SERVICE_SCOPES = ["list:groups", "read:groups", "read:users:name"]
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "BFKERNEL_NATIVE_DIR")


def configure(c: Config) -> None:
    """Set up bfkernel on this Hub, by ``c.BfkernelHub``. The last line of ``jupyterhub_config.py``.

    Hooks, roles, services and scopes that the admin has set before are kept and added to.

    Raises:
        traitlets.TraitError: a setting cannot work; the message says which.
    """
    settings = BfkernelHub(config=c)
    # Known to the Hub's process and the service alone: with it the Hub's hooks speak to the service.
    secret = secrets.token_urlsafe(32)
    _add_service(c, settings, secret)
    _add_roles(c, settings)
    _add_server_scope(c, settings.scope)
    _chain(c, "pre_spawn_hook", before_spawn(settings))
    _chain(c, "post_stop_hook", StopNotice(settings.service_address, secret))
    _add_templates(c.JupyterHub)


def _add_service(c: Config, settings: BfkernelHub, secret: str) -> None:
    service = {
        "name": settings.service_name,
        "url": settings.service_url or settings.service_address,
        "command": [sys.executable, "-m", "bfkernel_hub"],
        "oauth_no_confirm": True,
        # The menu has a link of its own: see templates/page.html.
        "display": False,
        "environment": {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            SETTINGS_VARIABLE: settings.dumps(),
            SECRET_VARIABLE: secret,
        },
    }
    _add(c.JupyterHub, "services", [service])
    c.JupyterHub.template_vars.update(
        {
            "bfkernel_scopes": ["access:services", settings.scope],
            "bfkernel_service": settings.service_name,
        }
    )


def _add_roles(c: Config, settings: BfkernelHub) -> None:
    roles = _listed(c.JupyterHub, "load_roles")
    for role in roles:
        if role.get("name") == "user":
            role["scopes"] = [*role.get("scopes", ["self"]), settings.scope]
            break
    else:
        _add(c.JupyterHub, "load_roles", [{"name": "user", "scopes": ["self", settings.scope]}])
    own = {"name": "bfkernel-service", "services": [settings.service_name], "scopes": _SERVICE_SCOPES}
    _add(c.JupyterHub, "load_roles", [own])


def _add_templates(section: Config) -> None:
    """Put ours after the admin's own and before the Hub's."""
    if own := _listed(section, "template_paths"):
        # The Hub puts its own at the end itself.
        section.template_paths = [*own, str(_TEMPLATES)]
    else:
        section.template_paths.prepend([str(_TEMPLATES)])


def _add_server_scope(c: Config, scope: str) -> None:
    for section in _sections(c, "server_token_scopes"):
        scopes = section.get("server_token_scopes")
        if callable(scopes):
            section.server_token_scopes = lambda spawner, asked=scopes: [*asked(spawner), scope]
        elif _listed(section, "server_token_scopes"):
            _add(section, "server_token_scopes", [scope])
        else:
            section.server_token_scopes = [*_server_scopes(c), scope]


def _server_scopes(c: Config) -> list[str]:
    """Return what the Hub gives a server's token where no list is set: its role ``server``."""
    for role in _listed(c.JupyterHub, "load_roles"):
        if role.get("name") == "server":
            return list(role.get("scopes", _SERVER_SCOPES))
    return _SERVER_SCOPES


def _chain(c: Config, name: str, hook: Any) -> None:
    for section in _sections(c, name):
        section[name] = chained(section.get(name), hook)


def _sections(c: Config, name: str) -> Iterator[Config]:
    """Yield ``c.Spawner``, and the sections of its subclasses that set ``name`` themselves: they win."""
    yield c.Spawner
    for section in [key for key in c if key.endswith("Spawner") and key != "Spawner"]:
        if name in c[section]:
            yield c[section]


def _listed(section: Config, name: str) -> list[Any]:
    """Return a list's elements, however the admin has set it; changes to them are changes to the setting."""
    value = section.get(name)
    if isinstance(value, LazyConfigValue):
        added = [value.to_dict().get(key) or [] for key in ("prepend", "extend")]
        return [element for elements in added for element in elements]
    return list(value or [])


def _add(section: Config, name: str, elements: list[Any]) -> None:
    """Add to a list that is set, or to the default."""
    value = section.get(name)
    if value is None or isinstance(value, LazyConfigValue):
        getattr(section, name).extend(elements)
    else:
        section[name] = [*value, *elements]
