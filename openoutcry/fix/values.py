"""The values of FIX fields: exact numbers to and from bytes, and what each field type allows.

Units: a price is a whole number of 1e-8, as everywhere here; a quantity is a whole number. No float touches either.

Invariant: ``IS`` allows what the reference engine allows in a field of that type, so it is lenient where that is
lenient (it looks neither into dates other than UTC ones nor into currencies, months or exchanges), and strict where it
is strict: no plus sign and no exponent in a number, no blanks around it.
"""

from __future__ import annotations

import re
from typing import Final

from openoutcry.fix import times

PRICE_DECIMALS: Final = 8
PRICE_ONE: Final = 10**PRICE_DECIMALS
NUMBER_MAX: Final = 32  # characters of a number that is read: prices and quantities have at most 19 digits
AVERAGE_DECIMALS: Final = 12  # of an AvgPx that does not terminate earlier
NUMBERS_KEPT: Final = 4_096  # prices and quantities whose reading or writing is kept: they repeat

# A text matches in one way only: what a peer sends must not make a search go through all combinations of several.
_FLOAT: Final = rb"-?+(?:[0-9]++(?:\.[0-9]*+|)|\.[0-9]++)"
_INT: Final = (  # of 32 bits; with leading zeros, but not so many that int() refuses
    rb"(?:-?(?=[0-9])0{0,99}+(?:[1-9][0-9]{0,8}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}"
    rb"|21474[0-7][0-9]{4}|214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7])?"
    rb"|-0{0,99}+2147483648)"
)
_SEQNUM: Final = rb"(?=[0-9])0{0,99}+[0-9]{0,18}"  # of 64 bits, nearly
_ANY: Final = rb"[^\x01]+"
_TEXT_TYPES: Final = (
    "STRING", "MULTIPLESTRINGVALUE", "MULTIPLEVALUESTRING", "CURRENCY", "EXCHANGE", "COUNTRY", "LANGUAGE", "MONTHYEAR",
    "LOCALMKTDATE", "LOCALMKTTIME", "DATE", "DATA", "XMLDATA", "XID", "XIDREF", "UNKNOWN", "PATTERN", "TENOR",
    "RESERVED100PLUS", "RESERVED1000PLUS", "RESERVED4000PLUS", "TZTIMEONLY", "TZTIMESTAMP", "MULTIPLECHARVALUE",
    "DAYOFMONTH", "TAGNUM",
)  # fmt: skip

# FIX type, as the XML dictionaries call it, to a regular expression (without groups) that a whole value must match.
IS: Final[dict[str, bytes]] = {
    **dict.fromkeys(_TEXT_TYPES, _ANY),
    **dict.fromkeys(("PRICE", "PRICEOFFSET", "QTY", "QUANTITY", "AMT", "FLOAT", "PERCENTAGE"), _FLOAT),
    **dict.fromkeys(("INT", "LENGTH", "NUMINGROUP"), _INT),
    "SEQNUM": _SEQNUM,
    "CHAR": rb"[^\x01]",
    "BOOLEAN": rb"[YN]",
    **dict.fromkeys(("UTCTIMESTAMP", "TIME"), times.IS_TIMESTAMP),
    "UTCTIMEONLY": times.IS_TIME_ONLY,
    "UTCDATE": times.IS_DATE,
    "UTCDATEONLY": times.IS_DATE,
}

_prices: Final[dict[bytes, int]] = {}
_quantities: Final[dict[bytes, int]] = {}
_texts: Final[dict[int, bytes]] = {}
_is_float: Final = re.compile(_FLOAT).fullmatch


def _scaled(value: bytes, decimals: int, what: str) -> int:
    """A FIX float as a whole number of 10**-decimals. ValueError when it is none, or finer."""
    if len(value) > NUMBER_MAX or _is_float(value) is None:
        raise ValueError(f"{value[:64]!r} is no {what}")
    whole, _, fraction = value.partition(b".")
    fraction = fraction.rstrip(b"0")
    if len(fraction) > decimals:
        raise ValueError(f"{value!r} is finer than the {decimals} decimals of a {what}")
    units = int(whole.lstrip(b"-") + fraction.ljust(decimals, b"0") or b"0")
    return -units if value[:1] == b"-" else units


def price_units(value: bytes) -> int:
    """A price, exact, in units of 1e-8. ValueError when it is finer, or no FIX float."""
    units = _prices.get(value)
    if units is None:
        units = _scaled(value, PRICE_DECIMALS, "price")
        if len(_prices) >= NUMBERS_KEPT:
            _prices.clear()
        _prices[value] = units
    return units


def quantity(value: bytes) -> int:
    """A quantity, which may be written with zeros after the point. ValueError when it is not whole."""
    units = _quantities.get(value)
    if units is None:
        units = _scaled(value, 0, "whole quantity")
        if len(_quantities) >= NUMBERS_KEPT:
            _quantities.clear()
        _quantities[value] = units
    return units


def price_text(units: int) -> bytes:
    """The shortest exact text of a price in units of 1e-8."""
    text = _texts.get(units)
    if text is None:
        text = _decimal(units, PRICE_DECIMALS)
        if len(_texts) >= NUMBERS_KEPT:
            _texts.clear()
        _texts[units] = text
    return text


def _decimal(units: int, decimals: int) -> bytes:
    """The shortest text of a number of 10**-decimals."""
    one = 10**decimals
    whole, fraction = divmod(abs(units), one)
    sign = b"-" if units < 0 else b""
    if fraction == 0:
        return b"%b%d" % (sign, whole)
    return (b"%b%d.%0*d" % (sign, whole, decimals, fraction)).rstrip(b"0")


def average(notional_units: int, quantity: int) -> bytes:
    """AvgPx: value traded (1e-8) by quantity; exact when it ends within 12 decimals, else rounded half to even."""
    if quantity == 0:
        return b"0"
    return _decimal(_divided(notional_units * 10 ** (AVERAGE_DECIMALS - PRICE_DECIMALS), quantity), AVERAGE_DECIMALS)


def _divided(units: int, by: int) -> int:
    """The nearest whole number, the even one of two."""
    if by < 0:
        units, by = -units, -by
    result, rest = divmod(units, by)
    return result + (2 * rest > by or (2 * rest == by and result % 2 == 1))
