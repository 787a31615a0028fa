# SPDX-License-Identifier: BSD-3-Clause
"""An agent as a server: its GPUs, its data port, its pool, its beginning and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import socket
from urllib.parse import urlsplit

from bfkernel import __version__
from bfkernel.remote import native_files
from bfkernel.remote.addresses import EVERYWHERE, host_port, is_loopback
from bfkernel.remote.agent.code_cache import CodeCache
from bfkernel.remote.agent.compute import Compute, check_compute
from bfkernel.remote.agent.data_port import DataPort
from bfkernel.remote.agent.gate import Gate
from bfkernel.remote.agent.inventory import take_inventory
from bfkernel.remote.agent.nvml import CardWatch
from bfkernel.remote.agent.options import AgentOptions
from bfkernel.remote.agent.reporter import Reporter, TurnedAwayError
from bfkernel.remote.agent.workers import Workers
from bfkernel.remote.logs import event
from bfkernel.remote.messages import AgentReport, ReportAnswer, ReportedGpu
from bfkernel.remote.process import run_until_signal, say_ready
from bfkernel.remote.records import Gpu
from bfkernel.remote.state_dir import ConfigurationError, prepare

log = logging.getLogger("agent")

#: How often the ledgers are looked at: what programs hold is known to the pool about this late.
_LOOK_EVERY_S = 0.25
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class AgentServer:
    """A running agent. To be used on the main thread's event loop (see :class:`Workers`)."""

    def __init__(self, options: AgentOptions) -> None:
        """Take the inventory and the port, but accept nobody yet.

        Raises:
            ConfigurationError: an option cannot work.
        """
        self.name = options.name or socket.gethostname()
        if not _NAME.fullmatch(self.name):
            msg = f"'{self.name}' is no server name: use letters, digits and . _ -"
            raise ConfigurationError(msg)
        pool = urlsplit(options.pool)
        if pool.scheme not in ("http", "https") or not pool.hostname:
            msg = f"'{options.pool}' is no pool: write a URL such as http://pool.example:8765."
            raise ConfigurationError(msg)
        state_dir = prepare(options.state_dir)
        self._inventory = take_inventory(self.name, options.drivers)
        self._compute: Compute = options.compute
        check_compute(self._compute, self._inventory.environment)
        self._cards = CardWatch([gpu.id for gpu in self._inventory.gpus])
        self._instance = secrets.token_hex(8)
        try:
            executable = native_files.worker()
        except FileNotFoundError as error:
            raise ConfigurationError(str(error)) from error
        arguments = CodeCache.in_state(state_dir, options.code_cache_mib).arguments()
        if options.tcp_only:
            arguments.append("--no-shared-memory")
        self._workers = Workers(
            executable, self._inventory, self._compute, arguments, self._on_workers_changed
        )
        self._gate = Gate(self.name, state_dir / "pool-key.pem")
        data_host = options.data_host or ("127.0.0.1" if is_loopback(pool.hostname) else "0.0.0.0")  # noqa: S104
        self._data_port = DataPort(data_host, options.data_port, self._gate, self._workers)
        advertised = options.advertise or _advertised(data_host, pool.hostname)
        self.address = host_port(advertised, self._data_port.port)
        self._reporter = Reporter(options.pool, self.name, options.join_token, self._report, self._on_answer)
        self._reporting: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._reported_held: dict[str, list[float]] = {}

    async def start(self) -> None:
        """Serve, and return when the pool knows this agent.

        Raises:
            ConfigurationError: the pool turns the agent away.
        """
        for gpu in self._inventory.gpus:
            log.info(event("gpu", index=gpu.index, id=gpu.id, name=gpu.name, memory_mib=gpu.memory_mib))
        self._cards.start()
        self._data_port.start()
        self._reporting = asyncio.get_running_loop().create_task(self._reporter.run(), name="reports")
        self._looking = asyncio.get_running_loop().create_task(self._look_at_ledgers(), name="ledgers")
        registered = asyncio.ensure_future(self._reporter.registered.wait())
        try:
            await asyncio.wait([registered, self._reporting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            registered.cancel()
        if self._reporting.done():
            await self.wait()

    async def wait(self) -> None:
        """Return only by an exception: ConfigurationError when the pool turns the agent away."""
        try:
            if self._reporting and self._looking:
                await asyncio.gather(self._reporting, self._looking)
        except TurnedAwayError as error:
            msg = f"The pool does not accept this agent: {error}"
            raise ConfigurationError(msg) from error

    async def stop(self) -> None:
        """Accept nobody, end the workers, tell the pool."""
        self._cards.stop()
        await self._data_port.stop()
        if self._looking:
            self._looking.cancel()
        await self._workers.end_all(f"GPU server {self.name} is being stopped.")
        if self._reporting:
            self._reporting.cancel()
            with contextlib.suppress(asyncio.CancelledError, TurnedAwayError):
                await self._reporting
        await self._reporter.last_word()

    def _on_workers_changed(self) -> None:
        self._reporter.news()

    async def _look_at_ledgers(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if {lease.id: lease.held_mib for lease in self._workers.report()} != self._reported_held:
                self._reporter.news()

    def _report(self) -> AgentReport:
        leases = self._workers.report()
        self._reported_held = {lease.id: lease.held_mib for lease in leases}
        return AgentReport(
            instance=self._instance,
            address=self.address,
            version=__version__,
            driver=self._inventory.description,
            driver_version=self._inventory.driver_version,
            cuda_version=self._inventory.cuda_version,
            compute=self._compute,
            gpus=[self._reported(gpu) for gpu in self._inventory.gpus],
            leases=leases,
            ended=self._workers.ended(),
        )

    def _reported(self, gpu: Gpu) -> ReportedGpu:
        figures = self._cards.figures(gpu.id)
        return ReportedGpu(
            id=gpu.id,
            index=gpu.index,
            name=gpu.name,
            memory_mib=gpu.memory_mib,
            emulated=gpu.emulated,
            busy=figures.busy,
            memory_used_mib=figures.memory_used_mib,
        )

    def _on_answer(self, report: AgentReport, answer: ReportAnswer) -> None:
        self._gate.learn(answer)
        self._workers.forget_ended(len(report.ended))
        for over in answer.over:
            log.info(event("lease-over", lease=over.id, why=over.message))
            self._workers.end(over.id, over.message)


def run_agent(options: AgentOptions) -> int:
    """Run an agent until SIGTERM or SIGINT; returns the exit code. Called by ``bfkernel agent``.

    Raises:
        ConfigurationError: an option cannot work, or the pool turns the agent away.
    """
    return run_until_signal(lambda: _Running(options), options.log_format)


class _Running:
    def __init__(self, options: AgentOptions) -> None:
        self._agent = AgentServer(options)

    async def start(self) -> None:
        await self._agent.start()
        say_ready(self._agent.address)
        await self._agent.wait()

    async def stop(self) -> None:
        await self._agent.stop()


def _advertised(data_host: str, pool_host: str) -> str:
    """Return the address of this machine as others see it: the one that packets to the pool leave from."""
    if data_host not in EVERYWHERE:
        return data_host
    # A pool on this machine does not tell; the address from the documentation range stands for "outside".
    towards = "192.0.2.1" if is_loopback(pool_host) or pool_host in EVERYWHERE else pool_host
    try:
        family, kind, _, _, target = socket.getaddrinfo(towards, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
