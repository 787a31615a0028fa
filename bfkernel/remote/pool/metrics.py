# SPDX-License-Identifier: BSD-3-Clause
"""``/metrics``: the pool's numbers for Prometheus, taken from the core when they are asked for."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bfkernel.remote.pool.service import PoolService
from bfkernel.remote.pool.views import gpu_views
from bfkernel.remote.records import LeaseState

_MIB = 1 << 20


class Metrics:
    """The metrics of one replica of a pool; without ``pool``, of one that does not decide."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, pool: PoolService | None) -> None:
        self._registry = CollectorRegistry()
        leader = Gauge("bfkernel_leader", "Whether this replica decides", registry=self._registry)
        leader.set(pool is not None)
        if pool:
            self._registry.register(_PoolNumbers(pool))
        self._requests = Counter(
            "bfkernel_http_requests_total",
            "HTTP requests answered",
            ["handler", "method", "status"],
            registry=self._registry,
        )

    def count_request(self, handler: str, method: str, status: int) -> None:
        """Note an answered request."""
        self._requests.labels(handler, method, str(status)).inc()

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        return generate_latest(self._registry)


class _PoolNumbers(Collector):
    def __init__(self, pool: PoolService) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Return the numbers as they are now; the registry calls this for each page."""
        core = self._pool.core
        states = Tally(lease.state for lease in core.leases.values())
        leases = GaugeMetricFamily("bfkernel_leases", "Live leases", labels=["state"])
        for state in LeaseState:
            if state.live:
                leases.add_metric([state.value], states[state])
        yield leases
        yield CounterMetricFamily(
            "bfkernel_grants", "Leases granted since the start", value=self._pool.grants
        )
        servers = GaugeMetricFamily("bfkernel_servers", "GPU servers", labels=["state"])
        present = sum(server.present for server in core.servers.values())
        servers.add_metric(["ready"], present)
        servers.add_metric(["absent"], len(core.servers) - present)
        yield servers
        yield from self._gpus()

    def _gpus(self) -> Iterator[Metric]:
        labels = ["server", "gpu", "index"]
        memory = GaugeMetricFamily("bfkernel_gpu_memory_bytes", "Memory of a GPU", labels=labels)
        leased = GaugeMetricFamily(
            "bfkernel_gpu_leased_bytes", "Memory of a GPU that is leased", labels=labels
        )
        held = GaugeMetricFamily(
            "bfkernel_gpu_held_bytes", "Memory of a GPU that programs hold", labels=labels
        )
        for gpu in gpu_views(self._pool):
            key = [gpu.server, gpu.id, str(gpu.index)]
            memory.add_metric(key, gpu.memory_mib * _MIB)
            leased.add_metric(key, gpu.leased_mib * _MIB)
            held.add_metric(key, gpu.held_mib * _MIB)
        yield from (memory, leased, held)
