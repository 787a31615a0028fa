# SPDX-License-Identifier: BSD-3-Clause
"""Run by Alembic: the store hands over its open connection."""

from __future__ import annotations

from alembic import context

from bfkernel.remote.pool.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
