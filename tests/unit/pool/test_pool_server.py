# SPDX-License-Identifier: BSD-3-Clause
"""What a pool refuses to start with."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bfkernel.remote.pool.server import PoolOptions, PoolServer
from bfkernel.remote.state_dir import ConfigurationError


def test_two_pools_do_not_share_a_state_directory(tmp_path: Path) -> None:
    first = PoolServer(PoolOptions(port=0, state_dir=tmp_path))
    with pytest.raises(ConfigurationError, match="Another pool runs"):
        PoolServer(PoolOptions(port=0, state_dir=tmp_path))
    assert first.url == f"http://127.0.0.1:{first.port}"


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}"):
            PoolServer(PoolOptions(port=port, state_dir=tmp_path))


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 1e9, float("nan")])
def test_a_ttl_that_makes_no_sense_is_refused(tmp_path: Path, ttl_s: float) -> None:
    with pytest.raises(ConfigurationError, match="lease_ttl_s"):
        PoolServer(PoolOptions(port=0, state_dir=tmp_path, lease_ttl_s=ttl_s))


def test_others_need_tokens(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--token-file"):
        PoolServer(PoolOptions(host="0.0.0.0", port=0, state_dir=tmp_path))


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        PoolServer(PoolOptions(port=0, state_dir=tmp_path / "file" / "state"))


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "grant-key.pem").write_text("no key")
    with pytest.raises(ConfigurationError):
        PoolServer(PoolOptions(port=0, state_dir=tmp_path))
