# SPDX-License-Identifier: BSD-3-Clause
"""A class arrives: a hundred students log in at a JupyterHub and start kernels, within a minute.

    python benchmarks/hub_class.py [--students 100] [--over 40]

The Hub, its proxy, its database, its logins, the pool and the provisioner are real, and so is every
process; the servers and the kernels are light (`benchmarks/light/jupyterhub_config.py` says how), because a
hundred starts of JupyterLab and of IPython would be what is measured. Students arrive evenly over 40 s
(``--over 0``: at once). Each starts a "GPU 0.02" and a plain kernel, in turns the one or the other first,
while the others do the same; and then, one student at a time, both again. Ready is when the kernel has
answered ``kernel_info`` through the Hub's proxy. Results go to benchmarks/results/hub_class.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.hub.hub_harness import Hub, environment_of, proxy_command  # noqa: E402
from tests.integration.jupyter_processes import Processes  # noqa: E402

STUDENTS = 100
OVER_S = 40.0
LIMIT_S = 120.0
KERNELS = {"gpu": "gpu-0.02-course-a", "plain": "python3"}
Json = dict[str, Any]


class Student:
    """A browser of a student: it has cookies, and no token."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = url
        self._http = httpx.AsyncClient(
            base_url=url, timeout=LIMIT_S, follow_redirects=True, trust_env=False, verify=False
        )
        self._running: dict[str, str] = {}

    async def log_in(self) -> None:
        """Log in by the Hub's form, which starts the server, and wait until that lets the student in."""
        form = await self._http.get("/hub/login")
        xsrf = re.search(r'name="_xsrf"\s+value="([^"]+)"', form.text)
        assert xsrf, form.text
        told = {"username": self.name, "password": "", "_xsrf": xsrf[1]}
        page = await self._http.post("/hub/login", data=told)
        pending = re.search(r'EventSource\("([^"]+)"\)', page.text)
        if pending:
            await self._until_ready(pending[1])
        # What only its user may see leads through the Hub's OAuth, and so to the server's own cookie.
        await self._http.get(f"/user/{self.name}/files/none")

    async def _until_ready(self, progress: str) -> None:
        """Hear of the server's progress, as the Hub's page does."""
        async with self._http.stream("GET", progress) as events:
            async for line in events.aiter_lines():
                if line.startswith("data:") and json.loads(line[5:]).get("ready"):
                    return
        msg = f"the server of {self.name} did not start"
        raise RuntimeError(msg)

    async def start(self, kind: str) -> float:
        """Start a kernel, and return after how many seconds it has answered."""
        notebook = f"{kind}.ipynb"
        body = {
            "path": notebook,
            "name": notebook,
            "type": "notebook",
            "kernel": {"name": KERNELS[kind]},
        }
        began = time.perf_counter()
        session = await self._ask("POST", "sessions", json=body)
        self._running[kind] = session["id"]
        await self._hear(session["kernel"]["id"])
        return time.perf_counter() - began

    async def stop(self, kind: str) -> None:
        """Shut a kernel down."""
        await self._ask("DELETE", f"sessions/{self._running.pop(kind)}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **arguments: Any) -> Json:
        path = f"/user/{self.name}/api/{path}"
        answer = await self._http.request(method, path, headers={"X-XSRFToken": self._xsrf()}, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def _xsrf(self) -> str:
        wanted = ("_xsrf", path := f"/user/{self.name}/")
        found = [cookie.value for cookie in self._http.cookies.jar if (cookie.name, cookie.path) == wanted]
        assert found, f"no XSRF cookie of {path}"
        return str(found[0])

    async def _hear(self, kernel: str) -> None:
        path = f"/user/{self.name}/api/kernels/{kernel}/channels"
        cookies = self._http.build_request("GET", path).headers["Cookie"]
        address = f"{self._url.replace('http', 'ws')}{path}"
        socket = await websocket_connect(
            HTTPRequest(
                address,
                headers={"Cookie": cookies, "Origin": self._url},
                connect_timeout=LIMIT_S,
                request_timeout=LIMIT_S,
            )
        )
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "kernel_info_request", "session": "a", "username": ""}
        empty = {"parent_header": {}, "metadata": {}, "content": {}, "buffers": []}
        message = {"header": {**header, "version": "5.3", "date": ""}, "channel": "shell", **empty}
        await socket.write_message(json.dumps(message))
        while (answer := await asyncio.wait_for(socket.read_message(), LIMIT_S)) is not None:
            heard = json.loads(answer)
            if (heard["msg_type"], heard["parent_header"].get("msg_id")) == ("kernel_info_reply", asked):
                break
        socket.close()


class Arrival:
    """What was measured of one student, in seconds."""

    def __init__(self, number: int, after_s: float) -> None:
        self.after_s = after_s
        self.order = ("gpu", "plain") if number % 2 == 0 else ("plain", "gpu")
        self.server_s = 0.0
        self.together: dict[str, float] = {}
        self.alone: dict[str, float] = {}


async def arrive(student: Student, arrival: Arrival) -> None:
    """Log in when it is time, and start both kernels."""
    await asyncio.sleep(arrival.after_s)
    began = time.perf_counter()
    await student.log_in()
    arrival.server_s = time.perf_counter() - began
    for kind in arrival.order:
        arrival.together[kind] = await student.start(kind)


async def again(student: Student, arrival: Arrival) -> None:
    """Start both kernels anew, in the other order."""
    for kind in reversed(arrival.order):
        await student.stop(kind)
    for kind in reversed(arrival.order):
        arrival.alone[kind] = await student.start(kind)


async def measure(hub: Hub, names: list[str], over_s: float) -> Json:
    """Return the figures of a class."""
    students = [Student(hub.url, name) for name in names]
    arrivals = [Arrival(number, over_s * number / len(names)) for number in range(len(names))]
    began = time.perf_counter()
    await asyncio.gather(*map(arrive, students, arrivals))
    wall_s = time.perf_counter() - began
    leases = [lease["state"] for lease in hub.leases()]
    cpu = cpu_s(hub.process.pid)
    for student, arrival in zip(students, arrivals, strict=True):
        await again(student, arrival)
    for student in students:
        await student.close()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "load_before": None,
        "students": len(names),
        "arrive_over_s": over_s,
        "all_ready_s": wall_s,
        "server_ready_s": statistics.median(arrival.server_s for arrival in arrivals),
        "leases": {state: leases.count(state) for state in sorted(set(leases))},
        "cpu_s": cpu,
        "together": compare([arrival.together for arrival in arrivals]),
        "alone": compare([arrival.alone for arrival in arrivals]),
    }


