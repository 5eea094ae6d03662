"""What a policy can do with a message, or with what a client is told: the answer of ``Policy.treats``.

Invariant: a treatment that equals ``UNTOUCHED`` changes nothing, and is not counted as acting. What a policy of
somebody's own returns is ``sound`` before anything is done about it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from openoutcry.matcher.judging import Refusal
from openoutcry.wire import REJECT_REASONS, SHORT_TEXT_MAX

COPIES_MAX: Final = 100  # of one message, or answer, at a time: policies that repeat what others repeat go no further
SILENCE: Final[Refusal] = (0, "")  # instead of a refusal: the message is lost


class Treatment(NamedTuple):
    """What a policy does with a message, or with an answer: all 0 for nothing.

    refusal: it is refused, or (SILENCE) lost. held_ns: for how long it waits; behind: or until so many later ones of
    its session have passed. copies: it comes so many times more, each apart_ns after the one before.
    """

    refusal: Refusal | None = None
    held_ns: int = 0
    behind: int = 0
    copies: int = 0
    apart_ns: int = 0


UNTOUCHED: Final = Treatment()
HELD_NS_MAX: Final = 366 * 86_400 * 10**9  # a year: longer than any test, and far from what a time can say


def sound(found: Any) -> Treatment:
    """What a policy returned, as it can be carried out. Raises ValueError."""
    if not isinstance(found, Treatment):
        raise ValueError(f"treats returned {found!r:.100}, no Treatment")
    if not all(type(number) is int and 0 <= number <= HELD_NS_MAX for number in found[1:]):
        raise ValueError(f"treats returned {found!r:.100}: numbers are whole, from 0 to a year in ns")
    refusal = found.refusal
    return found if refusal in (None, SILENCE) else Treatment(_sound_refusal(refusal), *found[1:])


def _sound_refusal(found: Any) -> Refusal:
    if not isinstance(found, tuple) or len(found) != 2 or found[0] not in REJECT_REASONS or type(found[1]) is not str:
        raise ValueError(f"a refusal is one of wire.REJECT_REASONS, and a text for people, not {found!r:.100}")
    return found[0], found[1][:SHORT_TEXT_MAX].encode("utf-8", "replace").decode()
