# SPDX-License-Identifier: BSD-3-Clause
"""Where the Hub is, and as what it knows this pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bfkernel.remote.state_dir import ConfigurationError, read_token

DEFAULT_SERVICE = "bfkernel"


@dataclass(frozen=True)
class HubOptions:
    """The Hub's API (``https://hub.example.edu/hub/api``), the pool's name there as a service, and its token.

    Users are asked for with their own tokens; with ``api_token`` the pool makes sure that the Hub knows it.
    """

    api_url: str
    service_name: str = DEFAULT_SERVICE
    api_token: str | None = field(default=None, repr=False)


def hub_options(
    environment: Mapping[str, str],
    *,
    jupyterhub: bool,
    api_url: str | None,
    api_token_file: Path | None,
    service_name: str | None,
) -> HubOptions | None:
    """Return the Hub that the options name, or None for none. The command line calls this.

    With ``jupyterhub``, what is not named comes from the variables that a Hub gives to its services
    (``JUPYTERHUB_API_URL``, ``JUPYTERHUB_API_TOKEN``, ``JUPYTERHUB_SERVICE_NAME``).

    Raises:
        ConfigurationError: an option lacks another one, or its file is not as it should be.
    """
    given = environment if jupyterhub else {}
    url = api_url or given.get("JUPYTERHUB_API_URL")
    if not url:
        if jupyterhub:
            msg = "--jupyterhub finds no JUPYTERHUB_API_URL: let the Hub run the pool, or name --hub-api-url."
            raise ConfigurationError(msg)
        if api_token_file or service_name:
            msg = "--hub-api-token-file and --hub-service-name need a Hub: name --hub-api-url."
            raise ConfigurationError(msg)
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"'{url}' is no Hub's API: write a URL such as https://hub.example.edu/hub/api."
        raise ConfigurationError(msg)
    token = (
        read_token(api_token_file, "Hub token file")
        if api_token_file
        else given.get("JUPYTERHUB_API_TOKEN") or None
    )
    name = service_name or given.get("JUPYTERHUB_SERVICE_NAME") or DEFAULT_SERVICE
    return HubOptions(url, name, token)
