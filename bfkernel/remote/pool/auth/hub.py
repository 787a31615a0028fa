# SPDX-License-Identifier: BSD-3-Clause
"""JupyterHub's word on who somebody is, and for how long it is taken.

A single-user server holds a token of the Hub's. The pool asks the Hub with that very token, ``GET
{api}/user``, and gets name, groups, whether it is an admin, and the token's scopes (measured with
JupyterHub 6.1.1; its default scopes are enough to be told these). ``access:services!service=NAME`` must be
among them.

=====================================  ==========================================================
The Hub says                           and the pool
=====================================  ==========================================================
200, with the scope                    lets the user in, for 60 s without asking again
200, without it                        403 ``missing-scope``, for 5 s
401 or 403: unknown or withdrawn       401 ``token``, for 5 s
no answer within 5 s, or another one   503 ``hub-unreachable``, for 2 s
=====================================  ==========================================================

**While the Hub is unreachable** nobody gets a new lease. Leases that live go on: the pool remembers, by
digest, which token has asked for or proved which lease (:class:`Proofs`), and takes that token for
heartbeats of that lease, and for its release, until the Hub can be asked again. A token that the Hub has
refused is remembered no longer, so the Hub's going away does not bring a stopped server's token back to
life. The memory is the process's: after a restart while the Hub is away, heartbeats get 503, and a lease
lives by its data connections until the Hub is back, or until its TTL is over.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from bfkernel import __version__
from bfkernel.remote.addresses import is_loopback
from bfkernel.remote.logs import event
from bfkernel.remote.pool.auth.bounded import Bounded
from bfkernel.remote.pool.auth.hub_options import HubOptions
from bfkernel.remote.pool.auth.principal import (
    AuthenticationError,
    HubUnreachableError,
    InvalidTokenError,
    MissingScopeError,
    Principal,
    Role,
    digest,
)

log = logging.getLogger("pool.hub")

TRUSTED_S = 60.0
_REFUSED_S = 5.0
_UNREACHABLE_S = 2.0
_ANSWER_LIMIT_S = 5.0
_MOST_CONNECTIONS = 20
_MOST_TOKENS = 10_000
_MOST_LEASES_OF_A_TOKEN = 256
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
_UNKNOWN = "JupyterHub does not know this token, or has withdrawn it: start your server again."


class _Model(BaseModel):
    """What ``GET {api}/user`` answers, as far as it matters here."""

    kind: str = "user"
    name: str = Field(min_length=1, max_length=200)
    admin: bool = False
    groups: list[str] = []
    scopes: list[str] = []


class Proofs:
    """Which token has asked for or proved which lease."""

    def __init__(self) -> None:
        self._proven: Bounded[bytes, tuple[Principal, Bounded[str, bool]]] = Bounded(_MOST_TOKENS)

    def note(self, token: str, principal: Principal, lease_id: str) -> None:
        """Remember that this token's bearer holds this lease."""
        key = digest(token)
        before = self._proven.get(key)
        leases = before[1] if before else Bounded[str, bool](_MOST_LEASES_OF_A_TOKEN)
        leases.put(lease_id, True)
        self._proven.put(key, (principal, leases))

    def recall(self, token: str, lease_id: str) -> Principal | None:
        """Return the token's bearer if it has proved this lease."""
        proven = self._proven.get(digest(token))
        return proven[0] if proven and proven[1].get(lease_id) else None

    def withdraw(self, key: bytes) -> None:
        """Forget what the token of this digest has proved."""
        self._proven.drop(key)


