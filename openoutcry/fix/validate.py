"""Is a message what its dictionary allows? The first flaw that the reference engine would report, or none.

    Validator(application, transport=None, settings=None)    FIXT: transport has header, trailer and session messages
    .check(message) -> Flaw | None          Flaw(reason, tag): SessionRejectReason and RefTagID; text in reasons.REASONS
    .pattern(message) -> bytes | None       a regular expression for messages of the same shape that have no flaw
    .group(message, tag) -> list[Entry]     a group's entries: entry[tag] is a value, entry.group(tag) a nested group
    .layout(message) -> Structure, type     where each field belongs, and the message's definition
    .for_version(b"8") -> Validator         FIXT: the one for another ApplVerID
    validator_for(settings) -> Validator    memoised

The order of checks: fields in their section; MsgType; required fields (header, trailer, body, then those of groups,
each by ascending tag); then field by field (header, trailer, body), again by ascending tag: repeated, empty, format,
enumeration, known at all, allowed in the message, count of the group. Values inside groups are not judged: the
reference engine lets them pass, so clients send them.

All but the values depends on the tags alone. So it is worked out once for each shape and kept as a *plan*: the flaw
that the tags have, and the values to look at before it. Invariant: a plan gives what a look from scratch would give.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from openoutcry.fix import reasons
from openoutcry.fix.dictionary import Dictionary, MessageType, load
from openoutcry.fix.message import Message, Shape
from openoutcry.fix.plans import Flaw, Plan, Rules, expressions
from openoutcry.fix.settings import APPL_VERSIONS
from openoutcry.fix.structure import Places, Structure

if TYPE_CHECKING:
    from openoutcry.fix.settings import SessionSettings

__all__ = ["Entry", "Flaw", "Validator", "dictionaries_for", "validator_for"]

PLANNED_TAGS_MAX: Final = 65_536  # tags in all plans of a validator (some 20 MB); then all are forgotten
PLAN_TAGS_MAX: Final = 256  # in one plan that is kept. A client has some dozens of shapes of some 20 tags
WORTH_COMPILING: Final = 4  # messages of a shape, before a regular expression is made of its plan (a millisecond)
PATTERN_FIELDS_MAX: Final = 128  # a shape with more has no pattern
_APPL_VER_ID: Final = 1128


class Entry(dict[int, bytes]):
    """An entry of a repeating group: tag -> value (the first, if there are several), and the groups within it."""

    __slots__ = ("groups",)

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[int, list[Entry]] = {}

    def group(self, tag: int) -> list[Entry]:
        """The entries of the nested group whose count has `tag`."""
        return self.groups.get(tag, [])


class Validator:
    """The judge of one session's messages; shared by sessions with the same dictionaries and switches."""

    __slots__ = ("_kept", "_plans", "_rules", "_settings", "_versions", "application", "fixt", "transport")

    def __init__(
        self, application: Dictionary, transport: Dictionary | None = None, settings: SessionSettings | None = None
    ) -> None:
        self._rules = Rules(application, transport, settings)
        self._settings = settings
        self.application = application
        self.transport = self._rules.transport
        self.fixt = self._rules.fixt
        self._plans: dict[bytes, dict[Shape, Plan]] = {}
        self._kept = 0
        self._versions: dict[bytes, Validator] = {}

    # -- judging -------------------------------------------------------------------------------------------------------

    def check(self, message: Message) -> Flaw | None:
        """The first flaw of a message, None when there is none."""
        if message.checked:
            return None
        plan = self._plan(message) if not self.fixt else self._own(message)._plan(message)
        if plan.first is not None:
            return plan.first
        values = message.values
        if plan.fast is not None:
            if plan.fast.fullmatch(b"\x01".join(values)) is not None:
                return None
        elif plan.flaw is None:
            plan.used += 1
            if plan.used == WORTH_COMPILING:
                _compile(plan, len(values))
        for place, tag, may_be_empty, form, allowed, multiple, entries in plan.steps:
            value = values[place]
            if not value and not may_be_empty:
                return Flaw(reasons.NO_VALUE, tag)
            if form is not None and form.fullmatch(value) is None:
                return Flaw(reasons.BAD_FORMAT, tag)
            if (
                allowed is not None
                and value not in allowed
                and not (multiple and allowed.issuperset(value.split(b" ")))
            ):
                return Flaw(reasons.VALUE_INCORRECT, tag)
            if entries >= 0 and _number(value) != entries:
                return Flaw(reasons.GROUP_COUNT, tag)
        return plan.flaw

    def _plan(self, message: Message) -> Plan:
        kind = message.kind
        plans = self._plans.get(kind)
        if plans is not None:
            plan = plans.get(message.shape)
            if plan is not None:
                return plan
        tags = message.shape.tags
        plan = self._rules.plan(kind, tags)
        if len(tags) > PLAN_TAGS_MAX:
            return plan
        if self._kept + len(tags) > PLANNED_TAGS_MAX:
            self._plans.clear()
            self._kept = 0
        self._kept += len(tags)
        self._plans.setdefault(kind, {})[message.shape] = plan
        return plan

    # -- reading -------------------------------------------------------------------------------------------------------

    def group(self, message: Message, tag: int) -> list[Entry]:
        """The entries of the group whose count has `tag`, in wire order; [] when there is none."""
        own = self._own(message)
        structure = own._plan(message).structure
        for section in (structure.body, structure.header, structure.trailer):
            entries = section.groups.get(tag)
            if entries is not None:
                return [_entry(each, message.values) for each in entries]
        return []

    def layout(self, message: Message) -> tuple[Structure, MessageType | None]:
        """Where each field belongs, and the definition of the message; None when there is none of its type."""
        own = self._own(message)
        return own._plan(message).structure, own._rules.body(message.kind).messages.get(message.kind)

    def _own(self, message: Message) -> Validator:
        """The validator of the message's own version: itself, unless ApplVerID says another."""
        if self.fixt and _APPL_VER_ID in message.shape.index:
            return self.for_version(message[_APPL_VER_ID])
        return self

    def for_version(self, appl_ver_id: bytes) -> Validator:
        """FIXT: the validator for a DefaultApplVerID(1137) or ApplVerID(1128); this one if there is no such version."""
        begin = _VERSIONS.get(appl_ver_id)
        if not self.fixt or begin is None or begin == self.application.begin:
            return self
        known = self._versions.get(appl_ver_id)
        if known is None:
            known = Validator(load(_shipped_name(begin)), self.transport, self._settings)
            self._versions[appl_ver_id] = known
        return known

    def pattern(self, message: Message) -> bytes | None:
        """A regular expression with a group for each value, for ``Decoder.learn``; None when the shape has none.

        What it matches has the same tags as `message`, and no flaw. There is none for shapes with groups or data, and
        for those whose tags are a flaw.
        """
        own = self._own(message)
        plan = own._plan(message)
        tags = message.shape.tags
        structure = plan.structure
        grouped = structure.body.groups or structure.header.groups or structure.trailer.groups
        if plan.first or plan.flaw or grouped or len(tags) > PATTERN_FIELDS_MAX or not self._rules.use:
            return None
        if any(own._is_data(tag) for tag in tags) or message.values[0] != self.transport.begin.encode():
            return None
        patterns = expressions(plan, len(tags))
        for tag in (8, 35, _APPL_VER_ID):  # what the rest depends on
            if tag in message.shape.index:
                patterns[message.shape.index[tag]] = re.escape(message[tag])
        return b"".join(b"%d=(%b)\x01" % pair for pair in zip(tags, patterns, strict=True))

    def _is_data(self, tag: int) -> bool:
        field = self.application.fields.get(tag) or self.transport.fields.get(tag)
        return field is not None and field.type in ("DATA", "XMLDATA")


