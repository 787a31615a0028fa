# SPDX-License-Identifier: BSD-3-Clause
"""What quotas, filters, limits and usage need; quotas that were set at run time; samples for charts."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with what leases from before stand for, and two tables."""
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("groups", sa.JSON, nullable=False, server_default="[]"))
        leases.add_column(sa.Column("group", sa.String(200), nullable=False, server_default=""))
        leases.add_column(sa.Column("group_named", sa.Boolean, nullable=False, server_default=sa.false()))
        leases.add_column(sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
        leases.add_column(sa.Column("tag", sa.Float, nullable=False, server_default="0"))
        leases.add_column(sa.Column("filters", sa.JSON, nullable=False, server_default="[]"))
        leases.add_column(sa.Column("hundredths", sa.Integer, nullable=False, server_default="1"))
        leases.add_column(sa.Column("least_mib", sa.BigInteger, nullable=False, server_default="1"))
        for name in ("longest_queue_s", "longest_idle_s", "longest_lease_s"):
            leases.add_column(sa.Column(name, sa.Float))
    op.create_index("leases_by_end", "leases", ["ended_at"])
    with op.batch_alter_table("servers") as servers:
        for name in ("driver_version", "cuda_version", "compute"):
            servers.add_column(sa.Column(name, sa.String(200), nullable=False, server_default=""))
        servers.add_column(sa.Column("cordoned", sa.Boolean, nullable=False, server_default=sa.false()))
        servers.add_column(sa.Column("drain_at", sa.Float))
    op.create_table(
        "quotas",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("limits", sa.JSON, nullable=False),
    )
    op.create_table(
        "samples",
        sa.Column("at", sa.Float, primary_key=True),
        sa.Column("gpus", sa.Integer, nullable=False),
        sa.Column("leased", sa.Float, nullable=False),
        sa.Column("held", sa.Float, nullable=False),
        sa.Column("busy", sa.Float),
        sa.Column("leases", sa.Integer, nullable=False),
        sa.Column("active", sa.Integer, nullable=False),
        sa.Column("queued", sa.Integer, nullable=False),
    )
    _count_leases(op.get_bind())


def _count_leases(connection: sa.Connection) -> None:
    """Say of each lease from before what it counts in quotas: hundredths of a GPU."""
    # MiB are compared with the smallest card there is: the card they were on may be gone.
    card = connection.scalar(sa.text("SELECT min(memory_mib) FROM gpus")) or 0
    update = sa.text("UPDATE leases SET hundredths = :hundredths WHERE id = :id")
    found = connection.execute(sa.text("SELECT id, fraction, asked_mib, gpu_count FROM leases"))
    rows = [
        {"id": lease, "hundredths": _hundredths(fraction, asked_mib, card) * gpu_count}
        for lease, fraction, asked_mib, gpu_count in found
    ]
    if rows:
        connection.execute(update, rows)


def _hundredths(fraction: float | None, asked_mib: int | None, card: int) -> int:
    if fraction is not None:
        return ceil(Fraction(str(fraction)) * 100)
    return min(100, ceil(Fraction(100 * (asked_mib or 0), card))) if card else 1
