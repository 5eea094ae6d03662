"""The times of FIX: UTCTimestamp to and from ns since 1970, and what the other time types look like.

Invariant: what the pattern ``IS_TIMESTAMP`` allows, ``parse_stamp`` reads, and nothing else; whatever ``stamp`` writes,
``parse_stamp`` reads as the same time, as exactly as it was written. Feb 30 is two days after Feb 28 (Mar 2 in most
years): the reference engine only asks for days 1 to 31 too. Leap seconds (:60) are the second that follows.

The text of a second is made once and kept: nearly all time stamps of a moment share it. So is the last time stamp:
the messages of one turn of a loop are sent at the same time.
"""

from __future__ import annotations

import re
import time
from typing import Final

SECOND_NS: Final = 1_000_000_000
SECONDS_KEPT: Final = 64  # read seconds that are kept: those of all peers' clocks at one moment
DIGITS: Final = (0, 3, 6, 9)  # of a second, that are written (TimestampPrecision)
DIGITS_MAX: Final = 12  # that are read; from the tenth on they are cut off
_SECOND_SIZE: Final = 17  # YYYYMMDD-HH:MM:SS
_POINT: Final = ord(".")

# Regular expressions of values, without groups: they become parts of others. What looks odd is what is fastest.
_FRACTION: Final[bytes] = rb"(?:\.[0-9]{0,12}+|)"  # some send picoseconds
_DATE: Final[bytes] = rb"[0-9][0-9][0-9][0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final[bytes] = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
IS_TIMESTAMP: Final[bytes] = _DATE + rb"-" + _CLOCK + _FRACTION
IS_TIME_ONLY: Final[bytes] = _CLOCK + _FRACTION
IS_DATE: Final[bytes] = _DATE
IS_MONTH_YEAR: Final[bytes] = rb"[0-9]{4}(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12][0-9]|3[01])|w[1-5])?"
_ZONE: Final[bytes] = rb"(?:Z|[+-](?:0[0-9]|1[0-9]|2[0-3])(?::[0-5][0-9])?)?"
IS_TZ_TIME_ONLY: Final[bytes] = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,12})?)?" + _ZONE
IS_TZ_TIMESTAMP: Final[bytes] = _DATE + rb"-" + IS_TZ_TIME_ONLY

_is_timestamp: Final = re.compile(IS_TIMESTAMP).fullmatch
_LAST_PLACE: Final[dict[int, int]] = {6: 1_000, 9: 1}  # digits: ns in one of the last place
# What was written last: its second, the text of that; the time, how many digits, and the whole text.
_written: Final[list[tuple[int, bytes, int, int, bytes]]] = [(-1, b"", -1, 0, b"")]
_read: Final[dict[bytes, int]] = {}


def stamp(ns: int, digits: int = 3) -> bytes:
    """A UTCTimestamp with 0, 3, 6 or 9 digits of the second; what is finer is cut off. Years 1970 to 9999."""
    second, text, last, last_digits, whole = _written[0]
    if ns == last and digits == last_digits:
        return whole
    now, rest = divmod(ns, SECOND_NS)
    if now != second:
        text = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(now)).encode()
    if digits == 3:
        whole = b"%b.%03d" % (text, rest // 1_000_000)
    else:
        whole = b"%b.%0*d" % (text, digits, rest // _LAST_PLACE[digits]) if digits else text
    _written[0] = (now, text, ns, digits, whole)
    return whole


def parse_stamp(value: bytes) -> int:
    """ns since 1970 of a UTCTimestamp. ValueError when it is none."""
    second = _read.get(value[:_SECOND_SIZE])
    if second is None:
        second = _read_second(value)
    if len(value) == _SECOND_SIZE:
        return second
    digits = value[_SECOND_SIZE + 1 :]
    if value[_SECOND_SIZE] != _POINT or not (digits.isdigit() or not digits) or len(digits) > DIGITS_MAX:
        raise ValueError(f"{value[:64]!r} is no UTCTimestamp")
    if len(digits) == 3:
        return second + int(digits) * 1_000_000
    return second + int(digits.ljust(9, b"0")[:9])


def _read_second(value: bytes) -> int:
    """ns of the whole second of a time stamp, which is kept."""
    if _is_timestamp(value) is None:
        raise ValueError(f"{value[:64]!r} is no UTCTimestamp")
    days = days_of(int(value[:4]), int(value[4:6]), int(value[6:8]))
    second = ((days * 24 + int(value[9:11])) * 60 + int(value[12:14])) * 60 + int(value[15:17])
    if len(_read) >= SECONDS_KEPT:
        _read.clear()
    _read[value[:_SECOND_SIZE]] = second * SECOND_NS
    return second * SECOND_NS


def days_of(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar; the day may be past the month's end."""
    year -= month <= 2  # years that begin in March: the leap day is the last of its year
    era_days = year * 365 + year // 4 - year // 100 + year // 400
    return era_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719_468
