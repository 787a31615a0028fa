# SPDX-License-Identifier: BSD-3-Clause
"""What a replica answers while another one decides: that one's answers, as they come."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient
from tornado.util import TimeoutError as TornadoTimeoutError
from tornado.web import Application

from bfkernel.remote.messages import MAX_WAIT_S
from bfkernel.remote.pool.api.about import Health, MetricsPage
from bfkernel.remote.pool.api.handler import ApiHandler, ProblemError, log_answer
from bfkernel.remote.pool.auth import Authenticator
from bfkernel.remote.pool.leadership import Leader, Leaders
from bfkernel.remote.pool.metrics import Metrics

#: While nobody decides, a request waits this long for somebody who does.
_LEADER_LIMIT_S = 5.0
_CONNECT_LIMIT_S = 3.0
_ANSWER_LIMIT_S = MAX_WAIT_S + 20.0
#: The epoch of the leader that a request is forwarded to; a replica that knows of a later one refuses it.
_EPOCH_HEADER = "X-Bfkernel-Epoch"
#: Headers of one connection, which mean nothing on the next (RFC 9110, section 7.6.1).
_HOP_BY_HOP = ("Connection", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding")
_UPSTREAM = HTTP1ConnectionParameters(
    no_keep_alive=True, header_timeout=_ANSWER_LIMIT_S, max_header_size=1 << 20, max_body_size=1 << 40
)


_NOBODY = "No replica of the pool decides at the moment; try again."
_GONE = "The replica that decides went away before it answered; try again."


class _NoLeaderError(ProblemError):
    def __init__(self, detail: str) -> None:
        super().__init__(503, "no-leader", detail, retry_after_s=1)


class Forward(ApiHandler):
    """Every path that only the replica that decides can answer."""

    _upstream: IOStream | None = None
    _client_gone = False

    def initialize(self, leaders: Leaders, **common: Any) -> None:  # type: ignore[override]
        """Take what the routes pass; Tornado calls this for each request."""
        super().initialize(**common)
        self._leaders = leaders

    async def prepare(self) -> None:
        """Whoever asks: the replica that decides finds out."""

    async def _forward(self, *_: str) -> None:
        deadline = time.monotonic() + _LEADER_LIMIT_S
        meant = _epoch(self.request.headers.get(_EPOCH_HEADER))
        tried = 0 if meant is None else meant - 1
        while leader := await self._leaders.after(tried, deadline - time.monotonic()):
            if self._client_gone or (meant is not None and not leader.here):
                break
            self._upstream = await _connect(leader)
            if self._upstream:
                return await self._exchange(self._upstream, leader)
            tried = leader.epoch
        raise _NoLeaderError(_NOBODY)

    get = head = post = put = patch = delete = options = _forward

    async def _exchange(self, upstream: IOStream, leader: Leader) -> None:
        answer = _Answer(self)
        news = asyncio.ensure_future(self._leaders.changed())
        reading = asyncio.ensure_future(self._send(upstream, leader, answer))
        try:
            await asyncio.wait([reading, news], return_when=asyncio.FIRST_COMPLETED)
        finally:
            upstream.close()
            news.cancel()
            await asyncio.gather(reading, news, return_exceptions=True)
        if answer.whole:
            self.finish()
        elif answer.begun:
            self.detach().close()  # whoever reads must not take it for the whole answer
        elif not self._client_gone:
            raise _NoLeaderError(_GONE)

    async def _send(self, upstream: IOStream, leader: Leader, answer: _Answer) -> None:
        request = self.request
        connection = HTTP1Connection(upstream, is_client=True, params=_UPSTREAM)
        connection.write_headers(
            RequestStartLine(request.method or "", request.uri or "", ""), self._request_headers(leader)
        )
        if request.body:
            connection.write(request.body)
        connection.finish()
        await connection.read_response(answer)

    def _request_headers(self, leader: Leader) -> HTTPHeaders:
        headers = self.request.headers.copy()
        for name in _HOP_BY_HOP:
            headers.pop(name, None)
        headers["Connection"] = "close"
        headers["Content-Length"] = str(len(self.request.body))
        headers[_EPOCH_HEADER] = str(leader.epoch)
        headers.add("X-Forwarded-For", self.request.remote_ip or "unknown")
        return headers

    def on_connection_close(self) -> None:
        """Let go of the leader too when the client has gone; Tornado calls this."""
        self._client_gone = True
        if self._upstream:
            self._upstream.close()


class _Answer(HTTPMessageDelegate):
    """Passes the leader's answer on to the client. Tornado calls its methods as the answer comes."""

    def __init__(self, handler: Forward) -> None:
        self._handler = handler
        self.begun = False
        self.whole = False

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        if not isinstance(start_line, ResponseStartLine) or start_line.code < 200:
            return
        self.begun = True
        for name in ("Content-Type", "Date", "Server"):
            self._handler.clear_header(name)
        for name, value in headers.get_all():
            if name not in _HOP_BY_HOP:
                self._handler.add_header(name, value)
        self._handler.set_status(start_line.code, start_line.reason)
        await self._handler.flush()

    async def data_received(self, chunk: bytes) -> None:
        self._handler.write(chunk)
        await self._handler.flush()

    def finish(self) -> None:
        self.whole = True


class FollowersHealth(Health):
    """``/healthz`` of a replica that forwards."""

    role = "follower"


def forwarding_application(leaders: Leaders, authenticator: Authenticator) -> Application:
    """Return what a replica answers while another decides: its own health and numbers, else the leader's."""
    common: dict[str, Any] = {"pool": None, "authenticator": authenticator, "metrics": Metrics(None)}
    return Application(
        [(r"/healthz", FollowersHealth, common), (r"/metrics", MetricsPage, common)],
        default_handler_class=Forward,
        default_handler_args={"leaders": leaders, **common},
        log_function=log_answer,
    )


async def _connect(leader: Leader) -> IOStream | None:
    """Return a connection to a leader, or None: nothing was sent to it then, so another may be asked."""
    target = urlsplit(leader.url or "")
    try:
        stream = await TCPClient().connect(target.hostname or "", target.port or 80, timeout=_CONNECT_LIMIT_S)
    except (OSError, StreamClosedError, TornadoTimeoutError):
        return None
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    ):
        stream.socket.setsockopt(level, option, value)
    return stream


def _epoch(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
