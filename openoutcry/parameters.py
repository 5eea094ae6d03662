"""Arguments and properties as data: names, types, limits, defaults, meaning, and the one judge of their values.

Invariant: ``convert`` is the only way in. What it returns is of the parameter's type and within its limits; all else is
a ``VerbError`` that names the field, the value and the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import VerbError

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_SYMBOL: Final = re.compile(r"[!-~]+")  # printable ASCII without blanks, and no slash: it ends a feed topic
REQUIRED: Final = object()
_UNITS_NS: Final = {"d": 86_400_000_000_000, "h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000,
                    "ms": 1_000_000, "us": 1_000, "ns": 1}  # fmt: skip
_PART: Final = re.compile("([0-9]{1,19})(ms|us|ns|d|h|m|s)")
_DURATION: Final = re.compile("(?:[0-9]{1,19}(?:ms|us|ns|d|h|m|s)){1,7}")
LIKE_MAX: Final = 3  # names that are proposed to somebody who has misspelt one
LIKE: Final = 0.7  # how much two names must be alike: with less, anything is like something
_YES: Final = ("true", "yes", "on", "1", "y")


class Parameter(NamedTuple):
    """One argument of a verb, or one property.

    type: ``name`` (letters, digits, ``_ . -``), ``symbol``, ``text``, ``secret``, ``int``, ``bool``, ``price``
    (a decimal number as text or an int; stored as an integer in 1e-8), ``duration`` (``8h30m``, ``250ms``; stored in
    ns), ``choice`` (one of `choices`), ``value`` (a property's, judged later). low, high: range of an int, of a price
    (in 1e-8) or of a duration (in ns), length of a text.
    """

    name: str
    type: str
    meaning: str
    default: Any = REQUIRED
    low: int = 0
    high: int = wire.NAME_MAX
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """True when there is no default."""
        return self.default is REQUIRED


def convert(p: Parameter, value: Any, where: str, checked: bool = False) -> Any:
    """`value` as parameter `p` stores it; text from a command line is converted. Raises VerbError.

    checked: as for ``check``.
    """
    if value is None and p.default is None:
        return None
    return _JUDGES[p.type](p, value, where, checked)


def _bad(p: Parameter, value: Any, where: str, rule: str) -> VerbError:
    shown = "***" if p.type == "secret" else repr(value)
    return VerbError("bad_argument", p.name, f"{where}: {p.name} is {shown}, it must be {rule}")


def _bool(p: Parameter, value: Any, where: str, checked: bool) -> bool:
    if type(value) is str and value.lower() in (*_YES, "false", "no", "off", "0", "n"):
        return value.lower() in _YES
    if type(value) is not bool:
        raise _bad(p, value, where, "true or false")
    return value


def _int(p: Parameter, value: Any, where: str, checked: bool) -> int:
    if type(value) is str and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    if type(value) is not int or not p.low <= value <= p.high:
        raise _bad(p, value, where, f"a whole number from {p.low} to {p.high}")
    return value


def _value(p: Parameter, value: Any, where: str, checked: bool) -> str | int | bool:
    if type(value) is not str and type(value) is not int and type(value) is not bool:
        raise _bad(p, value, where, "text, a whole number, true or false")
    if type(value) is str and len(value) > p.high:
        raise _bad(p, value, where, f"text of at most {p.high} characters")
    return value


def _choice(p: Parameter, value: Any, where: str, checked: bool) -> str:
    if value not in p.choices:
        raise _bad(p, value, where, f"one of: {', '.join(p.choices)}")
    chosen: str = value
    return chosen


def _secret(p: Parameter, value: Any, where: str, checked: bool) -> str:
    if type(value) is not str or not p.low <= len(value) <= p.high:
        raise _bad(p, value, where, f"text of {p.low} to {p.high} characters")
    return value


def _name(p: Parameter, value: Any, where: str, checked: bool) -> str:
    if type(value) is not str or not p.low <= len(value) <= p.high:
        raise _bad(p, value, where, f"text of {p.low} to {p.high} characters")
    if not _NAME.fullmatch(value):
        raise _bad(p, value, where, "made of letters, digits, '_', '.' and '-'")
    return value


def _symbol(p: Parameter, value: Any, where: str, checked: bool) -> str:
    _secret(p, value, where, checked)
    if not _SYMBOL.fullmatch(value) or "/" in value:
        raise _bad(p, value, where, "printable ASCII without blanks or '/'")
    symbol: str = value
    return symbol


def _text(p: Parameter, value: Any, where: str, checked: bool) -> str:
    if type(value) is not str or not p.low <= len(value) <= p.high:
        raise _bad(p, value, where, f"text of {p.low} to {p.high} characters")
    if not value.isprintable():
        raise _bad(p, value, where, "printable text")
    return value


def _price(p: Parameter, value: Any, where: str, checked: bool) -> int:
    given = price_text(value) if checked and type(value) is int else value
    try:
        if type(given) not in (str, int) or len(str(given)) > 40:
            raise InvalidOperation
        scaled = Decimal(given) * wire.PRICE_SCALE
        # The range first: an exponent of a million would otherwise be worked out digit by digit.
        if not p.low <= scaled <= p.high or scaled != (price := int(scaled)):
            raise InvalidOperation
    except (InvalidOperation, ValueError, OverflowError):
        low, high = price_text(p.low), price_text(p.high)
        rule = f"a decimal number as text, from {low} to {high}, with at most 8 decimals"
        raise _bad(p, value, where, rule) from None
    return price


def _duration(p: Parameter, value: Any, where: str, checked: bool) -> int:
    ns = value if checked and type(value) is int else duration_ns(value) if type(value) is str else None
    if ns is None or not p.low <= ns <= p.high:
        low, high = duration_text(p.low), duration_text(p.high)
        raise _bad(p, value, where, f"a duration from {low} to {high}, as 8h30m, 90s or 250ms")
    return ns


# By the type of a parameter: called for every argument of every verb, three times on its way.
_JUDGES: Final[dict[str, Callable[[Parameter, Any, str, bool], Any]]] = {
    "name": _name, "symbol": _symbol, "text": _text, "secret": _secret, "int": _int, "bool": _bool, "price": _price,
    "duration": _duration, "choice": _choice, "value": _value,
}  # fmt: skip


def duration_ns(text: str) -> int | None:
    """``1h30m``, ``90s``, ``250ms``, ``15us``, ``7ns`` and sums of them in ns; None for anything else."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(int(number) * _UNITS_NS[unit] for number, unit in _PART.findall(text))


def duration_text(ns: int) -> str:
    """Ns as the shortest text that ``duration_ns`` reads: 5400000000000 -> '1h30m'."""
    parts = []
    for unit, size in _UNITS_NS.items():
        count, ns = divmod(ns, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def price_text(price: int) -> str:
    """An integer price in 1e-8 as decimal text without needless zeros: 10050000000 -> '100.5'."""
    whole, part = divmod(abs(price), wire.PRICE_SCALE)
    text = f"{whole}.{part:08d}".rstrip("0").rstrip(".")
    return "-" + text if price < 0 else text


def like(name: str, known: Iterable[str]) -> str:
    """``did you mean ...?`` for somebody who has misspelt a name; "" when there is none like it."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), LIKE_MAX, LIKE) if len(name) <= wire.NAME_MAX else []
    return f"did you mean {' or '.join(found)}?" if found else ""


def values_text(p: Parameter) -> str:
    """What values a property takes, in words: ``yes or no``, ``0 to 100``, ``fifo, pro-rata``."""
    if p.type == "bool":
        return "yes or no"
    if p.type == "choice":
        return ", ".join(choice or "nothing" for choice in p.choices)
    if p.type in ("text", "name", "symbol", "secret", "value"):
        return f"text of at most {p.high} characters"
    return f"{_shown(p, p.low)} to {_shown(p, p.high)}"


def set_property(table: dict[str, Parameter], owner: str, name: str, value: Any) -> Any:
    """Check one property assignment against its table; returns the value to store. Raises VerbError."""
    p = table.get(name)
    if p is None:
        text = like(name, table) or f"it has: {', '.join(table)}"
        raise VerbError("bad_argument", "name", f"{owner} has no property {name!r}; {text}")
    try:
        return convert(p, value, owner)
    except VerbError as error:
        raise VerbError(error.code, "value", error.text) from None


def explained(table: Mapping[str, Parameter], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every property of a table: its name, type, value, default, meaning, and its choices, if it has any.

    given: the values that differ from the defaults, as they are stored. A secret is not shown.
    """
    return [_explained(p, given) for p in table.values()]


def _explained(p: Parameter, given: Mapping[str, Any]) -> dict[str, Any]:
    default = None if p.required else p.default
    value = given.get(p.name, default)
    if p.type == "secret" and value:
        value = "***"
    row = {"name": p.name, "type": p.type, "value": _shown(p, value), "default": _shown(p, default),
           "meaning": p.meaning}  # fmt: skip
    return {**row, "choices": list(p.choices)} if p.choices else row


def _shown(p: Parameter, value: Any) -> Any:
    return price_text(value) if p.type == "price" and type(value) is int else value
