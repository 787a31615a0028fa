# SPDX-License-Identifier: BSD-3-Clause
"""softgpu's throughput: warp instructions a second, compute-bound and memory-bound, on one core and on all.

    python benchmarks/softgpu_throughput.py [--driver PATH] [--seconds 1.0] [--json FILE]

A warp instruction is one PTX instruction of the kernel below executed by one warp of 32 threads. Each figure
is the best of several launches, each in a process of its own that may use the named number of cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "softgpu_throughput.json"
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from tests.native.ptx.harness import Driver, kernel  # noqa: E402

BLOCK = 256
FMAS = 32
ROUNDS = 200
ELEMENTS = 1 << 22  # of float32: three arrays of 16 MiB, more than a core's cache

INDEX = """
    mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x;
    mad.lo.u32 %r3, %r0, %r1, %r2;
    mul.wide.u32 %l1, %r3, 4;
    ld.param.u64 %l0, [out];
    add.u64 %l0, %l0, %l1;
"""


def fma_loop() -> tuple[str, int]:
    """Text, and the instructions of one thread: four independent chains of fused multiply-adds."""
    chain = "\n".join(f"fma.rn.f32 %f{i % 4}, %f{i % 4}, %f4, %f5;" for i in range(FMAS))
    start = "\n".join(f"cvt.rn.f32.u32 %f{i}, %r3;" for i in range(4))
    text = kernel(f"""
        {INDEX}
        {start}
        mov.f32 %f4, 0f3F7FFFFE; mov.f32 %f5, 0f3A83126F;
        mov.u32 %r4, 0;
    $loop:
        {chain}
        add.u32 %r4, %r4, 1;
        setp.lt.u32 %p0, %r4, {ROUNDS};
        @%p0 bra $loop;
        add.f32 %f0, %f0, %f1; add.f32 %f2, %f2, %f3; add.f32 %f0, %f0, %f2;
        st.global.f32 [%l0], %f0;
    """)
    return text, 7 + 4 + 3 + ROUNDS * (FMAS + 3) + 3 + 1 + 1


def saxpy() -> tuple[str, int]:
    """out[i] = a * x[i] + out[i]: two loads, one store, one fma."""
    text = kernel(f"""
        {INDEX}
        ld.param.u64 %l2, [x];
        add.u64 %l2, %l2, %l1;
        ld.param.f32 %f0, [a];
        ld.global.f32 %f1, [%l2];
        ld.global.f32 %f2, [%l0];
        fma.rn.f32 %f2, %f0, %f1, %f2;
        st.global.f32 [%l0], %f2;
    """, ".param .u64 out, .param .u64 x, .param .f32 a")  # fmt: skip
    return text, 7 + 7 + 1


def copy() -> tuple[str, int]:
    """out[i] = x[i]."""
    text = kernel(f"""
        {INDEX}
        ld.param.u64 %l2, [x];
        add.u64 %l2, %l2, %l1;
        ld.global.f32 %f1, [%l2];
        st.global.f32 [%l0], %f1;
    """, ".param .u64 out, .param .u64 x")  # fmt: skip
    return text, 7 + 4 + 1


# Name: text, threads, bytes of memory traffic a thread, parameters
KERNELS = {
    "fma loop": (fma_loop, 1 << 15, 0, 1),
    "saxpy": (saxpy, ELEMENTS, 12, 3),
    "copy": (copy, ELEMENTS, 8, 2),
}


def measure(path: str, seconds: float) -> dict[str, dict[str, float]]:
    """Runs every kernel for about `seconds` on the cores this process may use."""
    driver = Driver(path)
    results = {}
    with driver.primary_context():
        for name, (make, threads, bytes_each, parameters) in KERNELS.items():
            text, instructions = make()
            module = driver.load(text)
            function = module.function("test")
            data = np.ones(threads, np.float32)
            everything: list[Any] = [driver.upload(data), driver.upload(data), np.float32(0.5)]
            args = everything[:parameters]
            driver.launch(function, threads // BLOCK, BLOCK, args)
            best, until = float("inf"), time.monotonic() + seconds
            while time.monotonic() < until:
                start = time.perf_counter()
                driver.launch(function, threads // BLOCK, BLOCK, args)
                best = min(best, time.perf_counter() - start)
            results[name] = {
                "warp_instructions_per_s": threads / 32 * instructions / best,
                "gigabytes_per_s": threads * bytes_each / best / 1e9,
                "launch_s": best,
            }
    return results


def measure_on(cores: int, path: str, seconds: float) -> dict[str, dict[str, float]]:
    """`measure` in a process that is bound to that many of this process' cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    done = subprocess.run(
        [sys.executable, __file__, "--driver", path, "--seconds", str(seconds), "--measure"],
        stdout=subprocess.PIPE, check=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", default=str(ROOT / "bfkernel" / "lib" / "libsoftgpu.so"))
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each kernel")
    parser.add_argument("--json", default=str(RESULTS), help="where to write the figures")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.driver, options.seconds)))
        return
    everything = len(os.sched_getaffinity(0))
    report = {cores: measure_on(cores, options.driver, options.seconds) for cores in sorted({1, everything})}
    print(f"{'kernel':<10} {'cores':>5} {'warp instructions/s':>20} {'GB/s':>7} {'launch':>10}")
    for name in KERNELS:
        for cores, results in report.items():
            row = results[name]
            print(f"{name:<10} {cores:>5} {row['warp_instructions_per_s'] / 1e6:>18.1f} M "
                  f"{row['gigabytes_per_s']:>7.2f} {row['launch_s'] * 1e3:>7.2f} ms")  # fmt: skip
    machine = {"cores": everything, "cpu": cpu_name()}
    Path(options.json).write_text(json.dumps({"machine": machine, "by_cores": report}, indent=2) + "\n")
    print(f"written to {options.json}")


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
