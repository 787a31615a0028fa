# SPDX-License-Identifier: BSD-3-Clause
"""Alembic migrations of the pool's database; they run by themselves when a pool starts."""
