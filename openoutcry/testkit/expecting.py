"""Waiting for what is expected: until it is there, cannot come any more, or has not come in time.

Invariant: ``wait`` ends as soon as the outcome is known; its error says what was expected, and what is there instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from openoutcry.errors import ClientError

LATE_S: Final = 1.0  # what has come by the time-out is read, but a stream without end is not
PRICE_TEXT_MAX: Final = 40  # characters of a price: more than any price has, and few enough to be shown

Check = Callable[[], str | bool]  # True: it is there; False: not yet; a sentence: it will never be, because ...
More = Callable[[float], bool]  # wait so many seconds for news; False: none


class Unexpected(AssertionError):
    """Something else happened. The text says what was expected, what is there instead, and all that led to it."""


def wait(expected: str, check: Check, more: More, seconds: float, story: Callable[[], str]) -> None:
    """Wait until ``check`` is True. Raises Unexpected, which ends with the story."""
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while (verdict := check()) is not True:
        if isinstance(verdict, str):
            raise Unexpected(_text(expected, verdict, story))
        left = deadline - time.monotonic()
        try:
            news = more(max(0.0, left))
        except ClientError as error:
            raise Unexpected(_text(expected, str(error), story)) from None
        if left <= (-LATE_S if news else 0):
            raise Unexpected(_text(expected, f"not within {seconds:g} s", story))


def _text(expected: str, instead: str, story: Callable[[], str]) -> str:
    return f"expected: {expected}\n but: {instead}\n{story()}"


def exact(price: Decimal | str | int) -> Decimal:
    """A price, exactly. Raises TypeError for a float, ValueError for what is no number."""
    if isinstance(price, bool) or not isinstance(price, Decimal | str | int):
        raise TypeError(f"a price is text, Decimal or int, not {price!r}: a float is not exact")
    __tracebackhide__ = True
    if isinstance(price, str) and len(price) > PRICE_TEXT_MAX:
        raise ValueError(f"{price[:PRICE_TEXT_MAX]!r}... is no price: it has {len(price)} characters")
    try:
        value = Decimal(price)
    except InvalidOperation:
        raise ValueError(f"{price!r} is no price") from None
    if not value.is_finite():
        raise ValueError(f"{price!r} is no price")
    return value


def plain(price: Decimal) -> str:
    """A price as people write it: 10.05, 10."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
