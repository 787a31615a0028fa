# SPDX-License-Identifier: BSD-3-Clause
"""Exit codes, as scripts rely on them, and which failure gets which."""

from __future__ import annotations

import click

from bfkernel.remote.client.errors import BadRequest, Conflict, LeaseEnded, NotPermitted, PoolUnreachable
from bfkernel.remote.state_dir import ConfigurationError

FAILURE = 1
USAGE = 64
POOL_UNREACHABLE = 69
NO_SHARE_NOW = 75
NOT_PERMITTED = 77
CANNOT_EXECUTE = 126
COMMAND_NOT_FOUND = 127
# Plus the signal's number, as shells do it.
SIGNALLED = 128


class Failure(click.ClickException):
    """Ends the command with one sentence on stderr and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILURE) -> None:
        super().__init__(message)
        self.code = exit_code


def exit_code(error: BaseException) -> int:
    """Return the exit code that tells scripts what kind of failure ``error`` is."""
    if isinstance(error, (click.UsageError, ConfigurationError, BadRequest, ValueError)):
        return USAGE
    if isinstance(error, PoolUnreachable):
        return POOL_UNREACHABLE
    if isinstance(error, (Conflict, LeaseEnded)):
        return NO_SHARE_NOW
    if isinstance(error, NotPermitted):
        return NOT_PERMITTED
    if isinstance(error, Failure):
        return error.code
    return FAILURE
