# SPDX-License-Identifier: BSD-3-Clause
"""The states of a lease and every way from one to another, each with a name.

Nothing changes a lease's state but :func:`transition`, and it knows only the ways of this table.
"""

from __future__ import annotations

from bfkernel.remote.records import Lease, LeaseState

_QUEUED = LeaseState.QUEUED
_GRANTED = LeaseState.GRANTED
_ACTIVE = LeaseState.ACTIVE
_IDLE = LeaseState.IDLE
_LIVE = (_QUEUED, _GRANTED, _ACTIVE, _IDLE)

#: name of the transition -> {state before: state after}
TRANSITIONS: dict[str, dict[LeaseState, LeaseState]] = {
    "refuse": {_QUEUED: LeaseState.REFUSED},
    "grant": {_QUEUED: _GRANTED},
    "connect": {_GRANTED: _ACTIVE},
    "idle": {_GRANTED: _IDLE, _ACTIVE: _IDLE},
    "wake": {_IDLE: _ACTIVE},
    "release": dict.fromkeys(_LIVE, LeaseState.RELEASED),
    "expire": dict.fromkeys(_LIVE, LeaseState.EXPIRED),
    "revoke": dict.fromkeys(_LIVE, LeaseState.REVOKED),
}


class IllegalTransitionError(Exception):
    """A lease was asked to change in a way that the table does not have: a defect of the pool."""


def transition(lease: Lease, name: str, now: float, code: str = "", message: str = "") -> None:
    """Take ``lease`` through the transition ``name`` at ``now`` (seconds since the epoch).

    ``code`` (for programs) and ``message`` (one sentence for people) say why a lease is refused or ends.

    Raises:
        IllegalTransitionError: the lease's state has no such transition.
    """
    after = TRANSITIONS[name].get(lease.state)
    if after is None:
        msg = f"A lease that is {lease.state.value} cannot {name}."
        raise IllegalTransitionError(msg)
    lease.state = after
    lease.revision += 1
    lease.code, lease.message = code, message
    if after is _GRANTED:
        lease.granted_at = now
    if not after.live:
        lease.ended_at = now
