# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel kernelspec``: entries of the Jupyter launcher for sizes of one's own."""

from __future__ import annotations

import sys

import click

from bfkernel.provisioner.kernelspec import install_kernelspec
from bfkernel.remote.client.size import Size

from .options import SIZE, filter_option, group_option


@click.group()
def kernelspec() -> None:
    """Kernelspecs: what Jupyter's launcher offers."""


@kernelspec.command()
@click.option(
    "--size", "sizes", type=SIZE, multiple=True, required=True, help="0.02, 0.5x2, 2048m; may be repeated."
)
@click.option(
    "--python", metavar="PATH", default="python", help="The kernel's Python (that of Jupyter itself)."
)
@filter_option
@group_option
@click.option("--name", help="The kernelspec's name (gpu-SIZE, or gpu-SIZE-GROUP).")
@click.option("--display-name", help="What the launcher shows (GPU SIZE, or GPU SIZE (GROUP)).")
@click.option("--user", is_flag=True, help="Install for this user only.")
@click.option("--sys-prefix", is_flag=True, help="Install into this Python environment.")
@click.option("--prefix", metavar="DIR", help="Install into DIR/share/jupyter/kernels.")
def install(
    sizes: tuple[Size, ...],
    python: str,
    filters: tuple[str, ...],
    group: str,
    name: str | None,
    display_name: str | None,
    user: bool,
    sys_prefix: bool,
    prefix: str | None,
) -> None:
    """Install a kernelspec for each SIZE: for everybody, unless an option says where else."""
    if user + sys_prefix + (prefix is not None) > 1:
        msg = "Give one of --user, --sys-prefix and --prefix."
        raise click.UsageError(msg)
    if len(sizes) > 1 and (name or display_name):
        msg = "--name and --display-name name one kernelspec: give one --size with them."
        raise click.UsageError(msg)
    for size in sizes:
        folder = install_kernelspec(
            size,
            name=name,
            user=user,
            prefix=sys.prefix if sys_prefix else prefix,
            python=python,
            display_name=display_name,
            group=group,
            filters=filters,
        )
        click.echo(f"installed {folder}")
