"""What an engine's policies do to what its clients are told: it is lost, comes twice, late, or in another order.

Rule 1. What happens, happens: orders, matches and books are as they would be. Only what sessions are told of it is
        shaped, after each input, in the part of each gateway's stream that the input has added.
Rule 2. An answer is an event of ``TOLD``. It meets the policies in the order in which they were added; one that was
        held meets those after the policy that held it. Those of desks, who are told by their verbs, meet none.
Rule 3. Where answers are made from events alone (OUCH, and whatever engines of somebody's own say), the event itself is
        left out, repeated, or put in later. A FIX session's reports say what has become of an order so far, so its
        gateway has to see every event once, in its place: it comes as WITHHELD, with what it makes the session say
        kept under a number (0: nobody will hear it), and SPOKEN says when, and how many times, that is said.
Rule 4. Nothing is held over the end of a day: what is left is said before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry import echoes, wire
from openoutcry.matcher.places import Places
from openoutcry.matcher.treatment import COPIES_MAX
from openoutcry.wire import SPOKEN, WITHHELD

if TYPE_CHECKING:
    from openoutcry.matcher.machine import Machine
    from openoutcry.matcher.sessions import Session
    from openoutcry.matcher.stage import Stage
    from openoutcry.matcher.treatment import Treatment

Event = tuple[Any, ...]
ANSWERS_MAX: int = 10_000  # answers of an engine that are held: beyond that they are said at once
# Events that clients are told of, over one protocol or the other.
TOLD: Final = frozenset((
    wire.ACCEPTED, wire.REPLACED, wire.CANCELED, wire.EXECUTED, wire.REJECTED, wire.MODIFIED, wire.SELF_MATCH,
    wire.BROKEN, wire.CORRECTED, wire.CANCEL_PENDING, wire.CANCEL_REJECTED, wire.QUOTE_STATUS, wire.MASS_CANCELED,
    wire.REQUEST_REJECTED, wire.ECHOED,
))  # fmt: skip


class Said(NamedTuple):
    """An answer. number: what its gateway keeps it under, if it is kept. day: of its session, when it happened.

    book, side: of the order that it is about, "" and 0 when nobody knows.
    """

    session: Session
    day: int
    event: Event
    number: int
    book: str
    side: int


class Held(NamedTuple):
    """An answer that waits. policy: who holds it; behind: how many later ones have to pass, 0 for never."""

    said: Said
    policy: int
    behind: int


def _is_all_said(said: Said) -> bool:
    """Whether an answer is made from its event alone."""
    return not said.session.answered or said.event[0] == wire.ECHOED


class Answers:
    """What one engine's sessions have not been told yet: ``held``, by number, as it came. places: of their orders."""

    __slots__ = ("_stage", "held", "places")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.places = Places()
        self.held: dict[int, Held] = {}

    @property
    def active(self) -> bool:
        """Whether anything is to be shaped."""
        return bool(self.held) or any(policy.told for policy in self._stage.policies.values())

    def watch(self, sessions: Iterable[Session]) -> None:
        """The policies are others now: see to it that what they are limited by is known. sessions: of the engine."""
        limited = any(p.told and (p.options["book"], p.options["side"]) != (None, None)
                      for p in self._stage.policies.values())  # fmt: skip
        self.places.watch(limited, sessions)

    # --------------------------------------------------------------------------------------------- one answer
    def take(self, session: Session, event: Event) -> list[Event]:
        """What is to be in the session's stream in place of an event that has just happened."""
        said = Said(session, session.day, event, self._stage.number(), *self.places.of(session, event))
        now: list[Said] = []
        self._meet(said, 0, now)
        kept = any(each.said is said for each in self.held.values())
        if _is_all_said(said):
            return [each.event for each in now]
        if not kept and sum(each is said for each in now) == 1:
            place = next(place for place, each in enumerate(now) if each is said)
            return [*self._spoken(now[:place]), event, *self._spoken(now[place + 1 :])]
        number = said.number if kept or said in now else 0
        return [(WITHHELD, session.number, number, wire.pack(event)), *self._spoken(now)]

    def _meet(self, said: Said, after: int, now: list[Said]) -> None:
        """Show an answer to the policies after number `after`; what is said because of that goes into `now`."""
        passed: list[Held] = []
        self._pass(said, after, now, passed)
        for each in passed:
            self._meet(each.said, each.policy, now)

    def _pass(self, said: Said, after: int, now: list[Said], passed: list[Held]) -> None:
        for policy in list(self._stage.policies.values()):
            if policy.number <= after or not policy.told:
                continue
            done = policy.tells(said.session, said.event, said.book, said.side)
            if done.held_ns and len(self.held) < ANSWERS_MAX:
                self._hold(said, policy.number, done.held_ns, done.behind)
                return
            if policy.reorders:
                passed += self._overtake(said.session, policy.number)
            if done.refusal is not None:
                return
            if done.copies:
                self._pass(said, policy.number, now, passed)
                self._repeat(said, policy.number, done, now)
                return
        now.append(said)

    def _repeat(self, said: Said, policy: int, done: Treatment, now: list[Said]) -> None:
        for place in range(1, done.copies + 1):
            if len(now) > COPIES_MAX:  # of one that other policies have repeated, too
                return
            if done.apart_ns and len(self.held) < ANSWERS_MAX:
                self._hold(said, policy, done.apart_ns * place)
            else:
                self._meet(said, policy, now)

    def _hold(self, said: Said, policy: int, ns: int, behind: int = 0) -> None:
        engine, number = self._stage.engine, self._stage.number()
        self.held[number] = Held(said, policy, behind)
        engine.schedule.add(engine.numbers.time_ns + ns, "answer", engine.name, number)

    def _overtake(self, session: Session, policy: int) -> list[Held]:
        """An answer passes those of its session that a policy holds back: those that it was the last to pass."""
        found = []
        for number, each in list(self.held.items()):
            if each.policy == policy and each.said.session is session and each.behind:
                if each.behind == 1:
                    found.append(self.held.pop(number))
                else:
                    self.held[number] = each._replace(behind=each.behind - 1)
        return found

    def _spoken(self, now: list[Said]) -> list[Event]:
        """SPOKEN for each answer that is said now; its gateway forgets it with the last."""
        waiting = {each.said.number for each in self.held.values()}
        rows: list[Event] = []
        for place, each in enumerate(now):
            last = each.number not in waiting and all(other.number != each.number for other in now[place + 1 :])
            rows.append((SPOKEN, each.session.number, each.number, 1, int(last)))
        return rows

    # --------------------------------------------------------------------------------------------- later
    def due(self, number: int) -> None:
        """The time of a held answer has come."""
        each = self.held.pop(number, None)
        if each is None or each.said.session.owner is None or each.said.session.day != each.said.day:
            return
        now: list[Said] = []
        self._meet(each.said, each.policy, now)
        self._put(each.said, now)

    def _put(self, said: Said, now: list[Said]) -> None:
        """Put what is said into its session's stream; where nothing is, its gateway forgets what it kept."""
        session = said.session
        if _is_all_said(said):
            session.events.extend([one.event for one in now])
            return
        session.events.extend(self._spoken(now))
        if said not in now and all(other.said is not said for other in self.held.values()):
            session.events.append((SPOKEN, session.number, said.number, 0, 1))

    def release(self) -> None:
        """The day ends: everything is said, in its order."""
        while self.held:
            each = self.held.pop(next(iter(self.held)))
            if each.said.session.owner is not None and each.said.session.day == each.said.day:
                self._put(each.said, [each.said])

    def holds_back(self, session: Session, policy: int) -> bool:
        """Whether a policy holds an answer of a session until others have passed."""
        return any(h.policy == policy and h.said.session is session and h.behind for h in self.held.values())

    def holds(self, session: Session) -> bool:
        """Whether an answer to a session waits."""
        return any(each.said.session is session for each in self.held.values())

    def forget(self, session: Session) -> None:
        """A session is gone."""
        for number in [number for number, each in self.held.items() if each.said.session is session]:
            del self.held[number]

    # --------------------------------------------------------------------------------------------- state
    def dump(self) -> tuple[Any, ...]:
        """For a snapshot: each answer once, then who holds which of them."""
        answers = {id(each.said): each.said for each in self.held.values()}
        places = {key: place for place, key in enumerate(answers)}
        return (
            tuple((said.session.number, *said[1:]) for said in answers.values()),
            tuple((number, places[id(each.said)], each.policy, each.behind) for number, each in self.held.items()),
            self.places.dump(),
        )

    def load(self, row: tuple[Any, ...], sessions: Mapping[int, Session]) -> None:
        """The reverse of ``dump``."""
        answers = [Said(sessions[number], *rest) for number, *rest in row[0]]
        self.held = {number: Held(answers[place], policy, behind) for number, place, policy, behind in row[1]}
        self.places.load(row[2])


