# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel admin``: servers out of service, leases taken back, quotas. It takes an admin's token."""

import click

from .quotas import quota
from .servers import cordon, drain, forget, revoke, uncordon


@click.group()
def admin() -> None:
    """Manage servers, leases and quotas; BFKERNEL_TOKEN must be an admin's where the pool asks for tokens."""


for _command in (cordon, uncordon, drain, forget, revoke, quota):
    admin.add_command(_command)

__all__ = ["admin"]