def _number(value: bytes) -> int:
    try:
        return int(value)
    except ValueError:  # a dictionary may give a count any type
        return -1


def _compile(plan: Plan, size: int) -> None:
    """Make one regular expression for all values of a shape, joined by SOH."""
    if size <= PATTERN_FIELDS_MAX:
        plan.fast = re.compile(b"\x01".join(expressions(plan, size)))


def _entry(places: Places, values: tuple[bytes, ...]) -> Entry:
    entry = Entry()
    for tag, place in places.fields:
        entry.setdefault(tag, values[place])
    for tag, entries in places.groups.items():
        entry.groups[tag] = [_entry(each, values) for each in entries]
    return entry


_VERSIONS: Final = {number.encode(): name for name, number in APPL_VERSIONS.items()}
_validators: Final[dict[tuple[Any, ...], Validator]] = {}
_SWITCHES: Final = (
    "UseDataDictionary", "ValidateFieldsOutOfOrder", "ValidateFieldsHaveValues", "ValidateUserDefinedFields",
    "AllowUnknownMsgFields",
)  # fmt: skip


def dictionaries_for(settings: SessionSettings) -> tuple[Dictionary, Dictionary | None]:
    """The application's and, with FIXT, the transport's dictionary of a session. Raises DictionaryError."""
    s: Any = settings
    if s.BeginString != "FIXT.1.1":
        return load(s.DataDictionary or _shipped_name(s.BeginString)), None
    application = s.AppDataDictionary or _shipped_name(s.DefaultApplVerID)
    return load(application), load(s.TransportDataDictionary or "FIXT11")


def _shipped_name(version: str) -> str:
    return version.replace(".", "")


def validator_for(settings: SessionSettings) -> Validator:
    """The validator of a session; shared by those with the same dictionaries and switches. Raises DictionaryError."""
    application, transport = dictionaries_for(settings)
    key = (id(application), id(transport), *(getattr(settings, name) for name in _SWITCHES))
    known = _validators.get(key)
    if known is None:
        known = _validators[key] = Validator(application, transport, settings)
    return known
