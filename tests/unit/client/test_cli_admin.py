# SPDX-License-Identifier: BSD-3-Clause
"""What admins do on the command line, and that others cannot."""

from __future__ import annotations

import pytest

from tests.waiting import eventually

from .embedded_pool import EmbeddedPool, Server

ADMIN, USER = "the-admins-own-token", "just-a-users-token"


def test_a_cordoned_server_gets_no_leases(pool, bfkernel, hold):
    assert bfkernel("admin", "cordon", "box").out == "box gets no new leases; no leases are on it.\n"
    holder = hold("0.1")
    eventually(lambda: holder.current.state == "queued")
    assert bfkernel("admin", "uncordon", "box").out == "box is ready.\n"
    eventually(lambda: holder.current.state == "granted")


def test_draining_ends_the_leases(pool, bfkernel, hold):
    holder = hold("0.1")
    eventually(lambda: holder.current.state == "granted")
    said = bfkernel("admin", "drain", "box").out
    assert said == "box gets no new leases and is empty in 10 min; 1 lease is on it.\n"
    bfkernel("admin", "drain", "box", "--grace", "0")
    eventually(lambda: holder.current.state == "ended")


def test_a_server_is_forgotten_when_it_is_gone(empty_pool, bfkernel):
    server = Server(empty_pool)
    assert "box" in bfkernel("admin", "forget", "box", code=75).err
    server.stop()
    eventually(lambda: bfkernel("servers", "--json").json[0]["state"] == "absent")
    bfkernel("admin", "forget", "box")
    assert bfkernel("servers", "--json").json == []
    assert "no GPU server box" in bfkernel("admin", "cordon", "box", code=64).err


def test_quotas_are_set_limit_by_limit(pool, bfkernel):
    assert bfkernel("admin", "quota", "show").row("everybody")[1] == "says nothing"
    bfkernel("admin", "quota", "set", "--group", "cs231n", "gpus=0.5", "longest-lease=90min")
    said = bfkernel("admin", "quota", "set", "--group", "cs231n", "gpu_hours_per_week=10", "memory=8GiB")
    words = "gpus=0.5, memory_mib=8192, gpu_hours_per_week=10, longest_lease=90min"
    assert said.out == f"each of group cs231n: {words}\n"
    bfkernel("admin", "quota", "set", "--group", "cs231n", "--total", "gpus=4")
    bfkernel("admin", "quota", "set", "--user", "ada", "gpus=unlimited", "priority=5")
    quotas = bfkernel("admin", "quota", "show", "--json").json
    assert quotas["groups"]["cs231n"]["longest_lease_s"] == 5400
    assert quotas["totals"]["cs231n"]["gpus"] == 4
    assert quotas["users"]["ada"]["gpus"] == "unlimited"
    assert words in bfkernel("admin", "quota", "show").out
    assert bfkernel("admin", "quota", "set", "--user", "ada", "gpus=none").out == "user ada: priority=5\n"
    assert bfkernel("admin", "quota", "unset", "--user", "ada").out == "user ada: says nothing\n"


def test_a_quota_takes_leases_back_only_if_asked_to(pool, bfkernel, hold):
    holder = hold("0.5")
    eventually(lambda: holder.current.state == "granted")
    bfkernel("admin", "quota", "set", "--default", "gpus=0.1")
    assert holder.confirm()
    assert holder.current.state == "granted"
    bfkernel("admin", "quota", "set", "--default", "gpus=0.1", "--enforce")
    eventually(lambda: holder.current.state == "ended")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["gpus=1"], "whose quota"),
        (["--user", "a", "--default", "gpus=1"], "whose quota"),
        (["--total", "--user", "a", "gpus=1"], "--total"),
        (["--user", "a", "gpsu=1"], "'gpsu' is no limit"),
        (["--user", "a", "gpus"], "'gpus' is no limit"),
        (["--user", "a", "gpus=many"], "gpus: 'many' is no number"),
        (["--user", "a", "longest_lease=soon"], "longest_lease"),
    ],
)
def test_a_wrong_quota_is_said(pool, bfkernel, words, why):
    assert why in bfkernel("admin", "quota", "set", *words, code=64).err


def test_only_admins_manage(tmp_path, bfkernel, hold, monkeypatch):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"root {ADMIN} admin\nada {USER}\n")
    tokens.chmod(0o600)
    pool = EmbeddedPool(tmp_path / "state", ttl_s=60.0, token_file=tokens)
    pool.start()
    server = Server(pool, ADMIN)
    monkeypatch.setenv("BFKERNEL_POOL_URL", pool.url)
    try:
        monkeypatch.setenv("BFKERNEL_TOKEN", USER)
        holder = hold("0.1")
        eventually(lambda: holder.current.state == "granted")
        for words in (["cordon", "box"], ["drain", "box"], ["forget", "box"], ["quota", "show"]):
            assert "A token of role user" in bfkernel("admin", *words, code=77).err
        bfkernel("admin", "quota", "set", "--default", "gpus=1", code=77)
        monkeypatch.setenv("BFKERNEL_TOKEN", ADMIN)
        said = bfkernel("admin", "revoke", holder.lease_id).out
        assert said == "GPU 0.1 of ada is revoked: The lease was revoked by root.\n"
        holder.confirm()
        assert holder.current.state == "ended"
        assert "There is no lease" in bfkernel("admin", "revoke", "nobodys", code=64).err
        monkeypatch.setenv("BFKERNEL_TOKEN", "nobodys-token-of-16")
        bfkernel("quota", code=77)
    finally:
        server.stop()
        pool.stop()
