# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel admin cordon``, ``uncordon``, ``drain``, ``forget`` and ``revoke``."""

from __future__ import annotations

import click

from bfkernel.cli.options import DURATION, pool_option
from bfkernel.remote.client import PoolClient
from bfkernel.remote.units import format_limit

_server = click.argument("server")


@click.command()
@_server
@pool_option
def cordon(server: str, url: str | None) -> None:
    """Give no new leases on SERVER; those that it has go on."""
    with PoolClient(url) as pool:
        left = pool.cordon(server)["leases"]
    click.echo(f"{server} gets no new leases; {_leases(left)} on it.")


@click.command()
@_server
@pool_option
def uncordon(server: str, url: str | None) -> None:
    """Take SERVER into service again, after cordon or drain."""
    with PoolClient(url) as pool:
        state = pool.cordon(server, cordoned=False)["state"]
    click.echo(f"{server} is {state}.")


@click.command()
@_server
@click.option(
    "--grace",
    "grace_s",
    type=DURATION,
    default="10min",
    metavar="DURATION",
    help="How long its holders have left; they are told (10min).",
)
@pool_option
def drain(server: str, grace_s: float, url: str | None) -> None:
    """Empty SERVER: no new leases, and the end of those that it has after the grace."""
    with PoolClient(url) as pool:
        left = pool.drain(server, grace_s)["leases"]
    when = f" in {format_limit(grace_s)}" if left else " now"
    click.echo(f"{server} gets no new leases and is empty{when}; {_leases(left)} on it.")


@click.command()
@_server
@pool_option
def forget(server: str, url: str | None) -> None:
    """Forget SERVER, which is gone for good. It comes back when its agent reports again."""
    with PoolClient(url) as pool:
        pool.forget_server(server)
    click.echo(f"{server} is forgotten.")


@click.command()
@click.argument("lease")
@pool_option
def revoke(lease: str, url: str | None) -> None:
    """Take LEASE (an id, as 'bfkernel leases' shows it) back from whoever holds it."""
    with PoolClient(url) as pool:
        ended = pool.release(lease)
    click.echo(f"{ended['size']} of {ended['user']} is {ended['state']}: {ended['message']}")


def _leases(count: int) -> str:
    return f"{count or 'no'} lease{' is' if count == 1 else 's are'}"
