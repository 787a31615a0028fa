# SPDX-License-Identifier: BSD-3-Clause
"""The key that signs grants."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfkernel.remote.grants import Grant, GrantSigner, verify_grant
from bfkernel.remote.pool.database import open_database
from bfkernel.remote.pool.keys import grant_signer
from bfkernel.remote.records import Placement
from bfkernel.remote.state_dir import ConfigurationError


def test_all_replicas_sign_with_the_same_key(database_url: str, tmp_path: Path) -> None:
    first, second = (grant_signer(open_database(database_url), tmp_path / "none") for _ in range(2))
    grant = Grant("l1", "ada", "gpu1", (Placement("GPU-0", 655),), as_of=1.0)
    assert verify_grant(second.sign(grant), first.public_key) == grant
    assert not (tmp_path / "none").exists()


def test_the_key_of_an_older_pool_stays_valid(database_url: str, tmp_path: Path) -> None:
    old = GrantSigner.new()
    file = tmp_path / "grant-key.pem"
    file.write_text(old.private_pem)
    assert grant_signer(open_database(database_url), file).public_key == old.public_key
    # From then on the database's counts.
    file.write_text(GrantSigner.new().private_pem)
    assert grant_signer(open_database(database_url), file).public_key == old.public_key


def test_a_file_that_holds_no_key_is_refused_and_nothing_is_stored(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "grant-key.pem"
    file.write_text("no key")
    engine = open_database(database_url)
    with pytest.raises(ConfigurationError, match=r"grant-key\.pem holds no"):
        grant_signer(engine, file)
    file.unlink()
    assert grant_signer(engine, file).public_key
