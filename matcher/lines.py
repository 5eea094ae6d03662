"""Policies of a bad line between clients and engine: messages late, lost, twice and in another order, both ways.

``on`` says which: messages that clients send (``orders``, ``changes``, ``cancels``, ``all`` of them), or what they are
told (``answers``, or of these ``fills`` alone). Numbers of the session layer are right all the same, so a client is in
doubt about the venue, not about its connection; a bad connection is made with openoutcry.gateway.managed and sockets.

Latencies are in ms on the command line, with decimals, and whole ns inside.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import shaping
from openoutcry.matcher.policies import (
    DELAY_MAX,
    MESSAGES,
    MS_NS,
    SILENCE,
    UNTOUCHED,
    Choosing,
    Hands,
    Message,
    Treatment,
    register_policy,
)
from openoutcry.matcher.treatment import COPIES_MAX
from openoutcry.parameters import Parameter

PASSING_MAX: Final = 1_000  # later messages that one waits for
LATENCIES_TEXT_MAX: Final = 4_000  # characters: with the other options they have to fit an argument of a verb

ANSWERS: Final = {"answers": shaping.TOLD, "fills": frozenset((wire.EXECUTED,))}
_ON: Final = Parameter("on", "choice", "which messages of clients, or which answers to them", "all",
                       choices=(*MESSAGES, *ANSWERS))  # fmt: skip


class _OnALine(Choosing):
    """What the kinds have in common."""

    def told(self) -> frozenset[int]:
        return ANSWERS.get(self.options["on"], frozenset())


class Drop(_OnALine):
    """Lose messages or answers. An order whose message is lost never was; what an answer would say has happened."""

    parameters = (_ON,)

    def treats(self, hands: Hands, message: Message) -> Treatment:
        return Treatment(SILENCE)


class Duplicate(_OnALine):
    """Have messages or answers come more than once. What the engine does with a message that it knows is its own."""

    parameters = (
        _ON,
        Parameter("copies", "int", "so many more", 1, 1, COPIES_MAX),
        Parameter("delay_ms", "int", "each so long after the one before; 0: at once", 0, 0, DELAY_MAX),
    )

    def treats(self, hands: Hands, message: Message) -> Treatment:
        return Treatment(copies=self.options["copies"], apart_ns=self.options["delay_ms"] * MS_NS)


class Reorder(_OnALine):
    """Hold one back until others of its session have passed; in the meantime these are not held."""

    parameters = (
        _ON,
        Parameter("by", "int", "so many others pass", 1, 1, PASSING_MAX),
        Parameter("wait_ms", "int", "it goes on after so long, however many have passed", 1_000, 1, DELAY_MAX),
    )
    reorders = True

    def treats(self, hands: Hands, message: Message) -> Treatment:
        if hands.holds_back(message):
            return UNTOUCHED
        return Treatment(held_ns=self.options["wait_ms"] * MS_NS, behind=self.options["by"])


MODELS: Final = ("fixed", "uniform", "recorded", "in-turn")


class Delay(_OnALine):
    """Hold messages or answers for a while. Where that differs they may overtake each other."""

    parameters = (
        _ON,
        Parameter("delay_ms", "int", "for so long", 10, 0, DELAY_MAX),
        Parameter("jitter_ms", "int", "and longer by up to this, at random", 0, 0, DELAY_MAX),
        Parameter("model", "choice", "fixed: delay_ms, and jitter_ms if any; uniform: from 0 to delay_ms, at random; "
                  "recorded: one of latencies, at random; in-turn: one after the other of them; none: recorded where "
                  "there are latencies, else fixed", None, choices=MODELS),
        Parameter("latencies", "text", "in ms, with commas: 1,5.25,2", "", 0, LATENCIES_TEXT_MAX),
    )  # fmt: skip

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._latencies = [_latency(word) for word in options["latencies"].split(",")] if options["latencies"] else []
        self._model = options["model"] or ("recorded" if self._latencies else "fixed")
        if (self._model in ("recorded", "in-turn")) != bool(self._latencies):
            text = "latencies are for the models recorded and in-turn, which need some"
            raise VerbError("bad_argument", "options", f"policy delay: {text}")

    def treats(self, hands: Hands, message: Message) -> Treatment:
        return Treatment(held_ns=self._wait_ns(hands))

    def _wait_ns(self, hands: Hands) -> int:
        if self._model == "in-turn":
            return self._latencies[(hands.seen - 1) % len(self._latencies)]
        if self._model == "recorded":
            return self._latencies[hands.draw(len(self._latencies), 1)]
        delay_ns: int = self.options["delay_ms"] * MS_NS
        if self._model == "uniform":
            return hands.draw(delay_ns + 1, 1)
        jitter: int = self.options["jitter_ms"]
        return delay_ns + (hands.draw(jitter + 1, 1) * MS_NS if jitter else 0)


def _latency(word: str) -> int:
    """Ms as decimal text, in ns. Raises VerbError."""
    try:
        ns = Decimal(word.strip()) * MS_NS if len(word) <= 20 else Decimal(-1)
        if not 0 <= ns <= DELAY_MAX * MS_NS:
            raise InvalidOperation
        return int(ns)
    except (InvalidOperation, ValueError, OverflowError):
        text = f"{word[:40]!r} is none of latencies: ms from 0 to {DELAY_MAX}, as 1,5.25,2"
        raise VerbError("bad_argument", "options", f"policy delay: {text}") from None


KINDS: Final[dict[str, type[Choosing]]] = {"delay": Delay, "drop": Drop, "duplicate": Duplicate, "reorder": Reorder}
for _name, _kind in KINDS.items():
    register_policy(_name, _kind)