class Hub:
    """Asks one Hub. To be used on an event loop."""

    def __init__(
        self,
        options: HubOptions,
        trusted_s: float = TRUSTED_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``trusted_s``: for how long a good answer holds; 60 s at most."""
        self._url = f"{options.api_url.rstrip('/')}/user"
        self._service = options.service_name
        self._own_token = options.api_token
        self._trusted_s = min(trusted_s, TRUSTED_S)
        self._good: Bounded[bytes, Principal] = Bounded(_MOST_TOKENS, clock)
        # Apart from the good ones, so that guesses drive no user out.
        self._bad: Bounded[bytes, AuthenticationError] = Bounded(_MOST_TOKENS, clock)
        self._asking: dict[bytes, asyncio.Task[Principal | AuthenticationError]] = {}
        self.proofs = Proofs()
        self._http = httpx.AsyncClient(
            headers={"User-Agent": f"bfkernel/{__version__}"},
            timeout=_ANSWER_LIMIT_S,
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS),
            trust_env=not is_loopback(urlsplit(self._url).hostname or ""),
        )

    async def identify(self, token: str) -> Principal:
        """Return whose token it is.

        Raises:
            AuthenticationError: nobody's, not one for this pool, or the Hub cannot be asked.
        """
        key = digest(token)
        known = self._good.get(key) or self._bad.get(key)
        if known is None:
            known = await self._ask_once(key, token)
        if isinstance(known, Principal):
            return known
        raise type(known)(str(known))

    async def check_service(self) -> None:
        """Ask the Hub whether it knows this pool, and log what is wrong. Called when the pool starts."""
        if self._own_token is None:
            return
        try:
            model = await self._user_of(self._own_token)
        except HubUnreachableError as error:
            log.warning(event("hub-unreachable", reason=error))
            return
        except InvalidTokenError:
            log.warning(event("hub-service-unknown", service=self._service))
            return
        if (model.kind, model.name) != ("service", self._service):
            log.warning(
                event("hub-service-other", service=self._service, token_of=f"{model.kind} {model.name}")
            )

    async def close(self) -> None:
        """Stop asking."""
        for task in list(self._asking.values()):
            task.cancel()
        await self._http.aclose()

    async def _ask_once(self, key: bytes, token: str) -> Principal | AuthenticationError:
        """Ask, or wait for the answer of whoever asks about the same token now."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, token))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, token: str) -> Principal | AuthenticationError:
        try:
            principal = self._judge(await self._user_of(token))
        except AuthenticationError as error:
            away = isinstance(error, HubUnreachableError)
            self._bad.put(key, error, _UNREACHABLE_S if away else _REFUSED_S)
            if away:
                log.warning(event("hub-unreachable", reason=error))
            else:
                self.proofs.withdraw(key)
            return error
        self._good.put(key, principal, self._trusted_s)
        return principal

    async def _user_of(self, token: str) -> _Model:
        if not _TOKEN.fullmatch(token):
            raise InvalidTokenError(_UNKNOWN)
        try:
            # httpx limits each step; the whole must end too, however slowly the Hub speaks.
            response = await asyncio.wait_for(
                self._http.get(self._url, headers={"Authorization": f"token {token}"}), _ANSWER_LIMIT_S
            )
        except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError) as error:
            raise _unreachable(self._url, _reason(error)) from None
        if response.status_code in (401, 403):
            raise InvalidTokenError(_UNKNOWN)
        if response.status_code != 200:
            reason = f"it answered {response.status_code}"
            raise _unreachable(self._url, reason)
        try:
            return _Model.model_validate_json(response.content)
        except ValidationError:
            reason = "what answered is no JupyterHub"
            raise _unreachable(self._url, reason) from None

    def _judge(self, model: _Model) -> Principal:
        if model.kind != "user":
            # A service may have the name of a user, and is nobody who could hold a lease.
            msg = f"This token belongs to the Hub's {model.kind} {model.name}: leases are for its users."
            raise InvalidTokenError(msg)
        scope = f"access:services!service={self._service}"
        if not {scope, "access:services"} & set(model.scopes):
            msg = (
                f"The token of {model.name} lacks the scope {scope}: the Hub's admin adds it to the role "
                f"'user' and to c.Spawner.server_token_scopes in jupyterhub_config.py."
            )
            raise MissingScopeError(msg)
        return Principal(model.name, Role.ADMIN if model.admin else Role.USER, frozenset(model.groups))


def _unreachable(url: str, reason: str) -> HubUnreachableError:
    msg = f"JupyterHub cannot be asked who you are ({url}: {reason}); try again when it is back."
    return HubUnreachableError(msg)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException | asyncio.TimeoutError):
        return f"no answer within {_ANSWER_LIMIT_S:g} s"
    return str(error) or type(error).__name__
