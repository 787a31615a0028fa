# SPDX-License-Identifier: BSD-3-Clause
"""JSON over HTTP, as the Hub's API and the pool's speak it."""

from __future__ import annotations

import json
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

_LIMIT_S = 10.0


class ServerAwayError(Exception):
    """The server does not answer, or does not answer as it should; ``str()`` is one sentence."""


class RefusedError(Exception):
    """The server says no: ``status``, and the sentence that it gives."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class JsonClient:
    """Speaks to one server with one token."""

    def __init__(self, url: str, token: str, scheme: str = "Bearer") -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"{scheme} {token}"}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return the answer's JSON, None for an empty one.

        Raises:
            ServerAwayError: no answer within 10 s, or none of this kind.
            RefusedError: an answer of status 4xx.
        """
        request = HTTPRequest(
            self.url + path,
            method=method,
            headers={**self._headers, **headers},
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
            connect_timeout=_LIMIT_S,
            request_timeout=_LIMIT_S,
        )
        try:
            response = await AsyncHTTPClient().fetch(request, raise_error=False)
        except (OSError, HTTPClientError) as error:  # without raise_error, the latter is no answer at all
            raise self._away(error) from None
        if response.code >= 500:
            raise self._away(_sentence(response.body) or response.reason)
        if response.code >= 400:
            raise RefusedError(response.code, _sentence(response.body) or response.reason)
        try:
            return json.loads(response.body) if response.body else None
        except ValueError:
            msg = f"What answers at {self.url} speaks no JSON."
            raise ServerAwayError(msg) from None

    def _away(self, reason: object) -> ServerAwayError:
        return ServerAwayError(f"{self.url} does not answer ({reason}).")


def _sentence(body: bytes | None) -> str:
    try:
        problem = json.loads(body or b"{}")
    except ValueError:
        return ""
    return str(problem.get("detail") or problem.get("message") or "") if isinstance(problem, dict) else ""
