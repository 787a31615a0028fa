# SPDX-License-Identifier: BSD-3-Clause
"""The pool's HTTP API, as seen from a client. The contract is ``docs/reference/protocol.md`` section 4."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore  # noqa: F401 (httpx imports it with its first client, which is when a kernel starts)
import httpx

from bfkernel import __version__

from .errors import BadRequest, PoolError, PoolUnreachable, error_for
from .settings import pool_token, pool_url
from .size import Size

Json = dict[str, Any]

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class LeaseRequest:
    """What a holder asks the pool for. ``kind`` is ``kernel`` or ``command``; ``name`` is for people.

    ``filters`` (``cuda>=12.4``) are what the GPUs must be, ``group`` is the group that it shall count for.
    """

    size: Size
    kind: str
    name: str
    filters: Sequence[str] = ()
    group: str = ""
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    def to_json(self) -> Json:
        """Return the body of ``POST /api/v1/leases``."""
        return {
            "fraction": self.size.share.fraction,
            "memory_mib": self.size.share.memory_mib,
            "gpu_count": self.size.gpus,
            "filters": list(self.filters),
            "group": self.group,
            "holder": {"kind": self.kind, "name": _short(self.name), "host": self.host, "pid": self.pid},
        }


def _short(name: str, limit: int = 200) -> str:
    """Shorten a name, which may be a whole command line; people recognise it by its beginning."""
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname:
            return parts.hostname
    except ValueError:
        pass
    msg = f"'{url}' is not a pool's address: write a URL such as http://pool.example:8765."
    raise BadRequest(msg)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


class PoolClient:
    """Speaks to one pool, synchronously; usable from several threads.

    Every method raises :class:`PoolUnreachable` when no proper answer comes, and another
    :class:`PoolError` with the pool's own sentence when the pool refuses.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.url = pool_url(url)
        self._host = _host(self.url)
        self._token = pool_token(self.url, token)
        self._opened: httpx.Client | None = None
        self._closed = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections. Idempotent."""
        with self._lock:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    def _http(self) -> httpx.Client:
        # Opened by the first request, on its thread: reading the certificates of a https pool takes longer
        # than a Jupyter server's event loop should stand still.
        with self._lock:
            if self._closed:
                msg = f"The connection to the pool at {self.url} is closed."
                raise PoolUnreachable(msg)
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> httpx.Client:
        headers = {"User-Agent": f"bfkernel/{__version__}"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            verify=not self.url.startswith("http://"),
            # A proxy between this machine and itself is never what anybody meant.
            trust_env=not _is_loopback(self._host),
        )

    def __enter__(self) -> PoolClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request_lease(self, request: LeaseRequest) -> Json:
        """Ask for a lease; the answer is granted or queued."""
        return self._json("POST", "/api/v1/leases", json=request.to_json())

    def heartbeat(self, lease_id: str, *, since: int | None = None, wait_s: float = 0) -> Json:
        """Prove that the holder lives; the answer carries a fresh token. ``LeaseEnded`` when it is over.

        The proof counts when it arrives. With ``since``, the answer comes when the lease's revision is
        another, or after ``wait_s`` seconds.
        """
        params: Json = {} if since is None else {"since": since, "wait_s": wait_s}
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S + wait_s, connect=CONNECT_TIMEOUT_S)
        return self._json("POST", f"/api/v1/leases/{lease_id}/heartbeat", params=params, timeout=timeout)

    def release(self, lease_id: str) -> Json:
        """Give the lease back. Idempotent."""
        return self._json("DELETE", f"/api/v1/leases/{lease_id}")

    def leases(self, *, ended: bool = False) -> list[Json]:
        """Return the live leases, with ``ended`` the ended ones too."""
        return self._list("/api/v1/leases", "leases", params={"all": "true"} if ended else {})

    def gpus(self) -> list[Json]:
        """Return every GPU of the pool with what is held and free on it."""
        return self._list("/api/v1/gpus", "gpus")

    def servers(self) -> list[Json]:
        """Return the GPU servers that have reported to the pool."""
        return self._list("/api/v1/servers", "servers")

    def queue(self) -> list[Json]:
        """Return the requests that wait, in order."""
        return self._list("/api/v1/queue", "queue")

    def quota(self) -> Json:
        """Return one's own quotas: what is held and used of each."""
        return self._json("GET", "/api/v1/quota")

    def usage(self, by: str, start: float | None, end: float | None) -> Json:
        """Return what was used between two times (seconds since the epoch), ``by`` user, group or both."""
        return self._json("GET", "/api/v1/usage", params=_told(by=by, start=start, end=end))

    def usage_csv(self, by: str, start: float | None, end: float | None) -> str:
        """Return the same as CSV."""
        params = _told(by=by, start=start, end=end, format="csv")
        return self._answer("GET", "/api/v1/usage", params=params).text

    # -- for admins ------------------------------------------------------------------------------------

    def cordon(self, server: str, *, cordoned: bool = True) -> Json:
        """Take a server out of service for new leases, or back into it."""
        return self._json("POST", f"{_server(server)}/{'cordon' if cordoned else 'uncordon'}")

    def drain(self, server: str, grace_s: float) -> Json:
        """Take a server out of service, and end its leases after ``grace_s`` seconds."""
        return self._json("POST", f"{_server(server)}/drain", json={"grace_s": grace_s})

    def forget_server(self, server: str) -> None:
        """Forget a server that is gone; ``Conflict`` while its agent reports."""
        self._answer("DELETE", _server(server))

    def quotas(self) -> Json:
        """Return the quotas of everybody, by kind: ``default``, ``groups``, ``totals``, ``users``."""
        return self._json("GET", "/api/v1/quotas")

    def set_quota(self, kind: str, name: str, limits: Json, *, enforce: bool = False) -> Json:
        """Set a quota as a whole, and return all; ``enforce`` revokes what is beyond it."""
        return self._json("PUT", _quota(kind, name), params={"enforce": enforce}, json=limits)

    def unset_quota(self, kind: str, name: str, *, enforce: bool = False) -> Json:
        """Go back to the configuration's quota, and return all."""
        return self._json("DELETE", _quota(kind, name), params={"enforce": enforce})

    def health(self) -> Json:
        """Return the pool's own word on its health and version."""
        return self._json("GET", "/healthz")

    def _list(self, path: str, key: str, **arguments: Any) -> list[Json]:
        body = self._request("GET", path, **arguments)
        items = body.get(key) if isinstance(body, dict) else body
        if not isinstance(items, list):
            raise self._not_a_pool()
        return items

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        body = self._request(method, path, **arguments)
        if not isinstance(body, dict):
            raise self._not_a_pool()
        return body

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            return self._answer(method, path, **arguments).json()
        except ValueError as error:
            raise self._not_a_pool() from error

    def _answer(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._http().request(method, path, **arguments)
        except httpx.HTTPError as error:
            msg = f"The pool at {self.url} does not answer ({_reason(error)})."
            raise PoolUnreachable(msg) from error
        except RuntimeError as error:  # httpx says so when another thread has closed the client
            msg = f"The connection to the pool at {self.url} is closed."
            raise PoolUnreachable(msg) from error
        if response.is_error:
            raise self._problem(response)
        return response

    def _problem(self, response: httpx.Response) -> PoolError:
        try:
            problem = response.json()
            message = str(problem["detail"])
            code = str(problem.get("code", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            message = f"The pool at {self.url} answered {response.status_code} {response.reason_phrase}."
            code = ""
        return error_for(response.status_code, code, message)

    def _not_a_pool(self) -> PoolError:
        return PoolError(f"What answers at {self.url} is not a bfkernel pool.")


def _server(name: str) -> str:
    return f"/api/v1/servers/{quote(name, safe='')}"


def _quota(kind: str, name: str) -> str:
    return f"/api/v1/quotas/{kind}" + (f"/{quote(name, safe='')}" if name else "")


def _told(**params: Any) -> Json:
    return {name: value for name, value in params.items() if value is not None}


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    text = str(error) or type(error).__name__
    return text.removeprefix("[Errno 111] ").rstrip(".").lower()
