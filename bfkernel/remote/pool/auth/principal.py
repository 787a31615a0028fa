# SPDX-License-Identifier: BSD-3-Clause
"""Who sends a request, and the reasons for which somebody is not let in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum


class Role(str, Enum):
    """What a principal may do.

    A user has leases of its own. An admin has too, sees and ends other people's, and may speak for an agent.
    An agent reports a GPU server's state and does nothing else.
    """

    USER = "user"
    ADMIN = "admin"
    AGENT = "agent"


@dataclass(frozen=True)
class Principal:
    """Who sent a request. ``groups`` are those that quotas attach to."""

    name: str
    role: Role = Role.USER
    groups: frozenset[str] = frozenset()

    @property
    def admin(self) -> bool:
        """Whether it may see and end other people's leases."""
        return self.role is Role.ADMIN


class AuthenticationError(Exception):
    """Nobody is let in with this token; the message is one sentence for its bearer.

    ``status`` and ``code`` are those of the HTTP problem that says so.
    """

    status = 401
    code = "token"


class InvalidTokenError(AuthenticationError):
    """There is no token, or nobody's, or one that has been withdrawn."""


class MissingScopeError(AuthenticationError):
    """The Hub knows the token, and it does not permit the use of this pool."""

    status = 403
    code = "missing-scope"


class HubUnreachableError(AuthenticationError):
    """The Hub cannot be asked now, or does not answer as a Hub does."""

    status = 503
    code = "hub-unreachable"


def digest(token: str) -> bytes:
    """Return what stands for a token where it is kept or looked up.

    A token itself is never kept, and looking up its digest takes no time that depends on a secret.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
