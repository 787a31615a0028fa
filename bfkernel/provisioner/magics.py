# SPDX-License-Identifier: BSD-3-Clause
"""``%gpu``: what this notebook holds, and giving it back. An IPython extension that the kernelspecs load.

It runs in the kernel's Python, and needs nothing there but IPython and the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .holder_link import HolderError, ask_holder
from .memory import device_memory

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NO_LEASE = (
    "This kernel holds no GPU share: choose a kernel such as 'GPU 0.02', or start it with 'bfkernel run'."
)
LEASE_FILE = "BFKERNEL_LEASE_FILE"
USAGE = "Write %gpu, %gpu release, or %gpu resize SIZE --yes (a size is 0.1, 0.5x2 or 2048m)."
GONE = "What this kernel had in device memory is gone. Restart the kernel to use a GPU again."


@dataclass(frozen=True)
class GpuStatus:
    """What ``%gpu`` prints: fields for programs, ``str()`` for people. Memory is in bytes, per GPU."""

    size: str
    state: str
    message: str
    server: str | None = None
    device: str | None = None
    gpus: int = 1
    total_bytes: tuple[int, ...] = ()
    held_bytes: tuple[int, ...] = ()
    ttl_s: float | None = None
    notice: str = ""

    @property
    def free_bytes(self) -> tuple[int, ...]:
        """What is left of the share, per GPU."""
        return tuple(t - h for t, h in zip(self.total_bytes, self.held_bytes, strict=True))

    def __str__(self) -> str:
        if self.state != "granted":
            return f"{self.size}: {self.state}, {self.message}" if self.size else self.message
        where = f" on {self.server}" if self.server else ""
        lines = [f"{self.size}: {self.device or 'GPU'}{where}"]
        for index, (total, held) in enumerate(zip(self.total_bytes, self.held_bytes, strict=True)):
            name = f"GPU {index}: " if self.gpus > 1 else ""
            free = _mib(total - held)
            lines.append(f"  {name}{_mib(held)} of {_mib(total)} held, {free} free")
        lines.append(f"  {_time_left(self.ttl_s)}")
        if self.notice:
            lines.append(f"  {self.notice}")
        return "\n".join(lines)


def status() -> GpuStatus:
    """Return this kernel's lease as it is now. Makes no CUDA context and never waits for a grant."""
    lease = _lease_file()
    if lease is None:
        return GpuStatus(size="", state="none", message=NO_LEASE)
    gpus = int(lease.get("gpus") or 1)
    limit = int(lease.get("memory_mib") or 0) << 20
    measured = device_memory(gpus) if lease.get("state") == "granted" else []
    # Without a CUDA context nothing is held yet, and the limit is what the lease says.
    memory = [m or (0, limit) for m in (measured or [None] * gpus)]
    return GpuStatus(
        size=str(lease.get("size", "")),
        state=str(lease.get("state", "")),
        message=str(lease.get("message", "")),
        server=lease.get("server"),
        device=lease.get("device"),
        gpus=gpus,
        total_bytes=tuple(total for _, total in memory),
        held_bytes=tuple(held for held, _ in memory),
        ttl_s=lease.get("ttl_s"),
        notice=str(lease.get("notice") or ""),
    )


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Define ``%gpu``. Called by IPython for ``%load_ext`` and for the kernelspecs' ``--ext``."""
    shell.register_magic_function(_gpu, magic_kind="line", magic_name="gpu")  # type: ignore[call-arg, arg-type]


def _gpu(line: str) -> None:
    """``%gpu`` shows this kernel's share of a GPU: size, device, memory held and free, time left.

    ``%gpu release`` gives the share back now. ``%gpu resize 0.1 --yes`` gives it back and takes one of
    another size; without ``--yes`` it only says what would happen.
    """
    sys.stdout.write(f"{_answer(line.split())}\n")


def _answer(words: list[str]) -> str:
    if not words:
        return str(status())
    lease = _lease_file()
    if lease is None:
        return NO_LEASE
    match words:
        case ["release"]:
            return _ask(None)
        case ["resize", size]:
            return (
                f"This gives {lease['size']} back and takes {size} instead, if the pool grants it.\n"
                "What this kernel has in device memory is lost, and the kernel must be restarted.\n"
                f"To do it: %gpu resize {size} --yes"
            )
        case ["resize", size, "--yes"] | ["resize", "--yes", size]:
            return _ask(size)
    return USAGE


def _ask(size: str | None) -> str:
    try:
        return f"{ask_holder(Path(os.environ[LEASE_FILE]), size)}\n{GONE}"
    except HolderError as error:
        return str(error)


def _lease_file() -> dict[str, Any] | None:
    name = os.environ.get(LEASE_FILE)
    if not name:
        return None
    try:
        content = json.loads(Path(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"size": "GPU", "state": "ended", "message": "the lease was released"}
    except (OSError, ValueError) as error:
        return {"size": "GPU", "state": "unknown", "message": f"its lease file cannot be read: {error}"}
    return content if isinstance(content, dict) else None


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f}".removesuffix(".0") + " MiB"


def _time_left(ttl_s: float | None) -> str:
    kept = "kept while this kernel lives"
    return f"{kept}, and for at most {ttl_s:g} s after it" if ttl_s else kept
