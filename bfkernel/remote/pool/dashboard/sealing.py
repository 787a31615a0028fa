# SPDX-License-Identifier: BSD-3-Clause
"""Texts that leave the pool and come back unread and unchanged: the session's cookie, and forms.

The cookie holds the bearer's token, encrypted (Fernet: AES-128-CBC and HMAC-SHA256) with a key that is
derived from the pool's signing key. So the pool keeps no sessions, every replica that has the signing key
reads every cookie, and whoever a token stands for is asked anew at each request: a withdrawn token, a changed
role or group counts at once.

A form holds the name of whom it was shown to, sealed in the same way. Another site cannot read the page, so
it has no such text for its victim. The one sentence that a page shows after a form is sealed too: nobody
else can make a link that puts words into the pool's mouth.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken

from bfkernel.remote.grants import GrantSigner

_FORM_S = 24 * 3600
_NEWS_S = 60


class Seal:
    """Seals texts for one purpose; what is older than ``lasts_s`` seconds is not opened any more."""

    def __init__(self, signer: GrantSigner, purpose: str, lasts_s: float) -> None:
        self._fernet = Fernet(urlsafe_b64encode(signer.derive(f"dashboard {purpose}")))
        self._lasts_s = int(lasts_s)

    def close(self, text: str) -> str:
        """Return what only this pool can read."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str | None) -> str | None:
        """Return what was sealed, or None if it is too old or not ours."""
        try:
            return self._fernet.decrypt(sealed.encode(), ttl=self._lasts_s).decode() if sealed else None
        except (InvalidToken, UnicodeError):
            return None


class Seals:
    """The seals of a dashboard."""

    def __init__(self, signer: GrantSigner, session_s: float) -> None:
        self.session = Seal(signer, "session", session_s)
        self.form = Seal(signer, "form", _FORM_S)
        self.news = Seal(signer, "news", _NEWS_S)
