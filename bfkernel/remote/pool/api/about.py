# SPDX-License-Identifier: BSD-3-Clause
"""The pool itself: whether it lives, its metrics; and paths that mean nothing."""

from __future__ import annotations

from typing import ClassVar, Literal, NoReturn

from bfkernel import __version__
from bfkernel.remote.messages import (
    HealthMessage,
)
from bfkernel.remote.pool.api.handler import ApiHandler, ProblemError
from bfkernel.remote.pool.api.operations import operation


class Health(ApiHandler):
    """``/healthz``, for everybody."""

    role: ClassVar[Literal["leader", "follower"]] = "leader"

    async def prepare(self) -> None:
        """Nobody needs a token to ask whether the pool lives."""

    @operation(answer=HealthMessage, anybody=True)
    async def get(self) -> None:
        """Say that this replica lives, its version, and whether it decides."""
        self.reply(HealthMessage(status="ok", version=__version__, role=self.role))


class MetricsPage(ApiHandler):
    """``/metrics``, for Prometheus."""

    @operation(media_type="text/plain")
    async def get(self) -> None:
        """Return all metrics."""
        self.set_header("Content-Type", self.metrics.content_type)
        self.finish(self.metrics.page())


class Unknown(ApiHandler):
    """Any other path."""

    known_path = False

    async def prepare(self) -> NoReturn:
        """Whoever asks: there is nothing here."""
        raise ProblemError(404, "no-such-path", f"There is nothing at {self.request.path[:200]}.")
