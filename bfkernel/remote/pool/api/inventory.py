# SPDX-License-Identifier: BSD-3-Clause
"""What there is: GPUs and servers."""

from __future__ import annotations

from bfkernel.remote.messages import (
    GpuList,
    ServerList,
)
from bfkernel.remote.pool.api.handler import ApiHandler
from bfkernel.remote.pool.api.operations import operation
from bfkernel.remote.pool.views import gpu_views, server_views


class Gpus(ApiHandler):
    """``/api/v1/gpus``."""

    @operation(answer=GpuList)
    async def get(self) -> None:
        """List every GPU with what is held and free."""
        self.reply(GpuList(gpus=gpu_views(self.pool)))


class Servers(ApiHandler):
    """``/api/v1/servers``."""

    @operation(answer=ServerList)
    async def get(self) -> None:
        """List the GPU servers."""
        self.reply(ServerList(servers=server_views(self.pool)))
