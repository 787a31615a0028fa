# SPDX-License-Identifier: BSD-3-Clause
"""GPU-hours of running leases: ends what a scope holds at the second at which they are used up."""

from __future__ import annotations

from collections.abc import Callable, Collection

from bfkernel.remote.pool.core.admission import Admission
from bfkernel.remote.pool.core.alarms import Alarms
from bfkernel.remote.pool.core.live import LiveLeases
from bfkernel.remote.pool.core.quotas import Ceiling, Scope
from bfkernel.remote.pool.core.windows import Calendar, Period, Window
from bfkernel.remote.records import Lease

#: Ends a lease: lease, transition, code, sentence.
End = Callable[[float, Lease, str, str, str], None]


class Hours:
    """Watches the GPU-hours of every scope that holds something."""

    def __init__(self, admission: Admission, live: LiveLeases, calendar: Calendar, end: End) -> None:
        self._admission = admission
        self._live = live
        self._calendar = calendar
        self._end = end
        self._alarms: Alarms[Scope] = Alarms()
        #: windows whose hours a change of quotas has made too few: what runs then may run on until they end
        self._spared: dict[Scope, dict[Period, Window]] = {}

    def watch(self, now: float, lease: Lease) -> None:
        """Look at the scopes of a lease when their hours may be used up; after each grant."""
        for ceiling in self._admission.timed(lease):
            self._set_alarm(now, ceiling.scope)

    def look(self, now: float) -> None:
        """End what is held in scopes whose hours are used up."""
        for scope in self._alarms.due(now):
            for ceiling in self._ceilings(scope):
                if spent := self._admission.spent(now, ceiling, self._spared_in(now, scope)):
                    for lease in self._live.holding_in(scope):
                        if ceiling in self._admission.timed(lease):
                            self._end(now, lease, "expire", spent.code, spent.message)
            self._set_alarm(now, scope)

    def quotas_changed(self, now: float, *, enforce: bool) -> None:
        """Watch everything anew; unless ``enforce``, spare what is too much only since the change."""
        self._spared.clear()
        for lease in self._live.holding():
            for ceiling in self._admission.timed(lease):
                if not enforce:
                    self._spare(now, ceiling)
                self._set_alarm(now, ceiling.scope)

    def _spare(self, now: float, ceiling: Ceiling) -> None:
        for period in self._admission.spent_periods(now, ceiling):
            window = self._calendar.window(period, now)
            self._spared.setdefault(ceiling.scope, {})[period] = window

    def _spared_in(self, now: float, scope: Scope) -> Collection[Period]:
        windows = self._spared.get(scope, {})
        return [period for period, window in windows.items() if now < window.end]

    def _set_alarm(self, now: float, scope: Scope) -> None:
        spared = self._spared_in(now, scope)
        times = (self._admission.spent_at(now, each, spared) for each in self._ceilings(scope))
        self._alarms.set(scope, min((at for at in times if at is not None), default=None))

    def _ceilings(self, scope: Scope) -> list[Ceiling]:
        """Return what bounds the hours of a scope now; several when its user's groups have changed."""
        if scope.kind == "account":
            held = self._live.holding_in(scope)
            return list({each for own in held for each in self._admission.timed(own) if each.scope == scope})
        quotas = self._admission.quotas
        quota = quotas.totals.get(scope.group) if scope.kind == "group" else quotas.users.get(scope.user)
        return [Ceiling(scope, quota)] if quota and quota.limits_hours else []
