# SPDX-License-Identifier: BSD-3-Clause
"""GPUs and servers."""

from __future__ import annotations

from pydantic import Field

from bfkernel.remote.messages.base import Asked, Message
from bfkernel.remote.messages.leases import LeaseGpu


class GpuMessage(LeaseGpu):
    """``GET /api/v1/gpus``: a GPU; ``held_mib`` is what programs really hold of what is leased."""

    memory_mib: int
    leased_mib: int
    free_mib: int
    held_mib: float
    leases: int
    #: share of the time in which it computes (0 to 1), and MiB in use, where its driver tells them
    busy: float | None = None
    used_mib: float | None = None


class GpuList(Message):
    """``GET /api/v1/gpus``, by server and index."""

    gpus: list[GpuMessage]


class ServerMessage(Message):
    """``GET /api/v1/servers``: a GPU server.

    ``state`` is ``ready``, ``absent``, ``cordoned`` or ``draining``.
    """

    name: str
    state: str
    agent: str
    driver: str
    version: str
    seen_s_ago: float
    gpu_count: int
    memory_mib: int
    leased_mib: int
    free_mib: int
    leases: int
    workers: int
    driver_version: str = ""
    cuda_version: str = ""
    #: how programs share a GPU's time: ``timeslice`` or ``mps``
    compute: str = ""
    #: when its leases end for an admin's drain
    drain_at: float | None = None


class ServerList(Message):
    """``GET /api/v1/servers``, by name."""

    servers: list[ServerMessage]


class DrainRequest(Asked):
    """``POST /api/v1/servers/{name}/drain``: take a server out of service; holders have ``grace_s`` left."""

    grace_s: float = Field(default=0.0, ge=0, le=30 * 86400)
