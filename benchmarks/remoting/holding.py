# SPDX-License-Identifier: BSD-3-Clause
"""Holds leases for the benchmark: ``python -m benchmarks.remoting.holding COUNT FRACTION``.

Prints the environments of their programs as one line of JSON, and releases when stdin ends. A process of its
own, so that it can be in the namespace of the clients.
"""

from __future__ import annotations

import json
import sys

from bfkernel.remote.client import LeaseHolder, LeaseRequest, PoolClient, Size, routed_environment

WAIT_S = 60
SEARCH = ("LD_LIBRARY_PATH", "BFKERNEL_LEASE_FILE")


def main(count: str, fraction: str) -> None:
    """Hold, tell, and wait."""
    request = LeaseRequest(Size.of(float(fraction), None), "command", "benchmark")
    holders = [LeaseHolder(request, PoolClient()) for _ in range(int(count))]
    try:
        for holder in holders:
            holder.start()
        for holder in holders:
            lease = holder.wait(WAIT_S, lambda lease: lease.state not in ("requesting", "queued"))
            if lease.state != "granted":
                sys.exit(f"no lease: {lease.message}")
        routed = [routed_environment(holder.path, {}) for holder in holders]
        print(json.dumps([{name: each[name] for name in SEARCH} for each in routed]), flush=True)
        sys.stdin.read()
    finally:
        for holder in holders:
            holder.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
