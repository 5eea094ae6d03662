"""What a policy can do with a message, or with what a client is told: the answer of ``Policy.treats``.

Invariant: a treatment that equals ``UNTOUCHED`` changes nothing, and is not counted as acting.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from openoutcry.matcher.judging import Refusal

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
