"""Two runs of one scenario, event for event: what each client was to get, and what it got.

    found = compare(expected, actual)
    found.same, found.differences, str(found)

Rule 1. Each client's messages are compared in their order, field by field. Which of two clients was told first is not
        compared: they are told over different connections.
Rule 2. Numbers that the exchange gives (IDENTIFIERS) may be others, but one for one: what has the same number in one
        run has the same number in the other. When messages were is compared when `times` asks for it, but for desks,
        which are not told.
Rule 3. A message that is missing, or one too many, is said to be that, and the ones after it are compared with those
        that are most like them; so one difference does not make all that follows different.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final

from openoutcry.scenarios.model import GIVEN, Event, Message, Scenario, moment_text

IDENTIFIERS: Final = frozenset((
    "OrderID", "SecondaryOrderID", "ExecID", "ExecRefID", "SecondaryExecID", "TrdMatchID", "TradeID",
    "MassActionReportID", "RefSeqNum", "QuoteRespID", "order", "match", "contra",
))  # fmt: skip
DIFFERENCES_MAX: Final = 10_000  # that are found; what follows is only counted
SHOWN: Final = 5  # differences that a report shows
TIME_TOLERANCE_NS: Final = 1_000_000  # FIX says when something was to the millisecond, unless a session says more
ALIGNED_MAX: Final = 20_000  # messages of a client that are looked through for the most alike; beyond, place by place

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Difference:
    """One. step: after which it came, or should have. place: of the message among the client's, from 1.

    expected, actual: None for a message that is one too many, or missing. fields: the names in which they differ.
    """

    client: str
    step: int
    place: int
    expected: Message | None
    actual: Message | None
    fields: tuple[str, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        if self.text:
            return self.text
        where = f"{self.client}, message {self.place}"
        if self.actual is None:
            return f"{where}: expected {shown(self.expected)}, and it did not come"
        if self.expected is None:
            return f"{where}: nobody expects {shown(self.actual)}"
        lines = [f"{where}: {shown(self.expected)}"]
        for name in self.fields:
            lines.append(f"    {name}: expected {_value(self.expected, name)}, got {_value(self.actual, name)}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found. events: how many were compared, of how many clients."""

    differences: list[Difference] = field(default_factory=list)
    events: int = 0
    clients: int = 0
    steps: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    def __bool__(self) -> bool:
        return self.same

    def __str__(self) -> str:
        return self.report()

    def report(self, most: int = SHOWN) -> str:
        """The first differences, for people."""
        of = f"{self.events} events of {self.clients} clients"
        if self.same:
            return f"the same: {of}"
        count = len(self.differences)
        lines = [f"{count} difference{'s' if count > 1 else ''}, in {of}"]
        for difference in self.differences[:most]:
            step = difference.step
            where = f"after step {step} ({self.steps[step - 1]})" if 0 < step <= len(self.steps) else "at the beginning"
            lines += ["", f"{where}:", f"  {difference}".replace("\n", "\n  ")]
        if count > most:
            lines += ["", f"and {count - most} more"]
        return "\n".join(lines)


def compare(expected: Scenario, actual: Scenario, *, times: bool = False) -> Comparison:
    """What is different in `actual`. Events that `expected` has none of (None) are not compared."""
    found: list[Difference] = list(_steps(expected, actual))
    steps = tuple(str(step) for step in expected.steps)
    if expected.events is None:
        return Comparison(found, 0, 0, steps)
    names = _Names()
    wanted, got = _by_client(expected.events), _by_client(actual.events or [])
    clients = [*wanted, *(client for client in got if client not in wanted)]
    for client in clients:
        timed = times and not (client in expected.clients and expected.clients[client].desk)
        compared = _client(wanted.get(client, []), got.get(client, []), names, expected.compare == GIVEN, timed)
        for difference in compared:
            if len(found) < DIFFERENCES_MAX:
                found.append(difference)
    found.sort(key=lambda difference: difference.step)
    return Comparison(found, len(expected.events), len(clients), steps)


def _by_client(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.client, []).append(event)
    return found


