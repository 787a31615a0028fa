# SPDX-License-Identifier: BSD-3-Clause
"""The ledger of a lease: a memory file in which its workers note what they hold (protocol, section 3.1)."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

_MAGIC = 0x47444C42
_VERSION = 1
_SIZE = 65536
_HEAD = struct.Struct("<IIII16Q")
_SLOT = struct.Struct("<IIQQ16QQQ")
_LAST_CALL, _HELD, _EXECUTING = 2, 4, 21
_PID = struct.Struct("<I")
_FIRST_SLOT = 512
_SLOT_STRIDE = 192
SLOTS = 256


@dataclass(frozen=True)
class Use:
    """What the workers of a lease hold together.

    MiB on each GPU, and when the last one was at work, in seconds since the epoch: it executed a call, or its
    GPU did what it was told before.
    """

    held_mib: list[float]
    last_call_at: float | None


class Ledger:
    """One lease's ledger; the agent makes it, hands its descriptor to workers and reads it."""

    def __init__(self, lease: str, limits_bytes: Sequence[int]) -> None:
        self._gpus = len(limits_bytes)
        self.fd = os.memfd_create(f"bfkernel-ledger-{lease}"[:200], os.MFD_CLOEXEC)
        try:
            os.ftruncate(self.fd, _SIZE)
            self._memory = mmap.mmap(self.fd, _SIZE)
        except BaseException:
            os.close(self.fd)
            raise
        limits = [*limits_bytes, *[0] * (16 - self._gpus)]
        _HEAD.pack_into(self._memory, 0, _MAGIC, _VERSION, self._gpus, SLOTS, *limits)

    def close(self) -> None:
        """Let go of it; it ends with its last worker."""
        self._memory.close()
        os.close(self.fd)

    def use(self, slots: Sequence[int]) -> Use:
        """Sum over the slots of running workers."""
        rows = [_SLOT.unpack_from(self._memory, _offset(slot)) for slot in slots]
        held = [sum(row[_HELD + gpu] for row in rows) / (1 << 20) for gpu in range(self._gpus)]
        if any(row[_EXECUTING] for row in rows):
            return Use(held, time.time())
        last_ns = max((row[_LAST_CALL] for row in rows), default=0)
        return Use(held, last_ns / 1e9 if last_ns else None)

    def note_client(self, slot: int, pid: int) -> None:
        """Note which process of the client's machine a slot's worker serves."""
        _PID.pack_into(self._memory, _offset(slot) + _PID.size, pid & 0xFFFFFFFF)

    def try_clear(self, slot: int) -> bool:
        """Free the slot of a worker that has exited; False when another worker holds the lock just now."""
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, 0)
        except (BlockingIOError, PermissionError):
            return False
        try:
            self.clear(slot)
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 8, 0)
        return True

    def clear(self, slot: int) -> None:
        """Free a slot whatever the lock's holder is doing."""
        start = _offset(slot)
        self._memory[start : start + _SLOT_STRIDE] = bytes(_SLOT_STRIDE)


def _offset(slot: int) -> int:
    return _FIRST_SLOT + _SLOT_STRIDE * slot
