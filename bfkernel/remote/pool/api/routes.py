# SPDX-License-Identifier: BSD-3-Clause
"""Which path goes to which handler."""

from __future__ import annotations

from functools import cache
from typing import Any

from tornado.web import Application

from bfkernel.remote.pool.api import about, admin, agents, inventory, leases, queue
from bfkernel.remote.pool.api.handler import ApiHandler, log_answer
from bfkernel.remote.pool.api.openapi import description
from bfkernel.remote.pool.api.paths import Path
from bfkernel.remote.pool.auth import Authenticator
from bfkernel.remote.pool.dashboard import routes as dashboard
from bfkernel.remote.pool.dashboard.options import DashboardOptions
from bfkernel.remote.pool.metrics import Metrics
from bfkernel.remote.pool.service import PoolService

ROUTES: list[tuple[Path, type[ApiHandler]]] = [
    (Path("/api/v1/leases"), leases.Leases),
    (Path("/api/v1/leases/{lease}"), leases.OneLease),
    (Path("/api/v1/leases/{lease}/heartbeat"), leases.Heartbeat),
    (Path("/api/v1/queue"), queue.Queue),
    (Path("/api/v1/quota"), queue.OwnQuota),
    (Path("/api/v1/quotas"), admin.Quotas),
    (Path("/api/v1/quotas/{kind}"), admin.OneQuota),
    (Path("/api/v1/quotas/{kind}/{name}"), admin.OneQuota),
    (Path("/api/v1/usage"), queue.Usage),
    (Path("/api/v1/utilization"), queue.Utilization),
    (Path("/api/v1/events"), queue.Events),
    (Path("/api/v1/gpus"), inventory.Gpus),
    (Path("/api/v1/servers"), inventory.Servers),
    (Path("/api/v1/servers/{server}"), admin.OneServer),
    (Path("/api/v1/servers/{server}/{action}"), admin.ServerAction),
    (Path("/api/v1/agents/{server}/report"), agents.Report),
    (Path("/healthz"), about.Health),
    (Path("/metrics"), about.MetricsPage),
]


class Description(ApiHandler):
    """``/api/v1/openapi.json``."""

    async def prepare(self) -> None:
        """Nobody needs a token to learn what the API is."""

    async def get(self) -> None:
        """Return the OpenAPI description of this API."""
        self.reply(_described())


@cache
def _described() -> dict[str, Any]:
    return description(ROUTES)


def application(pool: PoolService, authenticator: Authenticator, options: DashboardOptions) -> Application:
    """Return the API and the dashboard over a pool."""
    routes = [*ROUTES, (Path("/api/v1/openapi.json"), Description)]
    metrics = Metrics(pool)
    common = {"pool": pool, "authenticator": authenticator, "metrics": metrics}
    return Application(
        [
            *((path.pattern, handler, common) for path, handler in routes),
            *dashboard.routes(pool, authenticator, metrics, options),
        ],
        default_handler_class=about.Unknown,
        default_handler_args=common,
        log_function=log_answer,
    )
