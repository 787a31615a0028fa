# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel list-gpus``, ``servers``, ``leases`` and ``queue``: what the pool has, who has it, who waits."""

from __future__ import annotations

import click

from bfkernel.remote.client import PoolClient
from bfkernel.remote.units import format_duration

from .options import json_option, pool_option
from .tables import Json, age, gpu_name, holder, mib, places, print_json, print_table, span, until

_OF_SERVER = ("state", "driver", "driver_version", "cuda_version")


@click.command()
@json_option
@pool_option
def list_gpus(as_json: bool, url: str | None) -> None:
    """List the pool's GPUs: what is leased and free on each, how busy it is, what its server runs."""
    with PoolClient(url) as pool:
        gpus, servers = pool.gpus(), {server["name"]: server for server in pool.servers()}
    # A server that registers between the two answers is in the first one only.
    on = {key: f"server_{key}" if key == "state" else key for key in _OF_SERVER}
    gpus = [
        {**gpu, **{on[key]: servers.get(gpu["server"], {}).get(key) for key in _OF_SERVER}} for gpu in gpus
    ]
    if as_json:
        print_json(gpus)
        return
    columns = (
        "Server",
        "State",
        "#",
        "GPU",
        "Memory",
        "Leased",
        "Free",
        "In use",
        "Busy",
        "Leases",
        "Driver",
    )
    print_table("", columns, map(_gpu_row, gpus), empty="The pool has no GPU: no server has reported yet.")


@click.command()
@json_option
@pool_option
def servers(as_json: bool, url: str | None) -> None:
    """List the GPU servers: whether they are in service, what they run, how full they are."""
    with PoolClient(url) as pool:
        found = pool.servers()
    if as_json:
        print_json(found)
        return
    columns = (
        "Server",
        "State",
        "GPUs",
        "Leased / Memory",
        "Leases",
        "Programs",
        "Driver",
        "Compute",
        "Version",
        "Seen",
    )
    print_table("", columns, map(_server_row, found), empty="No GPU server has reported to the pool yet.")


@click.command()
@click.option("--all", "ended", is_flag=True, help="Ended leases too.")
@json_option
@pool_option
def leases(ended: bool, as_json: bool, url: str | None) -> None:
    """List leases: who holds which share, until when, and who waits."""
    with PoolClient(url) as pool:
        found = pool.leases(ended=ended)
        drains = {} if as_json else {server["name"]: server.get("drain_at") for server in pool.servers()}
    if as_json:
        print_json(found)
        return
    columns = ("Lease", "State", "Size", "User", "Group", "Holder", "GPUs", "In use", "Age", "Ends")
    rows = (_lease_row(lease, drains.get(lease.get("server"))) for lease in found)
    print_table("", columns, rows, empty="No leases.")
    for lease in found:
        if lease.get("notice"):
            click.echo(f"{lease['id']}: {lease['notice']}")


@click.command()
@json_option
@pool_option
def queue(as_json: bool, url: str | None) -> None:
    """List the requests that wait for a share, the next one first."""
    with PoolClient(url) as pool:
        found = pool.queue()
    if as_json:
        print_json(found)
        return
    columns = ("#", "Size", "User", "Group", "Holder", "Priority", "Waits", "Expected", "Lease")
    print_table("", columns, map(_queue_row, found), empty="Nobody waits.")


def _gpu_row(gpu: Json) -> list[str]:
    busy = gpu.get("busy")
    return [
        str(gpu["server"]),
        str(gpu["server_state"] or "-"),
        str(gpu["index"]),
        gpu_name(gpu),
        mib(gpu["memory_mib"]),
        mib(gpu["leased_mib"]),
        mib(gpu["free_mib"]),
        mib(gpu["held_mib"]),
        "-" if busy is None else f"{busy:.0%}",
        str(gpu["leases"]),
        str(gpu["driver"] or "-"),
    ]


def _server_row(server: Json) -> list[str]:
    drain_at = server.get("drain_at")
    return [
        str(server["name"]),
        str(server["state"]) + (f", empty {until(drain_at)}" if drain_at is not None else ""),
        str(server["gpu_count"]),
        f"{mib(server['leased_mib'])} / {mib(server['memory_mib'])}",
        str(server["leases"]),
        str(server["workers"]),
        str(server["driver"] or "-"),
        str(server.get("compute") or "-"),
        str(server["version"]),
        f"{span(server['seen_s_ago'])} ago",
    ]


def _lease_row(lease: Json, drain_at: float | None) -> list[str]:
    queued = lease["state"] == "queued"
    state = f"queued {lease['position']}/{lease['queue_length']}" if queued else str(lease["state"])
    over = lease["ended_at"] is not None
    ends = [then for then in (lease.get("ends_at"), lease.get("idle_until"), drain_at) if then is not None]
    return [
        str(lease["id"]),
        state,
        str(lease["size"]),
        str(lease["user"]),
        str(lease.get("group") or "-"),
        holder(lease),
        places(lease),
        mib(lease["held_mib"]),
        age(lease["created_at"]),
        until(min(ends)) if ends and not over else "-",
    ]


def _queue_row(entry: Json) -> list[str]:
    eta_s = entry.get("eta_s")
    return [
        str(entry["position"]),
        str(entry["size"]),
        str(entry.get("user") or "-"),
        str(entry.get("group") or "-"),
        holder(entry),
        str(entry["priority"]),
        age(entry["created_at"]),
        "unknown" if eta_s is None else f"in about {format_duration(eta_s)}",
        str(entry.get("lease") or "-"),
    ]