# ------------------------------------------------------------------------------------------------- the machine's side
def begin(machine: Machine) -> None:
    """From here on what sessions are told is to be shaped, if any engine's is."""
    engines = machine.engines.values()
    if any(engine.stage is not None and engine.stage.answers.active for engine in engines):
        machine.marks = {name: len(stream.events) for name, stream in machine.streams.items()}


def finish(machine: Machine) -> None:
    """Shape what sessions were told since ``begin``."""
    marks, machine.marks = machine.marks, None
    if marks is None:
        return
    for name, stream in machine.streams.items():
        start = marks.get(name, 0)
        if stream is machine.public or len(stream.events) == start:
            continue
        tail = list(stream.events[start:])
        shaped = [each for event in tail for each in _shaped(machine, event)]
        if shaped != tail:
            del stream.events[start:]
            stream.events.extend(shaped)
    for engine in machine.engines.values():
        if engine.stage is not None:
            engine.stage.answers.places.settle()


def _shaped(machine: Machine, event: Event) -> list[Event]:
    session = machine.sessions.get(event[1]) if event[0] in TOLD else None
    stage = session.endpoint.engine.stage if session is not None else None
    if session is None or stage is None or session.owner is None or not stage.answers.active:
        return [event]
    if event[0] == wire.ECHOED and echoes.is_settled(event[2]):
        return [event]  # it says nothing to the client
    return stage.answers.take(session, event)


def due(machine: Machine, item: tuple[Any, ...]) -> None:
    """An "answer" of the schedule: (kind, engine, number). What it says is not shaped again."""
    engine = machine.engines.get(item[1])
    if engine is None or engine.stage is None:
        return
    finish(machine)
    engine.stage.answers.due(item[2])
    engine.stage.rest()
    begin(machine)
