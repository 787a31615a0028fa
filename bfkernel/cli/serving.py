# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel serve``, ``pool``, ``agent``: the options of the servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bfkernel.remote.client.settings import pool_token, pool_url
from bfkernel.remote.serve import (
    AgentOptions,
    DriverOptions,
    PoolOptions,
    ServeOptions,
    run_agent,
    run_pool,
    run_serve,
)
from bfkernel.remote.state_dir import default_state_dir

from .options import DURATION, MEMORY

Command = TypeVar("Command", bound=Callable[..., Any])

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_STATE_HELP = "The folder of its state (~/.local/state/bfkernel)."
_state_dir = click.option("--state-dir", type=_FOLDER, default=default_state_dir, help=_STATE_HELP)
_data_port = click.option(
    "--data-port", default=56001, help="The port for CUDA calls (56001; 0: a free one)."
)


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_pool_options = _together(
    click.option("--host", default="127.0.0.1", help="The address to listen on (127.0.0.1)."),
    click.option("--port", default=8765, help="The port for requests (8765; 0: a free one)."),
    click.option("--database-url", metavar="URL", help="SQLAlchemy's URL of a database, instead of a file."),
    click.option(
        "--lease-ttl",
        "lease_ttl_s",
        type=DURATION,
        default="60s",
        help="How long a lease lives without proof of its holder's life (60s).",
    ),
    click.option("--token-file", type=_FILE, help="Who may ask: lines 'user token [role]'."),
)
_agent_options = _together(
    click.option("--name", help="This server's name in the pool (the host's)."),
    click.option("--advertise", metavar="HOST", help="The address by which clients reach the data port."),
    click.option(
        "--driver",
        default="auto",
        metavar="auto|softgpu|PATH",
        help="The CUDA driver library of the workers; auto: NVIDIA's, else the emulated one.",
    ),
    click.option("--softgpus", type=click.IntRange(1, 16), default=1, help="How many emulated GPUs (1)."),
    click.option(
        "--softgpu-memory",
        "softgpu_memory_mib",
        type=MEMORY,
        default="32GiB",
        help="The memory of each emulated GPU (32GiB).",
    ),
)


@click.command()
@_pool_options
@_data_port
@_agent_options
@_state_dir
def serve(driver: str, softgpus: int, softgpu_memory_mib: int, **options: Any) -> int:
    """Run pool and agent in one process, for this machine's GPUs or emulated ones."""
    drivers = DriverOptions(driver, softgpus, softgpu_memory_mib)
    return run_serve(ServeOptions(driver=drivers, **options))


@click.command()
@_pool_options
@_state_dir
def pool(**options: Any) -> int:
    """Run the pool: it decides who holds which share of which GPU."""
    return run_pool(PoolOptions(**options))


@click.command()
@click.option("--pool", "url", metavar="URL", help="The pool's address (BFKERNEL_POOL_URL).")
@click.option("--data-host", metavar="HOST", help="The address to listen on (all, or 127.0.0.1 as the pool).")
@_data_port
@_agent_options
@_state_dir
def agent(url: str | None, driver: str, softgpus: int, softgpu_memory_mib: int, **options: Any) -> int:
    """Run a GPU server's agent: it reports the GPUs to the pool and serves CUDA calls.

    Where the pool asks for tokens, BFKERNEL_TOKEN holds an admin's.
    """
    drivers = DriverOptions(driver, softgpus, softgpu_memory_mib)
    return run_agent(AgentOptions(pool=pool_url(url), token=pool_token(), driver=drivers, **options))
