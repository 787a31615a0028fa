# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel serve``, ``pool``, ``agent``: the options of the servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bfkernel.remote.agent.join_token import join_token
from bfkernel.remote.client.settings import pool_url
from bfkernel.remote.logs import FORMATS
from bfkernel.remote.serve import (
    COMPUTE_MODES,
    AgentOptions,
    DriverOptions,
    PoolOptions,
    ServeOptions,
    hub_options,
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
_log_format = click.option(
    "--log-format", type=click.Choice(FORMATS), default="text", help="How log lines on stderr look (text)."
)
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
    click.option(
        "--database-url",
        envvar="BFKERNEL_DATABASE_URL",
        metavar="URL",
        help="SQLAlchemy's URL of a database, instead of a file (BFKERNEL_DATABASE_URL).",
    ),
    click.option(
        "--lease-ttl",
        "lease_ttl_s",
        type=DURATION,
        default="60s",
        help="How long a lease lives without proof of its holder's life (60s).",
    ),
    click.option("--token-file", type=_FILE, help="Who may ask: lines 'user token [role] [group,group]'."),
    click.option(
        "--jupyterhub", is_flag=True, help="Be a service of the JupyterHub whose variables are set."
    ),
    click.option("--hub-api-url", metavar="URL", help="The Hub's API, .../hub/api (JUPYTERHUB_API_URL)."),
    click.option(
        "--hub-api-token-file", type=_FILE, help="The pool's own token of the Hub (JUPYTERHUB_API_TOKEN)."
    ),
    click.option(
        "--hub-service-name", metavar="NAME", help="The pool's name as a service of the Hub (bfkernel)."
    ),
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
    click.option(
        "--compute",
        type=click.Choice(COMPUTE_MODES),
        default="timeslice",
        help="How leases share a GPU's compute: by turns, or side by side under NVIDIA's MPS (timeslice).",
    ),
)


@click.command()
@_pool_options
@_data_port
@_agent_options
@_state_dir
@_log_format
def serve(driver: str, softgpus: int, softgpu_memory_mib: int, **options: Any) -> int:
    """Run pool and agent in one process, for this machine's GPUs or emulated ones."""
    drivers = DriverOptions(driver, softgpus, softgpu_memory_mib)
    return run_serve(ServeOptions(driver=drivers, **_with_hub(options)))


@click.command()
@_pool_options
@click.option("--advertise", metavar="URL", help="Where other replicas of the pool reach this one.")
@_state_dir
@_log_format
def pool(**options: Any) -> int:
    """Run the pool: it decides who holds which share of which GPU."""
    return run_pool(PoolOptions(**_with_hub(options)))


@click.command()
@click.option("--pool", "url", metavar="URL", help="The pool's address (BFKERNEL_POOL_URL).")
@click.option("--data-host", metavar="HOST", help="The address to listen on (all, or 127.0.0.1 as the pool).")
@click.option(
    "--join-token-file",
    type=_FILE,
    help="The token, of role agent, that the pool asks for (BFKERNEL_JOIN_TOKEN).",
)
@_data_port
@_agent_options
@_state_dir
@_log_format
def agent(
    url: str | None,
    join_token_file: Path | None,
    driver: str,
    softgpus: int,
    softgpu_memory_mib: int,
    **options: Any,
) -> int:
    """Run a GPU server's agent: it reports the GPUs to the pool and serves CUDA calls.

    A pool with tokens asks for one of role agent: --join-token-file, or the variable BFKERNEL_JOIN_TOKEN.
    """
    drivers = DriverOptions(driver, softgpus, softgpu_memory_mib)
    token = join_token(join_token_file, os.environ)
    return run_agent(AgentOptions(pool=pool_url(url), join_token=token, driver=drivers, **options))


def _with_hub(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with those of the Hub made one."""
    hub = hub_options(
        os.environ,
        jupyterhub=options.pop("jupyterhub"),
        api_url=options.pop("hub_api_url"),
        api_token_file=options.pop("hub_api_token_file"),
        service_name=options.pop("hub_service_name"),
    )
    return {**options, "hub": hub}
