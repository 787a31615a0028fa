# SPDX-License-Identifier: BSD-3-Clause
"""Grants: signed tokens by which an agent knows, without asking the pool, what a lease may use.

The pool signs with Ed25519; agents hold the public key. A grant names the lease, the server and what the
lease has of each GPU. ``as_of`` is the pool's time of signing: it lets an agent tell a grant that is newer
than the pool's last word about that server from one that is older (see ``docs/explanation/leases.md``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bfkernel.remote.records import MAX_GPUS_PER_LEASE, Placement

_ISSUER = "bfkernel"
_ALGORITHM = "EdDSA"
# : Heartbeats bring fresh grants, so this only bounds how long a pool may be away before new processes are
# refused.
LIFETIME_S = 6 * 3600.0
#: Clocks of pool and GPU servers may differ by this much.
CLOCK_SKEW_S = 300.0


@dataclass(frozen=True)
class Grant:
    """What a token says: this lease may use these parts of these GPUs of this server."""

    lease: str
    user: str
    server: str
    placements: tuple[Placement, ...]
    as_of: float


class InvalidGrantError(Exception):
    """A token that is no valid grant; the message says why in one sentence."""


class GrantSigner:
    """Signs grants with the pool's private key. Called by the pool."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = (
            key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    @classmethod
    def new(cls) -> GrantSigner:
        """Return a signer with a key of its own."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: str) -> GrantSigner:
        """Return the signer whose :attr:`private_pem` this is.

        Raises:
            ValueError: it is no Ed25519 private key.
        """
        key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            msg = "not an Ed25519 private key"
            raise ValueError(msg)  # noqa: TRY004 - as for everything else that is no key
        return cls(key)

    @property
    def private_pem(self) -> str:
        """The private key (PKCS 8, not encrypted)."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for another purpose (HKDF-SHA256), the same wherever the key is the same."""
        hkdf = HKDF(hashes.SHA256(), length=32, salt=None, info=f"bfkernel {purpose}".encode())
        return hkdf.derive(self._key.private_bytes_raw())

    def sign(self, grant: Grant) -> str:
        """Return the token of a grant."""
        issued = time.time()
        claims = {
            "iss": _ISSUER,
            "sub": grant.user,
            "iat": int(issued),
            "exp": int(issued + LIFETIME_S),
            "lease": grant.lease,
            "server": grant.server,
            "gpus": [[p.gpu, p.memory_mib] for p in grant.placements],
            "as_of": grant.as_of,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)


def verify_grant(token: str, public_key: str) -> Grant:
    """Check a token's signature and time and return what it says. Called by agents.

    Raises:
        InvalidGrantError: forged, expired, or not a grant at all.
    """
    try:
        claims = jwt.decode(
            token,
            public_key,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            leeway=CLOCK_SKEW_S,
            options={"require": ["exp", "iat", "sub"]},
        )
        placements = tuple(Placement(str(gpu), int(mib)) for gpu, mib in claims["gpus"])
        grant = Grant(
            str(claims["lease"]),
            str(claims["sub"]),
            str(claims["server"]),
            placements,
            float(claims["as_of"]),
        )
    except jwt.ExpiredSignatureError as error:
        msg = "The grant has run out: its holder must fetch a new one from the pool."
        raise InvalidGrantError(msg) from error
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
        msg = "The token is no grant of this pool."
        raise InvalidGrantError(msg) from error
    if not 1 <= len(placements) <= MAX_GPUS_PER_LEASE:
        msg = "The token is no grant of this pool."
        raise InvalidGrantError(msg)
    return grant
