# SPDX-License-Identifier: BSD-3-Clause
"""Hosts and ports as pool and agent write them."""

from __future__ import annotations

import ipaddress

#: Listening here means listening on every address of the machine.
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - named to be told apart


def is_loopback(host: str) -> bool:
    """Whether a host name or address stands for this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def host_port(host: str, port: int) -> str:
    """Return ``host:port``, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable_here(host: str) -> str:
    """Return the address by which this machine reaches what listens on ``host``."""
    return "127.0.0.1" if host in EVERYWHERE else host
