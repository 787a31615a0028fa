# SPDX-License-Identifier: BSD-3-Clause
"""What a replica forwards, to a leader that this test plays byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from bfkernel.remote.pool import forward
from bfkernel.remote.pool.auth import Authenticator
from bfkernel.remote.pool.leadership import Leader, Leaders

pytestmark = pytest.mark.asyncio
LIMIT_S = 10.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Follower:
    """A follower, its client, and the leader: the test reads what comes to it and says what it answers."""

    def __init__(self) -> None:
        self.leaders = Leaders()
        self._server = HTTPServer(forward.forwarding_application(self.leaders, Authenticator()))
        sockets = bind_sockets(0, "127.0.0.1")
        self._server.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        self.http = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=LIMIT_S)
        self._arrived: asyncio.Queue[Streams] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def lead(self, epoch: int = 1) -> asyncio.Server:
        leader = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = leader.sockets[0].getsockname()[1]
        self.leaders.learn(Leader(epoch, f"http://127.0.0.1:{port}"))
        return leader

    async def arrived(self) -> tuple[bytes, bytes, Streams]:
        """Return the head and the body of the request that came to the leader, and its connection."""
        reader, writer = await asyncio.wait_for(self._arrived.get(), LIMIT_S)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_S)
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length"))
        body = await reader.readexactly(int(length.split(b":")[1]))
        return head, body, (reader, writer)

    async def close(self) -> None:
        await self.http.aclose()
        for writer in self._writers:
            writer.close()
        self._server.stop()
        await self._server.close_all_connections()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._arrived.put_nowait((reader, writer))


@pytest_asyncio.fixture
async def follower(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(forward, "_LEADER_LIMIT_S", 0.3)
    follower = Follower()
    yield follower
    await follower.close()


def soon(call: Awaitable[httpx.Response]) -> asyncio.Task[httpx.Response]:
    return asyncio.ensure_future(call)


def assert_no_leader(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "no-leader")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"


async def test_a_request_and_its_answer_arrive_as_they_were_sent(follower: Follower) -> None:
    await follower.lead()
    headers = {"Authorization": "Bearer secret", "Host": "pool.example", "X-Forwarded-For": "192.0.2.1"}
    call = soon(follower.http.post("/api/v1/x%20y?a=b%26c", content=b"body\x00", headers=headers))
    head, body, (_, leader) = await follower.arrived()
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/v1/x%20y?a=b%26c HTTP/1.1"
    assert {"Authorization: Bearer secret", "Host: pool.example", "X-Bfkernel-Epoch: 1"} <= set(lines)
    assert [line for line in lines if line.startswith("X-Forwarded-For")] == [
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-For: 127.0.0.1",
    ]
    assert body == b"body\x00"
    leader.write(
        b"HTTP/1.1 418 Teapot\r\nContent-Length: 3\r\nContent-Type: text/tea\r\nSet-Cookie: a=1\r\n"
        b"Set-Cookie: b=2\r\nConnection: close\r\n\r\npot"
    )
    answer = await call
    assert (answer.status_code, answer.reason_phrase, answer.content) == (418, "Teapot", b"pot")
    assert answer.headers["content-type"] == "text/tea"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "date" not in answer.headers


async def test_an_answer_without_a_body_arrives(follower: Follower) -> None:
    await follower.lead()
    for method, sent in (("HEAD", b"200 OK\r\nContent-Length: 7"), ("DELETE", b"204 No Content")):
        call = soon(follower.http.request(method, "/x"))
        _, _, (_, leader) = await follower.arrived()
        leader.write(b"HTTP/1.1 " + sent + b"\r\n\r\n")
        answer = await call
        assert answer.status_code == int(sent[:3])
        assert answer.content == b""


async def test_events_are_passed_on_as_they_come(follower: Follower) -> None:
    await follower.lead()
    request = follower.http.build_request("GET", "/events")
    call = asyncio.ensure_future(follower.http.send(request, stream=True))
    _, _, (_, leader) = await follower.arrived()
    leader.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    answer = await call
    parts = answer.aiter_raw()
    assert await anext(parts) == b"first"
    leader.write(b"6\r\nsecond\r\n0\r\n\r\n")
    assert await anext(parts) == b"second"
    with pytest.raises(StopAsyncIteration):
        await anext(parts)


async def test_the_leader_hears_that_a_client_has_gone(follower: Follower) -> None:
    await follower.lead()
    call = soon(follower.http.get("/api/v1/leases/1?since=1&wait_s=50"))
    _, _, (reader, _) = await follower.arrived()
    call.cancel()
    assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""


async def test_a_request_waits_for_a_leader_but_not_for_ever(follower: Follower) -> None:
    assert_no_leader(await follower.http.get("/x"))
    call = soon(follower.http.get("/x"))
    await asyncio.sleep(0.05)
    await follower.lead()
    _, _, (_, leader) = await follower.arrived()
    leader.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await call).status_code == 200


async def test_what_a_dead_leader_did_not_get_goes_to_the_next(follower: Follower) -> None:
    dead = await follower.lead(1)
    dead.close()
    await dead.wait_closed()
    assert_no_leader(await follower.http.post("/x"))
    call = soon(follower.http.post("/x"))
    await asyncio.sleep(0.05)
    await follower.lead(2)
    head, _, (_, leader) = await follower.arrived()
    assert b"X-Bfkernel-Epoch: 2" in head
    leader.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await call).status_code == 200


async def test_a_leader_that_dies_before_its_answer_is_told(follower: Follower) -> None:
    await follower.lead()
    call = soon(follower.http.post("/x"))
    _, _, (_, leader) = await follower.arrived()
    leader.close()
    assert_no_leader(await call)


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
async def test_half_an_answer_is_not_taken_for_a_whole_one(follower: Follower, framing: bytes) -> None:
    await follower.lead()
    call = soon(follower.http.get("/x"))
    _, _, (_, leader) = await follower.arrived()
    leader.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n4\r\nhalf\r\n")
    await leader.drain()
    leader.close()
    with pytest.raises(httpx.RemoteProtocolError):
        await call


async def test_who_waits_at_an_overtaken_leader_is_told_at_once(follower: Follower) -> None:
    await follower.lead(1)
    call = soon(follower.http.get("/x"))
    await follower.arrived()  # and never answered: that leader hangs
    await follower.lead(2)
    assert_no_leader(await call)


async def test_a_forwarded_request_is_not_forwarded_again(follower: Follower) -> None:
    await follower.lead(3)
    for epoch in ("3", "2", "4"):
        assert_no_leader(await follower.http.get("/x", headers={"X-Bfkernel-Epoch": epoch}))


async def test_a_follower_speaks_for_itself(follower: Follower) -> None:
    health = (await follower.http.get("/healthz")).json()
    assert (health["status"], health["role"]) == ("ok", "follower")
    assert "bfkernel_leader 0.0" in (await follower.http.get("/metrics")).text
