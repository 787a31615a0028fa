# SPDX-License-Identifier: BSD-3-Clause
"""Pools and agents as real processes: what happens when one of them dies, and who is let in."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import eventually

from .pool_processes import Client, Connection, Process

START = {"port": 0, "data_port": 0}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_serve_grants_and_serves_a_lease(start: Callable[..., Process], native: Path) -> None:
    serve = start("serve", **START)
    client = Client(serve.ready())
    lease = client.ask(fraction=0.02)
    first = Connection(lease["agent"], lease["token"])
    second = Connection(lease["agent"], lease["token"])
    assert first.greeting["ok"]
    assert first.greeting["limits"] == [655 << 20]
    assert first.greeting["visible"] == lease["gpus"][0]["id"]
    assert first.greeting["driver"] == str(native / "driver.so")
    assert first.greeting["blocking"]
    assert (first.greeting["slot"], second.greeting["slot"]) == (0, 1)
    assert first.echo(11) == b"first frame"
    active = eventually(
        lambda: (x := client.lease(lease["id"]))["held_mib"] == 6 and x, what="both workers' bytes"
    )
    assert (active["state"], active["workers"]) == ("active", 2)

    first.close()
    eventually(lambda: client.lease(lease["id"])["workers"] == 1, what="the first worker's end")
    assert client.release(lease["id"])["state"] == "released"
    assert second.last_words() == "The lease was released."
    eventually(lambda: client.gpus()[0]["free_mib"] == 32768, what="the free share")
    late = Connection(lease["agent"], lease["token"])
    assert late.greeting["code"] == "lease-ended"

    assert serve.stop() == 0
    log = serve.log.read_text()
    assert lease["id"] in log
    assert lease["token"] not in log


def test_killing_a_worker_is_noticed_by_its_client_alone(start: Callable[..., Process]) -> None:
    client = Client(start("serve", **START).ready())
    lease = client.ask(fraction=0.5)
    victim, other = (Connection(lease["agent"], lease["token"]) for _ in range(2))
    os.kill(victim.greeting["pid"], signal.SIGKILL)
    assert victim.ended()
    other.socket.sendall(b"alive")
    assert other.echo(16) == b"first framealive"
    eventually(lambda: Connection(lease["agent"], lease["token"]).greeting["slot"] == 0, what="its place")


def test_garbage_on_the_data_port_harms_nobody(start: Callable[..., Process]) -> None:
    client = Client(start("serve", **START).ready())
    lease = client.ask(fraction=0.5)
    mute = [socket.create_connection(("127.0.0.1", int(lease["agent"].split(":")[1]))) for _ in range(20)]
    assert Connection(lease["agent"], "", b"\x00" * 100).greeting["code"] == "bad-greeting"
    assert Connection(lease["agent"], "x.y.z").greeting["code"] == "token"
    assert Connection(lease["agent"], lease["token"]).greeting["ok"]
    for connection in mute:
        connection.close()


def test_a_killed_pool_finds_every_lease_and_clients_do_not_notice(
    start: Callable[..., Process], database_url: str
) -> None:
    port = free_port()
    options = {"port": port, "lease_ttl_s": 6.0, "database_url": database_url}
    pool = start("pool", **options)
    url = pool.ready()
    agent = start("agent", pool=url, data_port=0)
    agent.ready()
    client = Client(url)
    held = client.ask(fraction=0.5)
    connection = Connection(held["agent"], held["token"])
    client.ask(fraction=0.5)

    answered: list[str] = []
    stop = threading.Event()

    def traffic() -> None:
        requester = Client(url)
        while not stop.is_set():
            try:
                answered.append(requester.ask(fraction=0.02)["id"])
            except Exception:  # noqa: BLE001 - the pool dies in the midst of it
                return

    threads = [threading.Thread(target=traffic) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answered) > 30, what="some traffic")
    pool.kill()
    stop.set()
    for thread in threads:
        thread.join()

    # Nobody but the pool knows that it is away: a new process of the kernel connects, data flows.
    connection.socket.sendall(b"on")
    assert connection.echo(13) == b"first frameon"
    assert Connection(held["agent"], held["token"]).greeting["ok"]

    start("pool", **options).ready()
    live = {lease["id"]: lease for lease in Client(url).leases()}
    assert set(answered) <= set(live)
    assert held["id"] in live
    assert live[held["id"]]["gpus"] == held["gpus"]
    places = [live[lease]["position"] for lease in answered if live[lease]["state"] == "queued"]
    assert len(set(places)) == len(places)
    # Its connection alone keeps a lease alive; the others nobody proves.
    eventually(
        lambda: [x["id"] for x in Client(url).leases()] == [held["id"]], what="the end of what nobody holds"
    )
    connection.socket.sendall(b"!")
    assert connection.echo(1) == b"!"


def test_a_killed_agent_takes_its_workers_along_and_comes_back(start: Callable[..., Process]) -> None:
    url = start("pool", port=0, lease_ttl_s=15.0).ready()
    agent = start("agent", pool=url, data_port=0)
    agent.ready()
    client = Client(url)
    silent, kept = client.ask(fraction=0.5), client.ask(fraction=0.5)
    connections = [Connection(lease["agent"], lease["token"]) for lease in (silent, kept)]
    agent.kill()
    for connection in connections:
        assert connection.ended()
        eventually(lambda pid=connection.greeting["pid"]: not is_running(pid), what="the worker's end")
    again = start("agent", pool=url, data_port=0)
    again.ready()
    assert eventually(lambda: client.lease(kept["id"])["agent"] == again.where, what="the new address")
    assert client.lease(kept["id"])["workers"] == 0

    def only_kept() -> bool:
        client.heartbeat(kept["id"])
        return [lease["id"] for lease in client.leases()] == [kept["id"]]

    eventually(only_kept, limit_s=60, what="the end of the lease that nobody proves")
    lease = client.heartbeat(kept["id"]).json()
    assert Connection(lease["agent"], lease["token"]).greeting["ok"]


def test_a_lost_servers_leases_end(start: Callable[..., Process]) -> None:
    url = start("pool", port=0, lease_ttl_s=2.0).ready()
    agent = start("agent", pool=url, data_port=0)
    agent.ready()
    client = Client(url)
    lease = client.ask(fraction=0.5)
    agent.kill()
    answer = eventually(lambda: (a := client.heartbeat(lease["id"])).status_code == 410 and a, what="410")
    assert "has not answered" in answer.json()["detail"]


def test_an_agent_that_was_away_too_long_ends_what_is_over(start: Callable[..., Process]) -> None:
    url = start("pool", port=0, lease_ttl_s=6.0).ready()
    agent = start("agent", pool=url, data_port=0)
    agent.ready()
    client = Client(url)
    lease = client.ask(fraction=1)
    connection = Connection(lease["agent"], lease["token"])
    # Unreported, the lease would end for want of proof before its server counts as lost.
    eventually(lambda: client.lease(lease["id"])["workers"] == 1, what="the worker's report")
    agent.process.send_signal(signal.SIGSTOP)
    eventually(lambda: not client.leases(), what="the end of the lease")
    connection.socket.sendall(b"on")
    assert connection.echo(13) == b"first frameon"

    agent.process.send_signal(signal.SIGCONT)
    assert "has not answered for" in connection.last_words()
    eventually(lambda: not is_running(connection.greeting["pid"]), what="the worker's end")
    following = client.ask(fraction=1)
    eventually(lambda: client.heartbeat(following["id"]).json()["state"] == "granted", what="its grant")
    granted = client.lease(following["id"])
    assert Connection(granted["agent"], granted["token"]).greeting["ok"]


def test_under_mps_a_worker_is_kept_to_its_part_of_the_gpu(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    mps = {"environment": {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}, "compute": "mps"}
    without = start("serve", **START, **mps)
    assert without.process.wait(20) == 1
    assert f"The MPS control daemon does not run ({tmp_path} has no control)" in without.log.read_text()

    (tmp_path / "control").touch()
    client = Client(start("serve", **START, **mps).ready())
    for request, percentage in (({"fraction": 0.02}, "2"), ({"memory_mib": 1000}, "4")):
        lease = client.ask(**request)
        assert Connection(lease["agent"], lease["token"]).greeting["thread_percentage"] == percentage


def test_an_agent_waits_for_its_pool_and_serves_meanwhile(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    port = free_port()
    pool = start("pool", port=port)
    agent_port = free_port()
    agent = start("agent", pool=pool.ready(), data_port=agent_port)
    agent.ready()
    lease = Client(pool.where).ask(fraction=0.5)
    pool.kill()
    agent.kill()
    agent = start("agent", pool=pool.where, data_port=agent_port)

    def connected() -> Any:
        try:
            return Connection(lease["agent"], lease["token"])
        except ConnectionRefusedError:
            return None

    connection = eventually(connected, what="the data port")
    assert connection.greeting["ok"]
    start("pool", port=port).ready()
    agent.ready()
    eventually(lambda: Client(pool.where).lease(lease["id"])["workers"] == 1, what="the report")


def test_a_clean_stop_ends_workers_and_keeps_leases(start: Callable[..., Process]) -> None:
    serve = start("serve", **START)
    client = Client(serve.ready())
    lease = client.ask(fraction=0.5)
    connection = Connection(lease["agent"], lease["token"])
    begin = time.monotonic()
    assert serve.stop() == 0
    assert time.monotonic() - begin < 10
    assert connection.ended()
    assert not is_running(connection.greeting["pid"])
    again = Client(start("serve", **START).ready())
    assert [x["id"] for x in again.leases()] == [lease["id"]]


def test_tokens_are_asked_for_when_others_can_reach_the_pool(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("ada ada-0123456789abcdef\njoin join-0123456789abcdef agent\n")
    tokens.chmod(0o600)
    serve = start("serve", token_file=tokens, **START)
    url = serve.ready()
    assert Client(url).http.get("/api/v1/leases").status_code == 401
    lease = Client(url, "ada-0123456789abcdef").ask(fraction=0.02)
    assert lease["user"] == "ada"
    assert Connection(lease["agent"], lease["token"]).greeting["token_in_environment"] is False

    outsider = start("agent", pool=url, data_port=0, name="outsider", join_token="ada-0123456789abcdef")
    assert outsider.process.wait(20) == 1
    assert "does not accept this agent" in outsider.log.read_text()
    start("agent", pool=url, data_port=0, name="second", join_token="join-0123456789abcdef").ready()
    servers = Client(url, "ada-0123456789abcdef").http.get("/api/v1/servers").json()["servers"]
    assert "second" in [server["name"] for server in servers]
