# SPDX-License-Identifier: BSD-3-Clause
"""The folder in which a pool or an agent keeps its state."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import IO


class ConfigurationError(Exception):
    """An option that cannot work; the message says which and what to do. The command line exits with 64."""


def default_state_dir() -> Path:
    """Return the folder that is used when none is named: ``$XDG_STATE_HOME/bfkernel``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "bfkernel"


def prepare(path: Path) -> Path:
    """Make the folder (mode 0700) unless it is there, and return its absolute path.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"The state directory {path} cannot be made: {error.strerror}."
        raise ConfigurationError(msg) from error
    return path.resolve()


def lock(path: Path, what: str) -> IO[str]:
    """Take ``path`` for this process for as long as the result stays open.

    Raises:
        ConfigurationError: another process has it.
    """
    file = path.open("a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        message = f"Another {what} runs on {path.parent}: stop it, or give this one another --state-dir."
        raise ConfigurationError(message) from None
    return file


def read_private(path: Path, what: str) -> str:
    """Return the text of a file with a secret; ``what`` is its name in the messages.

    Raises:
        ConfigurationError: it cannot be read, or others than its owner may read it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The {what} {path} cannot be read: {error}."
        raise ConfigurationError(msg) from error
    if stat.S_IMODE(mode) & 0o077:
        msg = f"Others may read the {what} {path}: run 'chmod 600 {path}'."
        raise ConfigurationError(msg)
    return text


def read_token(path: Path, what: str) -> str:
    """Return the one token that a file holds. ``what`` and errors as for :func:`read_private`."""
    words = read_private(path, what).split()
    if len(words) != 1:
        msg = f"The {what} {path} is to hold one token and nothing else."
        raise ConfigurationError(msg)
    return words[0]


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
