# SPDX-License-Identifier: BSD-3-Clause
"""Calendar windows in the site's time zone: the day, the week, the term in which GPU-hours are counted.

A day begins at midnight of the wall clock, so the day on which the clocks change has 23 or 25 hours; a week
begins on Monday. Times are seconds since the epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SHORTEST_TERM = timedelta(days=120)


class Period(str, Enum):
    """How long a window is."""

    DAY = "day"
    WEEK = "week"
    TERM = "term"

    # Every event looks dictionaries of periods up; Enum's own hash is a call of Python code.
    __hash__ = str.__hash__


@dataclass(frozen=True)
class Window:
    """From ``start`` up to, not including, ``end``."""

    start: float
    end: float


class Calendar:
    """Tells which window a time is in."""

    def __init__(self, zone: str = "UTC", term_starts: Sequence[date] = ()) -> None:
        """Take the site's time zone and the first days of its terms.

        A term lasts until the next one begins. Where none is known terms begin in January and July; the last
        known one lasts until such a month that is at least four months away.

        Raises:
            ValueError: there is no such time zone.
        """
        try:
            self.zone = ZoneInfo(zone)
        except (KeyError, OSError, ValueError) as error:
            msg = f"'{zone}' is no time zone: write one such as Europe/Berlin."
            raise ValueError(msg) from error
        self._term_starts = sorted(term_starts)
        self._known: dict[Period, Window] = {}

    def window(self, period: Period, now: float) -> Window:
        """Return the window of that kind that ``now`` is in."""
        known = self._known.get(period)
        if known is None or not known.start <= now < known.end:
            known = self._known[period] = self._find(period, now)
        return known

    def wall_clock(self, at: float, now: float) -> str:
        """Return ``at`` as people of the site say it: ``14:35``, or ``Mon 30 Nov 00:00`` on another day."""
        there = datetime.fromtimestamp(at, self.zone)
        same_day = there.date() == datetime.fromtimestamp(now, self.zone).date()
        return there.strftime("%H:%M" if same_day else "%a %-d %b %H:%M")

    def _find(self, period: Period, now: float) -> Window:
        today = self._date(now)
        if period is Period.DAY:
            first, after = today, today + _DAY
        elif period is Period.WEEK:
            first = today - timedelta(days=today.weekday())
            after = first + timedelta(days=7)
        else:
            first, after = self._term(today)
        return Window(self._midnight(first), self._midnight(after))

    def _date(self, now: float) -> date:
        """Return the day that ``now`` counts in: the later one when the clocks went back over midnight."""
        today = datetime.fromtimestamp(now, self.zone).date()
        return today + _DAY if now >= self._midnight(today + _DAY) else today

    def _term(self, today: date) -> tuple[date, date]:
        starts = self._term_starts
        halves = [date(year, month, 1) for year in range(today.year - 1, today.year + 3) for month in (1, 7)]
        if starts:
            halves = [half for half in halves if half < starts[0] or half >= starts[-1] + _SHORTEST_TERM]
        bounds = sorted({*starts, *halves})
        place = bisect_right(bounds, today)
        return bounds[place - 1], bounds[place]

    def _midnight(self, day: date) -> float:
        """Return the first moment of a day, also where the clocks pass over midnight."""
        midnight = datetime.combine(day, time(), self.zone)
        first = midnight.timestamp()
        if datetime.fromtimestamp(first, self.zone).time() == midnight.time():
            return first
        before = midnight.replace(fold=1).timestamp()
        while first - before > 1:
            middle = (first + before) // 2
            if datetime.fromtimestamp(middle, self.zone).date() < day:
                before = middle
            else:
                first = middle
        return first
