# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel serve``, ``pool``, ``agent``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from traitlets.config import Config

from bfkernel.remote.agent.join_token import join_token
from bfkernel.remote.logs import configure_logging, event
from bfkernel.remote.options import ServerOptions
from bfkernel.remote.pool.auth import hub_options
from bfkernel.remote.serve import (
    AgentOptions,
    PoolOptions,
    ServeOptions,
    run_agent,
    run_pool,
    run_serve,
)

from . import configuration
from .trait_options import given, options_of

Command = TypeVar("Command", bound=Callable[..., Any])
log = logging.getLogger("configuration")


def _generate(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        path = ctx.params.get("config_file") or Path.cwd() / configuration.FILE_NAME
        configuration.generate(path)
        click.echo(f"wrote {path}")
        ctx.exit()


def _configurable(command: Command) -> Command:
    """Add ``--config`` and ``--generate-config``."""
    for option in (
        click.option(
            "--generate-config",
            is_flag=True,
            expose_value=False,
            callback=_generate,
            help=f"Write {configuration.FILE_NAME} (or the file of --config) with every option, and end.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            # Before --generate-config, which asks for it.
            is_eager=True,
            help=f"What to read first ({configuration.FILE_NAME} here, else in the state directory).",
        ),
    ):
        command = option(command)
    return command


@click.command()
@_configurable
@options_of(PoolOptions, AgentOptions, serve=True)
def serve(config_file: Path | None, **options: Any) -> int:
    """Run pool and agent in one process, for this machine's GPUs or emulated ones."""
    config = _configuration(config_file, options)
    agent = AgentOptions(config, **given(AgentOptions, options, serve=True))
    return run_serve(ServeOptions(_pool(config, options, serve=True), agent))


@click.command()
@_configurable
@options_of(PoolOptions)
def pool(config_file: Path | None, **options: Any) -> int:
    """Run the pool: it decides who holds which share of which GPU."""
    return run_pool(_pool(_configuration(config_file, options), options))


@click.command()
@_configurable
@options_of(AgentOptions)
def agent(config_file: Path | None, **options: Any) -> int:
    """Run a GPU server's agent: it reports the GPUs to the pool and serves CUDA calls.

    A pool with tokens asks for one of role agent: --join-token-file, or the variable BFKERNEL_JOIN_TOKEN.
    """
    agent = AgentOptions(_configuration(config_file, options), **given(AgentOptions, options))
    return run_agent(agent.replaced(join_token=join_token(agent.join_token_file, os.environ)))


def _pool(config: Config, options: dict[str, Any], *, serve: bool = False) -> PoolOptions:
    pool = PoolOptions(config, **given(PoolOptions, options, serve=serve))
    hub = hub_options(
        os.environ,
        jupyterhub=pool.jupyterhub,
        api_url=pool.hub_api_url,
        api_token_file=pool.hub_api_token_file,
        service_name=pool.hub_service_name,
    )
    return pool.replaced(hub=hub)


def _configuration(named: Path | None, options: dict[str, Any]) -> Config:
    path = configuration.find(named, options["state_dir"])
    if path is None:
        return Config()
    config = configuration.read(path)
    configure_logging(options["log_format"] or ServerOptions(config).log_format)
    log.info(event("read", file=path))
    return config
