# SPDX-License-Identifier: BSD-3-Clause
"""The pool's dashboard for the Hub's admins, below the service's own path and by the Hub's login.

Its pages are shown as the pool has them (their links are relative), asked for with the token that the Hub has
given the admin's browser for this service. What is the dashboard's alone is passed on: a script of somebody
else's at the Hub's address could not read its forms, and the API asks for none.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.services.auth import HubOAuthenticated
from tornado.web import HTTPError, RequestHandler, authenticated

from bfkernel_hub.http_json import ServerAwayError
from bfkernel_hub.passing_on import PassingOn
from bfkernel_hub.settings import BfkernelHub

#: The dashboard's pages, below the service's path; not its login, for the Hub says who looks.
PATTERN = r"pool(/|/admin|/admin/[a-z.]+|/actions/[a-z]+|/dashboard/[a-z./]+)"


class PoolPages(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """``pool/…``."""

    def initialize(self, settings: BfkernelHub, **_others: Any) -> None:
        """Take what the routes pass; Tornado calls this for each request."""
        self._settings = settings
        self._passing = PassingOn(self)

    def check_xsrf_cookie(self) -> None:
        """Leave it to the pool, whose pages know no token of the Hub's. JupyterHub and Tornado call this.

        It asks for a form that it has shown to this very user, of whatever is no navigation too.
        """

    @authenticated
    async def get(self, path: str) -> None:
        """Show a page, or follow its events."""
        await self._pass_on(path)

    @authenticated
    async def post(self, path: str) -> None:
        """Send a form."""
        await self._pass_on(path)

    async def _pass_on(self, path: str) -> None:
        if not self.current_user.get("admin"):
            raise HTTPError(403, reason="The pool's dashboard is for the Hub's admins")
        try:
            await self._passing.run(self._settings.address + path, self.hub_auth.get_token(self))
        except ServerAwayError as error:
            raise HTTPError(502, str(error), reason="The pool does not answer") from error

    def on_connection_close(self) -> None:
        """Let go of the pool too when the browser has gone; Tornado calls this."""
        self._passing.close()
