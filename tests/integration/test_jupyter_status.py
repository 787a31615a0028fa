# SPDX-License-Identifier: BSD-3-Clause
"""``/bfkernel/api/status`` of a real Jupyter server."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from tornado.websocket import websocket_connect

from bfkernel.provisioner.lease_events import SCHEMA_ID
from tests.waiting import eventually

from .jupyter_harness import TOKEN


@pytest.mark.shared_jupyter
def test_it_tells_what_each_kernel_holds_and_where_it_waits(pool, jupyter):
    first = jupyter.start_kernel("gpu-1", "first.ipynb")
    second = jupyter.start_kernel("gpu-0.02", "second.ipynb")
    jupyter.start_kernel("python3", "plain.ipynb")
    eventually(lambda: jupyter.share(second)["state"] == "queued", 10, "the pool's answer")
    assert jupyter.shares().keys() == {first, second}
    holds = jupyter.share(first)
    assert (holds["size"], holds["state"], holds["gpus"], holds["notice"]) == ("GPU 1", "granted", 1, "")
    assert holds["memory_mib"] == max(lease["memory_mib"] or 0 for lease in pool.leases())
    assert (holds["held_mib"], holds["position"], holds["eta_s"]) == (0.0, None, None)
    waits = jupyter.share(second)
    assert (waits["position"], waits["held_mib"], waits["memory_mib"]) == (1, None, None)
    jupyter.shut_down(first)
    eventually(lambda: jupyter.share(second)["state"] == "granted", 10, "the grant")
    jupyter.shut_down(second)
    assert jupyter.shares() == {}


@pytest.mark.shared_jupyter
def test_memory_held_follows_the_program(pool, jupyter):
    kernel = jupyter.start_kernel("gpu-0.1")
    with jupyter.client(kernel) as cells:
        cells.run(
            "import ctypes; cu = ctypes.CDLL('libcuda.so.1'); c, p = ctypes.c_void_p(), ctypes.c_void_p()\n"
            "assert cu.cuInit(0) == 0 and cu.cuCtxCreate_v2(ctypes.byref(c), 0, 0) == 0\n"
            "assert cu.cuMemAlloc_v2(ctypes.byref(p), ctypes.c_size_t(100 << 20)) == 0"
        )
        eventually(lambda: jupyter.share(kernel)["held_mib"] >= 100, 15, "what the agent saw")


@pytest.mark.shared_jupyter
def test_strangers_are_told_nothing(jupyter):
    answer = httpx.get(f"{jupyter.url}bfkernel/api/status", trust_env=False)
    assert answer.status_code == 403


@pytest.mark.shared_jupyter
def test_front_ends_hear_each_change_of_a_lease_as_an_event(pool, jupyter):
    first = jupyter.start_kernel("gpu-1", "first.ipynb")

    async def changes() -> list[dict]:
        url = f"{jupyter.url}api/events/subscribe?token={TOKEN}".replace("http", "ws", 1)
        heard: asyncio.Queue[str | None] = asyncio.Queue()
        socket = await websocket_connect(url, on_message_callback=heard.put_nowait)
        second = await asyncio.to_thread(jupyter.start_kernel, "gpu-0.02", "second.ipynb")
        found = []
        follow_ups = {"queued": first, "granted": second}
        while not found or found[-1]["state"] != "ended":
            event = json.loads(await asyncio.wait_for(heard.get(), 30))
            if event.get("kernel_id") == second and event["schema_id"] == SCHEMA_ID:
                found.append(event)
                if kernel := follow_ups.pop(event["state"], None):
                    await asyncio.to_thread(jupyter.shut_down, kernel)
        socket.close()
        return found

    found = asyncio.run(changes())
    states = dict.fromkeys(event["state"] for event in found)
    assert [state for state in states if state != "requesting"] == ["queued", "granted", "ended"]
    queued = next(event for event in found if event["state"] == "queued")
    assert (queued["size"], queued["notice"]) == ("GPU 0.02", "")
    assert queued["message"].startswith("position 1 of 1 in the queue")
    assert found[-1]["message"] == "the lease was released"


def test_without_the_extension_kernels_start_and_nothing_is_emitted(pool, make_jupyter):
    jupyter = make_jupyter("--ServerApp.jpserver_extensions={'bfkernel.server_extension': False}")
    jupyter.start_kernel("gpu-0.02")
    assert [lease["state"] for lease in pool.leases()] == ["granted"]
