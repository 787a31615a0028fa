# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong between a client and the pool. Every message is one sentence for the user."""

from __future__ import annotations


class PoolError(Exception):
    """The pool said no; ``str()`` of it is the pool's own sentence.

    ``status`` is the HTTP status and ``code`` the problem's short name (``quota``, ``no-such-size``, …).
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class PoolUnreachable(PoolError):
    """Nobody answers at the pool's address, or what answers is momentarily out of order: try again."""


class NotPermitted(PoolError):
    """The token is missing or wrong (401), or the user may not have this much (403)."""


class NoShare(PoolError):
    """No GPU of the pool is big enough for the request, now or later (409)."""


class BadRequest(PoolError):
    """The request makes no sense to the pool (400, 404, 422)."""


class LeaseEnded(PoolError):
    """The lease is over (410): expired, revoked or released."""


def error_for(status: int, code: str, message: str) -> PoolError:
    """Return the exception for a problem that the pool reported."""
    kinds: dict[int, type[PoolError]] = {
        401: NotPermitted,
        403: NotPermitted,
        409: NoShare,
        410: LeaseEnded,
        429: PoolUnreachable,
    }
    kind = PoolUnreachable if status >= 500 else kinds.get(status, BadRequest)
    return kind(message, status=status, code=code)
