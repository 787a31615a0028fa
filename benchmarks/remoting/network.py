# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts of the benchmark's own: network namespaces, with a cable whose length and width can be set.

Delays are netem's where the kernel has it; else ``native/relay.c`` carries the packets between two TUN
devices and holds each for as long as it is to take. Bandwidth is capped by a token bucket (tbf). Both ends
keep their address on ``lo``, and a route says which cable is used: connections live on when it changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .build import program
from .running import ended

CLIENT_ADDRESS, SERVER_ADDRESS = "10.99.77.1", "10.99.77.2"
BURST_S, QUEUE_MS, MOST_QUEUED = 2e-3, 50, 100_000


class NoNetwork(Exception):
    """This machine cannot have namespaces; says why."""


NOT_ROOT = "network namespaces need root: run this as root for the figures over a network"
NO_TOOLS = "there is no ip and tc: apt-get install iproute2 for the figures over a network"
NO_DELAYS = "this kernel has neither netem nor TUN devices, so there are no figures over a network"


@dataclass(frozen=True)
class Host:
    """One of the two namespaces."""

    name: str
    address: str

    @property
    def where(self) -> list[str]:
        """The words that make a command run there."""
        return ["ip", "netns", "exec", self.name]


class Network:
    """The two hosts. ``delayed_by`` says what makes the delays: netem or relay."""

    def __init__(self, client: Host, server: Host, relay: subprocess.Popen[str] | None) -> None:
        self.client, self.server = client, server
        self.delayed_by = "relay" if relay else "netem"
        self._relay = relay

    def direct(self, gbit_per_s: float | None = None) -> None:
        """Use the short cable, as wide as it gets or capped."""
        for host in (self.client, self.server):
            _try("tc", "-n", host.name, "qdisc", "del", "dev", "cable", "root")
            if gbit_per_s is not None:
                burst = max(1 << 17, int(gbit_per_s * 1e9 / 8 * BURST_S))
                rate = ["rate", f"{gbit_per_s}gbit", "burst", str(burst), "latency", f"{QUEUE_MS}ms"]
                _do("tc", "-n", host.name, "qdisc", "add", "dev", "cable", "root", "tbf", *rate)
        self._through("cable")

    def delayed(self, round_trip_ms: float) -> None:
        """Use a cable on which a round trip takes so long, besides what the hosts take."""
        one_way_us = 500 * round_trip_ms
        if self._relay is None:
            self.direct()
            for host in (self.client, self.server):
                delay = ["delay", f"{one_way_us}us", "limit", str(MOST_QUEUED)]
                _do("tc", "-n", host.name, "qdisc", "add", "dev", "cable", "root", "netem", *delay)
            return
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.stdin.write(f"{one_way_us}\n")
        self._relay.stdin.flush()
        self._relay.stdout.readline()
        self._through("relay")

    def _through(self, device: str) -> None:
        for host, other in ((self.client, self.server), (self.server, self.client)):
            _do("ip", "-n", host.name, "route", "replace", other.address, "dev", device, "src", host.address)


@contextmanager
def network() -> Iterator[Network]:
    """Make the two hosts, and take them away when the block ends. Raises ``NoNetwork``."""
    if os.geteuid() != 0:
        raise NoNetwork(NOT_ROOT)
    if not (shutil.which("ip") and shutil.which("tc")):
        raise NoNetwork(NO_TOOLS)
    client = Host(f"bfkernel-client-{os.getpid()}", CLIENT_ADDRESS)
    server = Host(f"bfkernel-server-{os.getpid()}", SERVER_ADDRESS)
    with ExitStack() as stack:
        for host in (client, server):
            _do("ip", "netns", "add", host.name)
            stack.callback(_try, "ip", "netns", "del", host.name)
            _do("ip", "-n", host.name, "link", "set", "lo", "up")
            _do("ip", "-n", host.name, "addr", "add", f"{host.address}/32", "dev", "lo")
        peer = ["peer", "name", "cable", "netns", server.name]
        _do("ip", "-n", client.name, "link", "add", "cable", "type", "veth", *peer)
        _up(client, server, "cable")
        relay = None if _has_netem(client) else stack.enter_context(_relay(client, server))
        made = Network(client, server, relay)
        made.direct()
        yield made


@contextmanager
def _relay(client: Host, server: Host) -> Iterator[subprocess.Popen[str]]:
    if not Path("/dev/net/tun").exists():
        raise NoNetwork(NO_DELAYS)
    process = subprocess.Popen(
        [program("relay"), client.name, server.name, "relay"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with ended(process):
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise NoNetwork(NO_DELAYS)
        _up(client, server, "relay")
        yield process


def _up(client: Host, server: Host, device: str) -> None:
    for host in (client, server):
        _do("ip", "-n", host.name, "link", "set", device, "txqueuelen", "10000", "up")


def _has_netem(host: Host) -> bool:
    added = _try("tc", "-n", host.name, "qdisc", "add", "dev", "cable", "root", "netem", "delay", "1ms")
    return added and _try("tc", "-n", host.name, "qdisc", "del", "dev", "cable", "root")


def _do(*command: str) -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=20)
    if done.returncode:
        msg = f"`{' '.join(command)}` failed: {done.stderr.strip()}"
        raise NoNetwork(msg)


def _try(*command: str) -> bool:
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20).returncode == 0
