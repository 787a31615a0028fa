# SPDX-License-Identifier: BSD-3-Clause
"""The tables of the pool's database, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

leases = Table(
    "leases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("user", String(200), nullable=False),
    Column("holder", JSON, nullable=False),
    Column("fraction", Float),
    Column("asked_mib", BigInteger),
    Column("gpu_count", Integer, nullable=False),
    Column("server", String(200)),
    Column("placements", JSON, nullable=False),
    Column("code", String(64), nullable=False),
    Column("message", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("granted_at", Float),
    Column("ended_at", Float),
    Index("leases_by_state", "state"),
    Index("leases_by_user", "user", "created_at"),
)

servers = Table(
    "servers",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("address", String(200), nullable=False),
    Column("instance", String(200), nullable=False),
    Column("driver", String(500), nullable=False),
    Column("version", String(500), nullable=False),
    Column("seen_at", Float, nullable=False),
)

gpus = Table(
    "gpus",
    metadata,
    Column("server", String(200), ForeignKey("servers.name"), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("index", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("memory_mib", BigInteger, nullable=False),
    Column("emulated", Boolean, nullable=False),
)
