# SPDX-License-Identifier: BSD-3-Clause
"""Who may do what: a student's token is that student's, and without the Hub's word nobody gets a share."""

from __future__ import annotations

import os
import signal

import pytest

from tests.waiting import eventually

from .hub_harness import LIMIT_S, TTL_S, Hub

pytestmark = pytest.mark.timeout(400)

SHARE = {"fraction": 0.02}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def anna(student):
    anna = student("course-a")
    anna.start_server()
    return anna


def test_a_students_token_cannot_act_for_another(hub: Hub, anna, student):
    ben = student("course-b")
    ben.start_server()
    ben.start_kernel("gpu-0.05-course-b")
    (others,) = hub.leases_of(ben.name)
    own = bearer(anna.server_token(anna.start_kernel("python3")))
    path = f"/leases/{others['id']}"
    assert hub.pool.get("/leases", headers=own).json()["leases"] == []
    assert hub.pool.get(path, headers=own).status_code == 404
    assert hub.pool.delete(path, headers=own).status_code == 404
    assert hub.pool.post(f"{path}/heartbeat", headers=own).status_code == 404
    assert hub.pool.put("/quotas/users/x", headers=own, json={"gpus": 1}).status_code == 403
    assert [lease["id"] for lease in hub.leases_of(ben.name)] == [others["id"]]


def test_a_forged_name_is_ignored_and_another_courses_quota_refused(hub: Hub, anna):
    own = bearer(anna.server_token(anna.start_kernel("python3")))
    holder = {"kind": "kernel", "name": "x.ipynb"}
    assert hub.pool.post("/leases", headers=own, json={**SHARE, "user": "ben"}).status_code == 422
    forged = {**own, "X-Forwarded-User": "admin", "X-User": "admin"}
    answer = hub.pool.post("/leases", headers=forged, json={**SHARE, "holder": holder})
    assert answer.json()["user"] == anna.name
    assert hub.pool.post("/leases", headers=own, json={**SHARE, "group": "course-b"}).status_code == 403
    hub.pool.delete(f"/leases/{answer.json()['id']}", headers=own)


def test_a_token_without_the_scope_is_refused(hub: Hub, anna):
    made = hub.api("POST", f"/users/{anna.name}/tokens", json={"scopes": ["read:users!user"]})
    answer = hub.pool.post("/leases", headers=bearer(made["token"]), json=SHARE)
    assert answer.status_code == 403
    assert answer.json()["code"] == "missing-scope"
    assert "access:services!service=bfkernel" in answer.json()["detail"]


def test_while_the_hub_does_not_answer_new_leases_are_refused_and_running_ones_live(hub: Hub, anna):
    kernel = anna.start_kernel("gpu-0.02-course-a")
    new = hub.api("POST", f"/users/{anna.name}/tokens", json={"scopes": ["access:services!service=bfkernel"]})
    with anna.cells(kernel) as cells:
        cells.run("import numpy, numba.cuda; d = numba.cuda.to_device(numpy.arange(4))")
        os.kill(hub.process.pid, signal.SIGSTOP)
        try:
            answer = hub.pool.post("/leases", headers=bearer(new["token"]), json=SHARE)
            assert answer.status_code == 503
            assert answer.json()["code"] == "hub-unreachable"
            cells.run(f"import time; time.sleep({TTL_S + 3})")
            assert cells.run("print(d.copy_to_host().sum())") == "6\n"
            assert len(hub.leases_of(anna.name)) == 1
        finally:
            os.kill(hub.process.pid, signal.SIGCONT)
    eventually(lambda: hub.http.get("/hub/api/").is_success, LIMIT_S, "the Hub's return")
