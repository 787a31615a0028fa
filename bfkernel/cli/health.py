# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel health``: whether every part answers, and whether they fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from bfkernel import __version__
from bfkernel.remote.client import PoolClient, PoolError, PoolUnreachable
from bfkernel.remote.native_files import client_dir

from .exits import FAILURE, POOL_UNREACHABLE
from .options import json_option, pool_option
from .tables import Json, print_json


@dataclass(frozen=True)
class Check:
    """One part, whether it is well, and a sentence."""

    part: str
    ok: bool
    detail: str


@click.command()
@json_option
@pool_option
def health(as_json: bool, url: str | None) -> int:
    """Check the pool, its GPU servers, the versions and this machine's shim.

    Exit code 0 when all is well, 69 when the pool does not answer, 1 otherwise.
    """
    checks = [_check_shim()]
    unreachable = False
    with PoolClient(url) as pool:
        try:
            checks += _check_pool(pool)
        except PoolError as error:
            checks.append(Check("pool", ok=False, detail=str(error)))
            unreachable = isinstance(error, PoolUnreachable)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.ok else 'BAD '} {check.part}: {check.detail}")
    if unreachable:
        return POOL_UNREACHABLE
    return 0 if all(check.ok for check in checks) else FAILURE


def _check_shim() -> Check:
    try:
        return Check("shim", ok=True, detail=str(client_dir() / "libcuda.so.1"))
    except FileNotFoundError as error:
        return Check("shim", ok=False, detail=str(error))


def _check_pool(pool: PoolClient) -> Iterator[Check]:
    version = str(pool.health().get("version"))
    yield Check("pool", ok=True, detail=f"{pool.url} answers")
    yield _check_version("pool", version)
    servers = pool.servers()
    if not servers:
        yield Check("servers", ok=False, detail="no GPU server has reported to the pool")
    for server in servers:
        yield _check_server(server)
        yield _check_version(f"server {server['name']}", str(server["version"]))


def _check_version(part: str, version: str) -> Check:
    same = version == __version__
    detail = version if same else f"{version}, while this is {__version__}: install the same version on both"
    return Check(f"{part} version", ok=same, detail=detail)


def _check_server(server: Json) -> Check:
    # Cordoned and draining is what an admin wanted.
    well = server["state"] != "absent"
    what = f"{server['state']}, seen {server['seen_s_ago']:.0f} s ago"
    if well:
        what += f", {server['gpu_count']} GPU(s), driver {server['driver']}"
    return Check(f"server {server['name']}", ok=well, detail=what)
