# SPDX-License-Identifier: BSD-3-Clause
"""Passes a browser's request on to the pool, and the answer back as it comes, event streams too."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient
from tornado.util import TimeoutError as TornadoTimeoutError
from tornado.web import RequestHandler

from bfkernel_hub.http_json import ServerAwayError

_CONNECT_LIMIT_S = 10.0
_HEADERS_LIMIT_S = 30.0
#: A stream of events ends after this; browsers begin a new one.
_LONGEST_S = 3600.0
#: What of a request is for the pool: no cookie of the Hub's, and a host name that is the pool's own.
_ASKED = (
    *("Accept", "Accept-Language", "Content-Type", "If-Modified-Since", "If-None-Match"),
    *("Sec-Fetch-Mode", "Sec-Fetch-Site"),
)
#: What of an answer is for the browser: no cookie, for the Hub's address is not the pool's.
_ANSWERED = (
    *("Cache-Control", "Content-Disposition", "Content-Length", "Content-Security-Policy", "Content-Type"),
    *("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Etag", "Expires", "Last-Modified"),
    *("Location", "Referrer-Policy", "Vary", "X-Content-Type-Options"),
)


class PassingOn:
    """One request on its way. :meth:`close` ends it when the browser has gone."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self._stream: IOStream | None = None

    async def run(self, url: str, token: str) -> None:
        """Send the handler's request to ``url`` as whom ``token`` stands for, and answer it.

        Raises:
            ServerAwayError: the pool did not begin to answer.
        """
        answer = _Answer(self._handler)
        try:
            await asyncio.wait_for(self._exchange(url, token, answer), _LONGEST_S)
        except (OSError, StreamClosedError, TornadoTimeoutError, asyncio.TimeoutError) as error:
            if not answer.begun:
                msg = f"The pool at {url} does not answer ({error})."
                raise ServerAwayError(msg) from error
        finally:
            self.close()
        if answer.whole:
            self._handler.finish()
        elif answer.begun:
            self._handler.detach().close()  # whoever reads must not take it for the whole answer
        else:
            msg = f"The pool at {url} went away."
            raise ServerAwayError(msg)

    def close(self) -> None:
        """Let go of the pool."""
        if self._stream is not None:
            self._stream.close()

    async def _exchange(self, url: str, token: str, answer: _Answer) -> None:
        target, request = urlsplit(url), self._handler.request
        tls = ssl.create_default_context() if target.scheme == "https" else None
        self._stream = await TCPClient().connect(
            target.hostname or "",
            target.port or (443 if tls else 80),
            ssl_options=tls,
            timeout=_CONNECT_LIMIT_S,
        )
        connection = HTTP1Connection(
            self._stream,
            is_client=True,
            params=HTTP1ConnectionParameters(no_keep_alive=True, header_timeout=_HEADERS_LIMIT_S),
        )
        headers = HTTPHeaders({name: request.headers[name] for name in _ASKED if name in request.headers})
        headers["Host"] = target.netloc
        headers["Authorization"] = f"Bearer {token}"
        headers["Connection"] = "close"
        headers["Content-Length"] = str(len(request.body))
        path = f"{target.path}?{request.query}" if request.query else target.path
        connection.write_headers(RequestStartLine(request.method or "", path, ""), headers)
        if request.body:
            connection.write(request.body)
        connection.finish()
        await connection.read_response(answer)


class _Answer(HTTPMessageDelegate):
    """Passes the pool's answer back. Tornado calls its methods as the answer comes."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self.begun = False
        self.whole = False

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        if not isinstance(start_line, ResponseStartLine) or start_line.code < 200:
            return
        self.begun = True
        for name in _ANSWERED:
            self._handler.clear_header(name)
            for value in headers.get_list(name):
                self._handler.add_header(name, value)
        self._handler.set_status(start_line.code, start_line.reason)
        await self._handler.flush()

    async def data_received(self, chunk: bytes) -> None:
        self._handler.write(chunk)
        await self._handler.flush()

    def finish(self) -> None:
        self.whole = True
