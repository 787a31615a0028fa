# SPDX-License-Identifier: BSD-3-Clause
"""The lease file: how a holder tells the shim what it holds. ``docs/reference/protocol.md`` section 1."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = 1
FILE_NAME = "lease.json"
STALE_AFTER_S = 24 * 3600


@dataclass(frozen=True)
class LeaseFile:
    """The file's fields; ``memory_mib`` is per GPU, ``token`` the signed grant for the data connection."""

    state: str
    size: str
    gpus: int
    message: str
    pid: int
    lease: str = ""
    memory_mib: int | None = None
    fraction: float | None = None
    agent: str | None = None
    token: str | None = None
    server: str | None = None
    device: str | None = None
    emulated: bool | None = None
    ttl_s: float | None = None
    granted_at: float | None = None
    notice: str = ""
    version: int = VERSION

    def write(self, path: Path) -> None:
        """Replace ``path`` atomically with this content, readable by its owner alone."""
        replace_private(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> LeaseFile:
        """Read ``path``. ``OSError`` when there is none, ``ValueError`` when it is not a lease file."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("version") != VERSION:
            msg = f"{path} is not a lease file of version {VERSION}."
            raise ValueError(msg)
        known = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
        return cls(**known)


def replace_private(path: Path, text: str) -> None:
    """Replace ``path`` atomically by a file with this content that its owner alone can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def runtime_dir() -> Path:
    """Return this user's private folder for lease files, and make it where it does not exist.

    ``BFKERNEL_RUNTIME_DIR`` names it; else it lies in ``XDG_RUNTIME_DIR``, else in the temporary folder.
    """
    named = os.environ.get("BFKERNEL_RUNTIME_DIR")
    session = os.environ.get("XDG_RUNTIME_DIR")
    if named:
        folder = Path(named)
    elif session and os.access(session, os.W_OK):
        folder = Path(session) / "bfkernel"
    else:
        folder = Path(tempfile.gettempdir()) / f"bfkernel-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    # In a shared temporary folder somebody else may have made it first, to read our tokens.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        msg = f"{folder} does not belong to you: set BFKERNEL_RUNTIME_DIR to a private folder."
        raise PermissionError(msg)
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def new_lease_dir() -> Path:
    """Return a fresh private folder for one holder."""
    return Path(tempfile.mkdtemp(prefix="lease-", dir=runtime_dir()))


def remove_lease_dir(folder: Path) -> None:
    """Remove a holder's folder. Idempotent."""
    shutil.rmtree(folder, ignore_errors=True)


def process_exists(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sweep_lease_dirs(base: Path) -> None:
    """Sweep away what dead holders have left in ``base`` long ago. It takes a while where that is a lot."""
    for folder in base.glob("lease-*"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            path = folder / FILE_NAME
            if time.time() - folder.stat().st_mtime < STALE_AFTER_S:
                continue
            if not path.exists() or not process_exists(LeaseFile.read(path).pid):
                remove_lease_dir(folder)
