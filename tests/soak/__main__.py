# SPDX-License-Identifier: BSD-3-Clause
"""``python -m tests.soak``: a day's worth of launches; fails where memory of either side grows."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .soak import MOST_GROWTH_KIB, Sample, growth_kib, samples


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=1_000_000_000)
    parser.add_argument("--step", type=int, default=1000, help="launches between other calls")
    parser.add_argument("--transport", choices=("auto", "shared", "tcp"), default="auto")
    options = parser.parse_args()
    print("| launches | seconds | client | worker |\n| ---: | ---: | ---: | ---: |", flush=True)
    taken: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="bfkernel-soak-") as folder:
        for sample in samples(options.launches, options.step, Path(folder), options.transport):
            taken.append(sample)
            sizes = f"{sample.client_kib:,} KiB | {sample.worker_kib:,} KiB"
            print(f"| {sample.launches:,} | {sample.seconds:.0f} | {sizes} |", flush=True)
    client, worker = growth_kib(taken)
    print(f"\nSince a quarter of the way: client {client:+} KiB, worker {worker:+} KiB.")
    if max(client, worker) > MOST_GROWTH_KIB:
        sys.exit(f"memory has grown by more than {MOST_GROWTH_KIB} KiB")


main()
