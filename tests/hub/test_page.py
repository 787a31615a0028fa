# SPDX-License-Identifier: BSD-3-Clause
"""The page "My GPU", by the Hub's login."""

from __future__ import annotations

import pytest

from tests.waiting import eventually

from .hub_harness import LIMIT_S, Browser, Hub

pytestmark = pytest.mark.timeout(400)


def test_a_student_sees_and_releases_the_own_share_and_nobody_elses(hub: Hub, student):
    anna, ben = student("course-a"), student("course-b")
    anna.start_server()
    anna.start_kernel("gpu-0.02-course-a", "exercise.ipynb")
    (lease,) = hub.leases_of(anna.name)
    own, other = Browser(hub, anna.name), Browser(hub, ben.name)
    assert 'services/bfkernel/">My GPU</a>' in own.home, "the Hub's menu leads there"
    page = own.my_gpu()
    for text in ("exercise.ipynb", "GPU 0.02", "granted", "0.04", "css/style.min.css", anna.name):
        assert text in page
    assert "You hold no share" in other.my_gpu()
    assert "exercise.ipynb" not in other.my_gpu()
    assert f"There is no lease {lease['id']}" in other.release(lease["id"]).text
    assert hub.leases_of(anna.name)
    assert own.http.post("/services/bfkernel/", data={"lease": lease["id"]}).status_code == 403, "XSRF"
    assert own.release(lease["id"]).status_code == 200
    eventually(lambda: not hub.leases_of(anna.name), LIMIT_S, "the release")


def test_strangers_are_sent_to_the_login_and_the_hooks_path_is_not_theirs(hub: Hub):
    hub_less = {"follow_redirects": False, "headers": {"Authorization": ""}}
    answer = hub.http.get("/services/bfkernel/", **hub_less)
    assert answer.status_code == 302
    assert "oauth2/authorize" in answer.headers["location"]
    assert hub.http.post("/services/bfkernel/stopped", json={"user": "anna"}, **hub_less).status_code in (
        403,
        404,
    )
