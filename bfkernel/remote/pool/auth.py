# SPDX-License-Identifier: BSD-3-Clause
"""Who asks: nobody in particular on loopback, or the bearer of a token from a file."""

from __future__ import annotations

import hashlib
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.state_dir import ConfigurationError

_ROLES = ("user", "admin")


@dataclass(frozen=True)
class Principal:
    """Who sent a request. Admins may also speak for agents and end other people's leases."""

    user: str
    admin: bool
    groups: frozenset[str] = frozenset()


#: What everybody is on a pool that only this machine can reach: names that a client tells are not trusted.
LOCAL = Principal("local", admin=True)


class Authenticator:
    """Knows the tokens of a pool; without any, every request is :data:`LOCAL`'s."""

    def __init__(self, tokens: dict[str, Principal] | None = None) -> None:
        # Kept as hashes: looking one up then takes no time that depends on a secret.
        self._principals = None if tokens is None else {_digest(t): who for t, who in tokens.items()}

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return self._principals is None

    def identify(self, token: str | None) -> Principal | None:
        """Return whose token it is, or None if it is nobody's."""
        if self._principals is None:
            return LOCAL
        return self._principals.get(_digest(token)) if token else None

    def admit_agent(self) -> str | None:
        """Return a new token for an agent within this process, or None when none is needed."""
        if self._principals is None:
            return None
        token = secrets.token_urlsafe(32)
        self._principals[_digest(token)] = Principal("agent", admin=True)
        return token


def authenticator_for(host: str, token_file: Path | None) -> Authenticator:
    """Return what a pool that listens on ``host`` needs.

    Raises:
        ConfigurationError: others can reach ``host`` and there are no tokens, or the file is not as it should
        be.
    """
    if token_file is not None:
        return Authenticator(read_tokens(token_file))
    if is_loopback(host):
        return Authenticator()
    message = (
        f"Anybody who can reach {host} could take GPUs: name a --token-file (mode 0600, a line "
        f"'user token [role]' for each user, role user or admin), or listen on 127.0.0.1."
    )
    raise ConfigurationError(message)


def read_tokens(path: Path) -> dict[str, Principal]:
    """Read lines ``user token [role]``; a line that begins with ``#`` is a comment.

    Raises:
        ConfigurationError: unreadable, readable by others, or malformed.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The token file {path} cannot be read: {error}."
        raise ConfigurationError(msg) from error
    if stat.S_IMODE(mode) & 0o077:
        msg = f"Others may read the token file {path}: run 'chmod 600 {path}'."
        raise ConfigurationError(msg)
    tokens: dict[str, Principal] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in (2, 3) or (len(words) == 3 and words[2] not in _ROLES):
            msg = f"Line {number} of {path} is not 'user token [role]' with role user or admin."
            raise ConfigurationError(msg)
        if len(words[1]) < 16:
            msg = f"The token in line {number} of {path} is too short: use 16 characters or more."
            raise ConfigurationError(msg)
        if words[1] in tokens:
            msg = f"The token in line {number} of {path} stands there twice."
            raise ConfigurationError(msg)
        tokens[words[1]] = Principal(words[0], admin=words[2:] == ["admin"])
    if not tokens:
        msg = f"The token file {path} holds no token."
        raise ConfigurationError(msg)
    return tokens


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
