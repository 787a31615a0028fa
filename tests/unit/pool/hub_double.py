# SPDX-License-Identifier: BSD-3-Clause
"""A Hub of the tests' own: it answers ``GET /hub/api/user`` as JupyterHub 6.1.1 was measured to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

SCOPE = "access:services!service=bfkernel"


def user(name: str, *scopes: str, **model: Any) -> dict[str, Any]:
    """Return the model of a user whose token has these scopes."""
    return {
        "kind": "user",
        "name": name,
        "admin": False,
        "groups": [],
        "token_id": "a1",
        "session_id": None,
        "scopes": ["access:servers!server=x/", *(scopes or (SCOPE,))],
        **model,
    }


class HubDouble:
    """A Hub whose users, troubles and counts of questions the test sees and sets."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        #: answered to every question instead: a status, a body, or ``hang``
        self.trouble: int | bytes | str | None = None
        self.delay_s = 0.0
        self.asked: Counter[str] = Counter()
        (self._socket,) = bind_sockets(0, "127.0.0.1")
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hub/api"
        self._server = HTTPServer(Application([(r"/hub/api/user", _User, {"hub": self})]))

    def start(self) -> None:
        self._server.add_sockets([self._socket])

    async def stop(self) -> None:
        """Be away: nothing listens on the port any more."""
        self._server.stop()
        await self._server.close_all_connections()


class _User(RequestHandler):
    def initialize(self, hub: HubDouble) -> None:
        self.hub = hub

    async def get(self) -> None:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        self.hub.asked[token] += 1
        await asyncio.sleep(self.hub.delay_s)
        trouble = self.hub.trouble
        if trouble == "hang":
            await asyncio.sleep(60)
        elif isinstance(trouble, int):
            self.set_status(trouble)
        elif isinstance(trouble, bytes):
            self.finish(trouble)
        elif scheme != "token" or token not in self.hub.users:
            self.set_status(403)
            self.finish(json.dumps({"status": 403, "message": "Forbidden"}))
        else:
            self.finish(json.dumps(self.hub.users[token]))
