# SPDX-License-Identifier: BSD-3-Clause
"""Which path goes to which page."""

from __future__ import annotations

from typing import Any

from bfkernel.remote.pool.auth import Authenticator
from bfkernel.remote.pool.dashboard import actions, admin, login, overview
from bfkernel.remote.pool.dashboard.options import DashboardOptions
from bfkernel.remote.pool.dashboard.pages import HERE, STATIC_PATH, Page, Static
from bfkernel.remote.pool.dashboard.sealing import Seals
from bfkernel.remote.pool.metrics import Metrics
from bfkernel.remote.pool.service import PoolService

_PAGES: list[tuple[str, type[Page]]] = [
    (r"/", overview.Overview),
    (r"/dashboard/events", overview.News),
    (r"/admin", admin.Admin),
    (r"/admin/quota", admin.QuotaPage),
    (r"/admin/usage\.csv", admin.UsageReport),
    (r"/actions/release", actions.Release),
    (r"/actions/revoke", actions.Revoke),
    (r"/actions/server", actions.ServerForm),
    (r"/actions/quota", actions.QuotaForm),
    (r"/login", login.Login),
    (r"/logout", login.Logout),
]


def routes(
    pool: PoolService, authenticator: Authenticator, metrics: Metrics, options: DashboardOptions
) -> list[tuple[str, Any, dict[str, Any]]]:
    """Return the dashboard's routes, for an application."""
    common = {
        "pool": pool,
        "authenticator": authenticator,
        "metrics": metrics,
        "dashboard": options,
        "seals": Seals(pool.signer, options.session_s),
    }
    return [
        *((pattern, page, common) for pattern, page in _PAGES),
        (rf"{STATIC_PATH}([a-z.]+)", Static, {"path": str(HERE / "static")}),
    ]
