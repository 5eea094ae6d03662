"""When a FIX session is: each rule of openoutcry.fix.schedule, and what holds for all of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.fix.schedule import NEVER, Schedule
from openoutcry.fix.settings import DAYS, SessionSettings

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


def schedule(**given: object) -> Schedule:
    return Schedule.from_settings(SessionSettings(SenderCompID="A", TargetCompID="B", **given))


def at(text: str) -> int:
    """ns of a UTC time as '2026-11-20 08:00'."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def said(ns: int) -> str:
    return datetime.fromtimestamp(ns // SECOND, UTC).strftime("%Y-%m-%d %H:%M")


def changes(made: Schedule, begin: str, count: int) -> list[tuple[str, bool]]:
    """The next times at which something changes, and whether it is open then."""
    found, ns = [], at(begin)
    for _ in range(count):
        ns = made.next_change(ns)
        found.append((said(ns), made.open_at(ns)))
    return found


# 2026-11-20 is a Friday.


def test_without_times_the_session_never_ends() -> None:
    made = schedule()
    assert (made.open_at(0), made.open_at(at("2026-11-20 03:00")), made.next_change(0)) == (True, True, NEVER)
    assert made.same_session(0, at("2026-11-20 03:00"))


def test_a_non_stop_session_has_no_times() -> None:
    made = schedule(NonStopSession="Y", StartTime="08:00:00", EndTime="09:00:00")
    assert made.open_at(at("2026-11-20 23:00")) and made.next_change(0) == NEVER


def test_a_daily_session_is_open_from_start_to_end() -> None:
    made = schedule(StartTime="08:00:00", EndTime="17:30:00")
    assert changes(made, "2026-11-20 07:00", 3) == [
        ("2026-11-20 08:00", True),
        ("2026-11-20 17:30", False),
        ("2026-11-21 08:00", True),
    ]
    assert not made.open_at(at("2026-11-20 08:00") - 1)


def test_a_session_may_go_over_midnight() -> None:
    made = schedule(StartTime="22:00:00", EndTime="06:00:00")
    assert made.open_at(at("2026-11-20 23:00")) and made.open_at(at("2026-11-20 05:00"))
    assert made.same_session(at("2026-11-20 23:00"), at("2026-11-21 05:00"))
    assert not made.same_session(at("2026-11-20 05:00"), at("2026-11-20 23:00"))
    assert not made.open_at(at("2026-11-20 06:00"))


def test_the_same_start_and_end_make_a_new_session_each_day() -> None:
    made = schedule(StartTime="17:00:00", EndTime="17:00:00")
    assert changes(made, "2026-11-20 08:00", 2) == [("2026-11-20 17:00", True), ("2026-11-21 17:00", True)]
    assert not made.same_session(at("2026-11-20 16:59"), at("2026-11-20 17:00"))
    assert made.same_session(at("2026-11-20 17:00"), at("2026-11-21 16:59"))


def test_weekdays_are_those_of_the_start() -> None:
    made = schedule(StartTime="22:00:00", EndTime="06:00:00", Weekdays="mon, tue,FRIDAY")
    assert changes(made, "2026-11-20 12:00", 5) == [
        ("2026-11-20 22:00", True),
        ("2026-11-21 06:00", False),
        ("2026-11-23 22:00", True),
        ("2026-11-24 06:00", False),
        ("2026-11-24 22:00", True),
    ]


def test_a_weekly_session_is_open_over_days() -> None:
    made = schedule(StartTime="18:00:00", EndTime="17:00:00", StartDay="sun", EndDay="Friday")
    assert changes(made, "2026-11-18 12:00", 3) == [
        ("2026-11-20 17:00", False),
        ("2026-11-22 18:00", True),
        ("2026-11-27 17:00", False),
    ]
    assert made.same_session(at("2026-11-15 18:00"), at("2026-11-20 16:59"))


def test_a_weekly_session_of_one_day_and_of_a_whole_week() -> None:
    one = schedule(StartTime="08:00:00", EndTime="12:00:00", StartDay="we", EndDay="we")
    assert changes(one, "2026-11-20 12:00", 2) == [("2026-11-25 08:00", True), ("2026-11-25 12:00", False)]
    whole = schedule(StartTime="08:00:00", EndTime="08:00:00", StartDay="we", EndDay="we")
    assert changes(whole, "2026-11-20 12:00", 2) == [("2026-11-25 08:00", True), ("2026-12-02 08:00", True)]
    nearly = schedule(StartTime="12:00:00", EndTime="08:00:00", StartDay="we", EndDay="we")
    assert changes(nearly, "2026-11-20 12:00", 2) == [("2026-11-25 08:00", False), ("2026-11-25 12:00", True)]


def test_times_are_where_the_clocks_of_the_zone_are() -> None:
    made = schedule(StartTime="08:00:00", EndTime="17:00:00", TimeZone="Europe/Berlin")
    assert changes(made, "2026-10-24 12:00", 4) == [  # clocks go back on the 25th
        ("2026-10-24 15:00", False),
        ("2026-10-25 07:00", True),
        ("2026-10-25 16:00", False),
        ("2026-10-26 07:00", True),
    ]


def test_a_day_may_have_23_or_25_hours() -> None:
    made = schedule(StartTime="00:00:00", EndTime="00:00:00", TimeZone="Europe/Berlin")
    spring, autumn = at("2026-03-28 23:00"), at("2026-10-24 22:00")
    assert made.next_change(spring) - spring == 23 * 3_600 * SECOND
    assert made.next_change(autumn) - autumn == 25 * 3_600 * SECOND


def test_a_time_that_is_left_out_in_spring_is_an_hour_later_and_one_that_comes_twice_is_the_first() -> None:
    made = schedule(StartTime="02:30:00", EndTime="12:00:00", TimeZone="Europe/Berlin")
    assert changes(made, "2026-03-29 00:00", 1) == [("2026-03-29 01:30", True)]  # 03:30 of the summer time
    assert changes(made, "2026-10-24 20:00", 1) == [("2026-10-25 00:30", True)]


def test_each_time_may_have_a_zone_of_its_own() -> None:
    made = schedule(StartTime="08:00:00 Europe/London", EndTime="16:00 America/New_York", TimeZone="Asia/Tokyo")
    assert changes(made, "2026-11-20 00:00", 2) == [("2026-11-20 08:00", True), ("2026-11-20 21:00", False)]


def test_a_closed_time_is_in_no_session() -> None:
    made = schedule(StartTime="08:00:00", EndTime="17:00:00")
    closed, opened = at("2026-11-20 18:00"), at("2026-11-20 12:00")
    assert not made.same_session(opened, closed)
    assert not made.same_session(closed, opened)
    assert not made.same_session(closed, closed)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"StartTime": "8 o'clock"}, "StartTime"),
        ({"EndTime": "24:00:00"}, "EndTime"),
        ({"StartTime": "08:00:00 Nowhere/Town"}, "StartTime"),
        ({"StartTime": "08:00:00", "TimeZone": "../etc/passwd"}, "TimeZone"),
        ({"StartTime": "08:00:00", "TimeZone": "Europe"}, "TimeZone"),
        ({"StartDay": "mon"}, "EndDay"),
        ({"EndDay": "mon"}, "StartDay"),
        ({"StartDay": "mon", "EndDay": "noday"}, "EndDay"),
        ({"StartDay": "mon", "EndDay": "tue", "Weekdays": "mon"}, "Weekdays"),
        ({"Weekdays": "mon,x"}, "Weekdays"),
    ],
)
def test_what_is_no_schedule_is_refused_by_name(given: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        schedule(**given)


TIMES = st.builds("{:02}:{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
DAILY = st.fixed_dictionaries(
    {"StartTime": TIMES, "EndTime": TIMES, "TimeZone": ZONES},
    optional={"Weekdays": st.lists(st.sampled_from(DAYS), unique=True).map(",".join)},
)
WEEKLY = st.fixed_dictionaries(
    {"StartTime": TIMES, "EndTime": TIMES, "TimeZone": ZONES, "StartDay": st.sampled_from(DAYS),
     "EndDay": st.sampled_from(DAYS)},
)  # fmt: skip
MOMENTS = st.integers(at("2025-01-01 00:00"), at("2027-12-31 00:00"))


@given(DAILY | WEEKLY, MOMENTS)
def test_between_two_changes_nothing_changes(settings: dict[str, str], now: int) -> None:
    made = schedule(**settings)
    change = made.next_change(now)
    assert now < change <= now + 9 * DAY
    middle = (now + change) // 2
    assert made.open_at(now) == made.open_at(middle) == made.open_at(change - 1)
    assert made.same_session(now, change - 1) == made.open_at(now)
    assert not made.same_session(now, change)


@given(DAILY | WEEKLY, MOMENTS)
def test_a_session_begins_where_its_period_says(settings: dict[str, str], now: int) -> None:
    made = schedule(**settings)
    begin, end = made.period(now)
    assert begin <= now and begin < end
    assert made.open_at(now) == (now < end)
    assert made.open_at(begin) and not made.same_session(begin - 1, begin)
