# SPDX-License-Identifier: BSD-3-Clause
"""Record the last of PyTorch's steps into ``training_step.txt``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.frameworks import environments

from ..build import ROOT, SOFTGPU, compile_driver
from ..running import leases, pool
from ..trace import TRACE, Call, Trace

HERE = Path(__file__).resolve().parent
LIMIT_S = 600
_TRACED = re.compile(r"\[bfkernel\] (cu\w+)\((.*)\) = 0  [\d.]+ us")
HEADER = """\
# One training step of ResNet-56 on 64 images of 32x32, as eager PyTorch {torch} calls the driver: recorded by
# `python -m benchmarks.remoting.recording` on a driver that loads everything and launches nothing. A call a
# line, without those that the program's side answers by itself (current context, attributes, look-ups).
#   kernel NUMBER SIZE...             a kernel and its parameters, in bytes; no call
#   attribute KERNEL NUMBER VALUE     occupancy KERNEL THREADS SHARED     launch KERNEL STREAM
#   to_device BYTES STREAM            to_host BYTES STREAM                memset BYTES STREAM
#   record EVENT STREAM               wait EVENT STREAM                   synchronise STREAM
# Stream 0 is the default stream.
"""


class Numbers:
    """Numbers for handles, in the order in which they appear."""

    def __init__(self, *first: str) -> None:
        self._known = {handle: number for number, handle in enumerate(first)}

    def __call__(self, handle: str) -> int:
        return self._known.setdefault(handle, len(self._known))


def recorded(log: str, launches: list[list[str]]) -> Trace:
    """Return the last step of a traced program; ``launches`` are the parameters' sizes of each launch."""
    lines = log.splitlines()
    begin = max(i for i, line in enumerate(lines) if re.fullmatch(r"step \d+", line))
    end = lines.index("step end")
    before = sum("] cuLaunchKernel" in line for line in lines[:begin])
    kernels, streams, events = Numbers(), Numbers("(nil)"), Numbers()
    sizes: dict[int, tuple[int, ...]] = {}
    seen = iter(launches[before:])

    def launch(kernel: str, stream: str) -> Call:
        number = kernels(kernel)
        sizes[number] = tuple(map(int, next(seen)))
        return ("launch", number, streams(stream))

    # What a call's arguments become; a launch by cuLaunchKernelEx has its stream in a structure that is not
    # traced, and PyTorch's libraries use it in the default stream.
    calls: dict[str, Callable[[list[str]], Call]] = {
        "cuLaunchKernel": lambda a: launch(a[0], a[8]),
        "cuLaunchKernelEx": lambda a: launch(a[1], "(nil)"),
        "cuKernelSetAttribute": lambda a: ("attribute", kernels(a[2]), int(a[0]), int(a[1])),
        "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags": lambda a: (
            "occupancy", kernels(a[1]), int(a[2]), int(a[3]),
        ),
        "cuMemcpyHtoDAsync_v2": lambda a: ("to_device", int(a[2]), streams(a[3])),
        "cuMemcpyDtoHAsync_v2": lambda a: ("to_host", int(a[2]), streams(a[3])),
        "cuMemsetD8Async": lambda a: ("memset", int(a[2]), streams(a[3])),
        "cuEventRecord": lambda a: ("record", events(a[0]), streams(a[1])),
        "cuStreamWaitEvent": lambda a: ("wait", events(a[1]), streams(a[0])),
        "cuStreamSynchronize": lambda a: ("synchronise", streams(a[0])),
    }  # fmt: skip
    made = [calls[name](arguments) for name, arguments in _traced(lines[begin:end]) if name in calls]
    count = 1 + max(call[1] for call in made if call[0] in ("launch", "attribute", "occupancy"))
    return Trace([sizes.get(number, ()) for number in range(count)], made)


def _traced(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for line in lines:
        found = _TRACED.fullmatch(line)
        if found:
            yield found[1], found[2].split(", ")


def main() -> None:
    """Run PyTorch, and write what it did."""
    python = environments.ROOT / "cuda13" / "bin" / "python"
    if not python.exists():
        sys.exit(f"There is no {python}: `make test-frameworks` makes it.")
    with tempfile.TemporaryDirectory() as folder:
        driver, launches = Path(folder, "libcuda.so.1"), Path(folder, "launches")
        compile_driver(
            driver, f'-DRECORD="{launches}"', f'-DSOFTGPU="{SOFTGPU}"', HERE / "driver.c",
            "-Wl,--no-as-needed", SOFTGPU, f"-Wl,-rpath,{SOFTGPU.parent}", "-ldl",
        )  # fmt: skip
        with pool(driver) as served, leases(served) as (lease,):
            environment = {**os.environ, **lease, "BFKERNEL_LOG": "debug", "PYTHONPATH": str(ROOT)}
            command = [str(python), str(HERE / "step.py")]
            done = subprocess.run(
                command, env=environment, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S
            )
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        trace = recorded(done.stderr, [line.split() for line in launches.read_text().splitlines()])
    command = [str(python), "-c", "import torch; print(torch.__version__.split('+')[0])"]
    version = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    TRACE.write_text(HEADER.format(torch=version) + str(trace))
    print(f"{TRACE}: {trace.summary()}")


if __name__ == "__main__":
    main()
