# SPDX-License-Identifier: BSD-3-Clause
"""What Prometheus reads of the plug-in: at the Hub's page, and at the service's."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import VERSIONS
from .hub_harness import Hub
from .hubs import hub_on

pytestmark = pytest.mark.timeout(400)

SENTENCE = "No course of yours has a GPU size: ask your course's staff to add you to its group."


def numbers(page: str) -> dict[tuple[str, str], float]:
    """Return what a page says, by the metric's name and its labels' values, in the order of their names."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for sample in samples
    }


def hubs_numbers(hub: Hub) -> dict[tuple[str, str], float]:
    return numbers(hub.http.get("/hub/metrics").text)


def services_numbers(hub: Hub) -> dict[tuple[str, str], float]:
    answer = hub.http.get("/services/bfkernel/metrics")
    assert answer.status_code == 200, answer.text
    return numbers(answer.text)


def test_a_stopped_server_and_its_leases_are_counted(hub: Hub, student):
    anna = student("course-a")
    anna.start_server()
    anna.start_kernel("gpu-0.02-course-a")
    notices = ("bfkernel_hub_stop_notices_total", "success")
    ended = ("bfkernel_hub_leases_ended_total", "server-stopped")
    before = hubs_numbers(hub)[notices], services_numbers(hub)[ended]
    anna.stop_server()
    assert (hubs_numbers(hub)[notices], services_numbers(hub)[ended]) == (before[0] + 1, before[1] + 1)
    found = services_numbers(hub)
    assert found["bfkernel_hub_look_duration_seconds_count", "success"] > 0
    assert found["bfkernel_hub_leases_ended_total", "user-gone"] >= 0
    assert found["bfkernel_hub_last_look_timestamp_seconds", ""] > 1e9


def test_the_services_numbers_are_for_who_may_read_the_hubs(hub: Hub, student):
    anna = student("course-a")
    scopes = {"scopes": ["access:services!service=bfkernel"]}
    token = hub.api("POST", f"/users/{anna.name}/tokens", json=scopes)["token"]
    for header in ({"Authorization": f"token {token}"}, {"Authorization": ""}):
        answer = hub.http.get("/services/bfkernel/metrics", headers=header, follow_redirects=False)
        assert answer.status_code == 403
        assert "bfkernel_hub" not in answer.text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refused_server_says_why_and_is_counted_with_its_reason(tmp_path, version):
    with hub_on(tmp_path, version) as (hub, _):
        hub.environment["TESTS_EXAMPLE"] = str(Path(__file__).parent / "only_with_sizes")
        hub.start()
        hub.add_user("cleo")
        answer = hub.http.post("/hub/api/users/cleo/server")
        assert (answer.status_code, answer.json()["message"]) == (403, SENTENCE)
        found = hubs_numbers(hub)
        assert found["bfkernel_hub_spawns_refused_total", "bfkernel-no-size"] == 1
        if version == "6":
            name = "jupyterhub_server_spawn_duration_seconds_count"
            assert found[name, "bfkernel-no-size,failure"] == 1
        hub.stop()
