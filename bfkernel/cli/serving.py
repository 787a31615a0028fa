# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel serve``, ``pool``, ``agent``: the options of the servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bfkernel.remote.state_dir import default_state_dir

from .options import DURATION, MEMORY

Command = TypeVar("Command", bound=Callable[..., Any])


def _host_option(what: str) -> Callable[[Command], Command]:
    return click.option("--host", default="127.0.0.1", show_default=True, help=f"Where {what} listens.")


_port_option = click.option("--port", type=int, default=8765, show_default=True, help="0: a free one.")
_data_port_option = click.option(
    "--data-port", type=int, default=56001, show_default=True, help="The port for CUDA calls; 0: a free one."
)
_state_dir_option = click.option(
    "--state-dir", type=click.Path(path_type=Path), default=default_state_dir, help="Where state is kept."
)
_ttl_option = click.option(
    "--lease-ttl", "lease_ttl_s", type=DURATION, default="60s", show_default=True,
    help="How long a lease lives without a proof of its holder's life.",
)  # fmt: skip
_token_file_option = click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="The tokens that give access."
)


def _driver_options(command: Command) -> Command:
    options = (
        click.option(
            "--driver",
            default="auto",
            show_default=True,
            metavar="auto|softgpu|PATH",
            help="The CUDA driver library that workers load; auto: NVIDIA's, else the emulated one.",
        ),
        click.option("--softgpus", type=click.IntRange(1, 16), default=1, help="How many emulated GPUs (1)."),
        click.option(
            "--softgpu-memory", "softgpu_memory_mib", type=MEMORY, default="32GiB", show_default=True,
            help="The memory of each emulated GPU.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_host_option("the pool")
@_port_option
@_state_dir_option
@click.option("--database-url", metavar="URL", help="A database for the pool's state (SQLAlchemy's URL).")
@_ttl_option
@_token_file_option
def pool(**options: Any) -> int:
    """Run the pool: it decides who holds which share of which GPU."""
    from bfkernel.remote.pool.server import PoolOptions, run_pool

    return run_pool(PoolOptions(**options))
