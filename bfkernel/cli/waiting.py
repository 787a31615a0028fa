# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for a grant: the place in the queue on stderr, and the ways out."""

from __future__ import annotations

import shutil
import sys
import time

import click

from bfkernel.remote.client import LeaseFile, LeaseHolder, PoolUnreachable
from bfkernel.remote.units import format_duration

from .child import sleep_unless_signalled
from .exits import NO_SHARE_NOW, Failure

LOOK_S = 0.05


class _Progress:
    """One line that changes in place on a terminal, a line for each change elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = ""

    def show(self, line: str) -> None:
        if line == self._shown:
            return
        self._shown = line
        if self._live:
            # A line that wraps would stay behind when it changes.
            line = f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}"
        click.echo(line, err=True, nl=not self._live)

    def end(self) -> None:
        if self._live and self._shown:
            click.echo("", err=True)
        self._shown = ""


def wait_for_grant(holder: LeaseHolder, limit_s: float | None) -> LeaseFile:
    """Wait until the lease is granted, for ``limit_s`` seconds at most (None: for ever), and return it.

    Raises the pool's error when it refuses or cannot be reached to ask, ``Failure`` when the time is up,
    ``Interrupted`` on a signal. The caller releases the holder.
    """
    give_up = None if limit_s is None else time.monotonic() + limit_s
    progress = _Progress()
    try:
        while True:
            lease = holder.current
            if lease.state == "granted":
                return lease
            _raise_if_over(holder, lease)
            if lease.state == "queued":
                progress.show(f"{lease.size}: {lease.message}")
                if give_up is not None and time.monotonic() >= give_up:
                    raise _too_late(lease, limit_s or 0)
            sleep_unless_signalled(LOOK_S)
    finally:
        progress.end()


def _raise_if_over(holder: LeaseHolder, lease: LeaseFile) -> None:
    if lease.state == "refused" and holder.error is not None:
        raise holder.error
    if lease.state in {"refused", "ended"}:
        raise Failure(lease.message, NO_SHARE_NOW)
    if lease.state == "requesting" and isinstance(holder.error, PoolUnreachable):
        raise holder.error


def _too_late(lease: LeaseFile, limit_s: float) -> Failure:
    if limit_s <= 0:
        return Failure(f"No share of {lease.size} is free now ({lease.message}).", NO_SHARE_NOW)
    return Failure(f"No share of {lease.size} became free within {format_duration(limit_s)}.", NO_SHARE_NOW)
