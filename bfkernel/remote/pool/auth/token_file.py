# SPDX-License-Identifier: BSD-3-Clause
"""Static tokens: a file with a line for each, ``user token [role] [group,group]``."""

from __future__ import annotations

import secrets
from pathlib import Path

from bfkernel.remote.pool.auth.principal import Principal, Role, digest
from bfkernel.remote.state_dir import ConfigurationError, read_private

_FORM = "user token [role] [group,group]"
_SHORTEST = 16


class StaticTokens:
    """The tokens that the pool itself knows, by their digests."""

    def __init__(self, tokens: dict[str, Principal]) -> None:
        self._principals = {digest(token): who for token, who in tokens.items()}

    def find(self, token: str) -> Principal | None:
        """Return whose token it is, or None if it is none of these."""
        return self._principals.get(digest(token))

    def admit_agent(self) -> str:
        """Return a new join token, for an agent within this process."""
        token = secrets.token_urlsafe(32)
        self._principals[digest(token)] = Principal("agent", Role.AGENT)
        return token


def read_tokens(path: Path) -> dict[str, Principal]:
    """Read lines ``user token [role] [group,group]``; a line that begins with ``#`` is a comment.

    The role is ``user`` (also when left out), ``admin``, or ``agent``: then the token is a join token, which
    lets an agent report and nothing else.

    Raises:
        ConfigurationError: unreadable, readable by others, or malformed.
    """
    tokens: dict[str, Principal] = {}
    for number, line in enumerate(read_private(path, "token file").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"line {number} of {path}"
        token, principal = _parse(words, where)
        if token in tokens:
            msg = f"The token in {where} stands there twice."
            raise ConfigurationError(msg)
        tokens[token] = principal
    if not tokens:
        msg = f"The token file {path} holds no token."
        raise ConfigurationError(msg)
    return tokens


def _parse(words: list[str], where: str) -> tuple[str, Principal]:
    if not 2 <= len(words) <= 4 or (len(words) > 2 and words[2] not in set(Role)):
        msg = f"The form of a line is '{_FORM}' with role user, admin or agent: {where} has another."
        raise ConfigurationError(msg)
    if len(words[1]) < _SHORTEST:
        msg = f"The token in {where} is too short: use {_SHORTEST} characters or more."
        raise ConfigurationError(msg)
    if not words[1].isascii():
        msg = f"The token in {where} has characters that HTTP does not carry: use letters and digits."
        raise ConfigurationError(msg)
    role = Role(words[2]) if len(words) > 2 else Role.USER
    groups = (
        frozenset(group for group in words[3].split(",") if group) if len(words) > 3 else frozenset[str]()
    )
    return words[1], Principal(words[0], role, groups)