def _steps(expected: Scenario, actual: Scenario) -> Iterator[Difference]:
    """Steps that were refused, and should not have been, or the other way round."""
    for number, (wanted, got) in enumerate(zip(expected.steps, actual.steps, strict=False), 1):
        if wanted.refused == got.refused or (not wanted.verb and bool(wanted.refused) == bool(got.refused)):
            continue
        should = f"should be refused ({wanted.refused}), " if wanted.refused else "should be done, "
        was = f"and was refused: {got.refused}" if got.refused else "and was done"
        yield Difference(got.client, number, 0, None, None, (), f"step {number}, {wanted}, {should}{was}")


# ------------------------------------------------------------------------------------------------- one client
class _Names:
    """The numbers of one run, and those of the other that stand for the same things."""

    def __init__(self) -> None:
        self._there: dict[tuple[str, Any], Any] = {}
        self._back: dict[tuple[str, Any], Any] = {}

    def same(self, name: str, expected: Any, actual: Any) -> bool:
        """Whether these two can be the same thing; they are from now on."""
        there, back = self._there.setdefault((name, expected), actual), self._back.setdefault((name, actual), expected)
        return bool(there == actual and back == expected)


def _client(
    wanted: list[Event], got: list[Event], names: _Names, given: bool, times: bool
) -> Iterator[Difference]:  # fmt: skip
    for place, first, second in _aligned(wanted, got):
        if first is None or second is None:
            if first is not None:
                yield Difference(first.client, first.step, place, first.message, None)
            elif second is not None:
                yield Difference(second.client, second.step, place, None, second.message)
            continue
        fields = _different(first.message, second.message, names, given)
        if fields:
            yield Difference(first.client, first.step, place, first.message, second.message, fields)
        elif times and abs(first.at - second.at) > TIME_TOLERANCE_NS:
            text = (f"{first.client}, message {place}: {shown(first.message)}: expected at {moment_text(first.at)}, "
                    f"came at {moment_text(second.at)}")  # fmt: skip
            yield Difference(first.client, first.step, place, first.message, second.message, (), text)


def _different(expected: Message, actual: Message, names: _Names, given: bool) -> tuple[str, ...]:
    """The names of the fields that are not the same."""
    found = []
    for name in expected if given else dict.fromkeys((*expected, *actual)):
        first, second = expected.get(name), actual.get(name)
        same = (
            names.same(name, first, second) if name in IDENTIFIERS and None not in (first, second) else first == second
        )
        if not same:
            found.append(name)
    return tuple(found)


def _aligned(wanted: list[Event], got: list[Event]) -> Iterator[tuple[int, Event | None, Event | None]]:
    """Pairs of messages, in their order; None where the other has none."""
    first, second = [_key(event.message) for event in wanted], [_key(event.message) for event in got]
    if first == second or max(len(first), len(second)) > ALIGNED_MAX:
        yield from _side_by_side(wanted, got, 0)
        return
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind in ("equal", "replace"):
            yield from _side_by_side(wanted[a:b], got[c:d], a)
        else:
            yield from ((a + place, event, None) for place, event in enumerate(wanted[a:b], 1))
            yield from ((c + place, None, event) for place, event in enumerate(got[c:d], 1))


def _side_by_side(
    wanted: Sequence[Event], got: Sequence[Event], before: int
) -> Iterator[tuple[int, Event | None, Event | None]]:  # fmt: skip
    for place in range(max(len(wanted), len(got))):
        first = wanted[place] if place < len(wanted) else None
        second = got[place] if place < len(got) else None
        yield before + place + 1, first, second


def _key(message: Message) -> Row:
    """What makes messages alike: all but the exchange's own numbers."""
    return tuple(sorted((name, repr(value)) for name, value in message.items() if name not in IDENTIFIERS))


# ------------------------------------------------------------------------------------------------- for people
_FIRST: Final = ("MsgType", "ClOrdID", "ExecType", "OrdStatus", "Side", "Symbol", "OrderQty", "Price", "LastQty",
                 "LastPx", "Reason", "OrdRejReason", "Text")  # fmt: skip


def shown(message: Message | None) -> str:
    """A message in one line: what matters most of it."""
    if message is None:
        return "nothing"
    words = [str(message.get("MsgType", "?"))]
    words += [f"{name}={message[name]}" for name in _FIRST[1:] if name in message]
    return " ".join(words)


def _value(message: Message, name: str) -> str:
    return repr(message[name]) if name in message else "no such field"
