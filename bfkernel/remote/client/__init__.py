# SPDX-License-Identifier: BSD-3-Clause
"""Leases over HTTP, and the environment of a process whose CUDA calls are routed to one."""

from .environment import routed_environment
from .errors import (
    BadRequest,
    Conflict,
    LeaseEnded,
    NoShare,
    NotPermitted,
    OverQuota,
    PoolError,
    PoolUnreachable,
)
from .holder import LeaseHolder
from .lease_file import LeaseFile
from .pool_client import LeaseRequest, PoolClient
from .settings import pool_token, pool_url
from .size import Size

__all__ = [
    "BadRequest",
    "Conflict",
    "LeaseEnded",
    "LeaseFile",
    "LeaseHolder",
    "LeaseRequest",
    "NoShare",
    "NotPermitted",
    "OverQuota",
    "PoolClient",
    "PoolError",
    "PoolUnreachable",
    "Size",
    "pool_token",
    "pool_url",
    "routed_environment",
]
