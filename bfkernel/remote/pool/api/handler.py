# SPDX-License-Identifier: BSD-3-Clause
"""What all handlers share: who asks, JSON in, answers and problems (RFC 9457) out, and the log of them."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from tornado.web import HTTPError, RequestHandler

from bfkernel.remote.logs import event
from bfkernel.remote.messages import Problem, WaitQuery, first_fault
from bfkernel.remote.pool.auth import AuthenticationError, Authenticator, Principal, Role, is_foreign
from bfkernel.remote.pool.commits import StoreFailedError
from bfkernel.remote.pool.metrics import Metrics
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.pool.views import lease_view
from bfkernel.remote.records import Lease

log = logging.getLogger("pool.http")

_LEASES = "/api/v1/leases/"
Body = TypeVar("Body", bound=BaseModel)


class ProblemError(HTTPError):
    """An answer that is an error; ``code`` is for programs, ``detail`` one sentence for people.

    ``retry_after_s``: when it is worth trying again.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(status)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class ApiHandler(RequestHandler):
    """What all handlers share: who asks, JSON in, JSON and problems out."""

    principal: Principal
    #: the lease that the request is about, for the log
    lease_id: str | None = None
    #: who may come here; an agent's token is for reports alone
    roles: ClassVar[frozenset[Role]] = frozenset({Role.USER, Role.ADMIN})
    #: methods that only keep alive, or give back, the lease that the path names
    holding: ClassVar[frozenset[str]] = frozenset()
    #: whether the path is the API's own, and not just any text that somebody sent: only then it is logged
    known_path: ClassVar[bool] = True

    def initialize(self, pool: PoolService, authenticator: Authenticator, metrics: Metrics) -> None:
        """Take what the routes pass; Tornado calls this for each request."""
        self.pool = pool
        self.authenticator = authenticator
        self.metrics = metrics

    def _is_foreign(self) -> bool:
        headers = self.request.headers
        return is_foreign(self.request.host, headers.get("Origin"), headers.get("X-Forwarded-For"))

    async def prepare(self) -> None:
        """Find out who asks; Tornado calls this before the method."""
        if self.authenticator.open and self._is_foreign():
            raise ProblemError(
                403, "host", "Without tokens, this pool answers programs of its own machine only."
            )
        held = self.path_args[0] if self.request.method in self.holding else None
        try:
            self.principal = await self.authenticator.identify(self._token(), held)
        except AuthenticationError as error:
            raise ProblemError(error.status, error.code, str(error)) from error
        if self.principal.role not in self.roles:
            raise ProblemError(
                403, "not-permitted", f"A token of role {self.principal.role.value} is not for this."
            )

    def _token(self) -> str | None:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def note_holder(self, lease: Lease) -> None:
        """Remember that who asks holds this lease: see ``auth.hub``."""
        self.authenticator.holds(self._token(), self.principal, lease.id)

    def body(self, model: type[Body]) -> Body:
        """Return the request's body, checked."""
        try:
            return model.model_validate_json(self.request.body)
        except ValidationError as error:
            raise _invalid(error, "the body") from error

    def query(self, model: type[Body]) -> Body:
        """Return the request's query, checked; of a parameter that stands there twice the last counts."""
        try:
            return model.model_validate(
                {name: self.get_query_argument(name) for name in self.request.query_arguments}
            )
        except ValidationError as error:
            raise _invalid(error, "the query") from error

    def reply(self, answer: BaseModel | dict[str, Any], status: int = 200) -> None:
        """Send an answer."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        if isinstance(answer, BaseModel):
            self.finish(answer.model_dump_json())
        else:
            self.finish(answer)

    def reply_lease(self, lease: Lease, status: int = 200) -> None:
        """Send a lease as the asker may see it."""
        self.lease_id = lease.id
        self.reply(lease_view(self.pool, lease, self.principal), status)

    async def lease(self, lease_id: str) -> Lease:
        """Return the lease of that id if the asker may see it; to others it does not exist."""
        lease = await self.pool.find(lease_id)
        if lease is None or not (self.principal.admin or lease.user == self.principal.name):
            raise ProblemError(404, "no-such-lease", f"There is no lease {lease_id[:64]}.")
        return lease

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answer an error with a problem; Tornado calls this."""
        error = details.get("exc_info", (None, None, None))[1]
        title = HTTPStatus(status_code).phrase if status_code in set(HTTPStatus) else "Error"
        code, detail = title.lower().replace(" ", "-"), f"{title}."
        if isinstance(error, ProblemError):
            code, detail = error.code, error.detail
            if error.retry_after_s is not None:
                self.set_header("Retry-After", str(error.retry_after_s))
        elif isinstance(error, StoreFailedError):
            status_code, title, code, detail = 503, "Service Unavailable", "store", str(error)
        elif status_code == 405:
            detail = f"{self.request.method} means nothing here."
        elif status_code >= 500:
            detail = "The pool failed to answer; its log says why."
        self.set_status(status_code)
        if status_code == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        self.set_header("Content-Type", "application/problem+json")
        self.finish(Problem(title=title, status=status_code, detail=detail, code=code).model_dump_json())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log defects, not problems: those are answers. Tornado calls this."""
        if not isinstance(value, HTTPError | StoreFailedError):
            log.error(event("failed", **_facts(self)), exc_info=(typ, value, tb))

    def on_finish(self) -> None:
        """Count the answer; Tornado calls this after it."""
        method = self.request.method or ""
        # Each name is a time series that stays, and anybody may invent names.
        known = method if method in self.SUPPORTED_METHODS else "other"
        self.metrics.count_request(type(self).__name__, known, self.get_status())


def _invalid(error: ValidationError, what: str) -> ProblemError:
    where, fault = first_fault(error)
    if error.errors(include_url=False)[0]["type"] == "json_invalid":
        return ProblemError(400, "malformed", f"The body is no JSON: {fault}.")
    return ProblemError(422, "invalid", f"{where or what}: {fault}.")


class PatientHandler(ApiHandler):
    """Answers about a lease that wait for news of it."""

    _waiting: asyncio.Task[Lease] | None = None

    async def news_of(self, lease: Lease) -> Lease | None:
        """Return the lease; with ``since``, when its revision is another, or after ``wait_s``.

        None when the client has gone meanwhile.
        """
        query = self.query(WaitQuery)
        if query.since is None or not query.wait_s:
            return lease
        waiting = self.pool.wait_for_change(lease, query.since, query.wait_s)
        self._waiting = asyncio.ensure_future(waiting)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            return None

    def on_connection_close(self) -> None:
        """Stop waiting for a client that has gone; Tornado calls this."""
        if self._waiting:
            self._waiting.cancel()


def log_answer(handler: RequestHandler) -> None:
    """Log an answered request; Tornado calls this. Its own line would hold the query."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    took_ms = round(1000 * handler.request.request_time())
    log.debug(event("answered", status=handler.get_status(), took_ms=took_ms, **_facts(handler)))


def _facts(handler: RequestHandler) -> dict[str, str | None]:
    if not isinstance(handler, ApiHandler) or not handler.known_path:
        return {}
    path = handler.request.path
    lease = path.removeprefix(_LEASES).split("/")[0] if path.startswith(_LEASES) else handler.lease_id
    return {"method": handler.request.method, "path": path, "lease": lease}