def cpu_s(hub: int) -> dict[str, float]:
    """Return the CPU seconds that the Hub and the processes below it have used, by what they are."""
    words = {"kernel.py": "kernels", "forking": "servers", "proxy": "proxy", "bfkernel": "pool and service"}
    used = {"this client": time.process_time(), "hub": 0.0}
    for process in (psutil.Process(hub), *psutil.Process(hub).children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            command, times = " ".join(process.cmdline()), process.cpu_times()
            found = [kind for word, kind in words.items() if word in command and process.pid != hub]
            kind = found[0] if found else "hub"
            used[kind] = used.get(kind, 0.0) + times.user + times.system
    return used


def compare(times: list[dict[str, float]]) -> Json:
    """Return medians in milliseconds, and the median of each student's difference."""
    return {
        **{f"{kind}_ms": 1000 * statistics.median(pair[kind] for pair in times) for kind in KERNELS},
        "difference_ms": 1000 * statistics.median(pair["gpu"] - pair["plain"] for pair in times),
    }


def with_hub(names: list[str], work: Callable[[Hub], Awaitable[Json]]) -> Json:
    """Run the Hub, and something with it."""
    folder = environment_of("6")
    if folder is None or proxy_command() is None:
        sys.exit("No JupyterHub 6 with its proxy here: run 'make bench-hub'.")
    with tempfile.TemporaryDirectory() as scratch:
        logs, state = Path(scratch) / "logs", Path(scratch) / "state"
        logs.mkdir()
        processes = Processes(logs)
        hub = Hub(processes, folder, state, HERE / "light" / "jupyterhub_config.py")
        hub.environment["LIGHT_STUDENTS"] = " ".join(names)
        try:
            hub.start()
            return asyncio.run(work(hub))
        except BaseException:
            print(processes.logs(), file=sys.stderr)
            raise
        finally:
            hub.remember_children()
            processes.end()


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=STUDENTS, help="of another class nothing is kept")
    parser.add_argument("--over", type=float, default=OVER_S, help="seconds over which they arrive")
    count, over_s = (arguments := parser.parse_args()).students, arguments.over
    names = [f"student{number}" for number in range(count)]
    load = os.getloadavg()[0]
    results = with_hub(names, lambda hub: measure(hub, names, over_s)) | {"load_before": load}
    print(json.dumps(results, indent=2))
    if (count, over_s) == (STUDENTS, OVER_S):
        (HERE / "results" / "hub_class.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
