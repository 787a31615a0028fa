# SPDX-License-Identifier: BSD-3-Clause
"""Two replicas of a pool on one PostgreSQL: either answers, one decides, and the other takes over."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bfkernel.remote.client.holder import LeaseHolder
from bfkernel.remote.client.pool_client import LeaseRequest, PoolClient
from bfkernel.remote.client.size import Size
from tests.postgres import Cluster
from tests.waiting import eventually

from .address import Address
from .pool_processes import Client, Connection, Process

TTL_S = 6.0


@dataclass
class Pool:
    """Two replicas, the one that decides first."""

    leader: Process
    follower: Process
    url: str
    database: str


@pytest.fixture
def pool(start: Callable[..., Process], postgres: Cluster, tmp_path: Path) -> Iterator[Pool]:
    database = postgres.new_database()
    options = {"port": 0, "lease_ttl_s": TTL_S, "database_url": database}
    leader, follower = (start("pool", state_dir=tmp_path / name, **options) for name in ("one", "two"))
    urls = [leader.ready(), follower.ready()]
    if role(follower) == "leader":
        leader, follower = follower, leader
    with Address(*urls) as url:
        start("agent", pool=url, data_port=0).ready()
        yield Pool(leader, follower, url, database)


def role(replica: Process) -> str | None:
    try:
        return str(httpx.get(f"{replica.where}/healthz", timeout=5, trust_env=False).json()["role"])
    except httpx.HTTPError:
        return None


def depose(postgres: Cluster, pool: Pool) -> None:
    """Take the lock from whoever has it, as PostgreSQL does when the network to its holder is cut."""
    with postgres.connect(pool.database.rpartition("/")[2]) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    assert ended == [(True,)]


def test_either_replica_grants_and_knows_what_the_other_granted(pool: Pool) -> None:
    assert (role(pool.leader), role(pool.follower)) == ("leader", "follower")
    clients = [Client(pool.leader.where), Client(pool.follower.where)]
    leases = [client.ask(fraction=0.25) for client in clients]
    for client in clients:
        assert [lease["id"] for lease in client.leases()] == [lease["id"] for lease in leases]
    for lease in leases:
        assert Connection(lease["agent"], lease["token"]).greeting["ok"]
    assert clients[1].heartbeat(leases[0]["id"]).json()["token"]
    assert clients[1].release(leases[0]["id"])["state"] == "released"
    assert [lease["id"] for lease in clients[0].leases()] == [leases[1]["id"]]
    missing = clients[1].http.get("/api/v1/leases/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "no-such-lease")
    assert missing.headers["content-type"] == "application/problem+json"
    assert "bfkernel_leader 0.0" in clients[1].http.get("/metrics").text


def test_a_long_poll_through_a_follower_gets_its_grant(pool: Pool) -> None:
    client = Client(pool.follower.where)
    held, waiting = client.ask(fraction=1.0), client.ask(fraction=1.0)
    assert waiting["state"] == "queued"
    answers: list[dict[str, Any]] = []
    poll = threading.Thread(
        target=lambda: answers.append(
            Client(pool.follower.where).lease(waiting["id"], since=waiting["revision"], wait_s=15)
        )
    )
    poll.start()
    poll.join(0.3)
    assert not answers
    Client(pool.leader.where).release(held["id"])
    poll.join(20)
    assert [answer["state"] for answer in answers] == ["granted"]


def test_a_killed_leader_is_followed_and_nothing_is_lost(pool: Pool) -> None:
    client = Client(pool.url)
    held = client.ask(fraction=0.5)
    connection = Connection(held["agent"], held["token"])
    eventually(lambda: client.lease(held["id"])["workers"] == 1, what="the lease's first use")
    client.ask(fraction=0.5)
    answered: list[str] = []
    stop = threading.Event()

    def traffic(url: str) -> None:
        requester = Client(url)
        while not stop.is_set():
            try:
                answered.append(requester.ask(fraction=0.02)["id"])
            except (httpx.HTTPError, AssertionError):  # the leader dies in the midst of it
                return

    urls = (pool.leader.where, pool.follower.where, pool.follower.where)
    threads = [threading.Thread(target=traffic, args=[url]) for url in urls]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answered) > 20, what="some traffic")
    pool.leader.kill()
    # Requests wait for the next leader rather than fail.
    after = Client(pool.follower.where).ask(fraction=0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert role(pool.follower) == "leader"
    live = {lease["id"]: lease for lease in Client(pool.url).leases()}
    assert {*answered, after["id"], held["id"]} <= set(live)
    assert live[held["id"]]["gpus"] == held["gpus"]
    places = [live[lease]["position"] for lease in answered]
    assert len(set(places)) == len(places)

    # Whoever computes does not notice; the agent finds the new leader; the lease's connection keeps it alive.
    connection.socket.sendall(b"on")
    assert connection.echo(13) == b"first frameon"
    token = Client(pool.url).heartbeat(held["id"]).json()["token"]
    assert Connection(held["agent"], token).greeting["ok"]
    eventually(lambda: Client(pool.url).lease(held["id"])["workers"] >= 1, what="the agent's report")
    eventually(
        lambda: [lease["id"] for lease in Client(pool.url).leases()] == [held["id"]],
        what="the end of what nobody holds, by its TTL",
    )


def test_holders_and_waiters_ride_over_the_death_of_the_leader(pool: Pool) -> None:
    holders = [
        LeaseHolder(LeaseRequest(Size.parse("0.6"), "command", name), PoolClient(pool.url))
        for name in ("first", "second")
    ]
    try:
        for holder in holders:
            holder.start()
            holder.wait(10)
        first, second = holders if holders[0].current.state == "granted" else reversed(holders)
        assert second.wait(10, lambda lease: lease.state == "queued").state == "queued"
        pool.leader.kill()
        eventually(lambda: role(pool.follower) == "leader", what="the next leader")
        end = time.monotonic() + 2 * TTL_S  # without heartbeats both would be over
        while time.monotonic() < end:
            assert (first.current.state, second.current.state) == ("granted", "queued")
            time.sleep(0.2)
        assert first.release()
        assert second.wait(20, lambda lease: lease.state == "granted").state == "granted"
    finally:
        for holder in holders:
            holder.release()


def test_a_leader_that_was_stopped_and_overtaken_decides_nothing_more(pool: Pool, postgres: Cluster) -> None:
    lease = Client(pool.leader.where).ask(fraction=0.5)
    stale = Client(pool.leader.where)
    stale.leases()  # its connection is open
    os.kill(pool.leader.process.pid, signal.SIGSTOP)
    answers: list[httpx.Response] = []
    calls: list[Callable[[], httpx.Response]] = [
        lambda: Client(pool.leader.where).http.post("/api/v1/leases", json={"fraction": 0.5}),
        lambda: Client(pool.leader.where).http.post(f"/api/v1/leases/{lease['id']}/heartbeat"),
        lambda: stale.http.get(f"/api/v1/leases/{lease['id']}"),
    ]
    threads = [threading.Thread(target=lambda call=call: answers.append(call())) for call in calls]
    try:
        for thread in threads:
            thread.start()
        depose(postgres, pool)
        eventually(lambda: role(pool.follower) == "leader", what="the next leader")
        other = Client(pool.follower.where)
        assert other.release(lease["id"])["state"] == "released"
        taken = other.ask(fraction=1.0)
        assert taken["state"] == "granted"
    finally:
        os.kill(pool.leader.process.pid, signal.SIGCONT)
    for thread in threads:
        thread.join(30)
    assert len(answers) == 3
    for answer in answers:
        # Refused, or answered by the one that decides: the lease is over, and nothing is free.
        state = answer.json().get("state")
        assert answer.status_code in (503, 410) or state in ("released", "queued"), answer.text
    eventually(lambda: role(pool.leader) == "follower", what="its new role")
    assert Client(pool.leader.where).lease(taken["id"])["state"] == "granted"
    assert Client(pool.leader.where).lease(lease["id"])["state"] == "released"


def test_replicas_that_stop_hand_over(pool: Pool, start: Callable[..., Process], tmp_path: Path) -> None:
    assert pool.leader.stop() == 0
    eventually(lambda: role(pool.follower) == "leader", what="the next leader")
    back = start("pool", state_dir=tmp_path / "three", port=0, lease_ttl_s=TTL_S, database_url=pool.database)
    back.ready()
    assert role(back) == "follower"
    lease = Client(back.where).ask(fraction=0.5)
    assert pool.follower.stop() == 0
    eventually(lambda: role(back) == "leader", what="the next leader")
    assert Client(back.where).lease(lease["id"])["state"] == "granted"


def test_without_its_database_a_pool_decides_nothing_and_goes_on_when_it_is_back(
    start: Callable[..., Process], postgres: Cluster
) -> None:
    database = postgres.new_database()
    name = database.rpartition("/")[2]
    replica = start("pool", port=0, database_url=database)
    client = Client(replica.ready())
    lease = client.ask(fraction=0.5)
    with postgres.connect() as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        answer = client.http.post("/api/v1/leases", json={"fraction": 0.5})
        assert (answer.status_code, answer.json()["code"]) in ((503, "no-leader"), (503, "store"))
        answer = client.http.get(f"/api/v1/leases/{lease['id']}")
        assert (answer.status_code, answer.json()["code"]) == (503, "no-leader")
        assert answer.headers["retry-after"]
        assert role(replica) == "follower"
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    eventually(lambda: role(replica) == "leader", what="its role")
    assert [found["id"] for found in client.leases()] == [lease["id"]]


@pytest.mark.slow
def test_a_leader_that_hangs_loses_the_lead(pool: Pool) -> None:
    os.kill(pool.leader.process.pid, signal.SIGSTOP)
    try:
        eventually(lambda: role(pool.follower) == "leader", limit_s=60, what="the next leader")
        assert Client(pool.follower.where).ask(fraction=0.5)["state"] == "granted"
    finally:
        os.kill(pool.leader.process.pid, signal.SIGCONT)
    eventually(lambda: role(pool.leader) == "follower", what="its new role")
