# SPDX-License-Identifier: BSD-3-Clause
"""The page "My GPU", in the Hub's look, and what the Hub's hooks call.

The page asks the pool with the token that the Hub has given this browser's user for this service: it can do
what that user can, and nothing else.
"""

from __future__ import annotations

import hmac
import json
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from bfkernel_hub import pool_pages
from bfkernel_hub.http_json import RefusedError, ServerAwayError
from bfkernel_hub.limit_rows import limit_rows
from bfkernel_hub.looks import Looks
from bfkernel_hub.metrics import ServiceMetrics
from bfkernel_hub.metrics_page import MetricsPage
from bfkernel_hub.pool_api import Json, PoolApi
from bfkernel_hub.settings import BfkernelHub
from bfkernel_hub.watch import Watcher

_REFRESH_S = 5


class MyGpu(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """The page: leases, places in the queue, quotas; a POST gives a lease back."""

    def initialize(self, settings: BfkernelHub, looks: Looks, **_others: Any) -> None:
        """Take what the routes pass; Tornado calls this for each request."""
        self._settings = settings
        self._looks = looks

    def set_default_headers(self) -> None:
        """Nobody frames the page, nobody keeps it."""
        self.set_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.set_header("Cache-Control", "no-store")

    @authenticated
    async def get(self) -> None:
        """Show it."""
        await self._show()

    @authenticated
    async def post(self) -> None:
        """Give the lease ``lease`` back, and show what is left."""
        try:
            await self._pool().release(self.get_body_argument("lease"))
        except (RefusedError, ServerAwayError) as error:
            await self._show(str(error))
        else:
            self.redirect(self.request.path)

    def _pool(self) -> PoolApi:
        return PoolApi(self._settings.address, self.hub_auth.get_token(self))

    async def _show(self, trouble: str = "") -> None:
        user = self.current_user["name"]
        leases: list[Json] = []
        quotas: list[Json] = []
        try:
            # Of an admin's list, which is everybody's, only the own ones are "my GPU".
            leases = [lease for lease in await self._pool().leases() if lease["user"] == user]
            quotas = (await self._pool().quota())["quotas"]
        except (RefusedError, ServerAwayError) as error:
            trouble = trouble or str(error)
        page = self._looks.render(
            "my-gpu.html",
            self.current_user,
            leases=leases,
            limits=limit_rows(quotas),
            trouble=trouble,
            admin=self.current_user.get("admin", False),
            refresh_s=_REFRESH_S,
            xsrf=self.xsrf_token.decode("ascii"),
        )
        self.finish(page)


class Stopped(RequestHandler):
    """``/stopped``: a user's last server has stopped. Not below the service's prefix: no proxy leads here."""

    def initialize(self, secret: str, watcher: Watcher, **_others: Any) -> None:
        """Take what the routes pass; Tornado calls this for each request."""
        self._secret = secret
        self._watcher = watcher

    def check_xsrf_cookie(self) -> None:
        """Not a browser's path: it asks for the Hub's secret. Tornado calls this."""

    async def post(self) -> None:
        """Take the user's kernels' leases back."""
        told = self.request.headers.get("Authorization", "")
        if not hmac.compare_digest(told.encode(), f"Bearer {self._secret}".encode()):
            raise HTTPError(403)
        try:
            await self._watcher.server_stopped(json.loads(self.request.body)["user"])
        except (RefusedError, ServerAwayError) as error:
            raise HTTPError(503, str(error)) from error
        self.set_status(204)


def application(
    settings: BfkernelHub,
    watcher: Watcher,
    metrics: ServiceMetrics,
    *,
    prefix: str,
    secret: str,
    looks: Looks,
    cookie_secret: bytes,
) -> Application:
    """Return the service's pages."""
    common = {
        "settings": settings,
        "watcher": watcher,
        "metrics": metrics,
        "secret": secret,
        "looks": looks,
    }
    return Application(
        [
            (url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler),
            (prefix, MyGpu, common),
            (url_path_join(prefix, "metrics"), MetricsPage, common),
            (url_path_join(prefix, pool_pages.PATTERN), pool_pages.PoolPages, common),
            ("/stopped", Stopped, common),
        ],
        cookie_secret=cookie_secret,
        static_path=str(looks.static_path),
        static_url_prefix=url_path_join(urlsplit(prefix).path, "static/"),
    )
