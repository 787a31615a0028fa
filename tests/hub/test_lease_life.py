# SPDX-License-Identifier: BSD-3-Clause
"""Shares return when servers, users and memberships end, and nobody else is touched."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.waiting import eventually

from .conftest import VERSIONS
from .hub_harness import LIMIT_S, POLL_S, TTL_S, Hub, Student
from .hubs import hub_on

pytestmark = pytest.mark.timeout(400)

IDLE_S = 10


@pytest.fixture
def neighbour(hub: Hub, student):
    """Somebody whose lease is the same, and whose kernel computes, after the test as before it."""
    ben = student("course-b")
    ben.start_server()
    kernel = ben.start_kernel("gpu-0.05-course-b")
    with ben.cells(kernel) as cells:
        cells.run("import numpy, numba.cuda; d = numba.cuda.to_device(numpy.arange(4))")
        (before,) = hub.leases_of(ben.name)
        yield ben
        assert cells.run("print(d.copy_to_host().sum())") == "6\n"
    assert [lease["id"] for lease in hub.leases_of(ben.name)] == [before["id"]]


@pytest.fixture
def anna(hub: Hub, student, neighbour) -> Student:
    """A student whose kernel has used its share."""
    anna = student("course-a")
    anna.start_server()
    kernel = anna.start_kernel("gpu-0.02-course-a")
    anna.run(kernel, "import numpy, numba.cuda; d = numba.cuda.to_device(numpy.arange(4))")
    assert len(hub.leases_of(anna.name)) == 1
    return anna


def wait_until_back(hub: Hub, student: Student, limit_s: float) -> None:
    eventually(lambda: not hub.leases_of(student.name), limit_s, f"the end of {student.name}'s lease")


def test_the_hub_stops_a_server(hub, anna):
    anna.stop_server()
    assert hub.leases_of(anna.name) == [], "the hook gives the share back before the Hub calls it stopped"


def test_the_hub_culls_an_idle_server(hub, anna, neighbour):
    neighbour.use_server()
    culler = hub.start_culler(IDLE_S)

    def back() -> bool:
        neighbour.use_server()
        time.sleep(0.5)
        return not hub.leases_of(anna.name)

    eventually(back, IDLE_S + LIMIT_S, f"the end of {anna.name}'s lease")
    culler.terminate()


def test_a_user_is_deleted_while_a_kernel_runs(hub, anna):
    hub.api("DELETE", f"/users/{anna.name}")
    assert hub.leases_of(anna.name) == []


def test_the_single_user_server_is_killed(hub, anna):
    (server,) = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if "jupyterhub.singleuser" in (process.info["cmdline"] or [])
        and (process.info["environ"] or {}).get("JUPYTERHUB_USER") == anna.name
    ]
    os.kill(server.pid, signal.SIGKILL)
    # The kernel sees its server's end within a second or so; the TTL counts from its last proof of life.
    wait_until_back(hub, anna, 3 * TTL_S + LIMIT_S / 2)


def test_a_member_who_is_removed_from_the_course_loses_its_shares(hub, anna):
    hub.api("DELETE", "/groups/course-a/users", json={"users": [anna.name]})
    wait_until_back(hub, anna, 10 * POLL_S + LIMIT_S / 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hub_that_runs_the_pool_is_killed_and_started_again(tmp_path, version):
    with hub_on(tmp_path, version) as (hub, _):
        hub.start()
        anna = hub.add_user("anna2", "course-a")
        anna.start_server()
        anna.start_kernel("gpu-0.02-course-a")
        (before,) = hub.leases_of(anna.name)
        hub.restart()
        assert [lease["id"] for lease in hub.leases_of(anna.name)] == [before["id"]]
        time.sleep(TTL_S + 1)
        assert hub.leases_of(anna.name), "its holder proves it to the pool that came back"
        anna.stop_server()
        wait_until_back(hub, anna, LIMIT_S)
        hub.stop()
