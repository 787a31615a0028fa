# SPDX-License-Identifier: BSD-3-Clause
"""The token by which an agent joins a pool: from a file or the environment, never from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bfkernel.remote.state_dir import read_token


def join_token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the token: the file's, else ``BFKERNEL_JOIN_TOKEN``, else ``BFKERNEL_TOKEN``, else none.

    Raises:
        ConfigurationError: the file cannot be read, others may read it, or it does not hold one token.
    """
    if file is not None:
        return read_token(file, "join token file")
    return environment.get("BFKERNEL_JOIN_TOKEN") or environment.get("BFKERNEL_TOKEN") or None
