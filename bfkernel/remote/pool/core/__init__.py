# SPDX-License-Identifier: BSD-3-Clause
"""The pool's decisions: who holds what, who waits, what ended. A pure state machine.

No I/O and no clock: every event brings its time ``now`` (seconds since the epoch, never going back). What the
parts are for, from the bottom up:

``alarms``      when something must be looked at
``windows``     calendar windows of the site
``quotas``      what users and groups may hold
``servers``     a server and its cards
``fits``        how a request fits a server
``fleet``       all servers, and where there is room
``bookings``    which leases have what of them
``placement``   best fit of a request
``queue``       order of waiting requests
``scheduler``   who is served next
``tallies``     what each scope holds and has used
``admission``   whether quotas permit a lease
``hours``       leases whose GPU-hours are used up
``deadlines``   what time does to a lease
``forecast``    when a request will be served
``live``        the live leases and their books
``agents``      what reports change
``events``      what goes in
``machine``     the events: :class:`PoolCore`
"""

from bfkernel.remote.pool.core.admission import Refusal
from bfkernel.remote.pool.core.agents import GpuUse, LeaseUse, NameTakenError, ServerReport
from bfkernel.remote.pool.core.deadlines import Times
from bfkernel.remote.pool.core.events import Policy, Request, Stored, UsedTime
from bfkernel.remote.pool.core.live import Changes
from bfkernel.remote.pool.core.machine import PoolCore
from bfkernel.remote.pool.core.quotas import UNLIMITED, Ceiling, Quota, Quotas, Scope
from bfkernel.remote.pool.core.servers import Card, Server
from bfkernel.remote.pool.core.windows import Calendar, Period, Window

__all__ = [
    "UNLIMITED",
    "Calendar",
    "Card",
    "Ceiling",
    "Changes",
    "GpuUse",
    "LeaseUse",
    "NameTakenError",
    "Period",
    "Policy",
    "PoolCore",
    "Quota",
    "Quotas",
    "Refusal",
    "Request",
    "Scope",
    "Server",
    "ServerReport",
    "Stored",
    "Times",
    "UsedTime",
    "Window",
]
