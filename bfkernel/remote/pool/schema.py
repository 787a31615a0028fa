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
    Column("groups", JSON, nullable=False),
    Column("group", String(200), nullable=False),
    Column("group_named", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tag", Float, nullable=False),
    Column("filters", JSON, nullable=False),
    Column("hundredths", Integer, nullable=False),
    Column("least_mib", BigInteger, nullable=False),
    Column("longest_queue_s", Float),
    Column("longest_idle_s", Float),
    Column("longest_lease_s", Float),
    Index("leases_by_state", "state"),
    Index("leases_by_user", "user", "created_at"),
    Index("leases_by_end", "ended_at"),
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
    Column("driver_version", String(200), nullable=False),
    Column("cuda_version", String(200), nullable=False),
    Column("compute", String(200), nullable=False),
    Column("cordoned", Boolean, nullable=False),
    Column("drain_at", Float),
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

#: Quotas that were set at run time; they go before those of the configuration. ``kind`` is ``default`` (with
#: an empty name), ``groups``, ``totals`` or ``users``.
quotas = Table(
    "quotas",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("limits", JSON, nullable=False),
)

#: How busy the pool was, once a minute: GPUs there are, GPUs leased, GPUs' worth of memory held, the mean of
#: what drivers tell of their GPUs (0 to 1; None if none does), leases that hold, of these active ones, and
#: leases that wait.
samples = Table(
    "samples",
    metadata,
    Column("at", Float, primary_key=True),
    Column("gpus", Integer, nullable=False),
    Column("leased", Float, nullable=False),
    Column("held", Float, nullable=False),
    Column("busy", Float),
    Column("leases", Integer, nullable=False),
    Column("active", Integer, nullable=False),
    Column("queued", Integer, nullable=False),
)

#: One row: the replica that decides now, or did last, and how many have before it.
leadership = Table(
    "leadership",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("url", String(500), nullable=False),
    Column("since", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("pem", String, nullable=False),
    Column("created_at", Float, nullable=False),
)
