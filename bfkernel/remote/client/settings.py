# SPDX-License-Identifier: BSD-3-Clause
"""Where the pool is and who asks, as the environment says it."""

from __future__ import annotations

import os

DEFAULT_POOL_URL = "http://127.0.0.1:8765"


def pool_url(override: str | None = None) -> str:
    """Return the pool's address: ``override``, else ``BFKERNEL_POOL_URL``, else the embedded default."""
    return (override or os.environ.get("BFKERNEL_POOL_URL") or DEFAULT_POOL_URL).rstrip("/")


def pool_token(url: str, override: str | None = None) -> str | None:
    """Return the token to present to the pool at ``url``, or None for none.

    ``override``, else ``BFKERNEL_TOKEN``, else the token that JupyterHub gave to this single-user server,
    unless ``url`` is the default: nobody has said that what listens there on a shared machine is a pool.
    """
    own = override or os.environ.get("BFKERNEL_TOKEN")
    hubs = os.environ.get("JUPYTERHUB_API_TOKEN") if url != DEFAULT_POOL_URL else None
    return own or hubs or None
