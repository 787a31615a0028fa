# SPDX-License-Identifier: BSD-3-Clause
"""Signing in with a token, and out again."""

from __future__ import annotations

from bfkernel.remote.pool.auth import AuthenticationError
from bfkernel.remote.pool.auth.principal import InvalidTokenError
from bfkernel.remote.pool.dashboard.pages import LONGEST_TOKEN, Page

_NOBODY = ""


class Login(Page):
    """``/login``: takes a token once; from then on a cookie stands for it."""

    async def prepare(self) -> None:
        """Let everybody in; Tornado calls this before the method."""
        self.require_own_origin()

    async def get(self) -> None:
        """Show the form."""
        if self.authenticator.open:
            self.redirect(self.link("/"))
            return
        self.render("login.html", problem="")

    async def post(self) -> None:
        """Begin a session."""
        self.require_own_form(_NOBODY)
        token = self.get_body_argument("token", "")[:LONGEST_TOKEN]
        try:
            bearer = await self.authenticator.identify(token)
        except InvalidTokenError:
            self._refuse(401, "This is no valid token of the pool.")
            return
        except AuthenticationError as error:
            self._refuse(error.status, str(error))
            return
        if bearer.role not in self.roles:
            self._refuse(403, f"A token of role {bearer.role.value} is not for this.")
            return
        self.sign_in(token)
        self.redirect(self.link("/"), status=303)

    def _refuse(self, status: int, problem: str) -> None:
        self.set_status(status)
        self.render("login.html", problem=problem)


class Logout(Page):
    """``/logout``."""

    async def post(self) -> None:
        """End the session."""
        self.sign_out()
        self.redirect(self.link(self.dashboard.login_path), status=303)
