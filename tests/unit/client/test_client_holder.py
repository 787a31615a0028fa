# SPDX-License-Identifier: BSD-3-Clause
import errno
import os
import time
from types import SimpleNamespace

import pytest

from bfkernel.remote.client import (
    BadRequest,
    LeaseFile,
    LeaseHolder,
    OverQuota,
    PoolClient,
    PoolUnreachable,
)
from bfkernel.remote.pool.views import lease_view
from tests.waiting import eventually

from .embedded_pool import TTL_S, EmbeddedPool, Server


def states():
    with PoolClient() as client:
        return sorted(lease["state"] for lease in client.leases(ended=True))


def test_granted_and_kept_beyond_the_ttl_then_released_at_once(pool, hold):
    holder = hold("0.5")
    assert holder.wait(5).state == "granted"
    first = LeaseFile.read(holder.path)
    assert (first.memory_mib, first.server, first.agent) == (500, "box", "127.0.0.1:9")
    time.sleep(3 * TTL_S)
    assert states() == ["granted"]
    assert LeaseFile.read(holder.path).token != first.token, "each heartbeat brings a fresh token"
    assert holder.release()
    assert states() == ["released"]
    assert not holder.path.exists()
    assert holder.release(), "releasing twice is no error"


def test_the_queue_moves_on_in_the_lease_file(pool, hold):
    first = hold("1")
    assert first.wait(5).state == "granted"
    second = hold("0.5")
    assert second.wait(5).state == "queued"
    third = hold("0.5")
    third.wait(5, until=lambda lease: lease.state == "queued")
    assert "position 2 of 2" in LeaseFile.read(third.path).message
    second.release()
    assert third.wait(5, until=lambda lease: "position 1 of 1" in lease.message).state == "queued"
    time.sleep(2 * TTL_S)
    assert third.current.state == "queued", "waiting in the queue is proof enough of life"
    first.release()
    assert third.wait(5, until=lambda lease: lease.state == "granted").state == "granted"


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full while ``disk.full``."""
    disk = SimpleNamespace(full=False)

    def write(self, path, written=LeaseFile.write):
        if disk.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written(self, path)

    monkeypatch.setattr(LeaseFile, "write", write)
    return disk


def test_a_disk_that_is_full_for_a_while_costs_no_lease(pool, hold, disk, caplog):
    told = []
    holder = hold("0.5", on_change=told.append)
    assert holder.wait(5).state == "granted"
    disk.full = True
    with PoolClient() as client:
        time.sleep(3 * TTL_S)
        assert states() == ["granted"]
        assert caplog.text.count("The lease file cannot be written") == 1
        client.release(holder.lease_id)
    assert holder.wait(5, until=lambda lease: lease.state == "ended").state == "ended"
    assert LeaseFile.read(holder.path).state == "granted"
    disk.full = False
    eventually(lambda: LeaseFile.read(holder.path).state == "ended")
    assert [lease.state for lease in told].count("ended") == 1


def test_refused(pool, hold):
    holder = hold("5000m")
    lease = holder.wait(5)
    assert lease.state == "refused"
    assert "1000 MiB" in lease.message
    assert LeaseFile.read(holder.path).state == "refused"


def test_the_quota_that_a_lost_answer_has_taken_is_waited_for(pool, hold, monkeypatch):
    """The pool refuses the second try for the lease of the first, which nobody holds and which expires."""
    request_lease = PoolClient.request_lease
    over = OverQuota("You may hold 1 GPU.", status=403, code="quota")
    refusals = [PoolUnreachable("No answer."), over, over]

    def answer(client, request):
        if refusals:
            raise refusals.pop(0)
        return request_lease(client, request)

    monkeypatch.setattr(PoolClient, "request_lease", answer)
    holder = hold("0.5")
    assert holder.wait(10, until=lambda lease: lease.state in ("granted", "refused")).state == "granted"
    refusals.append(over)
    assert hold("0.5").wait(5).state == "refused"


def test_without_proof_of_life_the_lease_expires_and_says_so(pool, hold):
    alive = True
    holder = hold("0.1", alive=lambda: alive)
    assert holder.wait(5).state == "granted"
    alive = False
    eventually(lambda: states() == ["expired"])
    alive = True
    assert holder.wait(5, until=lambda lease: lease.state == "ended").state == "ended"
    assert LeaseFile.read(holder.path).token is None


def test_the_end_and_a_notice_are_heard_at_once(tmp_path, monkeypatch, hold):
    """Long before the next proof of life would be due."""
    notices = ["It is idle."]

    def with_notice(*arguments, **options):
        return lease_view(*arguments, **options).model_copy(update={"notice": notices[-1]})

    monkeypatch.setattr("bfkernel.remote.pool.api.handler.lease_view", with_notice)
    pool = EmbeddedPool(tmp_path / "patient", ttl_s=600)
    pool.start()
    server = Server(pool)
    try:
        holder = hold("0.1", url=pool.url)
        assert holder.wait(10).state == "granted"
        assert LeaseFile.read(holder.path).notice == "It is idle."
        with PoolClient(pool.url) as client:
            client.release(holder.lease_id)
        lease = holder.wait(10, until=lambda lease: lease.state == "ended")
        assert (lease.state, lease.message, lease.notice) == ("ended", "The lease was released.", "")
    finally:
        server.stop()
        pool.stop()


def test_what_a_proxy_answers_is_not_the_end(pool, hold):
    holder = hold("0.1", url=f"{pool.url}")
    assert holder.wait(5).state == "granted"
    holder._client._http().base_url = f"{pool.url}/elsewhere"
    with pytest.raises(BadRequest):
        holder.beat()
    assert holder.current.state == "granted"


def test_a_pool_that_is_not_there_yet(empty_pool, hold):
    empty_pool.stop()
    holder = hold("0.1", url=empty_pool.url)
    lease = holder.wait(5)
    assert lease.state == "requesting"
    assert lease.message == f"the pool at {empty_pool.url} does not answer, retrying"
    empty_pool.start()
    assert holder.wait(10, until=lambda lease: lease.state == "queued").state == "queued"


def test_a_pool_that_restarts_is_not_noticed(pool, hold):
    holder = hold("0.1")
    assert holder.wait(5).state == "granted"
    pool.stop()
    time.sleep(2 * TTL_S)
    assert holder.current.state == "granted"
    pool.start()
    time.sleep(2 * TTL_S)
    assert holder.current.state == "granted"
    assert states() == ["granted"]


def test_released_while_the_pool_is_down(pool, hold):
    holder = hold("0.1")
    assert holder.wait(5).state == "granted"
    pool.stop()
    assert not holder.release()
    pool.start()
    eventually(lambda: states() == ["expired"])


def test_released_before_the_pool_has_answered(pool, hold):
    holder = hold("0.1")
    holder.release()
    eventually(lambda: states() in (["released"], []))


def test_another_process_goes_on_holding_it(pool, hold):
    first = hold("0.1")
    assert first.wait(5).state == "granted"
    second = LeaseHolder(first.request, PoolClient())
    second.adopt(first.lease_id)
    second.start()
    assert second.wait(5).state == "granted"
    first._stopping.set()
    time.sleep(2 * TTL_S)
    assert states() == ["granted"]
    second.release()
    assert states() == ["released"]
