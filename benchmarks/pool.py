# SPDX-License-Identifier: BSD-3-Clause
"""How many grants and releases a pool makes a second, and how long a request takes when many leases live.

    python benchmarks/pool.py [--quick]

A real pool process on SQLite, agents played by this process over HTTP, raw keep-alive connections as clients,
so that the pool is what is measured. Every figure is what clients see; CPU is the pool's own. Results go to
benchmarks/results/pool.json and as a table to stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
SERVERS = 32
CARDS_PER_SERVER = 8
CARD_MIB = 81920
CLIENTS = 32
#: Requests a second of a busy university, for the times that they take: a grant or a release each.
STEADY_PER_S = 200
Json = dict[str, Any]


class Connection:
    """One keep-alive HTTP connection; just enough HTTP for this pool."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Return the answer's JSON; raises on an error status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
        writer.write(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        if not status_line.split()[1].startswith("2"):
            msg = f"{method} {path}: {status_line}: {content.decode()}"
            raise RuntimeError(msg)
        return json.loads(content) if content else {}

    async def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()


class Pool:
    """A pool process and the connections to it."""

    def __init__(self, folder: str) -> None:
        command = [sys.executable, "-m", "bfkernel.cli", "pool", "--port=0", f"--state-dir={folder}/state"]
        log = (Path(folder) / "log").open("w")
        # A TTL of an hour: proof of life is not what is measured here.
        self.process = subprocess.Popen(
            [*command, "--lease-ttl=1h"], stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("ready "), (Path(folder) / "log").read_text()
        self.port = int(line.rsplit(":", 1)[1])
        self.connections = [Connection(self.port) for _ in range(CLIENTS)]
        self._agents = Connection(self.port)
        self._servers = 0
        self._reporting: asyncio.Future[None] | None = None

    def cpu_s(self) -> float:
        """CPU seconds that the pool has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    async def add_servers(self, count: int) -> None:
        """Report that many GPU servers of eight cards each."""
        self._servers = count
        await self._report()
        self._reporting = asyncio.ensure_future(self._report_for_ever())

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(2.0)
            await self._report()

    async def _report(self) -> None:
        for number in range(self._servers):
            gpus = [
                {"id": f"GPU-{i}", "index": i, "name": "Test GPU", "memory_mib": CARD_MIB, "emulated": True}
                for i in range(CARDS_PER_SERVER)
            ]
            report = {"instance": "a", "address": "127.0.0.1:9", "version": "", "driver": "", "gpus": gpus}
            await self._agents.call("POST", f"/api/v1/agents/gpu{number}/report", report)

    async def occupy_every_server(self) -> None:
        """Take a hundredth of a GPU of each server, so that none is empty."""
        for number in range(SERVERS):
            await self.ask(self.connections[0], fraction=0.01, filters=[f"server=gpu{number}"])

    async def ask(self, connection: Connection, state: str = "granted", **request: Any) -> str:
        """Ask for a lease, which must be in ``state`` then; returns its id."""
        lease = await connection.call("POST", "/api/v1/leases", request)
        assert lease["state"] == state, lease["message"]
        return str(lease["id"])

    async def together(self, count: int, work: Callable[[Connection, int], Awaitable[None]]) -> None:
        """Do ``work`` for each number below ``count``, on all connections at once."""
        numbers = iter(range(count))

        async def one(connection: Connection) -> None:
            for number in numbers:
                await work(connection, number)

        await asyncio.gather(*(one(connection) for connection in self.connections))

    async def take(self, count: int, fraction: float, gpus: int = 1, state: str = "granted") -> list[str]:
        """Ask for that many leases; returns their ids."""
        taken: list[str] = []

        async def ask(connection: Connection, _number: int) -> None:
            taken.append(await self.ask(connection, state, fraction=fraction, gpu_count=gpus))

        await self.together(count, ask)
        return taken

    async def close(self) -> None:
        """End the pool."""
        if self._reporting:
            self._reporting.cancel()
        for connection in [*self.connections, self._agents]:
            await connection.close()
        self.process.terminate()
        self.process.wait(20)


async def grants_and_releases(pool: Pool, pairs: int) -> Json:
    """Return how fast leases are granted and released again, by all clients at once."""
    times: list[float] = []

    async def pair(connection: Connection, _number: int) -> None:
        began = time.perf_counter()
        lease = await pool.ask(connection, fraction=0.01)
        asked = time.perf_counter()
        await connection.call("DELETE", f"/api/v1/leases/{lease}")
        times.extend((asked - began, time.perf_counter() - asked))

    began, cpu = time.perf_counter(), pool.cpu_s()
    await pool.together(pairs, pair)
    wall_s, cpu_s = time.perf_counter() - began, pool.cpu_s() - cpu
    return {
        "requests_per_s": 2 * pairs / wall_s,
        "requests_per_cpu_s": 2 * pairs / cpu_s,
        **percentiles_ms(times),
    }


async def one_at_a_time(pool: Pool, pairs: int) -> Json:
    """Return how long a request takes that comes alone: a grant and a release, one after the other."""
    connection, times = pool.connections[0], []
    for _ in range(pairs):
        began = time.perf_counter()
        lease = await pool.ask(connection, fraction=0.01)
        asked = time.perf_counter()
        await connection.call("DELETE", f"/api/v1/leases/{lease}")
        times += [asked - began, time.perf_counter() - asked]
    return percentiles_ms(times)


async def at_a_steady_rate(pool: Pool, pairs: int) -> Json:
    """Return how long requests take that come at fixed times, whatever became of those before.

    Each counts from when it was due, so that one that holds up others is seen in their times too.
    """
    times: list[float] = []
    begin = time.perf_counter() + 0.1

    async def due(connection: Connection, number: int) -> None:
        at = begin + number * 2 / STEADY_PER_S
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        lease = await pool.ask(connection, fraction=0.01)
        times.append(time.perf_counter() - at)
        began = time.perf_counter()
        await connection.call("DELETE", f"/api/v1/leases/{lease}")
        times.append(time.perf_counter() - began)

    await pool.together(pairs, due)
    return percentiles_ms(times)


def percentiles_ms(times: Sequence[float]) -> Json:
    """Return the median and the 99th percentile in milliseconds."""
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98]}


async def with_leases(live: int, queued: int, pairs: int) -> Json:
    """Return figures of a pool with so many leases, and so many requests that wait for a whole GPU."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(folder)
        try:
            # 256 cards: 10,000 leases at 0.01 leave room for what is measured.
            await pool.add_servers(SERVERS)
            await pool.occupy_every_server()
            await pool.take(live - SERVERS, 0.01)
            # Each waits for a whole server; smaller ones pass the first only so often, then go round it.
            await pool.take(queued, 1.0, CARDS_PER_SERVER, "queued")
            return {
                "live": live,
                "queued": queued,
                "alone": await one_at_a_time(pool, pairs // 4),
                "steady": {"requests_per_s": STEADY_PER_S, **await at_a_steady_rate(pool, pairs)},
                "together": await grants_and_releases(pool, pairs),
            }
        finally:
            await pool.close()


async def drain(length: int) -> Json:
    """Return how fast a queue is served when each grant needs a release."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(folder)
        try:
            await pool.add_servers(1)
            held = await pool.take(CARDS_PER_SERVER * 10, 0.1)
            waiting = await pool.take(length, 0.1, state="queued")
            # Arrivals are granted in their order, which is the order of the answers but for races of a few.
            ids = iter([*held, *waiting])
            began, cpu = time.perf_counter(), pool.cpu_s()

            async def release(connection: Connection, _number: int) -> None:
                await connection.call("DELETE", f"/api/v1/leases/{next(ids)}")

            await pool.together(length, release)
            wall_s, cpu_s = time.perf_counter() - began, pool.cpu_s() - cpu
            left = (await pool.connections[0].call("GET", "/api/v1/queue"))["queue"]
            assert len(left) <= CLIENTS, f"{len(left)} still wait"
            return {"length": length, "grants_per_s": length / wall_s, "grants_per_cpu_s": length / cpu_s}
        finally:
            await pool.close()


async def measure(quick: bool) -> Json:
    """Return all figures."""
    pairs = 400 if quick else 2000
    lives = (100, 1000) if quick else (100, 1000, 10000)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "clients": CLIENTS,
        "by_leases": [await with_leases(live, 0, pairs) for live in lives],
        "with_queue": await with_leases(lives[-1], lives[-1] // 10, pairs),
        "drain": await drain(500 if quick else 5000),
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, and nothing kept")
    quick = parser.parse_args().quick
    results = asyncio.run(measure(quick))
    columns = ["live leases", "waiting", "requests/s", "requests/CPU s", "p50", "p99"]
    print("|", " | ".join([*columns, f"p99 at {STEADY_PER_S}/s", "p99 alone"]), "|")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in [*results["by_leases"], results["with_queue"]]:
        together = row["together"]
        rates = [together["requests_per_s"], together["requests_per_cpu_s"]]
        times = [together["p50_ms"], together["p99_ms"], row["steady"]["p99_ms"], row["alone"]["p99_ms"]]
        cells = [row["live"], row["queued"], *(f"{r:.0f}" for r in rates), *(f"{t:.1f} ms" for t in times)]
        print("|", " | ".join(map(str, cells)), "|")
    drained = results["drain"]
    print(f"\nA queue of {drained['length']} drains at {drained['grants_per_s']:.0f} grants a second.")
    if not quick:
        (HERE / "results" / "pool.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
