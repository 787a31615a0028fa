# SPDX-License-Identifier: BSD-3-Clause
"""Who may connect: decided here without the pool, from a signed grant and the pool's last word.

The pool's answers to reports list the leases of this server as of a time of the pool's. A grant that was
signed after that time is newer than the list and counts by itself; an older one counts only if its lease is
on the list. Before the first answer, as after a restart while the pool is away, a valid signature is all
there is to go by.
"""

from __future__ import annotations

from pathlib import Path

from bfkernel.remote.agent.greeting import RefusalCode, RefusalError
from bfkernel.remote.grants import Grant, InvalidGrantError, verify_grant
from bfkernel.remote.messages import ReportAnswer
from bfkernel.remote.state_dir import write_private


class Gate:
    """Checks grants for one server."""

    def __init__(self, server: str, key_file: Path) -> None:
        """Begin knowing what ``key_file`` remembers.

        It holds the pool's public key, so that the agent can start while the pool is away.
        """
        self._server = server
        self._key_file = key_file
        self._public_key = key_file.read_text(encoding="ascii") if key_file.exists() else None
        self._as_of = float("-inf")
        self._serve: set[str] | None = None

    def learn(self, answer: ReportAnswer) -> None:
        """Take the pool's word; answers may overtake each other, and the newest counts."""
        if answer.public_key != self._public_key:
            write_private(self._key_file, answer.public_key.encode("ascii"))
            self._public_key = answer.public_key
        if answer.as_of > self._as_of:
            self._as_of, self._serve = answer.as_of, set(answer.serve)

    def admit(self, token: str) -> Grant:
        """Return what a token grants.

        Raises:
            RefusalError: it grants nothing here, or not any more.
        """
        if self._public_key is None:
            raise RefusalError(RefusalCode.TOKEN, "This GPU server has not reached its pool yet; try again.")
        try:
            grant = verify_grant(token, self._public_key)
        except InvalidGrantError as error:
            raise RefusalError(RefusalCode.TOKEN, str(error)) from error
        if grant.server != self._server:
            raise RefusalError(
                RefusalCode.TOKEN,
                f"The lease is on GPU server {grant.server}, and this is {self._server}.",
                grant.lease,
            )
        if self._serve is not None and grant.lease not in self._serve and grant.as_of <= self._as_of:
            raise RefusalError(
                RefusalCode.LEASE_ENDED,
                "The lease is over: restart the kernel to ask for a new one.",
                grant.lease,
            )
        return grant
