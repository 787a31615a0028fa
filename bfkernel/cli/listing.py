# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel list-gpus`` and ``leases``: what the pool has, and who has it."""

from __future__ import annotations

import click

from bfkernel.remote.client import PoolClient

from .options import json_option, pool_option
from .tables import Json, age, gpu_name, holder, mib, places, print_json, print_table


@click.command()
@json_option
@pool_option
def list_gpus(as_json: bool, url: str | None) -> None:
    """List the pool's GPUs with what is leased and free on each."""
    with PoolClient(url) as pool:
        gpus = pool.gpus()
    if as_json:
        print_json(gpus)
        return
    columns = ("Server", "#", "GPU", "Memory", "Leased", "Free", "In use", "Leases")
    print_table("", columns, map(_gpu_row, gpus), empty="The pool has no GPU: no server has reported yet.")


@click.command()
@click.option("--all", "ended", is_flag=True, help="Ended leases too.")
@json_option
@pool_option
def leases(ended: bool, as_json: bool, url: str | None) -> None:
    """List leases: who holds which share, and who waits."""
    with PoolClient(url) as pool:
        found = pool.leases(ended=ended)
    if as_json:
        print_json(found)
        return
    columns = ("Lease", "State", "Size", "User", "Holder", "GPUs", "In use", "Age")
    print_table("", columns, map(_lease_row, found), empty="No leases.")


def _gpu_row(gpu: Json) -> list[str]:
    return [
        str(gpu["server"]),
        str(gpu["index"]),
        gpu_name(gpu),
        mib(gpu["memory_mib"]),
        mib(gpu["leased_mib"]),
        mib(gpu["free_mib"]),
        mib(gpu["held_mib"]),
        str(gpu["leases"]),
    ]


def _lease_row(lease: Json) -> list[str]:
    queued = lease["state"] == "queued"
    state = f"queued {lease['position']}/{lease['queue_length']}" if queued else str(lease["state"])
    return [
        str(lease["id"]),
        state,
        str(lease["size"]),
        str(lease["user"]),
        holder(lease),
        places(lease),
        mib(lease["held_mib"]),
        age(lease["created_at"]),
    ]
