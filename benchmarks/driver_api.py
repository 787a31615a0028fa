# SPDX-License-Identifier: BSD-3-Clause
"""What driver calls cost: straight into a driver that does nothing, through the shim, and raw TCP in one run.

The null driver (``native/null_driver.c``) makes the remoting the only cost. Each round measures the three one
after the other; the table shows medians over the rounds, and the ratio to the floor of the same run. Machines
differ and are noisy: compare ratios, never absolute times of different runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "bfkernel" / "remote" / "cuda"))

from find_header import cuda_include  # noqa: E402

Figures = dict[str, float]
RUN_LIMIT_S = 600

# figure, what it is, unit, the floor's figure that it is compared with (None: nothing to compare)
TABLE = [
    ("launch_enqueue_us", "asynchronous launch, cost to the caller", "µs", "tcp_rtt_us"),
    ("launch_through_us", "asynchronous launch, through to execution", "µs", "tcp_rtt_us"),
    ("launch_sync_us_p50", "launch + stream synchronise, median", "µs", "tcp_rtt_us"),
    ("step10_us", "10 launches, event, 4-byte copy to host, synchronise", "µs", "tcp_rtt_us"),
    ("alloc_free_us", "cuMemAlloc + cuMemFree of 64 KiB", "µs", "tcp_rtt_us"),
    ("h2d_4K_GBps", "copy to device, 4 KiB", "GB/s", None),
    ("h2d_262144K_GBps", "copy to device, 256 MiB", "GB/s", "tcp_GBps"),
    ("d2h_262144K_GBps", "copy to host, 256 MiB", "GB/s", "tcp_GBps"),
    ("module_load_ms", "load a module of 900 bytes of PTX", "ms", None),
    ("init_ms", "cuInit to first context", "ms", None),
]


def build(folder: Path) -> Path:
    """Compile the null driver, the benchmark and the floor into ``folder``; return it."""
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    native, include, library = HERE / "native", cuda_include(), folder / "lib" / "libcuda.so.1"
    compiler = os.environ.get("CC", "cc")
    driver = native / "null_driver.c"
    _run(
        [sys.executable, str(native / "generate_stubs.py"), str(include / "cuda.h"), str(driver), str(folder)]
    )
    flags = ["-O2", "-w", f"-I{include}", f"-I{folder}"]
    soname = "-Wl,-soname,libcuda.so.1"
    _run(
        [
            compiler,
            *flags,
            "-shared",
            "-fPIC",
            soname,
            "-o",
            str(library),
            str(driver),
            str(folder / "null_stubs.c"),
            "-ldl",
        ]
    )
    _run([compiler, *flags, "-o", str(folder / "driver_api"), str(native / "driver_api.c"), str(library)])
    _run([compiler, *flags, "-o", str(folder / "tcp_floor"), str(native / "tcp_floor.c")])
    return folder


def _run(command: list[str], **environment: str) -> str:
    env = {**os.environ, **environment}
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=env, timeout=RUN_LIMIT_S
    ).stdout


def _figures(text: str) -> Figures:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}


@contextmanager
def pool_on(driver: Path) -> Iterator[str]:
    """Serve ``driver`` as the only GPU of a pool; yield the pool's URL."""
    with tempfile.TemporaryDirectory(prefix="bfkernel-bench-") as state:
        command = [sys.executable, "-m", "bfkernel.cli.main", "serve", "--port", "0", "--data-port", "0"]
        command += ["--driver", str(driver), "--state-dir", state]
        with Path(state, "log").open("w") as log:
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert server.stdout is not None
            ready = server.stdout.readline().split()
            if len(ready) != 2:
                sys.exit("the pool did not start:\n" + Path(state, "log").read_text())
            yield ready[1]
        finally:
            server.terminate()
            server.wait(timeout=20)


def measure(folder: Path, rounds: int, quick: bool) -> dict[str, list[Figures]]:
    """Return ``rounds`` sets of figures for each of floor, direct and shim."""
    bench = [str(folder / "driver_api"), *(["quick"] if quick else [])]
    leased = [sys.executable, "-m", "bfkernel.cli.main", "run", "-n", "1", "-p", "0.5", "--", *bench]
    taken: dict[str, list[Figures]] = {"floor": [], "direct": [], "shim": []}
    with pool_on(folder / "lib" / "libcuda.so.1") as url:
        for number in range(1, rounds + 1):
            print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
            taken["floor"].append(_figures(_run([str(folder / "tcp_floor")])))
            taken["direct"].append(_figures(_run(bench, LD_LIBRARY_PATH=str(folder / "lib"))))
            taken["shim"].append(_figures(_run(leased, BFKERNEL_POOL_URL=url)))
    return taken


def medians(rounds: list[Figures]) -> Figures:
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


def markdown(floor: Figures, direct: Figures, shim: Figures) -> str:
    """Return the README's table."""
    lines = [
        "| figure | straight into the null driver | through the shim, TCP | shim ÷ raw TCP |",
        "| --- | --- | --- | --- |",
    ]
    for name, text, unit, compared in TABLE:
        ratio = f"{shim[name] / floor[compared]:.3g}" if compared else "-"
        lines.append(f"| {text} | {direct[name]:.3g} {unit} | {shim[name]:.3g} {unit} | {ratio} |")
    lines.append(f"| raw TCP: ping-pong of 64 bytes, median | - | {floor['tcp_rtt_us']:.3g} µs | 1 |")
    lines.append(f"| raw TCP: one way | - | {floor['tcp_GBps']:.3g} GB/s | 1 |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "driver_api.json")
    options = parser.parse_args()
    taken = measure(build(ROOT / "build" / "bench"), options.rounds, options.quick)
    summary = {name: medians(rounds) for name, rounds in taken.items()}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    options.json.write_text(
        json.dumps({"machine": machine, "medians": summary, "rounds": taken}, indent=1) + "\n"
    )
    print(markdown(**summary))


if __name__ == "__main__":
    main()
