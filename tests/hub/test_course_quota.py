# SPDX-License-Identifier: BSD-3-Clause
"""``examples/course-quota``: what its configuration says is what students see and what the pool holds to."""

from __future__ import annotations

import pytest

from .hub_harness import Browser
from .hubs import hub_on

pytestmark = pytest.mark.timeout(500)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with hub_on(tmp_path_factory.mktemp("hub")) as (hub, _):
        hub.environment["TESTS_EXAMPLE"] = "course-quota"
        hub.last_quota = ("users", "tara")
        hub.start()
        yield hub
        hub.stop()


def said(limits):
    return {name: value for name, value in limits.items() if value is not None}


def sentence(refused):
    """Return what the start dialog says; it is broken into lines."""
    return refused.json()["message"].replace("\n", " ")


def test_the_pools_quotas_are_the_configurations_and_a_groups_property_goes_over_them(hub):
    quotas = hub.quotas()
    assert said(quotas["default"]) == {"gpus": 0.01, "leases": 1, "gpu_hours_per_day": 0.1}
    assert said(quotas["groups"]["cs231n"]) == {
        "gpus": 0.05,
        "leases": 2,
        "gpu_hours_per_week": 2,
        "longest_idle_s": 1800,
    }
    assert said(quotas["groups"]["ml-lab"]) == {"gpus": 0.1, "leases": 4, "gpu_hours_per_term": 40}
    assert said(quotas["totals"]["cs231n"]) == {"gpus": 0.08}
    assert said(quotas["users"]["tara"]) == {"gpus": "unlimited", "leases": "unlimited", "priority": 10}


def test_courses_have_sizes_of_their_own_and_a_property_replaces_them(hub):
    everybodys = {"gpu-0.01": "GPU, to try out"}
    of_cs231n = {"gpu-0.02-cs231n": "GPU 0.02 (CS 231n)", "gpu-0.05-cs231n": "GPU 0.05 (CS 231n)"}
    of_ml_lab = {
        "gpu-0.05-ml-lab": "GPU 0.05 (ML lab, this week)",
        "gpu-0.1-ml-lab": "GPU 0.1 (ML lab, this week)",
    }
    hub.add_user("dora")
    expected = {"dora": everybodys, "ben": {**everybodys, **of_cs231n, **of_ml_lab}}
    for name, sizes in expected.items():
        hub.user(name).start_server()
        assert hub.user(name).sizes() == sizes


def test_a_course_kernel_charges_its_course_up_to_its_members_and_its_own_total(hub):
    anna, tara = hub.user("anna"), hub.user("tara")
    for each in (anna, tara):
        each.start_server()
    anna.start_kernel("gpu-0.05-cs231n", "exercise.ipynb")
    (lease,) = hub.leases_of("anna")
    assert lease["group"] == "cs231n"
    refused = anna.post_session("gpu-0.02-cs231n", "second.ipynb")
    assert sentence(refused).startswith(
        "Your quota in cs231n is 0.05 GPUs at once, and 0.05 are in use (exercise.ipynb 0.05)"
    )
    refused = tara.post_session("gpu-0.05-cs231n")
    assert sentence(refused).startswith("The quota of cs231n as a whole is 0.08 GPUs at once")
    tara.start_kernel("gpu-0.02-cs231n")
    page = Browser(hub, "anna").my_gpu()
    assert "<td>GPU-hours this week</td> <td>cs231n</td>" in " ".join(page.split())
