# SPDX-License-Identifier: BSD-3-Clause
"""What all pages share: who looks, headers, templates, forms, errors."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.web import Finish, RequestHandler, StaticFileHandler

from bfkernel import __version__
from bfkernel.remote.pool.api.handler import ApiHandler, ProblemError
from bfkernel.remote.pool.auth import Authenticator, Principal
from bfkernel.remote.pool.commits import StoreFailedError
from bfkernel.remote.pool.dashboard import words
from bfkernel.remote.pool.dashboard.options import DashboardOptions
from bfkernel.remote.pool.dashboard.sealing import Seals
from bfkernel.remote.pool.metrics import Metrics
from bfkernel.remote.pool.service import PoolService

HERE = Path(__file__).parent
STATIC_PATH = "/dashboard/static/"
SESSION_COOKIE = "bfkernel-session"
#: Browsers keep a cookie of at most 4096 bytes, and a seal makes a text a third longer.
LONGEST_TOKEN = 2000


def guard(handler: RequestHandler, frame_ancestors: str) -> None:
    """Set the headers that bound what a page can do and what can be done to it."""
    handler.set_header(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {frame_ancestors}",
    )
    handler.set_header("X-Content-Type-Options", "nosniff")
    # Not "no-referrer": with that, browsers say of a form's origin that it is "null".
    handler.set_header("Referrer-Policy", "same-origin")
    handler.set_header("Cross-Origin-Opener-Policy", "same-origin")
    handler.set_header("Cross-Origin-Resource-Policy", "same-origin")


class Page(ApiHandler):
    """A page for people. Who has no valid session is sent to sign in."""

    def initialize(  # type: ignore[override]
        self,
        pool: PoolService,
        authenticator: Authenticator,
        metrics: Metrics,
        dashboard: DashboardOptions,
        seals: Seals,
    ) -> None:
        """Take what the routes pass; Tornado calls this for each request."""
        super().initialize(pool, authenticator, metrics)
        self.dashboard = dashboard
        self.seals = seals
        self._guard()

    def _guard(self) -> None:
        guard(self, self.dashboard.frame_ancestors)
        self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:
        """Find out who looks, and that a form is one of ours; Tornado calls this before the method."""
        self.require_own_origin()
        try:
            await super().prepare()
        except ProblemError as problem:
            if problem.status_code != HTTPStatus.UNAUTHORIZED or not self._signs_in:
                raise
            self.redirect(self.link(self.dashboard.login_path))
            raise Finish from problem
        if self.request.method == "POST" or not self._is_navigation:
            self.require_own_form(self.principal.name)

    def _token(self) -> str | None:
        # A proxy that knows who looks says so as programs do; a browser has the cookie.
        return super()._token() or self.seals.session.open(self.get_cookie(SESSION_COOKIE))

    @property
    def _signs_in(self) -> bool:
        """Whether people sign in here: not at an open pool, nor behind a proxy that knows who looks."""
        return not self.authenticator.open and super()._token() is None

    @property
    def _is_navigation(self) -> bool:
        # What a script fetches, it can read: one of a neighbour's, at an address that this pool shares with
        # others behind a proxy, has no form to show.
        return self.request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"

    def link(self, path: str) -> str:
        """Return the way from this page to another one of the dashboard's: below whatever a proxy adds.

        An address elsewhere (``https://…``) is returned as it is.
        """
        if not path.startswith("/"):
            return path
        return "../" * (self.request.path.count("/") - 1) + path[1:] or "./"

    def sign_in(self, token: str) -> None:
        """Begin a session with a token that was found valid. Whatever lets people in ends with this."""
        self.set_cookie(
            SESSION_COOKIE,
            self.seals.session.close(token),
            max_age=int(self.dashboard.session_s),
            **self._cookie_bounds(),
        )

    def sign_out(self) -> None:
        """End the session in this browser."""
        self.clear_cookie(SESSION_COOKIE, **self._cookie_bounds())

    def _cookie_bounds(self) -> dict[str, Any]:
        # A proxy that ends TLS says so; who forges that gets a cookie that their browser keeps to itself.
        forwarded = self.request.headers.get("X-Forwarded-Proto", "")
        secure = "https" in (self.request.protocol, forwarded.split(",")[0].strip())
        return {"httponly": True, "samesite": "Strict", "secure": secure}

    # -- forms ------------------------------------------------------------------------------------------

    def require_own_origin(self) -> None:
        """Refuse what a page of another site sends, as browsers tell."""
        if self.request.method in ("GET", "HEAD"):
            return
        origin = self.request.headers.get("Origin")
        site = self.request.headers.get("Sec-Fetch-Site", "same-origin")
        if site != "same-origin" or (origin is not None and urlsplit(origin).netloc != self.request.host):
            raise ProblemError(403, "foreign-form", "This form was sent by another site.")

    def require_own_form(self, name: str) -> None:
        """Refuse a form that this pool did not show to ``name``, or too long ago."""
        if self.seals.form.open(self.get_argument("form", "")) != name:
            raise ProblemError(
                403, "stale-form", "This form is too old or not this pool's: load the page anew."
            )

    def go(self, path: str, news: str) -> None:
        """Send the browser on to a page that tells what was done."""
        self.redirect(f"{self.link(path)}?{urlencode({'news': self.seals.news.close(news)})}", status=303)

    # -- templates --------------------------------------------------------------------------------------

    def get_template_path(self) -> str:
        """Say where the templates are; Tornado calls this."""
        return str(HERE / "templates")

    def get_template_namespace(self) -> dict[str, Any]:
        """Return what every template knows; Tornado calls this."""
        viewer: Principal | None = getattr(self, "principal", None)
        form = self.seals.form.close(viewer.name if viewer else "")
        now = self.pool.clock()
        calendar = self.pool.policy.calendar
        return {
            "viewer": viewer,
            "signs_in": self._signs_in,
            "form": form,
            "form_field": f'<input type="hidden" name="form" value="{form}">',
            "link": self.link,
            "static": lambda name: self.link(_static_path(name)),
            "words": words,
            "ago": lambda at: words.ago(now - at),
            "clock": lambda at: calendar.wall_clock(at, now),
            "now": now,
            "version": __version__,
            "path": self.request.path,
            "news": self.seals.news.open(self.get_query_argument("news", "")) or "",
        }

    # -- errors -----------------------------------------------------------------------------------------

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answer an error with a page; Tornado calls this."""
        error = details.get("exc_info", (None, None, None))[1]
        title = HTTPStatus(status_code).phrase if status_code in set(HTTPStatus) else "Error"
        detail = "The pool failed to answer; its log says why." if status_code >= 500 else f"{title}."
        if isinstance(error, ProblemError):
            detail = error.detail
        elif isinstance(error, StoreFailedError):
            status_code, title, detail = 503, "Service Unavailable", str(error)
        self._guard()  # Tornado has cleared the headers
        self.set_status(status_code)
        self.render("error.html", title=title, detail=detail)


class Static(StaticFileHandler):
    """The style sheet, the script and the icon; anybody may have them."""

    def set_default_headers(self) -> None:
        """Set our headers; Tornado calls this for each request, and again for an error."""
        guard(self, "'none'")


@lru_cache
def _static_path(name: str) -> str:
    """Return where a static file is; it changes with the file, so that browsers may keep it."""
    version = StaticFileHandler.get_content_version(str(HERE / "static" / name))
    return f"{STATIC_PATH}{name}?v={version[:12]}"
