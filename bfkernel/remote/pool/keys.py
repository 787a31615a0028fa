# SPDX-License-Identifier: BSD-3-Clause
"""The key that signs grants. It is in the database, so that all replicas sign with the same."""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa

from bfkernel.remote.grants import GrantSigner
from bfkernel.remote.pool.database import changing_alone
from bfkernel.remote.pool.schema import keys
from bfkernel.remote.state_dir import ConfigurationError

_GRANTS = "grants"


def grant_signer(engine: sa.Engine, file_of_old: Path) -> GrantSigner:
    """Return the signer with the database's key. Called by a pool that starts.

    The first to call puts the key there: the one in ``file_of_old``, where pools kept it once, so that grants
    given before stay valid; without such a file a new one.

    Raises:
        ConfigurationError: that file holds no key.
    """
    with changing_alone(engine) as connection:
        pem = connection.scalar(sa.select(keys.c.pem).where(keys.c.name == _GRANTS))
        if pem is not None:
            return GrantSigner.from_pem(pem)
        signer = _from_file(file_of_old) if file_of_old.exists() else GrantSigner.new()
        row = {"name": _GRANTS, "pem": signer.private_pem, "created_at": time.time()}
        connection.execute(keys.insert(), row)
        return signer


def _from_file(path: Path) -> GrantSigner:
    try:
        return GrantSigner.from_pem(path.read_text(encoding="ascii"))
    except ValueError as error:
        msg = f"{path} holds no Ed25519 private key: move it away and a new one is made."
        raise ConfigurationError(msg) from error
