# SPDX-License-Identifier: BSD-3-Clause
"""Students of two courses: their sizes, their kernels, their quotas, and an admin who changes them."""

from __future__ import annotations

import pytest

from tests.waiting import eventually

from .hub_harness import LIMIT_S

pytestmark = pytest.mark.timeout(400)

CUDA_CELL = """
import numpy as np
from numba import cuda

@cuda.jit
def add_one(a):
    i = cuda.grid(1)
    if i < a.size:
        a[i] += 1

a = np.zeros(64, dtype=np.float32)
add_one[2, 32](a)
print(a.sum())
"""


def test_each_sees_the_sizes_of_the_own_course_and_computes_on_them(hub, student):
    anna, ben, cleo = student("course-a"), student("course-b"), student()
    for each in (anna, ben, cleo):
        each.start_server()
    assert anna.sizes() == {"gpu-0.02-course-a": "GPU 0.02 (Course A)"}
    assert ben.sizes() == {
        "gpu-0.05-course-b": "GPU 0.05 (Course B)",
        "gpu-0.1-course-b": "GPU 0.1 (Course B)",
    }
    assert cleo.sizes() == {}
    for each, kernel in ((anna, "gpu-0.02-course-a"), (ben, "gpu-0.05-course-b")):
        assert each.run(each.start_kernel(kernel), CUDA_CELL) == "64.0\n"
    assert {(lease["user"], lease["size"], lease["group"]) for lease in hub.leases()} == {
        (anna.name, "GPU 0.02", "course-a"),
        (ben.name, "GPU 0.05", "course-b"),
    }
    answer = cleo.post_session("gpu-0.02-course-a")
    assert answer.status_code >= 400
    assert hub.leases_of(cleo.name) == []


def test_over_quota_the_dialog_has_one_sentence_with_what_is_in_use(student):
    anna = student("course-a")
    anna.start_server()
    first = anna.start_kernel("gpu-0.02-course-a", "first.ipynb")
    anna.start_kernel("gpu-0.02-course-a", "second.ipynb")
    answer = anna.post_session("gpu-0.02-course-a", "third.ipynb")
    assert answer.status_code == 500
    assert answer.json()["message"].replace("\n", " ") == (
        "Your quota in course-a is 0.04 GPUs at once, and 0.04 are in use "
        "(first.ipynb 0.02, second.ipynb 0.02): shut one down, or ask for less."
    )
    anna.shut_down(first)
    anna.start_kernel("gpu-0.02-course-a", "third.ipynb")


def test_a_changed_property_applies_to_the_next_start_without_a_restart(hub, student):
    ben = student("course-b")
    ben.start_server()
    kernel = ben.start_kernel("gpu-0.05-course-b")
    hub.set_property("course-b", {"gpus": 0.04, "sizes": ["0.02"], "course": "Course B, evening"})
    try:

        def limit():
            quotas = hub.pool.get("/quotas", headers=hub.pool_admin()).json()
            return quotas["groups"]["course-b"]["gpus"]

        eventually(lambda: limit() == 0.04, LIMIT_S, "the property's way to the pool")
        assert [lease["state"] for lease in hub.leases_of(ben.name)] == ["granted"], "what runs runs on"
        ben.shut_down(kernel)
        answer = ben.post_session("gpu-0.05-course-b")
        assert answer.status_code == 500
        assert answer.json()["message"].startswith("Your quota in course-b is 0.04 GPUs at once")
        ben.stop_server()
        ben.start_server()
        assert ben.sizes() == {"gpu-0.02-course-b": "GPU 0.02 (Course B, evening)"}
        ben.start_kernel("gpu-0.02-course-b")
    finally:
        hub.set_property("course-b", {})
    eventually(lambda: limit() == 0.1, LIMIT_S, "the configuration's quota, once the property is gone")


def test_what_the_admin_set_before_is_kept(hub, student):
    anna = student("course-a")
    anna.start_server()
    assert (hub.state / f"started-{anna.name}").exists(), "her own pre_spawn_hook ran"
    assert {"tests", "bfkernel"} <= set(hub.api("GET", "/services")), "her own service is there"
