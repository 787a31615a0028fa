# SPDX-License-Identifier: BSD-3-Clause
"""A pool that stands alone: a Hub that is killed and started again costs nobody anything."""

from __future__ import annotations

import pytest

from tests.waiting import eventually

from .conftest import VERSIONS
from .hub_harness import LIMIT_S, Hub, Student
from .hubs import hub_on, pool_with_agents

pytestmark = pytest.mark.timeout(500)


@pytest.fixture(params=VERSIONS)
def hub(request, tmp_path, postgres):
    """The example: a pool on PostgreSQL, two agents."""
    with hub_on(tmp_path, request.param) as (hub, processes):
        database = f"--database-url={postgres.new_database()}"
        url, token_file = pool_with_agents(hub, processes, tmp_path, database, agents=("gpu1", "gpu2"))
        hub.use_pool(url, token_file)
        hub.environment["TESTS_EXAMPLE"] = "external-pool"
        hub.start()
        yield hub
        hub.stop()


def test_a_hub_that_is_killed_and_started_again(hub: Hub):
    anna: Student = hub.add_user("anna2", "course-a")
    anna.start_server()
    kernel = anna.start_kernel("gpu-0.02-course-a")
    with anna.cells(kernel) as cells:
        cells.run("import numpy, numba.cuda; d = numba.cuda.to_device(numpy.arange(4))", LIMIT_S)
        (before,) = hub.leases_of(anna.name)
        hub.restart()
        assert cells.run("print(d.copy_to_host().sum())") == "6\n"
        assert [lease["id"] for lease in hub.leases_of(anna.name)] == [before["id"]]
    anna.start_kernel("gpu-0.02-course-a", "second.ipynb")
    anna.stop_server()
    eventually(lambda: not hub.leases_of(anna.name), LIMIT_S, "the shares' return")
