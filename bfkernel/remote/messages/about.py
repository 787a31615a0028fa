# SPDX-License-Identifier: BSD-3-Clause
"""The pool itself, and its errors."""

from __future__ import annotations

from typing import Literal

from bfkernel.remote.messages.base import Message


class HealthMessage(Message):
    """``GET /healthz``. ``role`` is ``leader``, or ``follower`` where another replica decides."""

    status: str
    version: str
    role: Literal["leader", "follower"]


class Problem(Message):
    """An error, ``application/problem+json`` (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
