# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel run``: lease, run, release."""

from __future__ import annotations

import os
import shlex

import click

from bfkernel.remote.client import LeaseHolder, LeaseRequest, PoolClient, routed_environment

from .child import run_command, signals_held
from .options import COMMAND_SETTINGS, chosen_size, command_argument, pool_option, request_options
from .waiting import wait_for_grant


@click.command(context_settings=COMMAND_SETTINGS)
@request_options
@pool_option
@command_argument
def run(
    command: tuple[str, ...],
    fraction: float | None,
    memory_mib: int | None,
    gpus: int,
    filters: tuple[str, ...],
    group: str,
    limit_s: float | None,
    url: str | None,
) -> int:
    """Run COMMAND on a leased share of one or more GPUs.

    Waits in the queue and shows the place in it; Ctrl-C leaves the queue. Then COMMAND has the terminal
    and gets all signals, and its exit code is the exit code of this command.

    For example: bfkernel run -n 1 -p 0.1 -- python3 train.py
    """
    size = chosen_size(fraction, memory_mib, gpus)
    request = LeaseRequest(size, "command", shlex.join(command), filters=filters, group=group)
    with signals_held():
        client = PoolClient(url)
        holder = LeaseHolder(request, client)
        try:
            # Before the lease: nobody is to wait in a queue for a client that cannot use what it gets.
            environment = routed_environment(holder.path, os.environ)
            holder.start()
            wait_for_grant(holder, limit_s)
            return run_command(command, environment)
        finally:
            holder.release()
