"""What can be said of a message before its values are known: which flaw its tags have, and which values to look at.

``Rules`` (dictionaries and switches) makes a ``Plan`` of a message's tags; ``expressions`` makes regular expressions of
a plan. ``validate`` keeps plans and applies them, and says in which order flaws are looked for.

Invariant: a value that an expression allows has no flaw; the other way round need not be.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from openoutcry.fix import reasons
from openoutcry.fix.dictionary import USER_DEFINED, Dictionary, Field, Group, MessageType
from openoutcry.fix.structure import HEADER_TAGS, TRAILER_TAGS, Places, Sections, Structure, take_apart
from openoutcry.fix.values import IS

SESSION_KINDS: Final = frozenset((b"0", b"1", b"2", b"3", b"4", b"5", b"A"))  # FIXT: defined by the transport
_MULTIPLE: Final = frozenset(("MULTIPLEVALUESTRING", "MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE"))
_FIRST: Final = {8: -3, 9: -2, 35: -1}  # the header's fields are looked at in this order, then by tag


class Flaw(NamedTuple):
    """What is wrong: a SessionRejectReason(373), and the tag at fault where there is one."""

    reason: int
    tag: int | None


class Step(NamedTuple):
    """One value to look at. entries: how many the group has whose count this is, -1: it is none."""

    place: int
    tag: int
    may_be_empty: bool
    form: re.Pattern[bytes] | None
    values: frozenset[bytes] | None
    multiple: bool
    entries: int


class Plan:
    """What is known of a shape: `flaw` comes after `steps` have found nothing; first: before them."""

    __slots__ = ("fast", "first", "flaw", "steps", "structure", "used")

    def __init__(self, structure: Structure, first: Flaw | None, steps: list[Step], flaw: Flaw | None) -> None:
        self.structure = structure
        self.first = first
        self.steps = steps
        self.flaw = flaw
        self.used = 0
        self.fast: re.Pattern[bytes] | None = None


class Rules:
    """What messages are held against. settings: with the switches as attributes; None: all as by default."""

    __slots__ = ("_kinds", "application", "check_order", "empty_allowed", "fixt", "transport", "unknown_allowed", "use",
                 "user_defined")  # fmt: skip

    def __init__(self, application: Dictionary, transport: Dictionary | None, settings: Any) -> None:
        s = settings
        self.application = application
        self.transport = transport or application
        self.fixt = transport is not None and transport is not application
        self.use: bool = s is None or s.UseDataDictionary
        self.check_order: bool = s is None or s.ValidateFieldsOutOfOrder
        self.empty_allowed: bool = s is not None and not s.ValidateFieldsHaveValues
        self.user_defined: bool = s is None or s.ValidateUserDefinedFields
        self.unknown_allowed: bool = s is not None and s.AllowUnknownMsgFields
        self._kinds: dict[bytes, Sections] = {}

    def body(self, kind: bytes) -> Dictionary:
        """The dictionary for a message's body: session messages are the transport's."""
        return self.transport if kind in SESSION_KINDS else self.application

    def _sections(self, kind: bytes) -> Sections:
        message = self.body(kind).messages.get(kind)
        if message is None:
            kind = b""  # peers can make up many
        known = self._kinds.get(kind)
        if known is None:
            header, trailer = self.transport.header, self.transport.trailer
            known = self._kinds[kind] = Sections(
                HEADER_TAGS.union(header.members),
                TRAILER_TAGS.union(trailer.members),
                header.groups,
                {} if message is None else message.groups,
                trailer.groups,
            )
        return known

    def plan(self, kind: bytes, tags: tuple[int, ...]) -> Plan:
        structure = take_apart(tags, self._sections(kind))
        first = self._first_flaw(kind, structure)
        steps: list[Step] = []
        if first is not None:
            return Plan(structure, first, steps, None)
        message = self.body(kind).messages.get(kind)
        flaw = self._look(structure.header, self.transport, None, steps)
        if flaw is None:
            flaw = self._look(structure.trailer, self.transport, None, steps)
        if flaw is None:
            flaw = self._look(structure.body, self.body(kind), message, steps)
        if flaw is None and self.use and self.fixt:
            flaw = _missing(structure.header, self.transport.header)
        return Plan(structure, None, steps, flaw)

    def _first_flaw(self, kind: bytes, structure: Structure) -> Flaw | None:
        """What is wrong whatever the values are, and said before any of them is looked at."""
        if self.check_order and structure.misplaced:
            return Flaw(reasons.OUT_OF_ORDER, structure.misplaced)
        if not self.use:
            return None
        d = self.body(kind)
        message = d.messages.get(kind)
        if message is None:
            return Flaw(reasons.INVALID_MSG_TYPE, None)
        flaw = _missing(structure.header, d.header) or _missing(structure.trailer, d.trailer)
        return flaw or _missing(structure.body, message)

    def _look(self, places: Places, d: Dictionary, message: MessageType | None, steps: list[Step]) -> Flaw | None:
        """Add the steps for a section; returns the flaw that ends them. message: None for header and trailer."""
        last: int | None = None  # a tag may be 0, or negative
        for tag, place in sorted(places.fields, key=lambda field: _FIRST.get(field[0], field[0])):
            if tag == last and self.use:
                return Flaw(reasons.REPEATED_TAG, tag)
            last = tag
            field = d.fields.get(tag) if self.use else None
            step = self._step(place, tag, field, d.begin)
            if message is not None and tag in message.groups and self._asks_for(tag):
                step = step._replace(entries=len(places.groups.get(tag, ())))
            steps.append(step)
            flaw = self._tag_flaw(tag, field, message) if self.use else None
            if flaw is not None:
                steps[-1] = step._replace(entries=-1)
                return flaw
        return None

    def _asks_for(self, tag: int) -> bool:
        """Are groups with this count to be as many as it says?"""
        return self.use and (self.user_defined if tag >= USER_DEFINED else not self.unknown_allowed)

    def _tag_flaw(self, tag: int, field: Field | None, message: MessageType | None) -> Flaw | None:
        if self.unknown_allowed if tag < USER_DEFINED else not self.user_defined:
            return None
        if field is None:
            return Flaw(reasons.INVALID_TAG, tag)
        if message is not None and tag not in message.members:
            return Flaw(reasons.NOT_DEFINED_FOR_MESSAGE, tag)
        return None

    def _step(self, place: int, tag: int, field: Field | None, begin: str) -> Step:
        if field is None:
            return Step(place, tag, self.empty_allowed, None, None, False, -1)
        values = frozenset(field.values) if field.values and not field.open else None
        return Step(place, tag, self.empty_allowed, _form(field.type, begin), values, field.type in _MULTIPLE, -1)


def _missing(places: Places, message: MessageType) -> Flaw | None:
    """The required field with the lowest tag that is not there; then the same for the entries of groups."""
    return _missing_of(places, message.required, message.groups)


def _missing_of(places: Places, required: tuple[int, ...], groups: dict[int, Group]) -> Flaw | None:
    there = {tag for tag, _ in places.fields} if required else ()
    for tag in required:
        if tag not in there:
            return Flaw(reasons.REQUIRED_TAG_MISSING, tag)
    for tag in sorted(places.groups):
        for entry in places.groups[tag]:
            flaw = _missing_of(entry, groups[tag].required, groups[tag].groups)
            if flaw is not None:
                return flaw
    return None


_forms: Final[dict[str, re.Pattern[bytes] | None]] = {}
_ANY: Final = IS["STRING"]
_LONG_CHARS: Final = ("FIX.4.0", "FIX.4.1")  # there, a char is any number of characters
_NOTHING: Final = rb"[^\x00-\xff]"  # matches no value: only a step can tell then


def _form(type_: str, begin: str) -> re.Pattern[bytes] | None:
    """What a value of a type must match; None: anything will do."""
    if type_ == "CHAR" and begin in _LONG_CHARS:
        return None
    if type_ not in _forms:
        pattern = IS.get(type_, _ANY)
        _forms[type_] = None if pattern == _ANY else re.compile(pattern)
    return _forms[type_]


def expressions(plan: Plan, size: int) -> list[bytes]:
    """A regular expression, without groups, for each value. Places without a step are in repeating groups."""
    patterns = [rb"[^\x01]*"] * size
    for step in plan.steps:
        patterns[step.place] = _pattern(step)
    return patterns


def _pattern(step: Step) -> bytes:
    form = step.form
    if step.entries >= 0:
        count = b"%d" % step.entries
        fits = (form is None or form.fullmatch(count)) and (step.values is None or count in step.values)
        return count if fits else _NOTHING
    if step.values is not None:
        values = sorted(value for value in step.values if form is None or form.fullmatch(value))
        one = b"(?:" + b"|".join(map(re.escape, sorted(values, key=len, reverse=True))) + b")"
        if all(len(value) == 1 for value in values):
            one = b"[" + b"".join(map(re.escape, values)) + b"]" if values else _NOTHING
        return one + b"(?: " + one + b")*" if step.multiple else one
    if form is not None:
        return b"(?:" + form.pattern + b")"
    return rb"[^\x01]*" if step.may_be_empty else rb"[^\x01]+"
