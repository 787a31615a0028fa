# SPDX-License-Identifier: BSD-3-Clause
"""A core with a clock that the test sets, and short words for events."""

from __future__ import annotations

from bfkernel.remote.pool.core import LeaseUse, PoolCore, ServerReport
from bfkernel.remote.records import Gpu, Lease, Share

CARD_MIB = 32768


def report_of(
    server: str = "gpu1",
    cards: tuple[int, ...] = (CARD_MIB,),
    uses: dict[str, int] | None = None,
    instance: str = "a",
) -> ServerReport:
    gpus = [Gpu(server, f"GPU-{i}", i, "Test GPU", mib) for i, mib in enumerate(cards)]
    workers = [LeaseUse(lease, count, [1.0]) for lease, count in (uses or {}).items()]
    return ServerReport(server, instance, f"{server}:1", gpus, workers)


class Story:
    """A core with a clock that the test sets, and short words for events."""

    def __init__(self) -> None:
        self.core = PoolCore(ttl_s=60)
        self.now = 1000.0
        self.count = 0

    def server(self, name: str = "gpu1", *cards: int, instance: str = "a", **uses: int) -> list[str]:
        return self.core.report(self.now, report_of(name, cards or (CARD_MIB,), uses, instance))

    def ask(
        self, fraction: float | None = None, mib: int | None = None, gpus: int = 1, user: str = "ada"
    ) -> Lease:
        self.count += 1
        share = Share(fraction, mib)
        return self.core.request(self.now, lease_id=f"l{self.count}", user=user, share=share, gpu_count=gpus)

    def free(self, server: str = "gpu1") -> list[int]:
        return [card.free_mib for card in self.core.servers[server].cards.values()]

    def later(
        self, seconds: float, *, alive: tuple[str, ...] = (), servers: tuple[str, ...] = ("gpu1",)
    ) -> None:
        """Let time pass in steps of 5 s, with reports of the servers and heartbeats of the leases."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 5)
            for name in servers:
                cards = tuple(c.gpu.memory_mib for c in self.core.servers[name].cards.values())
                self.core.report(self.now, report_of(name, cards))
            for lease in alive:
                self.core.heartbeat(self.now, lease)
            self.core.tick(self.now)
