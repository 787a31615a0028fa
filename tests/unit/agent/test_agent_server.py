# SPDX-License-Identifier: BSD-3-Clause
"""When an agent ends by itself; what it serves is in `tests/integration/test_pool_processes.py`."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from bfkernel.remote.agent.options import AgentOptions
from bfkernel.remote.agent.server import AgentServer


@pytest.mark.asyncio
async def test_an_agent_that_can_read_no_ledger_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: AgentServer) -> None:
        msg = "a defect"
        raise RuntimeError(msg)

    monkeypatch.setattr(AgentServer, "_look_at_ledgers", fail)
    options = AgentOptions(pool="http://127.0.0.1:9", driver="softgpu", data_port=0, state_dir=tmp_path / "a")
    agent = AgentServer(options)
    starting = asyncio.create_task(agent.start())
    try:
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="a defect"):
            await asyncio.wait_for(agent.wait(), 5)
    finally:
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        await agent.stop()
