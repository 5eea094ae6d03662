"""openoutcry.fix.times: time stamps of every precision, read and written."""

from __future__ import annotations

import calendar
import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.fix import times
from openoutcry.fix.times import DIGITS, SECOND_NS, parse_stamp, stamp

FOREVER_NS = 253_402_300_799 * SECOND_NS  # 9999-12-31 23:59:59
moments = st.integers(0, FOREVER_NS)
T = 1_767_225_600 * SECOND_NS  # 2026-01-01 00:00:00


def test_a_time_is_written_with_0_3_6_or_9_digits_and_never_rounded_up() -> None:
    assert [stamp(T + 999_999_999, digits) for digits in DIGITS] == [
        b"20260101-00:00:00", b"20260101-00:00:00.999", b"20260101-00:00:00.999999", b"20260101-00:00:00.999999999",
    ]  # fmt: skip
    assert stamp(T + 5_000_000) == b"20260101-00:00:00.005"
    assert [stamp(T + ns, 9)[-10:] for ns in (0, 1, 10**9 + 1)] == [b".000000000", b".000000001", b".000000001"]


@given(moments, st.sampled_from(DIGITS))
def test_what_is_written_is_read_as_the_same_time(ns: int, digits: int) -> None:
    text = stamp(ns, digits)
    assert parse_stamp(text) == ns - ns % 10 ** (9 - digits)
    assert re.fullmatch(times.IS_TIMESTAMP, text)
    assert text[:17].decode() == datetime.datetime.fromtimestamp(ns // SECOND_NS, datetime.UTC).strftime(
        "%Y%m%d-%H:%M:%S"
    ).rjust(17, "0")


@given(moments, st.text("0123456789", max_size=12))
def test_any_number_of_digits_is_read(ns: int, digits: str) -> None:
    second = ns - ns % SECOND_NS
    fraction = int(digits.ljust(9, "0")[:9])
    text = stamp(ns, 0)
    for _ in range(2):  # the second time the second is known
        assert parse_stamp(text + b"." + digits.encode()) == second + fraction
    assert parse_stamp(text) == second


def test_days_and_seconds_that_a_calendar_lacks_are_those_that_follow() -> None:
    day = 86_400 * SECOND_NS
    assert parse_stamp(b"20260101-23:59:60") == T + day
    assert parse_stamp(b"20260101-23:59:60.5") == T + day + SECOND_NS // 2
    assert parse_stamp(b"20260230-00:00:00") == parse_stamp(b"20260302-00:00:00")
    assert parse_stamp(b"20240230-00:00:00") == parse_stamp(b"20240301-00:00:00")


@pytest.mark.parametrize(
    "rest", ["x", "Z", "x123", ".x", ".12x", ".-1", ". 1", "." + "1" * 13, "." + "1" * 5_000, ",123", " ", "\n", ".1\n"]
)
def test_what_is_no_time_stamp_is_refused_whether_its_second_is_known_or_not(rest: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no UTCTimestamp"):
            parse_stamp(b"20260101-01:02:03" + rest.encode())
        parse_stamp(b"20260101-01:02:03")


@given(st.binary(max_size=25) | st.text("0123456789-:.", max_size=25).map(str.encode))
def test_a_stamp_is_read_exactly_if_it_looks_like_one(value: bytes) -> None:
    try:
        parse_stamp(value)
        is_one = True
    except ValueError:
        is_one = False
    assert is_one == (re.fullmatch(times.IS_TIMESTAMP, value) is not None)


@given(st.dates())
def test_days_are_counted_as_the_calendar_does(date: datetime.date) -> None:
    assert times.days_of(date.year, date.month, date.day) == calendar.timegm((*date.timetuple()[:3], 0, 0, 0)) // 86_400


def test_seconds_that_were_read_are_kept_but_not_all() -> None:
    for second in range(times.SECONDS_KEPT * 3):
        assert parse_stamp(stamp(T + second * SECOND_NS)) == T + second * SECOND_NS
    assert len(times._read) <= times.SECONDS_KEPT


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (times.IS_TIME_ONLY, ["00:00:00", "23:59:60.123456"], ["24:00:00", "12:00", "1:00:00"]),
        (times.IS_DATE, ["20260131"], ["20260132", "20261301", "2026013"]),
        (times.IS_MONTH_YEAR, ["202601", "20260131", "202612w5"], ["202613", "202601w6", "2026"]),
        (
            times.IS_TZ_TIMESTAMP,
            ["20260101-09:30Z", "20260101-09:30:15-05", "20260101-09:30:15.123+05:30", "20260101-09:30"],
            ["20260101", "20260101-09", "20260101-09:30+24"],
        ),
        (times.IS_TZ_TIME_ONLY, ["09:30Z", "09:30:15+01", "09:30"], ["9:30Z", "25:00Z"]),
    ],
)
def test_the_other_times_look_so(form: bytes, good: list[str], bad: list[str]) -> None:
    assert [text for text in good + bad if re.fullmatch(form, text.encode())] == good
