# SPDX-License-Identifier: BSD-3-Clause
"""Hubs of a test's own, and pools that stand alone beside them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.jupyter_processes import Processes, read_line

from .hub_harness import LIMIT_S, TTL_S, Hub, environment_of, proxy_command


@contextmanager
def hub_on(folder: Path, version: str = "6") -> Iterator[tuple[Hub, Processes]]:
    """Yield a Hub with its state below ``folder``, to be prepared and started; nothing of it is left."""
    commands = environment_of(version)
    if commands is None or proxy_command() is None:
        pytest.skip(f"no JupyterHub {version} with its proxy here: run 'make test-hub'")
    (folder / "logs").mkdir()
    processes = Processes(folder / "logs")
    try:
        yield Hub(processes, commands, folder / "state"), processes
    finally:
        processes.end()
        print(processes.logs())


def pool_with_agents(
    hub: Hub, processes: Processes, folder: Path, *options: str, agents: Sequence[str] = ("gpu1",)
) -> tuple[str, Path]:
    """Start a pool that asks this Hub who is who; return its URL and the file of its admin's token."""
    tokens = {name: secrets.token_hex(16) for name in ("the-hub", *agents)}
    for name, token in tokens.items():
        write_private(folder / name, token)
    lines = [f"{name} {token} {'agent' if name in agents else 'admin'}" for name, token in tokens.items()]
    write_private(folder / "tokens", "\n".join(lines))

    def start(what: str, name: str, *more: str) -> str:
        command = [sys.executable, "-m", "bfkernel.cli", what, f"--state-dir={folder / f'{name}.state'}"]
        return read_line(processes.start([*command, *more], hub.environment), LIMIT_S).split()[1]

    url = start(
        "pool",
        "pool",
        *("--port=0", f"--lease-ttl={TTL_S:g}s", *options),
        *(f"--token-file={folder / 'tokens'}", f"--hub-api-url={hub.api_url}"),
    )
    for name in agents:
        start(
            "agent",
            name,
            *(f"--pool={url}", f"--name={name}", f"--join-token-file={folder / name}"),
            *("--data-port=0", "--driver=softgpu", "--softgpu-memory=4GiB"),
        )
    return url, folder / "the-hub"


def write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
