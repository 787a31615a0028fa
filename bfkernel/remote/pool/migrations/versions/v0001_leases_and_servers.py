# SPDX-License-Identifier: BSD-3-Clause
"""Leases, and the GPU servers that serve them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "leases",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False, unique=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("user", sa.String(200), nullable=False),
        sa.Column("holder", sa.JSON, nullable=False),
        sa.Column("fraction", sa.Float),
        sa.Column("asked_mib", sa.BigInteger),
        sa.Column("gpu_count", sa.Integer, nullable=False),
        sa.Column("server", sa.String(200)),
        sa.Column("placements", sa.JSON, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("granted_at", sa.Float),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("leases_by_state", "leases", ["state"])
    op.create_index("leases_by_user", "leases", ["user", "created_at"])
    op.create_table(
        "servers",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("instance", sa.String(200), nullable=False),
        sa.Column("driver", sa.String(500), nullable=False),
        sa.Column("version", sa.String(500), nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
    op.create_table(
        "gpus",
        sa.Column("server", sa.String(200), sa.ForeignKey("servers.name"), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("memory_mib", sa.BigInteger, nullable=False),
        sa.Column("emulated", sa.Boolean, nullable=False),
    )
