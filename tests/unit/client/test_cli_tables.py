# SPDX-License-Identifier: BSD-3-Clause
"""What the commands that look at the pool print, for people and for programs."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import pytest

from bfkernel.cli.accounting import parse_time
from tests.waiting import eventually

from .embedded_pool import EmbeddedPool, Server

QUOTAS = {
    "default": {"gpus": 5, "gpu_hours_per_week": 10, "longest_lease_s": "2h", "longest_idle_s": "90min"},
    "users": {"local": {"leases": 3}},
}


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """A pool with a card and quotas."""
    pool = EmbeddedPool(tmp_path / "state", ttl_s=60.0, quotas=QUOTAS, time_zone="Europe/Berlin")
    pool.start()
    monkeypatch.setenv("BFKERNEL_POOL_URL", pool.url)
    server = Server(pool)
    yield pool
    server.stop()
    pool.stop()


def granted(holder):
    eventually(lambda: holder.current.state == "granted")
    return holder


def queued(holder):
    eventually(lambda: holder.current.state == "queued")
    return holder


def test_gpus_are_shown_with_their_server(limited, bfkernel, hold):
    granted(hold("0.25"))
    (gpu,) = bfkernel("list-gpus", "--json").json
    assert (gpu["leased_mib"], gpu["server_state"], gpu["driver"], gpu["busy"]) == (
        250,
        "ready",
        "none",
        None,
    )
    row = bfkernel("list_gpus").row("box")
    assert row[1:3] == ["ready", "0"]
    assert "250 MiB" in row


def test_servers_are_shown_with_what_they_run(limited, bfkernel, hold):
    granted(hold("0.5"))
    (server,) = bfkernel("servers", "--json").json
    assert (server["name"], server["state"], server["leases"]) == ("box", "ready", 1)
    assert "500 MiB / 1,000 MiB" in bfkernel("servers").out
    bfkernel("admin", "drain", "box", "--grace", "10min")
    assert "draining, empty in 10 min" in bfkernel("servers").out


def test_the_queue_is_shown_in_order(limited, bfkernel, hold):
    assert bfkernel("queue").out == "Nobody waits.\n"
    granted(hold("0.7"))
    first = queued(hold("0.5"))
    second = queued(hold("0.4"))
    assert [entry["lease"] for entry in bfkernel("queue", "--json").json] == [first.lease_id, second.lease_id]
    assert bfkernel("queue").row(second.lease_id)[0] == "2"
    # When the 0.7 that is held reaches its limit.
    eventually(lambda: "in about 2 h" in bfkernel("queue").row(first.lease_id))


def test_leases_are_shown_with_their_end(limited, bfkernel, hold):
    holder = granted(hold("0.1"))
    assert bfkernel("leases").row(holder.lease_id)[-1] in ("in 2 h", "in 120 min")
    bfkernel("admin", "drain", "box", "--grace", "600s")
    shown = bfkernel("leases").out
    assert "in 10 min" in shown
    assert f"{holder.lease_id}: GPU 0.1 ends at " in shown


def test_ones_own_quota_is_told_in_words(limited, bfkernel, hold):
    granted(hold("0.25"))
    shown = bfkernel("quota").out
    assert shown.startswith("You are local.\n")
    at_once, _, week = (bfkernel("quota").row(word) for word in ("GPUs at", "kernels", "week"))
    assert at_once == ["GPUs at once", "0.25", "5"]
    assert week[2] == "10"
    # Berlin's midnight, in the time zone of whoever asks.
    assert " (in " in week[3]
    assert "A share ends 2 h after you got it." in shown
    assert "A share that computes nothing for 90 min is taken back." in shown
    assert bfkernel("quota", "--json").json["longest_lease_s"] == 7200


def test_without_quotas_nothing_is_limited(pool, bfkernel):
    shown = bfkernel("quota")
    assert shown.row("GPUs at once")[2] == "no limit"
    assert shown.out.endswith("Shares have no time limit.\n")


def test_usage_is_summed_up(limited, bfkernel, hold):
    assert bfkernel("usage", "--by", "both").out.startswith("Nothing was used from ")
    granted(hold("0.5"))
    answer = bfkernel("usage", "--json", "--since", "7d").json
    assert [(row["user"], row["leases"]) for row in answer["usage"]] == [("local", 1)]
    assert answer["end"] - answer["start"] == pytest.approx(7 * 86400, abs=60)
    assert bfkernel("usage").row("local")[1] == "1"
    (row,) = csv.DictReader(io.StringIO(bfkernel("usage", "--by", "both", "--csv").out))
    assert (row["user"], row["group"], row["leases"]) == ("local", "", "1")
    assert bfkernel("usage", "--until", "2020-01-01").out.startswith("Nothing was used")


def test_a_wrong_time_is_said(bfkernel):
    assert "write a date" in bfkernel("usage", "--since", "yesterday", code=64).err
    assert "write a date" in bfkernel("usage", "--since", "2026-13-01", code=64).err
    assert "--csv and --json" in bfkernel("usage", "--csv", "--json", code=64).err
    assert parse_time("2026-11-01T08:30") - parse_time("2026-11-01T08:00") == 1800


def test_over_quota_is_not_permitted(limited, bfkernel, monkeypatch, tmp_path):
    shim = tmp_path / "native" / "client" / "libcuda.so.1"
    shim.parent.mkdir(parents=True)
    shim.touch()
    monkeypatch.setenv("BFKERNEL_NATIVE_DIR", str(tmp_path / "native"))
    bfkernel("admin", "quota", "set", "--default", "gpus=0.8")
    assert "Your quota is 0.8 GPUs at once" in bfkernel("run", "-p", "0.9", "--", "true", code=77).err
    assert "You are not in the group" in bfkernel("run", "--group", "x", "-p", "0.1", "true", code=77).err
    assert bfkernel("run", "--filter", "gpu=*H200*", "-p", "0.1", "true", code=75).err
    assert "is no filter" in bfkernel("run", "--filter", "cores>3", "true", code=64).err
    # In a process of its own: that a command has ended is told by a signal, which is for one thread.
    command = [sys.executable, "-m", "bfkernel.cli.main", "run", "-p", "0.1"]
    command += ["--filter", "gpu=test*", "--filter", "server=box", "true"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.stderr, result.returncode) == ("", 0)
