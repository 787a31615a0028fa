# SPDX-License-Identifier: BSD-3-Clause
"""The API's description of itself against a real pool: requests made from it, answers checked by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from bfkernel.remote.pool.api.openapi import description
from bfkernel.remote.pool.api.routes import ROUTES

from .pool_processes import Process

load_all_checks()
TOKENS = "root root-0123456789abcdef admin\nada ada-0123456789abcdef user\n"
HEADERS = {"Authorization": "Bearer root-0123456789abcdef"}
DESCRIPTION = "/api/v1/openapi.json"
REPORT = {
    "instance": "a",
    "address": "127.0.0.1:9",
    "version": "1",
    "driver": "test",
    "gpus": [{"id": "GPU-0", "index": 0, "name": "Test GPU", "memory_mib": 1000, "emulated": True}],
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, native: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("openapi")
    tokens = folder / "tokens"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    pool = Process("pool", native, folder / "log", port=0, state_dir=folder / "state", token_file=tokens)
    try:
        url = pool.ready()
        httpx.post(f"{url}/api/v1/agents/gpu1/report", json=REPORT, headers=HEADERS).raise_for_status()
        yield url
        assert "failed" not in (folder / "log").read_text(), "the pool logged a defect"
    finally:
        pool.stop()


@pytest.fixture(scope="module")
def described(url: str) -> Any:
    return schemathesis.openapi.from_url(url + DESCRIPTION)


#: Server-sent events never end; they have a test of their own.
OPERATIONS = [
    (method, path)
    for path, methods in description(ROUTES)["paths"].items()
    for method in methods
    if path != "/api/v1/events"
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: str(part))
def test_every_answer_is_as_described(described: Any, method: str, path: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(described[path][method.upper()].as_strategy())
    def answers_are_as_described(case: schemathesis.Case) -> None:
        if "wait_s" in (case.query or {}):
            case.query["wait_s"] = 0.01
        # What fields must be together (a start before its end) no schema says; such a request gets its 422.
        case.call_and_validate(headers=HEADERS, timeout=20, excluded_checks=[positive_data_acceptance])

    answers_are_as_described()


def test_the_description_is_for_everybody_and_names_every_path(url: str) -> None:
    answer = httpx.get(url + DESCRIPTION)
    assert answer.status_code == 200
    paths = answer.json()["paths"]
    assert paths["/api/v1/leases"].keys() == {"get", "post"}
    assert paths["/api/v1/quotas/{kind}/{name}"].keys() == {"put", "delete"}
