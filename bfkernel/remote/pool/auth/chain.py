# SPDX-License-Identifier: BSD-3-Clause
"""Who somebody is: ``LOCAL`` on an open pool, else a static token's user, else whom the Hub names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.pool.auth.hub import TRUSTED_S, Hub
from bfkernel.remote.pool.auth.hub_options import HubOptions
from bfkernel.remote.pool.auth.loopback import LOCAL
from bfkernel.remote.pool.auth.principal import HubUnreachableError, InvalidTokenError, Principal
from bfkernel.remote.pool.auth.token_file import StaticTokens, read_tokens
from bfkernel.remote.state_dir import ConfigurationError

_ASK = "This pool asks for a valid token: set BFKERNEL_TOKEN."


class Authenticator:
    """Lets in who bears a token of these; without static tokens and Hub, everybody is ``LOCAL``."""

    def __init__(self, tokens: StaticTokens | None = None, hub: Hub | None = None) -> None:
        # A pool with a Hub has tokens of its own too: those of its agents.
        self._tokens = StaticTokens({}) if tokens is None and hub else tokens
        self._hub = hub
        self._checking: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return self._tokens is None

    def start(self) -> None:
        """See in the background whether the Hub knows this pool. The pool's server calls it at its start."""
        if self._hub:
            self._checking = asyncio.ensure_future(self._hub.check_service())

    async def close(self) -> None:
        """End what runs. The pool's server calls it when nobody is to be let in any more."""
        if self._checking:
            self._checking.cancel()
        if self._hub:
            await self._hub.close()

    async def identify(self, token: str | None, holding: str | None = None) -> Principal:
        """Return who bears the token.

        ``holding`` is the id of a lease that the request keeps alive or gives back and nothing else: while
        the Hub is unreachable, a token that has proved that lease before is enough.

        Raises:
            AuthenticationError: nobody who is let in.
        """
        if self._tokens is None:
            return LOCAL
        principal = self._tokens.find(token) if token else None
        if principal:
            return principal
        if not (token and self._hub):
            raise InvalidTokenError(_ASK)
        try:
            return await self._hub.identify(token)
        except HubUnreachableError:
            principal = self._hub.proofs.recall(token, holding) if holding else None
            if principal is None:
                raise
            return principal

    def holds(self, token: str | None, principal: Principal, lease_id: str) -> None:
        """Note that the bearer of this token has asked for or proved a lease of its own."""
        if self._hub and token and self._tokens and not self._tokens.find(token):
            self._hub.proofs.note(token, principal, lease_id)

    def admit_agent(self) -> str | None:
        """Return a new token for an agent within this process, or None when none is needed."""
        return None if self._tokens is None else self._tokens.admit_agent()


def authenticator_for(
    host: str, token_file: Path | None, hub: HubOptions | None = None, trusted_s: float = TRUSTED_S
) -> Authenticator:
    """Return what a pool that listens on ``host`` needs; ``trusted_s`` as for :class:`Hub`.

    Raises:
        ConfigurationError: others can reach ``host`` and there are neither tokens nor a Hub, or the file is
        not as it should be.
    """
    tokens = StaticTokens(read_tokens(token_file)) if token_file is not None else None
    if tokens or hub:
        return Authenticator(tokens, Hub(hub, trusted_s) if hub else None)
    if is_loopback(host):
        return Authenticator()
    message = (
        f"Anybody who can reach {host} could take GPUs: name a --token-file (mode 0600, a line 'user token "
        f"[role]' for each user, role user, admin or agent) or a --hub-api-url, or listen on 127.0.0.1."
    )
    raise ConfigurationError(message)
