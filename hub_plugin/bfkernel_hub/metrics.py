# SPDX-License-Identifier: BSD-3-Clause
"""Numbers for Prometheus, named as JupyterHub names its own: ``<noun>_<verb>_<unit>``.

What the hooks count is in the Hub's process and registry, and so on its ``/hub/metrics``. The service has
numbers and a page of its own. Label values are there from the start, so that a dashboard sees zeros.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Status(str, Enum):
    """How something went."""

    SUCCESS = "success"
    FAILURE = "failure"


class Ending(str, Enum):
    """Why the service ended leases; the value is the label."""

    SERVER_STOPPED = "server-stopped"
    LEFT_GROUP = "left-group"
    USER_GONE = "user-gone"


STOP_NOTICES = Counter(
    "bfkernel_hub_stop_notices_total",
    "Stopped servers that the service was told of, so that their shares return at once",
    ["status"],
)
SPAWNS_REFUSED = Counter("bfkernel_hub_spawns_refused_total", "Servers that a policy refused", ["reason"])
for _status in Status:
    STOP_NOTICES.labels(_status.value)


class ServiceMetrics:
    """The service's numbers."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._ended = Counter(
            "bfkernel_hub_leases_ended_total",
            "Leases that ended as the Hub's servers, groups or users did",
            ["reason"],
            registry=self._registry,
        )
        self._looks = Histogram(
            "bfkernel_hub_look_duration_seconds",
            "Looks at the Hub's groups and users, and what followed at the pool",
            ["status"],
            registry=self._registry,
        )
        self._looked_at = Gauge(
            "bfkernel_hub_last_look_timestamp_seconds",
            "When the pool was last known to be as the Hub says, in seconds since 1970",
            registry=self._registry,
        )
        for ending in Ending:
            self._ended.labels(ending.value)
        for status in Status:
            self._looks.labels(status.value)

    def ended(self, why: Ending) -> None:
        """Count a lease."""
        self._ended.labels(why.value).inc()

    @contextmanager
    def look(self) -> Iterator[None]:
        """Time a look; one that raises is a failure."""
        began = time.perf_counter()
        status = Status.FAILURE
        try:
            yield
            status = Status.SUCCESS
            self._looked_at.set_to_current_time()
        finally:
            self._looks.labels(status.value).observe(time.perf_counter() - began)

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        return generate_latest(self._registry)
