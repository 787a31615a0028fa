# SPDX-License-Identifier: BSD-3-Clause
"""Which replica decides, and the keys that all replicas share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; nobody has led yet."""
    leadership = op.create_table(
        "leadership",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
    )
    op.bulk_insert(leadership, [{"id": 1, "epoch": 0, "url": "", "since": 0.0}])
    op.create_table(
        "keys",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("pem", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
