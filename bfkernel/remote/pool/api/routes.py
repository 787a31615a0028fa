# SPDX-License-Identifier: BSD-3-Clause
"""Which path goes to which handler."""

from __future__ import annotations

from tornado.web import Application

from bfkernel.remote.pool.api import admin, queue
from bfkernel.remote.pool.auth import Authenticator
from bfkernel.remote.pool.http import (
    ApiHandler,
    Gpus,
    Health,
    Heartbeat,
    Leases,
    MetricsPage,
    OneLease,
    Report,
    Servers,
    Unknown,
)
from bfkernel.remote.pool.metrics import Metrics
from bfkernel.remote.pool.service import PoolService

_SERVER = r"([A-Za-z0-9._-]{1,200})"
_LEASE = r"([^/]{1,64})"

ROUTES: list[tuple[str, type[ApiHandler]]] = [
    (r"/api/v1/leases", Leases),
    (rf"/api/v1/leases/{_LEASE}", OneLease),
    (rf"/api/v1/leases/{_LEASE}/heartbeat", Heartbeat),
    (r"/api/v1/queue", queue.Queue),
    (r"/api/v1/quota", queue.OwnQuota),
    (r"/api/v1/quotas", admin.Quotas),
    (r"/api/v1/quotas/([a-z]{1,16})", admin.OneQuota),
    (r"/api/v1/quotas/([a-z]{1,16})/([^/]{1,600})", admin.OneQuota),
    (r"/api/v1/usage", queue.Usage),
    (r"/api/v1/utilization", queue.Utilization),
    (r"/api/v1/events", queue.Events),
    (r"/api/v1/gpus", Gpus),
    (r"/api/v1/servers", Servers),
    (rf"/api/v1/servers/{_SERVER}", admin.OneServer),
    (rf"/api/v1/servers/{_SERVER}/(cordon|uncordon|drain)", admin.ServerAction),
    (rf"/api/v1/agents/{_SERVER}/report", Report),
    (r"/healthz", Health),
    (r"/metrics", MetricsPage),
]


def application(pool: PoolService, authenticator: Authenticator) -> Application:
    """Return the API over a pool."""
    common = {"pool": pool, "authenticator": authenticator, "metrics": Metrics(pool)}
    return Application(
        [(pattern, handler, common) for pattern, handler in ROUTES],
        default_handler_class=Unknown,
        default_handler_args=common,
    )
