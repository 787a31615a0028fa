# SPDX-License-Identifier: BSD-3-Clause
"""A local kernel whose CUDA calls run on a leased share of a remote GPU."""

from __future__ import annotations

import asyncio
import os
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Float, Integer, List, TraitError, Unicode, validate

from bfkernel.remote.client import (
    LeaseHolder,
    LeaseRequest,
    PoolClient,
    Size,
    pool_url,
    routed_environment,
)
from bfkernel.remote.client.lease_file import process_exists
from bfkernel.remote.filters import Filter

from .lease_events import LeaseEvents

# Between pre_launch and launch_kernel there is no process yet, and the lease is wanted all the same.
LAUNCH_LIMIT_S = 30.0
# JupyterLab's dialog breaks no lines itself: what is longer than the window is cut off.
DIALOG_COLUMNS = 80


class LeaseRefused(RuntimeError):
    """The pool refused the lease; ``str()`` is its sentence, in lines that fit into Jupyter's dialog."""

    def __init__(self, sentence: str) -> None:
        super().__init__(
            textwrap.fill(sentence, DIALOG_COLUMNS, break_long_words=False, break_on_hyphens=False)
        )


class FractionalGPUProvisioner(LocalProvisioner):
    """Starts kernels on this machine, and leases a share of a GPU for each from a bfkernel pool.

    The lease is asked for when the kernel starts; when the pool is full or slow the kernel starts all the
    same, and its first CUDA call waits for the grant. The lease outlives restarts and ends with the kernel:
    at once on shutdown, else when the pool has had no proof of the kernel's life for the lease's TTL.
    """

    fraction = Float(
        None,
        allow_none=True,
        help="""
        The share of a GPU that each kernel gets: a fraction of its memory, above 0 and up to 1.
        The compute share follows it. Set this or ``memory_mib``, usually in the kernelspec::

            "metadata": {"kernel_provisioner": {
                "provisioner_name": "bfkernel", "config": {"fraction": 0.02}}}
        """,
    ).tag(config=True)

    memory_mib = Integer(
        None,
        allow_none=True,
        help="""
        The GPU memory that each kernel gets, in MiB, as another way to say how much than ``fraction``.
        """,
    ).tag(config=True)

    gpus = Integer(
        1,
        help="""
        How many GPUs a kernel sees; it holds the same share of each, and all are in one server.
        """,
    ).tag(config=True)

    group = Unicode(
        "",
        help="""
        The group that the kernels' leases count for, so that a course's kernels charge the course. The user
        must be in it. Empty: the most generous of the user's groups.
        """,
    ).tag(config=True)

    filters = List(
        Unicode(),
        help="""
        What the GPUs must be: conditions such as ``gpu=*A100*``, ``cuda>=12.4``, ``memory>=40GiB``, by
        server, gpu, driver, cuda or memory. All of them must hold.
        """,
    ).tag(config=True)

    pool_url = Unicode(
        "",
        help="""
        The address of the pool. Empty: the environment variable ``BFKERNEL_POOL_URL`` of the Jupyter server,
        else ``http://127.0.0.1:8765``. For a whole server, in ``jupyter_server_config.py``::

            c.FractionalGPUProvisioner.pool_url = "https://gpus.example.edu"
        """,
    ).tag(config=True)

    pool_token = Unicode(
        "",
        help="""
        The token to present to the pool. Empty: the environment variable ``BFKERNEL_TOKEN`` of the Jupyter
        server, else, for a named pool, the token that JupyterHub gave to it. Keep it out of kernelspecs,
        which everybody can read.
        """,
    ).tag(config=True)

    answer_wait_s = Float(
        0.3,
        min=0.0,
        help="""
        How long a kernel's start waits for the pool's answer, in seconds, so that an immediate refusal (over
        quota, no such size) becomes the sentence of the start dialog. The kernel's process starts meanwhile,
        and ends again at a refusal. A refusal that comes later is told at the first CUDA call.
        """,
    ).tag(config=True)

    release_wait_s = Float(
        3.0,
        min=0.0,
        help="""
        How long a shutdown waits for the pool to take the lease back, in seconds. After that the lease ends
        by its TTL.
        """,
    ).tag(config=True)

    _holder: LeaseHolder | None = None
    # The size of the lease before, which %gpu resize may have chosen: a restart goes on with it.
    _last_size: Size | None = None
    _launch_until = 0.0
    # A kernel that another process started: not our child, so its number is all there is to ask for.
    _adopted_pid: int | None = None

    @validate("fraction")
    def _validate_fraction(self, proposal: dict[str, Any]) -> float | None:
        value: float | None = proposal["value"]
        if value is not None and not 0 < value <= 1:
            msg = f"FractionalGPUProvisioner.fraction is above 0 and at most 1, not {value:g}."
            raise TraitError(msg)
        return value

    @validate("filters")
    def _validate_filters(self, proposal: dict[str, Any]) -> list[str]:
        try:
            return [Filter.parse(text).text for text in proposal["value"]]
        except ValueError as error:
            msg = f"FractionalGPUProvisioner.filters: {error}"
            raise TraitError(msg) from error

    # -- what jupyter_client calls -------------------------------------------------------------------------

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Ask for the lease, or confirm the one that is kept over a restart, and route the kernel to it.

        Called by ``KernelManager.pre_start_kernel()`` at each start and restart.
        """
        self._launch_until = time.monotonic() + LAUNCH_LIMIT_S
        try:
            holder = await self._hold(kwargs.get("env") or {})
            kwargs = await super().pre_launch(**kwargs)
            # Afterwards, so that a kernelspec's own LD_LIBRARY_PATH cannot come before the shim.
            kwargs["env"] = routed_environment(holder.path, kwargs["env"])
        except BaseException:
            # jupyter_client calls nothing more after a failed start: what is to be undone is undone here.
            await self._abandon_start()
            raise
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel's process, and wait for the pool's answer while it starts.

        Called by ``KernelManager.launch_kernel()`` after ``pre_launch``. Raises ``LeaseRefused`` when the
        pool says no at once; the process has ended then.
        """
        try:
            connection = await super().launch_kernel(cmd, **kwargs)
            await self._hear_answer()
        except BaseException:
            await self._abandon_start()
            raise
        finally:
            self._launch_until = 0.0
            self._adopted_pid = None
        return connection

    async def cleanup(self, restart: bool = False) -> None:
        """Release the lease, unless the kernel is about to start again. Idempotent.

        Called by ``KernelManager.cleanup_resources()`` when the process is gone; only its ``restart`` tells
        a restart from an end (``kill`` and ``terminate`` are told False in both cases).
        """
        await super().cleanup(restart=restart)
        if restart:
            self._launch_until = time.monotonic() + LAUNCH_LIMIT_S
        elif self._process_alive():
            # Called for a kernel that goes on living (voila does it for preheated ones): the lease goes on
            # with it, and ends by its TTL after it.
            self.log.debug("Kernel %s lives on after cleanup and keeps its lease.", self.kernel_id)
        else:
            self._launch_until = 0.0
            await self._release()

    async def get_provisioner_info(self) -> dict[str, Any]:
        """Return what :meth:`load_provisioner_info` needs to go on holding the lease in another process."""
        info = await super().get_provisioner_info()
        info["lease"] = self._holder.lease_id if self._holder else None
        return info

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """Take over the kernel, and its lease, that another process has started."""
        await super().load_provisioner_info(provisioner_info)
        lease = provisioner_info.get("lease")
        self._adopted_pid = self.pid
        if lease:
            self._holder = self._new_holder({})
            self._holder.adopt(lease)
            self._holder.start()

    # -- what the server extension asks --------------------------------------------------------------------

    def share(self) -> dict[str, Any] | None:
        """Return the kernel's share as ``/bfkernel/api/status`` tells it; None without a lease.

        Called by the server extension's handler. It asks nobody: memory is what the pool last told.
        """
        holder = self._holder
        if holder is None:
            return None
        lease, told = holder.current, holder.told
        return {
            "size": lease.size,
            "state": lease.state,
            "message": lease.message,
            "notice": lease.notice,
            "position": told.get("position") if lease.state == "queued" else None,
            "eta_s": told.get("eta_s") if lease.state == "queued" else None,
            "gpus": lease.gpus,
            "memory_mib": lease.memory_mib,
            "held_mib": told.get("held_mib") if lease.state == "granted" else None,
            "device": lease.device,
            "server": lease.server,
        }

    # -- the lease -----------------------------------------------------------------------------------------

    async def _hold(self, env: dict[str, str]) -> LeaseHolder:
        """Return the holder of a lease that is granted, queued, or at least asked for."""
        if self._holder is not None:
            await self._beside(self._holder.confirm, self.answer_wait_s)
            state = self._holder.current.state
            if state in {"ended", "refused"} or not self._holder.running:
                self._last_size = None if state == "refused" else self._holder.request.size
                await self._release()
        holder = self._holder
        if holder is None:
            holder = self._holder = self._new_holder(env)
            holder.start()
        return holder

    async def _hear_answer(self) -> None:
        holder = self._holder
        if holder is None:
            return
        await self._beside(lambda: holder.wait(self.answer_wait_s), self.answer_wait_s)
        if holder.current.state == "refused":
            self.log.warning("No lease for kernel %s: %s", self.kernel_id, holder.current.message)
            raise LeaseRefused(holder.current.message)

    def _new_holder(self, env: dict[str, str]) -> LeaseHolder:
        name = self._notebook(env) or self.kernel_id or self.kernel_spec.display_name
        size = self._last_size or Size.of(self.fraction, self.memory_mib, self.gpus)
        request = LeaseRequest(size, "kernel", name, filters=self.filters, group=self.group)
        client = PoolClient(pool_url(self.pool_url), self.pool_token)
        events = LeaseEvents(self.parent, self.kernel_id or "")
        return LeaseHolder(request, client, alive=self._wanted, on_change=events, log=self.log)

    def _notebook(self, env: dict[str, str]) -> str:
        """Return the notebook's name as its user knows it: from the folder that the Jupyter server shows."""
        path = env.get("JPY_SESSION_NAME", "")
        root = str(getattr(getattr(self.parent, "parent", None), "root_dir", "") or "")
        return os.path.relpath(path, root) if root and path.startswith(root + os.sep) else path

    async def _release(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            await self._beside(holder.release, self.release_wait_s)

    async def _abandon_start(self) -> None:
        self._launch_until = 0.0
        if self.has_process:
            await self.kill()
            await self.wait()
        if self.parent is not None:
            self.parent.cleanup_connection_file()
        await self._release()
        # A failed start stays in the multi kernel manager's list of pending kernels, and keeps the Jupyter
        # server from ever ending on SIGTERM (jupyter/jupyter_client#960).
        manager = getattr(self.parent, "parent", None)
        getattr(manager, "_pending_kernels", {}).pop(self.kernel_id, None)

    async def _beside(self, call: Callable[[], object], limit_s: float) -> None:
        """Run a blocking call beside the event loop, and stop waiting for it after ``limit_s`` seconds.

        On a daemon thread of its own: a pool that hangs must not hold up the end of the Jupyter server, as
        a thread of the loop's executor would.
        """
        thread = threading.Thread(target=call, name="bfkernel-call", daemon=True)
        thread.start()
        give_up = time.monotonic() + limit_s
        # An asyncio.Event would tie the thread to a loop that nbclient may have closed by then.
        while thread.is_alive() and time.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    # -- is the kernel alive? Asked by the holder's thread ---------------------------------------------------

    def _wanted(self) -> bool:
        return time.monotonic() < self._launch_until or self._process_alive()

    def _process_alive(self) -> bool:
        process: subprocess.Popen[bytes] | None = self.process
        if process is not None:
            return process.poll() is None
        return self._adopted_pid is not None and process_exists(self._adopted_pid)
