# SPDX-License-Identifier: BSD-3-Clause
"""Outside a lease: the pool's GPUs, and the leases on them."""

from __future__ import annotations

from bfkernel.cli.tables import Json, age, gpu_name, holder, mib, places, print_table

from .cards import Card


def print_pool(gpus: list[Json], leases: list[Json]) -> None:
    """Print the GPUs and, beneath, the leases on them, as nvidia-smi shows processes."""
    cards = ("Server", "#", "GPU", "Leased / Memory", "In use", "Leases")
    print_table("GPUs", cards, map(_gpu_row, gpus), empty="The pool has no GPU.")
    uses = ("GPUs", "Size", "User", "Holder", "In use", "Workers", "Last call")
    rows = (_use_row(lease) for lease in leases if lease.get("gpus"))
    print_table("Leases", uses, rows, empty="Nobody holds a share.")


def card_of(number: int, gpu: Json) -> Card:
    """Return what the pool knows of a GPU; its memory is the whole card's."""
    used = int(float(gpu.get("held_mib") or 0) * (1 << 20))
    return Card(number, gpu_name(gpu), str(gpu["id"]), int(gpu["memory_mib"]) << 20, used)


def _gpu_row(gpu: Json) -> list[str]:
    leased = f"{mib(gpu['leased_mib'])} / {mib(gpu['memory_mib'])}"
    return [
        str(gpu["server"]),
        str(gpu["index"]),
        gpu_name(gpu),
        leased,
        mib(gpu["held_mib"]),
        str(gpu["leases"]),
    ]


def _use_row(lease: Json) -> list[str]:
    return [
        places(lease),
        str(lease["size"]),
        str(lease["user"]),
        holder(lease),
        mib(lease["held_mib"]),
        str(lease["workers"]),
        age(lease["last_call_at"]),
    ]
