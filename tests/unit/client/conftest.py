# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures for what talks to a pool: a pool, a card, holders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bfkernel.remote.client import LeaseHolder, LeaseRequest, PoolClient, Size

from .commands import Commands
from .embedded_pool import TTL_S, EmbeddedPool, Server


@pytest.fixture(autouse=True)
def _private_runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BFKERNEL_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.delenv("BFKERNEL_TOKEN", raising=False)


@pytest.fixture
def ttl_s() -> float:
    """How long a lease of the pool lives without proof; a test that needs another time parametrizes it."""
    return TTL_S


@pytest.fixture
def empty_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ttl_s: float) -> Iterator[EmbeddedPool]:
    """A pool to which no server has reported."""
    pool = EmbeddedPool(tmp_path / "state", ttl_s)
    pool.start()
    monkeypatch.setenv("BFKERNEL_POOL_URL", pool.url)
    yield pool
    pool.stop()


@pytest.fixture
def pool(empty_pool: EmbeddedPool) -> Iterator[EmbeddedPool]:
    """A pool with one card of 1000 MiB."""
    server = Server(empty_pool)
    yield empty_pool
    server.stop()


@pytest.fixture
def bfkernel(capsys: pytest.CaptureFixture[str]) -> Commands:
    """Run commands."""
    return Commands(capsys)


@pytest.fixture
def hold() -> Iterator[Callable[..., LeaseHolder]]:
    """Make started holders; they are released at the end."""
    holders: list[LeaseHolder] = []

    def make(
        size: str, url: str | None = None, asked: dict[str, Any] | None = None, **options: object
    ) -> LeaseHolder:
        request = LeaseRequest(Size.parse(size), kind="command", name="a test", **(asked or {}))
        holder = LeaseHolder(request, PoolClient(url), **options)  # type: ignore[arg-type]
        holder.start()
        holders.append(holder)
        return holder

    yield make
    for holder in holders:
        holder.release()
