# SPDX-License-Identifier: BSD-3-Clause
"""The HTTP API of a pool in this process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bfkernel.remote.grants import verify_grant
from bfkernel.remote.messages import AgentReport, LeaseMessage, ReportedGpu, ReportedLease, ReportedShare
from bfkernel.remote.pool.core import PoolCore, Server
from bfkernel.remote.pool.server import PoolOptions, PoolServer
from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.pool.store import Store

pytestmark = pytest.mark.asyncio
TOKENS = {"ada": "ada-0123456789abcdef", "bob": "bob-0123456789abcdef", "root": "root-0123456789abcdef"}
LEASES = "/api/v1/leases"


class Api:
    """A client of a pool, and what an agent would report to it."""

    def __init__(self, pool: PoolServer) -> None:
        self.pool = pool
        self.http = httpx.AsyncClient(base_url=pool.url, trust_env=False, timeout=20)

    async def report(
        self, wait_s: float = 0, mib: int = 1000, shares_mib: int = 0, **workers: int
    ) -> httpx.Response:
        """Report as the agent of gpu1, whose leases with workers have so much of its GPU each."""
        shares = [ReportedShare(gpu="GPU-0", memory_mib=shares_mib)] if shares_mib else []
        report = AgentReport(
            instance="a",
            address="127.0.0.1:9",
            version="1",
            driver="test",
            gpus=[ReportedGpu(id="GPU-0", index=0, name="Test GPU", memory_mib=mib, emulated=True)],
            leases=[
                ReportedLease(id=k, workers=n, shares=shares, held_mib=[2.5], last_call_at=5.0)
                for k, n in workers.items()
            ],
        )
        path = "/api/v1/agents/gpu1/report"
        headers = {"Authorization": f"Bearer {TOKENS['root']}"}
        return await self.http.post(
            path, params={"wait_s": wait_s}, content=report.model_dump_json(), headers=headers
        )

    async def ask(self, user: str | None = None, **request: Any) -> httpx.Response:
        return await self.http.post(LEASES, json=request, headers=self.by(user))

    async def asked(self, **request: Any) -> dict[str, Any]:
        answer = await self.ask(**request)
        assert answer.status_code == 201
        return answer.json()

    @staticmethod
    def by(user: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKENS[user]}"} if user else {}


@pytest_asyncio.fixture
async def api(tmp_path: Path, database_url: str) -> Any:
    pool = PoolServer(PoolOptions(port=0, state_dir=tmp_path / "state", database_url=database_url))
    await pool.start()
    api = Api(pool)
    yield api
    await api.http.aclose()
    await pool.stop()


@pytest_asyncio.fixture
async def guarded(tmp_path: Path, database_url: str) -> Any:
    path = tmp_path / "tokens"
    path.write_text("".join(f"{u} {t} {'admin' if u == 'root' else 'user'}\n" for u, t in TOKENS.items()))
    path.chmod(0o600)
    options = PoolOptions(port=0, state_dir=tmp_path / "state", token_file=path, database_url=database_url)
    pool = PoolServer(options)
    await pool.start()
    api = Api(pool)
    yield api
    await api.http.aclose()
    await pool.stop()


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"].endswith(".")


async def test_a_lease_is_granted_with_a_token_that_an_agent_can_check(api: Api) -> None:
    key = (await api.report()).json()["public_key"]
    lease = await api.asked(fraction=0.5, holder={"kind": "kernel", "name": "a.ipynb", "host": "h", "pid": 7})
    LeaseMessage.model_validate_json(json.dumps(lease))
    assert (lease["state"], lease["memory_mib"], lease["size"], lease["user"]) == (
        "granted",
        500,
        "GPU 0.5",
        "local",
    )
    assert lease["holder"] == {"kind": "kernel", "name": "a.ipynb", "host": "h", "pid": 7}
    assert lease["agent"] == "127.0.0.1:9"
    assert lease["gpus"][0]["emulated"] is True
    grant = verify_grant(lease["token"], key)
    assert (grant.lease, grant.server, grant.placements[0].memory_mib) == (lease["id"], "gpu1", 500)


async def test_a_queued_lease_tells_its_place_and_is_granted_when_it_can_be(api: Api) -> None:
    await api.report()
    first = await api.asked(memory_mib=1000)
    second = await api.asked(memory_mib=1000)
    third = await api.asked(memory_mib=1000)
    assert (third["state"], third["position"], third["queue_length"]) == ("queued", 2, 2)
    assert third["message"] == "position 2 of 2 in the queue"
    assert third["token"] is None
    waits = [
        asyncio.create_task(
            api.http.get(f"{LEASES}/{q['id']}", params={"since": q["revision"], "wait_s": 10})
        )
        for q in (second, third)
    ]
    await asyncio.sleep(0.1)
    assert not any(wait.done() for wait in waits)
    await api.http.delete(f"{LEASES}/{first['id']}")
    granted, moved = [(await wait).json() for wait in waits]
    assert granted["state"] == "granted"
    assert (moved["state"], moved["position"]) == ("queued", 1)


async def test_a_wait_ends_in_time_and_at_once_when_news_are_old(api: Api) -> None:
    lease = await api.asked(fraction=0.5)
    begin = time.monotonic()
    await api.http.get(f"{LEASES}/{lease['id']}", params={"since": lease["revision"], "wait_s": 0.3})
    assert 0.25 < time.monotonic() - begin < 5
    begin = time.monotonic()
    await api.http.get(f"{LEASES}/{lease['id']}", params={"since": lease["revision"] + 1, "wait_s": 20})
    assert time.monotonic() - begin < 5


async def test_release_is_idempotent_and_ended_leases_stay_visible(api: Api) -> None:
    await api.report()
    lease = await api.asked(fraction=0.5)
    for _ in range(2):
        answer = await api.http.delete(f"{LEASES}/{lease['id']}")
        assert (answer.status_code, answer.json()["state"]) == (200, "released")
    assert_problem(await api.http.post(f"{LEASES}/{lease['id']}/heartbeat"), 410, "ended")
    assert (await api.http.get(LEASES)).json() == {"leases": []}
    assert [x["id"] for x in (await api.http.get(LEASES, params={"all": "true"})).json()["leases"]] == [
        lease["id"]
    ]
    assert (await api.http.get(f"{LEASES}/{lease['id']}")).json()["token"] is None


def is_proved_since(began: float, lease: dict[str, Any]) -> bool:
    """Whether its proof of life is no older than ``began``, however long the answer was under way."""
    return lease["expires_in_s"] > lease["ttl_s"] - (time.monotonic() - began) - 0.05


async def test_a_heartbeat_brings_a_fresh_token(api: Api) -> None:
    await api.report()
    lease = await api.asked(fraction=0.5)
    await asyncio.sleep(0.5)
    posted_at = time.monotonic()
    answer = (await api.http.post(f"{LEASES}/{lease['id']}/heartbeat")).json()
    assert answer["token"]
    assert answer["token"] != lease["token"]
    assert is_proved_since(posted_at, answer)


async def test_a_heartbeat_proves_at_once_and_waits_for_news(api: Api) -> None:
    await api.report()
    lease = await api.asked(fraction=0.5)
    await asyncio.sleep(0.5)
    params = {"since": lease["revision"], "wait_s": 20}
    posted_at = time.monotonic()
    heartbeat = asyncio.create_task(api.http.post(f"{LEASES}/{lease['id']}/heartbeat", params=params))
    await asyncio.sleep(0.2)
    while not is_proved_since(posted_at, (await api.http.get(f"{LEASES}/{lease['id']}")).json()):
        assert time.monotonic() < posted_at + 10
    assert not heartbeat.done()
    await api.http.delete(f"{LEASES}/{lease['id']}")
    assert_problem(await heartbeat, 410, "ended")


async def test_reports_make_a_lease_active_and_say_what_is_over(api: Api) -> None:
    await api.report()
    lease = await api.asked(fraction=0.5)
    answer = (await api.report(**{lease["id"]: 2, "unknown": 1})).json()
    assert answer["serve"] == [lease["id"]]
    assert [over["id"] for over in answer["over"]] == ["unknown"]
    active = (await api.http.get(f"{LEASES}/{lease['id']}")).json()
    assert (active["state"], active["workers"], active["held_mib"], active["last_call_at"]) == (
        "active",
        2,
        2.5,
        5.0,
    )
    gpu = (await api.http.get("/api/v1/gpus")).json()["gpus"][0]
    assert (gpu["leased_mib"], gpu["free_mib"], gpu["held_mib"], gpu["leases"]) == (500, 500, 2.5, 1)
    server = (await api.http.get("/api/v1/servers")).json()["servers"][0]
    assert (server["name"], server["state"], server["workers"]) == ("gpu1", "ready", 2)


async def test_workers_of_an_ended_lease_take_what_their_agent_says(api: Api) -> None:
    await api.report()
    lease = await api.asked(memory_mib=400)
    await api.http.delete(f"{LEASES}/{lease['id']}")
    await api.report(shares_mib=400, **{lease["id"]: 1})
    assert (await api.asked(memory_mib=600))["state"] == "granted"
    waiting = await api.asked(memory_mib=100)
    assert (waiting["state"], waiting["message"]) == ("queued", "position 1 of 1 in the queue")


async def test_a_queued_lease_says_what_is_the_matter_with_the_servers(api: Api) -> None:
    waiting = await api.asked(fraction=0.5)
    assert waiting["message"] == "position 1 of 1 in the queue; no GPU server is connected"
    await api.report()
    await api.http.post("/api/v1/servers/gpu1/cordon")
    waiting = await api.asked(fraction=0.5)
    assert waiting["message"].endswith("; no GPU server that can serve it takes new leases")


async def test_an_agent_that_waits_hears_at_once_of_an_ended_lease(api: Api) -> None:
    await api.report()
    lease = await api.asked(fraction=0.5)
    await api.report(**{lease["id"]: 1})
    waiting = asyncio.create_task(api.report(wait_s=20, **{lease["id"]: 1}))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await api.http.delete(f"{LEASES}/{lease['id']}")
    answer = await asyncio.wait_for(waiting, 5)
    assert answer.json()["over"] == [{"id": lease["id"], "message": "The lease was released."}]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b"", 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b'{"fraction": 0}', 422, "invalid"),
        (b'{"fraction": 1.01}', 422, "invalid"),
        (b'{"fraction": NaN}', 422, "invalid"),
        (b'{"fraction": "0.5"}', 422, "invalid"),
        (b'{"fraction": 0.5, "memory_mib": 5}', 422, "invalid"),
        (b'{"fraction": 0.5, "gpu_count": 0}', 422, "invalid"),
        (b'{"fraction": 0.5, "gpu_count": 17}', 422, "invalid"),
        (b'{"memory_mib": 1e30}', 422, "invalid"),
        (b'{"fraction": 0.5, "user": "root"}', 422, "invalid"),
        (b'{"fraction": 0.5, "holder": {"pid": -1}}', 422, "invalid"),
        (b'{"fraction": 0.5, "holder": {"name": "a\\u0000b"}}', 422, "invalid"),
        (b'{"fraction": 0.5, "group": "a\\u0000b"}', 422, "invalid"),
        (b'{"fraction": 0.5, "filters": ["gpu=a\\u0000b"]}', 422, "invalid"),
        (b'{"memory_mib": 1001}', 409, "no-such-size"),
        (b'{"fraction": 0.5, "gpu_count": 2}', 409, "no-such-size"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(api: Api, body: bytes, status: int, code: str) -> None:
    await api.report()
    assert_problem(await api.http.post(LEASES, content=body), status, code)
    assert (await api.http.get(LEASES)).json() == {"leases": []}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "no-such-path"),
        ("GET", "/api/v1/nothing", 404, "no-such-path"),
        ("GET", "/api/v1/leases/nothing", 404, "no-such-lease"),
        ("GET", "/api/v1/leases/%00", 404, "no-such-path"),
        ("DELETE", "/api/v1/leases/nothing", 404, "no-such-lease"),
        ("POST", "/api/v1/leases/nothing/heartbeat", 404, "no-such-lease"),
        ("PUT", "/api/v1/leases", 405, "method-not-allowed"),
        ("DELETE", "/api/v1/quotas/users/%00", 422, "invalid"),
        ("POST", "/api/v1/agents/gpu1/report", 400, "malformed"),
    ],
)
async def test_wrong_paths_get_problems(api: Api, method: str, path: str, status: int, code: str) -> None:
    assert_problem(await api.http.request(method, path), status, code)


async def test_wrong_numbers_get_problems(api: Api) -> None:
    lease = await api.asked(fraction=0.5)
    for value in ("x", "-1", "nan", "inf"):
        answer = await api.http.get(f"{LEASES}/{lease['id']}", params={"since": 1, "wait_s": value})
        assert_problem(answer, 422, "invalid")


async def test_a_web_page_cannot_use_an_open_pool(api: Api) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "192.0.2.7, 127.0.0.1"},
    ):
        assert_problem(await api.http.post(LEASES, json={"fraction": 0.5}, headers=headers), 403, "host")


async def test_health_and_metrics(api: Api) -> None:
    health = (await api.http.get("/healthz")).json()
    assert (health["status"], health["role"]) == ("ok", "leader")
    await api.report()
    await api.asked(fraction=0.5)
    page = (await api.http.get("/metrics")).text
    assert 'bfkernel_leases{state="granted"} 1.0' in page
    assert 'bfkernel_gpu_leased_bytes{gpu="GPU-0",index="0",server="gpu1"} 5.24288e+08' in page
    assert "bfkernel_grants_total 1.0" in page
    assert "bfkernel_leader 1.0" in page


async def test_methods_that_nobody_knows_share_a_time_series(guarded: Api) -> None:
    for method in ("BREW", "WHEN"):
        assert_problem(await guarded.http.request(method, LEASES), 405, "method-not-allowed")
    page = (await guarded.http.get("/metrics", headers=guarded.by("root"))).text
    counted = 'bfkernel_http_requests_total{handler="Leases",method="other",status="405"} 2.0'
    assert counted in page
    assert "BREW" not in page


async def test_a_guarded_pool_asks_for_a_token(guarded: Api) -> None:
    assert (await guarded.http.get("/healthz")).status_code == 200
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {TOKENS['ada']}"}):
        answer = await guarded.http.get(LEASES, headers=headers)
        assert_problem(answer, 401, "token")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_user_reaches_its_own_leases_only(guarded: Api) -> None:
    await guarded.report()
    lease = (await guarded.ask("ada", fraction=0.5)).json()
    path = f"{LEASES}/{lease['id']}"
    assert (lease["user"], bool(lease["token"])) == ("ada", True)
    bob = guarded.by("bob")
    calls: list[Coroutine[Any, Any, httpx.Response]] = [
        guarded.http.get(path, headers=bob),
        guarded.http.delete(path, headers=bob),
        guarded.http.post(f"{path}/heartbeat", headers=bob),
    ]
    for call in calls:
        assert_problem(await call, 404, "no-such-lease")
    assert (await guarded.http.get(LEASES, headers=bob)).json() == {"leases": []}
    path_of_agents = "/api/v1/agents/gpu1/report"
    assert_problem(await guarded.http.post(path_of_agents, headers=bob, json={}), 403, "not-permitted")


async def test_an_admin_sees_and_revokes_but_gets_no_tokens(guarded: Api) -> None:
    await guarded.report()
    lease = (await guarded.ask("ada", fraction=0.5)).json()
    path, root = f"{LEASES}/{lease['id']}", guarded.by("root")
    assert (await guarded.http.get(path, headers=root)).json()["token"] is None
    assert_problem(await guarded.http.post(f"{path}/heartbeat", headers=root), 403, "not-permitted")
    assert (await guarded.http.delete(path, headers=root)).json()["state"] == "revoked"
    answer = await guarded.http.post(f"{path}/heartbeat", headers=guarded.by("ada"))
    assert_problem(answer, 410, "ended")
    assert "revoked by root" in answer.json()["detail"]


async def test_a_server_that_is_forgotten_meanwhile_is_no_server(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.report()
    cordon = PoolService.cordon

    async def overtaken(pool: PoolService, name: str, cordoned: bool) -> Server:
        server = await cordon(pool, name, cordoned)
        pool.core.fleet.forget(name)
        return server

    monkeypatch.setattr(PoolService, "cordon", overtaken)
    assert_problem(await api.http.post("/api/v1/servers/gpu1/cordon"), 404, "no-such-server")


@pytest.mark.parametrize("error", [OSError("disk full"), TimeoutError()])
async def test_what_cannot_be_stored_is_not_granted(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await api.report()

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", fail)
        assert_problem(await api.ask(fraction=1.0), 503, "store")
    assert (await api.asked(fraction=1.0))["state"] == "granted"


async def test_a_pool_whose_time_stood_still_goes_on_from_what_is_stored(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.report()
    lease = await api.asked(fraction=1.0)
    tick, ticks, goes_on = PoolCore.tick, [], asyncio.Event()

    def fail_once(core: PoolCore, now: float) -> None:
        ticks.append(now)
        if len(ticks) == 1:
            msg = "a defect"
            raise RuntimeError(msg)
        tick(core, now)
        goes_on.set()

    monkeypatch.setattr(PoolCore, "tick", fail_once)
    await asyncio.wait_for(goes_on.wait(), 20)
    assert (await api.http.get(f"{LEASES}/{lease['id']}")).json()["state"] == "granted"
