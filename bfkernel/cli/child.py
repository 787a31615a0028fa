# SPDX-License-Identifier: BSD-3-Clause
"""Running a command in our place: its terminal, its signals and its exit code are the caller's.

Signals are blocked and fetched one by one, so that none is lost between two steps, and each tells where it
came from: what the terminal sends (Ctrl-C) reaches the whole foreground group, the command included, and
is not passed on a second time.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from .exits import CANNOT_EXECUTE, COMMAND_NOT_FOUND, SIGNALLED, Failure

PASSED_ON = frozenset(
    {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
    }
)
_WATCHED = PASSED_ON | {signal.SIGCHLD}
_SENT_BY_KERNEL = 0x80  # SI_KERNEL of <signal.h>, which Python does not name


class Interrupted(click.exceptions.Exit):
    """A signal asked us to stop while we waited; the exit code says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(SIGNALLED + signum)


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back until they are fetched. Enter it before any thread starts: threads inherit it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def sleep_unless_signalled(seconds: float) -> None:
    """Wait so long; ``Interrupted`` as soon as a signal asks to stop. Only within :func:`signals_held`."""
    info = signal.sigtimedwait(PASSED_ON, seconds)
    if info is not None:
        raise Interrupted(info.si_signo)


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run ``command`` to its end, pass signals on, and return its exit code (128 + N after signal N).

    Only within :func:`signals_held`. ``Failure`` with a shell's code when it cannot be started.
    """
    pid = _spawn(command, environment)
    while True:
        info = signal.sigwaitinfo(_WATCHED)
        if info.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else SIGNALLED - code
        elif info.si_code != _SENT_BY_KERNEL:
            os.kill(pid, info.si_signo)


def _spawn(command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        # Looked for on the command's own PATH, which ends with what we add to it.
        return os.posix_spawnp(
            shutil.which(command[0], path=environment.get("PATH")) or command[0],
            list(command),
            dict(environment),
            setsigmask=signal.pthread_sigmask(signal.SIG_BLOCK, ()) - _WATCHED,
            # Python ignores these two; a command expects to die of them.
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except FileNotFoundError as error:
        msg = f"There is no command '{command[0]}'."
        raise Failure(msg, COMMAND_NOT_FOUND) from error
    except OSError as error:
        msg = f"'{command[0]}' cannot be executed: {error.strerror}."
        raise Failure(msg, CANNOT_EXECUTE) from error
