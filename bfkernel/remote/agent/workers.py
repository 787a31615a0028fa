# SPDX-License-Identifier: BSD-3-Clause
"""The workers of this server: one process for each data connection, grouped by lease."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bfkernel.remote.agent.compute import Compute, compute_environment
from bfkernel.remote.agent.greeting import RefusalCode, RefusalError
from bfkernel.remote.agent.inventory import Inventory
from bfkernel.remote.agent.ledger import SLOTS, Ledger
from bfkernel.remote.agent.sharing import relay
from bfkernel.remote.grants import Grant
from bfkernel.remote.logs import event
from bfkernel.remote.messages import EndedConnection, ReportedLease, ReportedShare

log = logging.getLogger("agent")

#: A worker that was told to end gets so long to tell its client why, then SIGTERM, and later SIGKILL.
_FAREWELL_LIMIT_S = 0.5
_TERM_LIMIT_S = 3.0
_MOST_REASON = 500
_CLEAR_RETRY_S = 0.01
#: So many ended workers are remembered for a pool that is away.
_MOST_ENDED = 1000
_CLEAR_LIMIT_S = 1.0


@dataclass
class Worker:
    """One running worker."""

    process: subprocess.Popen[bytes]
    lease: str
    slot: int
    pidfd: int
    #: what a client shows to join it; the worker tells it to its own client alone
    join_key: str
    #: how other workers of the lease name it
    name: str
    #: over which it gets the connections that joined, and asks other workers of the lease
    control: socket.socket
    ending: bool = False


@dataclass
class LeaseWorkers:
    """The workers of one lease, and the ledger that they share."""

    grant: Grant
    ledger: Ledger
    running: dict[int, Worker] = field(default_factory=dict)
    #: slots of running workers and of ended ones that are not cleared yet
    slots: set[int] = field(default_factory=set)

    def control_lines(self) -> dict[str, socket.socket]:
        """Return the control lines of the running workers by name."""
        return {worker.name: worker.control for worker in self.running.values()}


class Workers:
    """Starts, watches and ends workers. To be used on the main thread's event loop.

    The kernel ends a worker when the thread that started it ends (``PR_SET_PDEATHSIG``): with the main
    thread, that is when the agent ends, however it does.
    """

    def __init__(
        self,
        executable: Path,
        inventory: Inventory,
        compute: Compute,
        arguments: Sequence[str],
        on_change: Callable[[], None],
    ) -> None:
        """``arguments`` go to every worker; ``on_change`` is called whenever one has started or ended."""
        self._executable = executable
        self._inventory = inventory
        self._compute = compute
        self._arguments = arguments
        self._card_mib = {gpu.id: gpu.memory_mib for gpu in inventory.gpus}
        self._on_change = on_change
        self._leases: dict[str, LeaseWorkers] = {}
        self._ended: list[EndedConnection] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, grant: Grant, connection: socket.socket, client_pid: int = 0) -> Worker:
        """Start a worker for a connection whose greeting was read; the caller closes its copy of the socket.

        ``client_pid`` is the process that connected, on its own machine, for who lists the lease's processes.

        Raises:
            RefusalError: too many workers, or it cannot be started.
        """
        if any(p.gpu not in self._card_mib for p in grant.placements):
            raise RefusalError(RefusalCode.TOKEN, "A GPU of the lease is not on this server.")
        lease = self._leases.get(grant.lease)
        if lease is None:
            lease = LeaseWorkers(grant, Ledger(grant.lease, [p.memory_mib << 20 for p in grant.placements]))
            self._leases[grant.lease] = lease
        try:
            worker = self._spawn(lease, connection, client_pid)
        finally:
            self._drop_if_unused(lease)
        self._idle.clear()
        loop = asyncio.get_running_loop()
        loop.add_reader(worker.pidfd, self._exited, worker)
        loop.add_reader(worker.control, relay, grant.lease, worker.name, lease.control_lines)
        self._on_change()
        return worker

    def join(self, grant: Grant, key: str, role: str, connection: socket.socket) -> None:
        """Hand a further connection to the worker of this lease that the key names.

        Raises:
            RefusalError: no worker of the lease has this key, or it takes no more.
        """
        lease = self._leases.get(grant.lease)
        for worker in lease.running.values() if lease else ():
            if not hmac.compare_digest(worker.join_key.encode(), key.encode()):
                continue
            connection.setblocking(True)
            try:
                socket.send_fds(worker.control, [json.dumps({"role": role}).encode()], [connection.fileno()])
            except OSError:
                connection.setblocking(False)
                break
            return
        raise RefusalError(RefusalCode.NO_SUCH_WORKER, "The program's worker on the GPU server has ended.")

    def end(self, lease: str, reason: str) -> None:
        """End the workers of a lease; each tells its program the reason, one sentence, if that takes it."""
        found = self._leases.get(lease)
        for worker in list(found.running.values()) if found else ():
            _end_worker(worker, reason)

    async def end_all(self, reason: str) -> None:
        """End every worker and return when all have ended."""
        for lease in list(self._leases):
            self.end(lease, reason)
        try:
            await asyncio.wait_for(self._idle.wait(), 2 * _TERM_LIMIT_S)
        except asyncio.TimeoutError:
            for lease in self._leases:
                log.warning(event("workers-left", lease=lease))

    def report(self) -> list[ReportedLease]:
        """Return what the workers of each lease do."""
        reported = []
        for lease in self._leases.values():
            use = lease.ledger.use([worker.slot for worker in lease.running.values()])
            reported.append(
                ReportedLease(
                    id=lease.grant.lease,
                    workers=len(lease.running),
                    shares=[
                        ReportedShare(gpu=p.gpu, memory_mib=p.memory_mib) for p in lease.grant.placements
                    ],
                    held_mib=use.held_mib,
                    last_call_at=use.last_call_at,
                )
            )
        return reported

    def ended(self) -> list[EndedConnection]:
        """Return the workers that have ended and were not yet reported."""
        return list(self._ended)

    def forget_ended(self, count: int) -> None:
        """Drop the first ``count`` of :meth:`ended`: the pool knows them."""
        del self._ended[:count]

    def _spawn(self, lease: LeaseWorkers, connection: socket.socket, client_pid: int) -> Worker:
        slot = next((n for n in range(SLOTS) if n not in lease.slots), None)
        if slot is None:
            raise RefusalError(
                RefusalCode.TOO_MANY_WORKERS, f"The lease has {SLOTS} programs on the GPU already: end some."
            )
        grant = lease.grant
        join_key = secrets.token_hex(16)
        control, workers_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.setblocking(False)
        name = secrets.token_hex(8)
        control.send(json.dumps({"join": join_key, "name": name}).encode())
        arguments = [
            *(
                str(self._executable),
                "--socket-fd",
                str(connection.fileno()),
                "--ledger-fd",
                str(lease.ledger.fd),
                "--control-fd",
                str(workers_end.fileno()),
            ),
            *("--slot", str(slot), "--driver", self._inventory.library, "--lease", grant.lease),
            *self._arguments,
        ]
        for placement in grant.placements:
            arguments += ["--limit", str(placement.memory_mib << 20)]
        lease.ledger.note_client(slot, client_pid)
        process = None
        # Blocking or not is a property that both processes' copies of the socket share.
        connection.setblocking(True)
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(connection.fileno(), lease.ledger.fd, workers_end.fileno()),
                env=self._environment(grant),
                start_new_session=True,
            )
            pidfd = os.pidfd_open(process.pid)
        except OSError as error:
            if process:  # nobody could tell when it ends
                process.kill()
                process.wait()
            connection.setblocking(False)
            control.close()
            log.warning(event("worker-failed", lease=grant.lease, reason=error))
            raise RefusalError(
                RefusalCode.WORKER_FAILED, "The GPU server could not start a worker; its log says why."
            ) from error
        finally:
            workers_end.close()
        worker = Worker(process, grant.lease, slot, pidfd, join_key, name, control)
        lease.slots.add(slot)
        lease.running[process.pid] = worker
        log.info(event("worker-started", lease=grant.lease, pid=process.pid, slot=slot))
        return worker

    def _environment(self, grant: Grant) -> dict[str, str]:
        return {
            **self._inventory.environment,
            "CUDA_VISIBLE_DEVICES": ",".join(p.gpu for p in grant.placements),
            **compute_environment(self._compute, grant.placements, self._card_mib),
        }

    def _exited(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.pidfd)
        loop.remove_reader(worker.control)
        os.close(worker.pidfd)
        worker.control.close()
        outcome = _outcome(worker.process.wait())
        lease = self._leases[worker.lease]
        del lease.running[worker.process.pid]
        log.info(event("worker-ended", lease=worker.lease, pid=worker.process.pid, outcome=outcome))
        self._ended.append(EndedConnection(lease=worker.lease, pid=worker.process.pid, outcome=outcome))
        self._clear_slot(lease, worker.slot, _CLEAR_LIMIT_S)
        del self._ended[:-_MOST_ENDED]
        self._on_change()

    def _clear_slot(self, lease: LeaseWorkers, slot: int, remaining_s: float) -> None:
        if lease.running and not lease.ledger.try_clear(slot):
            if remaining_s > 0:
                again = (lease, slot, remaining_s - _CLEAR_RETRY_S)
                asyncio.get_running_loop().call_later(_CLEAR_RETRY_S, self._clear_slot, *again)
                return
            log.warning(event("ledger-lock-stuck", lease=lease.grant.lease, slot=slot))
            lease.ledger.clear(slot)
        lease.slots.discard(slot)
        self._drop_if_unused(lease)

    def _drop_if_unused(self, lease: LeaseWorkers) -> None:
        if lease.running or lease.slots:
            return
        lease.ledger.close()
        del self._leases[lease.grant.lease]
        if not self._leases:
            self._idle.set()


def _end_worker(worker: Worker, reason: str) -> None:
    if worker.ending:
        return
    worker.ending = True
    # A worker that does not read its line ends by the signal, and its program finds the reason elsewhere.
    with contextlib.suppress(OSError):
        worker.control.send(json.dumps({"end": reason[:_MOST_REASON]}).encode())
    loop = asyncio.get_running_loop()
    loop.call_later(_FAREWELL_LIMIT_S, _signal, worker, signal.SIGTERM)
    loop.call_later(_TERM_LIMIT_S, _signal, worker, signal.SIGKILL)


def _signal(worker: Worker, number: signal.Signals) -> None:
    if worker.process.returncode is None:
        worker.process.send_signal(number)


def _outcome(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
