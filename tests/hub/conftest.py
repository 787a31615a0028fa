# SPDX-License-Identifier: BSD-3-Clause
"""One Hub for all tests of a version; each test has students of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.jupyter_processes import Processes

from .hub_harness import Hub, Student, environment_of, proxy_command

VERSIONS = [
    pytest.param("6", id="jupyterhub6"),
    pytest.param("5", id="jupyterhub5", marks=pytest.mark.slow),
]
_NUMBERS = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; pytest calls this with all that it has found."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.hub)


@pytest.fixture(scope="session", params=VERSIONS)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The local example."""
    folder = environment_of(request.param)
    if folder is None or proxy_command() is None:
        pytest.skip(f"no JupyterHub {request.param} with its proxy here: run 'make test-hub'")
    logs = tmp_path_factory.mktemp("logs")
    processes = Processes(logs)
    hub = Hub(processes, folder, tmp_path_factory.mktemp("state"))
    try:
        hub.start()
        yield hub
        hub.stop()
    finally:
        processes.end()
        print(processes.logs())


@pytest.fixture
def student(hub: Hub) -> Iterator[Callable[..., Student]]:
    """Make a student who is in these groups; the server ends with the test."""
    made: list[Student] = []

    def make(*groups: str) -> Student:
        new = hub.add_user(f"student{next(_NUMBERS)}", *groups)
        made.append(new)
        return new

    yield make
    for new in made:
        hub.http.delete(f"/hub/api/users/{new.name}")
