# SPDX-License-Identifier: BSD-3-Clause
"""A pool that only its own machine can reach: everybody is let in, except for web pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.pool.auth.principal import Principal, Role

#: What everybody is on a pool without tokens: names that a client tells are not trusted.
LOCAL = Principal("local", Role.ADMIN)


def is_foreign(host: str, origin: str | None, forwarded_for: str | None = None) -> bool:
    """Whether a request with these headers comes from a web page of somebody else's, or another machine.

    A page in this machine's browser can reach a pool on loopback. Its requests tell where they come from
    (``Origin``), or (DNS rebinding) name a host that is not this machine. Another machine can reach it
    through a proxy, or another replica of the pool, which tell whom they forward (``X-Forwarded-For``).
    """
    if forwarded_for and not all(is_loopback(sender.strip()) for sender in forwarded_for.split(",")):
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return not is_loopback(name) or (origin is not None and urlsplit(origin).netloc != host)
    except ValueError:
        return True
