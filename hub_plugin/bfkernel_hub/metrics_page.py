# SPDX-License-Identifier: BSD-3-Clause
"""``metrics`` below the service's path, for who may read the Hub's own."""

from __future__ import annotations

from typing import Any, NoReturn

from jupyterhub.services.auth import HubOAuthenticated
from prometheus_client import CONTENT_TYPE_LATEST
from tornado.web import HTTPError, RequestHandler, authenticated

from bfkernel_hub.metrics import ServiceMetrics


class MetricsPage(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """The page that Prometheus reads, with a token of scope ``read:metrics`` as at ``/hub/metrics``."""

    hub_scopes = frozenset({"read:metrics"})

    def initialize(self, metrics: ServiceMetrics, **_others: Any) -> None:
        """Take what the routes pass; Tornado calls this for each request."""
        self._metrics = metrics

    def get_login_url(self) -> NoReturn:
        """Refuse who has no token: programs do not sign in. Tornado calls this."""
        raise HTTPError(403, reason="A token of scope read:metrics is needed")

    @authenticated
    def get(self) -> None:
        """Return the numbers."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(self._metrics.page())
