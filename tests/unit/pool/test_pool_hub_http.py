# SPDX-License-Identifier: BSD-3-Clause
"""A pool whose users are a Hub's, over HTTP: who gets a lease, and what goes on while the Hub is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hub_double import HubDouble, user

from bfkernel.remote.messages import AgentReport, ReportedGpu
from bfkernel.remote.pool.auth import HubOptions
from bfkernel.remote.pool.server import PoolOptions, PoolServer

pytestmark = pytest.mark.asyncio
LEASES = "/api/v1/leases"
ADA, BOB = "ada-of-the-hub", "bob-of-the-hub"
#: a good answer of the Hub holds as long: the tests wait for its end
TTL_S = 2.0


class Pool:
    """A pool on a Hub, with the agent that it has admitted."""

    def __init__(self, folder: Path) -> None:
        self.hub = HubDouble()
        self.hub.users = {ADA: user("ada"), BOB: user("bob")}
        self.hub.start()
        self.server = PoolServer(
            PoolOptions(port=0, state_dir=folder, lease_ttl_s=TTL_S, hub=HubOptions(self.hub.url))
        )
        self.http = httpx.AsyncClient(base_url=self.server.url, trust_env=False, timeout=20)
        self._join_token = self.server.authenticator.admit_agent()

    async def call(self, token: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)

    async def report(self) -> None:
        gpu = ReportedGpu(id="GPU-0", index=0, name="Test GPU", memory_mib=1000, emulated=True)
        report = AgentReport(instance="a", address="127.0.0.1:9", version="1", driver="test", gpus=[gpu])
        path = "/api/v1/agents/gpu1/report"
        answer = await self.call(self._join_token, "POST", path, content=report.model_dump_json())
        assert answer.status_code == 200, answer.text

    async def report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TTL_S / 10)
            await self.report()

    async def ask(self, token: str | None, **more: Any) -> httpx.Response:
        return await self.call(token, "POST", LEASES, json={"fraction": 0.1}, **more)

    async def beat(self, token: str, lease: str) -> int:
        return (await self.call(token, "POST", f"{LEASES}/{lease}/heartbeat")).status_code

    async def beat_for(self, seconds: float, token: str, lease: str) -> set[int]:
        loop = asyncio.get_running_loop()
        end, answers = loop.time() + seconds, set()
        while loop.time() < end:
            answers.add(await self.beat(token, lease))
            await asyncio.sleep(TTL_S / 5)
        return answers


@pytest_asyncio.fixture
async def pool(tmp_path: Path) -> AsyncIterator[Pool]:
    pool = Pool(tmp_path)
    await pool.server.start()
    await pool.report()
    reporting = asyncio.create_task(pool.report_for_ever())
    yield pool
    reporting.cancel()
    await pool.http.aclose()
    await pool.server.stop()
    await pool.hub.stop()


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def test_the_name_is_the_hubs_and_nobody_elses(pool: Pool) -> None:
    answer = await pool.ask(ADA, headers={"X-Forwarded-User": "bob", "X-Remote-User": "bob"})
    assert (answer.status_code, answer.json()["user"]) == (201, "ada")
    path = f"{LEASES}/{answer.json()['id']}"
    assert problem(await pool.call(BOB, "GET", path)) == (404, "no-such-lease")
    assert (await pool.call(BOB, "GET", LEASES)).json() == {"leases": []}
    forged = await pool.call(BOB, "POST", LEASES, json={"fraction": 0.1, "user": "ada"})
    assert problem(forged) == (422, "invalid")


async def test_who_the_hub_does_not_let_in_is_told_why(pool: Pool) -> None:
    pool.hub.users["of-eve"] = user("eve", "access:services!service=other")
    pool.hub.users["of-a-service"] = user("ada", kind="service")
    assert problem(await pool.ask("of-eve")) == (403, "missing-scope")
    for token in (None, "nobodys", "of-a-service"):
        answer = await pool.ask(token)
        assert problem(answer) == (401, "token")
        assert answer.headers["www-authenticate"] == "Bearer"
    report = await pool.call(ADA, "POST", "/api/v1/agents/gpu2/report", json={})
    assert problem(report) == (403, "not-permitted")


async def test_the_hubs_admins_are_the_pools(pool: Pool) -> None:
    pool.hub.users["of-root"] = user("root", admin=True)
    lease = (await pool.ask(ADA)).json()["id"]
    assert [x["id"] for x in (await pool.call("of-root", "GET", LEASES)).json()["leases"]] == [lease]
    assert (await pool.call("of-root", "DELETE", f"{LEASES}/{lease}")).json()["state"] == "revoked"


@pytest.mark.parametrize("trouble", [500, b"<html>it works</html>"])
async def test_with_the_hub_away_running_leases_live_on(pool: Pool, trouble: int | bytes) -> None:
    lease = (await pool.ask(ADA)).json()["id"]
    pool.hub.trouble = trouble
    assert await pool.beat_for(2 * TTL_S, ADA, lease) == {200}
    refused = await pool.ask(ADA)
    assert problem(refused) == (503, "hub-unreachable")
    assert "JupyterHub" in refused.json()["detail"]
    assert problem(await pool.call(BOB, "GET", LEASES)) == (503, "hub-unreachable")
    assert await pool.beat(BOB, lease) == 503
    pool.hub.trouble = None
    assert await pool.beat_for(2 * TTL_S, ADA, lease) == {200}
    assert (await pool.ask(ADA)).status_code == 201


async def test_with_the_hub_away_a_lease_can_be_given_back(pool: Pool) -> None:
    lease = (await pool.ask(ADA)).json()["id"]
    await pool.hub.stop()
    assert await pool.beat_for(1.5 * TTL_S, ADA, lease) == {200}
    answer = await pool.call(ADA, "DELETE", f"{LEASES}/{lease}")
    assert (answer.status_code, answer.json()["state"]) == (200, "released")


async def test_a_stopped_servers_token_keeps_nothing_alive(pool: Pool) -> None:
    lease = (await pool.ask(ADA)).json()["id"]
    del pool.hub.users[ADA]
    pool.hub.users["of-adas-next-server"] = user("ada")
    assert (await pool.beat_for(2.5 * TTL_S, ADA, lease)) == {200, 401}
    path = f"{LEASES}/{lease}"
    for _ in range(50):
        state = (await pool.call("of-adas-next-server", "GET", path)).json()["state"]
        if state == "expired":
            break
        assert await pool.beat(ADA, lease) == 401
        await asyncio.sleep(TTL_S / 5)
    assert state == "expired"
