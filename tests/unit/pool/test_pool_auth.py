# SPDX-License-Identifier: BSD-3-Clause
"""Who may use a pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.pool.auth import LOCAL, Principal, authenticator_for
from bfkernel.remote.state_dir import ConfigurationError

ADA, ROOT = "ada-0123456789abcdef", "root-0123456789abcdef"


def token_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    authenticator = authenticator_for(host, None)
    assert authenticator.identify(None) == LOCAL
    assert authenticator.admit_agent() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "pool.example", "localhost.example", ""])
def test_anything_else_needs_a_token_file(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="--token-file"):
        authenticator_for(host, None)


def test_tokens_name_users_and_roles(tmp_path: Path) -> None:
    text = f"# comment\n\nada {ADA}\nroot {ROOT} admin\n"
    authenticator = authenticator_for("0.0.0.0", token_file(tmp_path, text))
    assert authenticator.identify(ADA) == Principal("ada", admin=False)
    assert authenticator.identify(ROOT) == Principal("root", admin=True)
    assert authenticator.identify(None) is None
    assert authenticator.identify("") is None
    assert authenticator.identify(ADA[:-1]) is None
    agent = authenticator.admit_agent()
    assert authenticator.identify(agent) == Principal("agent", admin=True)


def test_a_token_file_counts_on_loopback_too(tmp_path: Path) -> None:
    assert authenticator_for("127.0.0.1", token_file(tmp_path, f"ada {ADA}")).identify(None) is None


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        (f"ada {ADA}", 0o644, "chmod 600"),
        (f"ada {ADA} god", 0o600, "Line 1"),
        ("ada", 0o600, "Line 1"),
        ("ada short", 0o600, "too short"),
        (f"ada {ADA}\nbob {ADA}", 0o600, "twice"),
        ("# nothing", 0o600, "no token"),
    ],
)
def test_a_bad_token_file_is_refused(tmp_path: Path, text: str, mode: int, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        authenticator_for("0.0.0.0", token_file(tmp_path, text, mode))


def test_a_missing_token_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        authenticator_for("0.0.0.0", tmp_path / "nothing")
