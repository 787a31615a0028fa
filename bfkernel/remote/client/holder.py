# SPDX-License-Identifier: BSD-3-Clause
"""The holder of a lease: asks for it, proves every TTL/3 that it is still wanted, and hears the news of it.

Each proof is a question too: the pool answers it when there is news, or when the next proof is due.
All of it happens on a daemon thread, so neither a busy Jupyter server nor a slow pool holds anything up:
a server that runs one long handler still proves its kernels' life, and a kernel starts whether or not the
pool answers.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from bfkernel.remote.units import format_duration

from .errors import BadRequest, LeaseEnded, PoolError, PoolUnreachable
from .holder_requests import HolderRequest, RequestWatcher
from .lease_file import FILE_NAME, LeaseFile, new_lease_dir, remove_lease_dir, sweep_lease_dirs
from .pool_client import LeaseRequest, PoolClient
from .size import Size

LONGEST_POLL_S = 25.0
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0
# How often to look whether a holder that showed no life is alive again.
LOOK_AGAIN_S = 0.5
# How long a change of size waits for the pool's answer before it says that there is none yet.
CHANGE_WAIT_S = 5.0
# How long it then waits for its turn: programs of the share that was given back have up to 0.5 s to end.
FREED_WAIT_S = 1.0
LIVE_STATES = frozenset({"requesting", "queued", "granted"})
_FILE_STATES = {
    "queued": "queued",
    "granted": "granted",
    "active": "granted",
    "idle": "granted",
    "refused": "refused",
}


class LeaseHolder:
    """One lease, from the request to the release.

    ``alive`` is asked before each proof, on the holder's thread: while it says no, the lease is left to its
    TTL. ``current`` is always the newest lease file content, ``told`` the lease as the pool last told it
    (at most a third of its TTL ago); ``error`` is why the pool refused, or why it does not answer, else None.
    ``on_change`` is told each new content, on the thread that has brought it; it must not wait for anything.
    """

    def __init__(
        self,
        request: LeaseRequest,
        client: PoolClient,
        *,
        alive: Callable[[], bool] = lambda: True,
        on_change: Callable[[LeaseFile], None] = lambda _: None,
        log: logging.Logger | None = None,
    ) -> None:
        self.request = request
        self.lease_id: str | None = None
        self.told: dict[str, Any] = {}
        self.error: PoolError | None = None
        self._client = client
        self._alive = alive
        self._on_change = on_change
        self._log = log or logging.getLogger(__name__)
        self._folder = new_lease_dir()
        self.path = self._folder / FILE_NAME
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._revision: int | None = None
        self._ttl_s = 60.0
        self._next_size: Size | None = None
        self._thread = threading.Thread(target=self._run, name="bfkernel-lease", daemon=True)
        self._watcher = RequestWatcher(self._folder, self._carry_out, self._log)
        self.current = LeaseFile(
            state="requesting",
            size=request.size.display_name,
            gpus=request.size.gpus,
            fraction=request.size.share.fraction,
            message=f"asking the pool at {client.url}",
            pid=os.getpid(),
        )
        self.current.write(self.path)
        # Whether the file says what ``current`` does: a disk may be full for a while.
        self._written = True

    @property
    def running(self) -> bool:
        """Whether the holder's thread, which :meth:`start` begins, has not ended."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin: the request goes out on the holder's thread, and this returns at once."""
        self._thread.start()
        self._watcher.start()

    def adopt(self, lease_id: str) -> None:
        """Go on holding a lease that an earlier process took, instead of asking for one.

        Call it before :meth:`start`.
        """
        self.lease_id = lease_id

    def wait(self, timeout_s: float, until: Callable[[LeaseFile], bool] | None = None) -> LeaseFile:
        """Wait up to ``timeout_s`` for ``until`` to hold of the lease, and return what it then is.

        Without ``until``: for the pool's first answer, or the news that there is none.
        """
        with self._changed:
            self._changed.wait_for(lambda: until(self.current) if until else self._answered(), timeout_s)
            return self.current

    def beat(self) -> None:
        """Prove now that the lease is wanted; ``current`` is fresh afterwards. Blocks for one request."""
        if self.lease_id is None or self.current.state not in LIVE_STATES:
            return
        self._prove(self.lease_id)

    def confirm(self) -> bool:
        """Ask the pool whether the lease still lives; False when the pool does not say."""
        try:
            self.beat()
        except PoolError as error:
            self._log.debug("Lease %s could not be confirmed: %s", self.lease_id, error)
            return False
        return True

    def release(self) -> bool:
        """Give the lease back and forget it. Idempotent.

        False when the pool could not be told; the lease then ends with its TTL.
        """
        already = self._stopping.is_set()
        self._stopping.set()
        self._watcher.stop()
        with self._changed:
            self._changed.notify_all()
        if already:
            return True
        if self._thread.is_alive() and self.lease_id is None:
            # The request is under way: its thread returns at once what it still gets.
            self._thread.join(timeout=5)
        told = self._give_back()
        with self._changed:
            self.current = dataclasses.replace(
                self.current, state="ended", message="the lease was released", agent=None, token=None
            )
            remove_lease_dir(self._folder)
            self._on_change(self.current)
            self._changed.notify_all()
        self._client.close()
        return told

    def _give_back(self) -> bool:
        if self.lease_id is None or self.current.state == "refused":
            return True
        try:
            self._client.release(self.lease_id)
        except (LeaseEnded, BadRequest):
            return True
        except PoolError as error:
            self._log.warning("Lease %s will end by its TTL: %s", self.lease_id, error)
            return False
        return True

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self.lease_id is None:
                    self._ask()
                sweep_lease_dirs(self._folder.parent)
                while not self._stopping.is_set() and self.current.state in LIVE_STATES:
                    self._keep()
                self._await_next()
        except Exception:  # noqa: BLE001
            # A holder that dies silently would look like one that goes on; the lease ends by its TTL.
            self._log.exception("The holder of lease %s failed", self.lease_id)

    def _ask(self) -> None:
        retry_s = FIRST_RETRY_S
        # A try without an answer may have taken a lease, which counts against the quota until it expires.
        orphan_until = 0.0
        while not self._stopping.is_set():
            try:
                lease = self._client.request_lease(self.request)
            except PoolError as error:
                self.error = error
                if isinstance(error, PoolUnreachable):
                    orphan_until = time.monotonic() + self._ttl_s + LAST_RETRY_S
                elif error.code != "quota" or time.monotonic() > orphan_until:
                    self._publish(state="refused", message=str(error))
                    return
                self._publish(message=_retrying(error, self._client.url))
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)
            else:
                self._take(lease)
                return

    def _keep(self) -> None:
        """Prove the lease once, and wait for news of it until the next proof is due."""
        assert self.lease_id is not None  # noqa: S101 - it was asked for, or adopted
        if not self._alive():
            self._stopping.wait(LOOK_AGAIN_S)
            return
        known, began = self._revision, time.monotonic()
        wait_s = min(self._ttl_s / 3, LONGEST_POLL_S)
        try:
            self._prove(self.lease_id, since=known, wait_s=wait_s)
        except PoolError as error:
            # The lease lives on in the pool's database, and the grant is checked without the pool.
            self._log.debug("Lease %s: %s", self.lease_id, error)
            self._stopping.wait(min(LAST_RETRY_S, self._ttl_s / 6))
        else:
            # A pool that ends answers early, and there is no news in it.
            if self._revision == known:
                self._stopping.wait(began + min(wait_s, LOOK_AGAIN_S) - time.monotonic())

    def _prove(self, lease_id: str, *, since: int | None = None, wait_s: float = 0) -> None:
        try:
            self._take(self._client.heartbeat(lease_id, since=since, wait_s=wait_s))
        except LeaseEnded as error:
            self._hear_end(str(error))
        except BadRequest as error:
            if error.code != "no-such-lease":  # whatever else it is, it is not the pool's word on the lease
                raise
            self._hear_end(str(error))

    # -- what the leased process asks for ----------------------------------------------------------------

    def _carry_out(self, request: HolderRequest) -> str:
        """Give the lease back and, if so asked, take another in its place. Called by the watcher."""
        if self.current.state == "requesting":
            msg = f"There is no lease yet: {self.current.message}."
            raise ValueError(msg)
        if not self._give_back():
            msg = "The pool does not answer: try again, or shut the kernel down to give its share back."
            raise ValueError(msg)
        self._end("the share was given back; restart the kernel for a new one")
        if request.size is None:
            return f"{self.current.size} was given back."
        with self._changed:
            self._next_size = request.size
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._next_size is None and self._answered(), CHANGE_WAIT_S)
            self._changed.wait_for(lambda: self.current.state != "queued", FREED_WAIT_S)
        return f"{self.current.size}: {self.current.state}, {self.current.message}"

    def _await_next(self) -> None:
        """Wait, without a lease, until another is to be taken or the holder is released."""
        with self._changed:
            while not self._changed.wait_for(
                lambda: self._next_size is not None or self._stopping.is_set(),
                None if self._written else LAST_RETRY_S,
            ):
                self._publish()
            if self._next_size is None:
                return
            size, self._next_size = self._next_size, None
            self.request = dataclasses.replace(self.request, size=size)
            self.lease_id = self._revision = self.error = None
            self.told = {}
            self._publish(
                state="requesting",
                size=size.display_name,
                gpus=size.gpus,
                fraction=size.share.fraction,
                memory_mib=None,
                lease="",
                message=f"asking the pool at {self._client.url}",
            )

    # -- what the pool said ----------------------------------------------------------------------------

    def _answered(self) -> bool:
        return self.error is not None or self.current.state != "requesting"

    def _take(self, lease: dict[str, Any]) -> None:
        with self._lock:
            self.error = None
            self.told = lease
            self.lease_id = str(lease["id"])
            self._revision = lease.get("revision")
            self._ttl_s = float(lease.get("ttl_s") or self._ttl_s)
            gpus = lease.get("gpus") or [{}]
            self._publish(
                lease=self.lease_id,
                state=_FILE_STATES.get(str(lease.get("state")), "ended"),
                size=str(lease.get("size") or self.current.size),
                message=_message(lease),
                memory_mib=lease.get("memory_mib"),
                fraction=lease.get("fraction"),
                agent=lease.get("agent"),
                token=lease.get("token"),
                server=lease.get("server"),
                device=gpus[0].get("name"),
                emulated=gpus[0].get("emulated"),
                ttl_s=self._ttl_s,
                granted_at=lease.get("granted_at"),
                notice=str(lease.get("notice") or ""),
            )

    def _hear_end(self, message: str) -> None:
        if self.current.state != "ended":  # else this side has ended it, and knows better why
            self._end(message)

    def _end(self, message: str) -> None:
        self._publish(state="ended", message=message, agent=None, token=None, notice="")

    def _publish(self, **changes: Any) -> None:
        with self._changed:
            if self._stopping.is_set():
                return
            new = dataclasses.replace(self.current, **changes)
            changed, self.current = new != self.current, new
            if changed or not self._written:
                self._write()
            if changed:
                self._on_change(new)
            self._changed.notify_all()

    def _write(self) -> None:
        """Write the file. Where that fails the lease is held all the same, and the next proof tries again."""
        try:
            self.current.write(self.path)
        except OSError as error:
            if self._written:
                self._log.warning("The lease file cannot be written, trying again: %s", error)
            self._written = False
        else:
            self._written = True


def _retrying(error: PoolError, url: str) -> str:
    """Return why there is no lease yet: the pool's own word (of its Hub, say), if it gave one."""
    return (
        f"{str(error).rstrip('.')}; retrying"
        if error.code
        else f"the pool at {url} does not answer, retrying"
    )


def _message(lease: dict[str, Any]) -> str:
    if lease.get("message"):
        return str(lease["message"])
    if lease.get("state") == "queued":
        return queue_place(lease)
    return str(lease.get("state") or "unknown")


def queue_place(lease: dict[str, Any]) -> str:
    """Return a queued lease's place in words: ``position 3 of 7 in the queue, about 2 min``."""
    position, length, eta_s = lease.get("position"), lease.get("queue_length"), lease.get("eta_s")
    if position is None:
        return "in the queue"
    words = f"position {position} of {length} in the queue" if length else f"position {position} in the queue"
    return words if eta_s is None else f"{words}, about {format_duration(eta_s)}"
