# SPDX-License-Identifier: BSD-3-Clause
"""What the sections stand on: pools, leases and the network, made when a section first asks for them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType

from .build import ENGINE_DRIVER, NULL_DRIVER, SOFTGPU, program
from .figures import CROWD, DIRECT, TRANSPORTS
from .network import Network, network
from .running import Environment, Figures, Pool, ended, leases, pool

#: Measures once, and returns the figures of each series.
Measure = Callable[[], dict[str, Figures]]


class FloorServer:
    """The other end of ``native/floors.c``, on this machine or in a namespace."""

    def __init__(self, stack: ExitStack, address: str = "127.0.0.1", where: Sequence[str] = ()) -> None:
        process = subprocess.Popen(
            [*where, program("floors"), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.enter_context(ended(process))
        assert process.stdout is not None
        self._at = [address, process.stdout.readline().strip()]

    def command(self, what: str, count: int) -> list[str]:
        """Return what measures ``ping``, ``step``, ``way`` or ``memory``."""
        return [program("floors"), what, *self._at, str(count)]


class Stage:
    """Everything that outlives a round. ``part``: a full run makes so many times more calls than this one."""

    def __init__(self, transports: Sequence[str], quick: bool) -> None:
        self.transports = transports
        self.quick = quick
        self.part = 4 if quick else 1
        self.seconds = 0.3 if quick else 1.0
        self.stack = ExitStack()

    def __enter__(self) -> Stage:
        self.stack.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, at)

    @cached_property
    def pool(self) -> Pool:
        """A pool on the null driver."""
        return self.stack.enter_context(pool(NULL_DRIVER))

    @cached_property
    def softgpu_pool(self) -> Pool:
        """A pool on the emulated GPU."""
        return self.stack.enter_context(pool(SOFTGPU))

    @cached_property
    def lease(self) -> Environment:
        """A lease of a good part of the null GPU."""
        return self.stack.enter_context(leases(self.pool, fraction=0.4))[0]

    @cached_property
    def engine_lease(self) -> Environment:
        """A lease of a null GPU with a copy engine."""
        served = self.stack.enter_context(pool(ENGINE_DRIVER))
        return self.stack.enter_context(leases(served, fraction=0.4))[0]

    @cached_property
    def crowd(self) -> list[Environment]:
        """Many small leases of the null GPU."""
        return self.stack.enter_context(leases(self.pool, CROWD, 0.01))

    @cached_property
    def network(self) -> Network:
        """Two hosts; raises ``NoNetwork`` where they cannot be."""
        return self.stack.enter_context(network())

    @cached_property
    def remote_lease(self) -> Environment:
        """A lease that a program on the network's client has on the network's server.

        The hosts share this machine's memory, of which two hosts would have none in common.
        """
        server = self.network.server
        served = self.stack.enter_context(pool(NULL_DRIVER, server.address, server.where))
        return over("tcp", self.stack.enter_context(leases(served, where=self.network.client.where))[0])

    @cached_property
    def remote_floor(self) -> FloorServer:
        """The other end of the floors, on the network's server."""
        return FloorServer(self.stack, self.network.server.address, self.network.server.where)

    def series(self) -> dict[str, Environment]:
        """Return environments: straight into the null driver, then over each transport."""
        direct = {DIRECT: {"LD_LIBRARY_PATH": str(NULL_DRIVER.parent)}}
        return {**direct, **{each: over(each, self.lease) for each in self.transports}}


def over(transport: str, lease: Environment) -> Environment:
    """Return the environment of a program that uses its lease over that transport."""
    assert transport in TRANSPORTS
    return {**lease, "BFKERNEL_TRANSPORT": transport}
