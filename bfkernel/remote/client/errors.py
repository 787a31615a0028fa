# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong between a client and the pool. Every message is one sentence for the user."""

from __future__ import annotations


class PoolError(Exception):
    """The pool said no; ``str()`` of it is the pool's own sentence.

    ``status`` is the HTTP status and ``code`` the problem's short name; ``docs/reference/http-api.md`` has
    all of them.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class PoolUnreachable(PoolError):
    """Nobody answers at the pool's address, or what answers is momentarily out of order: try again.

    So it is when its database, its Hub or the replica that decides is not there (503).
    """


class NotPermitted(PoolError):
    """The token is missing or wrong (401), or the user may not do this (403)."""


class OverQuota(NotPermitted):
    """The user may not have this much: at once (``quota``), or in this window (``gpu-hours``)."""


class Conflict(PoolError):
    """It cannot be done as things are (409)."""


class NoShare(Conflict):
    """No GPU of the pool is big enough for the request, or matches its filters (``no-such-size``)."""


class BadRequest(PoolError):
    """The request makes no sense to the pool (400, 404, 422)."""


class LeaseEnded(PoolError):
    """The lease is over (410): expired, revoked or released."""


def error_for(status: int, code: str, message: str) -> PoolError:
    """Return the exception for a problem that the pool reported."""
    by_status = PoolUnreachable if status >= 500 else _BY_STATUS.get(status, BadRequest)
    return _BY_CODE.get(code, by_status)(message, status=status, code=code)


_BY_CODE: dict[str, type[PoolError]] = {"quota": OverQuota, "gpu-hours": OverQuota, "no-such-size": NoShare}
_BY_STATUS: dict[int, type[PoolError]] = {
    401: NotPermitted,
    403: NotPermitted,
    409: Conflict,
    410: LeaseEnded,
    429: PoolUnreachable,
}
