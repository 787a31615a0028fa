# SPDX-License-Identifier: BSD-3-Clause
"""Days, weeks and terms where clocks change, days are skipped, and midnight does not exist."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from bfkernel.remote.pool.core import Calendar, Period

DAY, WEEK, TERM = Period.DAY, Period.WEEK, Period.TERM


def utc(*when: int) -> float:
    return datetime(*when, tzinfo=timezone.utc).timestamp()  # type: ignore[arg-type]


def window(zone: str, period: Period, now: float, terms: list[date] | None = None) -> tuple[str, str]:
    """Start and end as a clock in Greenwich shows them."""
    found = Calendar(zone, terms or []).window(period, now)
    assert found.start <= now < found.end
    return tuple(  # type: ignore[return-value]
        datetime.fromtimestamp(t, timezone.utc).strftime("%Y-%m-%d %H:%M") for t in (found.start, found.end)
    )


#: zone, a time (UTC), the day's start and end (UTC), hours
DAYS = [
    ("UTC", (2026, 3, 29, 12), "2026-03-29 00:00", "2026-03-30 00:00", 24),
    # The last Sunday of March: 2:00 becomes 3:00.
    ("Europe/Berlin", (2026, 3, 29, 0, 30), "2026-03-28 23:00", "2026-03-29 22:00", 23),
    ("Europe/Berlin", (2026, 3, 29, 21, 59), "2026-03-28 23:00", "2026-03-29 22:00", 23),
    ("Europe/Berlin", (2026, 3, 29, 22, 0), "2026-03-29 22:00", "2026-03-30 22:00", 24),
    # The last Sunday of October: 3:00 becomes 2:00; both half past two are on that day.
    ("Europe/Berlin", (2026, 10, 25, 0, 30), "2026-10-24 22:00", "2026-10-25 23:00", 25),
    ("Europe/Berlin", (2026, 10, 25, 1, 30), "2026-10-24 22:00", "2026-10-25 23:00", 25),
    # No change of clocks any more; it was at midnight until 2019, into summer and out of it.
    ("America/Sao_Paulo", (2026, 10, 18, 12), "2026-10-18 03:00", "2026-10-19 03:00", 24),
    ("America/Sao_Paulo", (2018, 11, 4, 12), "2018-11-04 03:00", "2018-11-05 02:00", 23),
    ("America/Sao_Paulo", (2019, 2, 17, 2, 30), "2019-02-16 02:00", "2019-02-17 03:00", 25),
    # 5 hours and 45 minutes ahead.
    ("Asia/Kathmandu", (2026, 6, 1, 18, 14), "2026-05-31 18:15", "2026-06-01 18:15", 24),
    # 30 December 2011 never was: the 29th is followed by the 31st.
    ("Pacific/Apia", (2011, 12, 30, 9, 59), "2011-12-29 10:00", "2011-12-30 10:00", 24),
    ("Pacific/Apia", (2011, 12, 30, 10, 0), "2011-12-30 10:00", "2011-12-31 10:00", 24),
    # 0:00 becomes 1:00: the day begins at 1:00.
    ("America/Santiago", (2026, 9, 6, 12), "2026-09-06 04:00", "2026-09-07 03:00", 23),
    ("Asia/Beirut", (2026, 3, 29, 12), "2026-03-28 22:00", "2026-03-29 21:00", 23),
    # 24:00 becomes 23:00.
    ("America/Santiago", (2026, 4, 5, 3, 30), "2026-04-04 03:00", "2026-04-05 04:00", 25),
    # 1:00 becomes 0:00: midnight is twice, and the first one counts.
    ("America/Havana", (2026, 11, 1, 4, 30), "2026-11-01 04:00", "2026-11-02 05:00", 25),
    # 0:01 becomes 23:01 of the day before, an hour that counts on the later day.
    ("America/St_Johns", (2010, 11, 7, 3, 0), "2010-11-07 02:30", "2010-11-08 03:30", 25),
    # 23:30 became 0:30: the day began at 0:30.
    ("America/Toronto", (1919, 3, 31, 4, 40), "1919-03-31 04:30", "1919-04-01 04:00", 23.5),
]


@pytest.mark.parametrize(("zone", "now", "start", "end", "hours"), DAYS)
def test_days(zone: str, now: tuple[int, ...], start: str, end: str, hours: float) -> None:
    assert window(zone, DAY, utc(*now)) == (start, end)
    found = Calendar(zone).window(DAY, utc(*now))
    assert found.end - found.start == hours * 3600


@pytest.mark.parametrize(
    ("zone", "first", "days"),
    [
        ("Europe/Berlin", (2026, 1, 1), 365),
        ("America/Sao_Paulo", (2018, 10, 1), 180),
        ("Asia/Kathmandu", (2026, 1, 1), 30),
        ("Pacific/Apia", (2011, 12, 1), 60),
        ("America/Santiago", (2026, 3, 1), 240),
        ("Asia/Beirut", (2026, 3, 1), 240),
        ("America/Havana", (2026, 10, 1), 60),
        ("America/St_Johns", (2010, 10, 1), 60),
        ("America/Toronto", (1919, 3, 1), 60),
        ("Africa/Cairo", (2026, 4, 1), 240),
        ("Australia/Lord_Howe", (2026, 3, 1), 60),
    ],
)
@pytest.mark.parametrize("period", Period)
def test_windows_follow_each_other_without_a_gap(
    zone: str, first: tuple[int, int, int], days: int, period: Period
) -> None:
    """Every half an hour lies in one window, and where one ends the next begins."""
    calendar = Calendar(zone)
    now, end = utc(*first), utc(*first) + days * 86400
    last = calendar.window(period, now)
    while now < end:
        found = calendar.window(period, now)
        assert found.start <= now < found.end
        assert found == last or found.start == last.end
        last = found
        now += 1800


def test_a_week_begins_on_monday() -> None:
    # From Monday, 23 March, to the Monday after, with the change of clocks on the Sunday between.
    assert window("Europe/Berlin", WEEK, utc(2026, 3, 29, 12)) == ("2026-03-22 23:00", "2026-03-29 22:00")
    assert window("Europe/Berlin", WEEK, utc(2026, 3, 29, 22)) == ("2026-03-29 22:00", "2026-04-05 22:00")
    assert window("UTC", WEEK, utc(2026, 11, 30)) == ("2026-11-30 00:00", "2026-12-07 00:00")


def test_the_week_with_a_skipped_day_has_six() -> None:
    assert window("Pacific/Apia", WEEK, utc(2011, 12, 30, 12)) == ("2011-12-26 10:00", "2012-01-01 10:00")


WINTER, SUMMER = date(2026, 10, 1), date(2027, 4, 1)


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        # Before the first: halves of the year, up to it.
        ((2026, 3, 1), "2025-12-31 23:00", "2026-06-30 22:00"),
        ((2026, 9, 30, 21, 59), "2026-06-30 22:00", "2026-09-30 22:00"),
        # Within: across both changes of clocks.
        ((2026, 9, 30, 22, 0), "2026-09-30 22:00", "2027-03-31 22:00"),
        ((2027, 3, 31, 21, 59), "2026-09-30 22:00", "2027-03-31 22:00"),
        # The last lasts until January or July, but four months at the least.
        ((2027, 4, 1), "2027-03-31 22:00", "2027-12-31 23:00"),
        ((2027, 12, 31, 22), "2027-03-31 22:00", "2027-12-31 23:00"),
        # After the last: halves of the year.
        ((2028, 1, 1), "2027-12-31 23:00", "2028-06-30 22:00"),
        ((2040, 8, 1), "2040-06-30 22:00", "2040-12-31 23:00"),
    ],
)
def test_terms(now: tuple[int, ...], start: str, end: str) -> None:
    assert window("Europe/Berlin", TERM, utc(*now), [SUMMER, WINTER]) == (start, end)


def test_without_terms_they_are_halves_of_the_year() -> None:
    assert window("UTC", TERM, utc(2026, 6, 30, 23, 59)) == ("2026-01-01 00:00", "2026-07-01 00:00")
    assert window("UTC", TERM, utc(2026, 7, 1)) == ("2026-07-01 00:00", "2027-01-01 00:00")


def test_a_term_may_begin_on_a_day_without_midnight() -> None:
    found = Calendar("America/Santiago", [date(2026, 9, 6)]).window(TERM, utc(2026, 10, 1))
    assert found.start == utc(2026, 9, 6, 4)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone: write one such as Europe/Berlin"):
        Calendar(zone)


def test_people_read_their_own_clock() -> None:
    calendar = Calendar("Europe/Berlin")
    now = datetime(2026, 10, 24, 20, tzinfo=ZoneInfo("Europe/Berlin"))
    assert calendar.wall_clock((now + timedelta(hours=2)).timestamp(), now.timestamp()) == "22:00"
    # 7 hours later, the night is an hour longer.
    later = now.timestamp() + 7 * 3600
    assert calendar.wall_clock(later, now.timestamp()) == "Sun 25 Oct 02:00"
