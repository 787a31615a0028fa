# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel request-gpus``, ``client``, ``release-gpus``: a lease that outlives the command that took it.

A small process of its own, the keeper, holds the lease and a lock on its record in the runtime folder;
the kernel drops the lock with the process however that ends, so a locked record is the proof of a keeper.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import click

from bfkernel.remote.client import LeaseFile, LeaseHolder, LeaseRequest, PoolClient, Size, routed_environment
from bfkernel.remote.client.lease_file import runtime_dir

from .child import Interrupted, run_command, signals_held, sleep_unless_signalled
from .exits import NO_SHARE_NOW, SIGNALLED, USAGE, Failure
from .options import (
    COMMAND_SETTINGS,
    SIZE,
    chosen_size,
    command_argument,
    filter_option,
    group_option,
    pool_option,
    request_options,
)
from .waiting import wait_for_grant

READY = "granted"
RELEASE_LIMIT_S = 15.0


@click.command()
@request_options
@pool_option
def request_gpus(
    fraction: float | None,
    memory_mib: int | None,
    gpus: int,
    filters: tuple[str, ...],
    group: str,
    limit_s: float | None,
    url: str | None,
) -> int:
    """Lease GPUs until 'bfkernel release-gpus'; run commands on them with 'bfkernel client'."""
    options = {
        "--size": [chosen_size(fraction, memory_mib, gpus)],
        "--filter": filters,
        "--group": [group],
        "--wait": [limit_s],
        "--pool": [url],
    }
    given = [f"{name}={v}" for name, values in options.items() for v in values if v not in (None, "")]
    keeper = subprocess.Popen(
        [sys.executable, "-m", "bfkernel.cli", "keep-gpus", *given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        answer = keeper.stdout.readline()
    except KeyboardInterrupt:
        keeper.terminate()
        keeper.wait(timeout=RELEASE_LIMIT_S)
        return SIGNALLED + signal.SIGINT
    if not answer.startswith(READY):
        return keeper.wait()  # it has said why, on our stderr
    click.echo(answer.removeprefix(READY).strip())
    return 0


@click.command(context_settings=COMMAND_SETTINGS)
@command_argument
def client(command: tuple[str, ...]) -> int:
    """Run COMMAND on the GPUs that 'bfkernel request-gpus' has leased."""
    record = _live_record()
    if record is None:
        msg = "You have no requested GPUs: run 'bfkernel request-gpus' first."
        raise Failure(msg, USAGE)
    path = Path(record["lease_file"])
    lease = LeaseFile.read(path)
    if lease.state != "granted":
        why = lease.message.rstrip(".")
        msg = f"Your requested GPUs are gone ({why}): run 'bfkernel request-gpus' again."
        raise Failure(msg, NO_SHARE_NOW)
    with signals_held():
        return run_command(command, routed_environment(path, os.environ))


@click.command()
def release_gpus() -> None:
    """Give back what 'bfkernel request-gpus' has leased."""
    record = _live_record()
    if record is None:
        click.echo("You have no requested GPUs.")
        return
    os.kill(record["pid"], signal.SIGTERM)
    give_up = time.monotonic() + RELEASE_LIMIT_S
    while _live_record() is not None:
        if time.monotonic() > give_up:
            msg = f"The keeper of your GPUs (process {record['pid']}) has not ended in {RELEASE_LIMIT_S:g} s."
            raise Failure(msg)
        time.sleep(0.05)
    click.echo(f"{record['size']} released.")


@click.command(hidden=True)
@click.option("--size", type=SIZE, required=True)
@filter_option
@group_option
@click.option("--wait", "limit_s", type=float)
@pool_option
def keep_gpus(
    size: Size, filters: tuple[str, ...], group: str, limit_s: float | None, url: str | None
) -> None:
    """Be the keeper: started by request-gpus, which reads one line when the lease is granted."""
    with signals_held(), _lock_record() as record:
        request = LeaseRequest(size, "command", "request-gpus", filters=filters, group=group)
        holder = LeaseHolder(request, PoolClient(url))
        try:
            holder.start()
            lease = wait_for_grant(holder, limit_s)
            json.dump({"pid": os.getpid(), "size": lease.size, "lease_file": str(holder.path)}, record)
            record.flush()
            click.echo(f"{READY} {lease.size}: {lease.message}")
            _leave_terminal()
            while holder.current.state == "granted":
                sleep_unless_signalled(1)
        except Interrupted:
            if holder.current.state != "granted":
                raise
        finally:
            holder.release()
            record.truncate(0)


def _leave_terminal() -> None:
    """Let go of the caller's pipes, so that nobody waits for our end to see the end of our output."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _record_path() -> Path:
    return runtime_dir() / "requested.json"


def _lock_record() -> TextIO:
    record = _record_path().open("a+", encoding="utf-8")
    try:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = "You have requested GPUs already: give them back with 'bfkernel release-gpus' first."
        raise Failure(msg, USAGE) from error
    record.truncate(0)
    return record


def _live_record() -> dict[str, Any] | None:
    """Return the record of the keeper that runs now, or None."""
    try:
        with _record_path().open(encoding="utf-8") as record:
            try:
                fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = record.read()
                # Empty while its keeper still waits in the queue.
                content: dict[str, Any] | None = json.loads(text) if text else None
                return content
    except FileNotFoundError:
        pass
    return None
