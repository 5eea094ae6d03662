"""Our validator and QuickFIX's, on messages of all kinds and versions, right and wrong: they find the same flaw.

Messages are drawn from the dictionaries, then changed: fields are lost, repeated, moved, swapped, given other values,
unknown ones come in. Run as a script with two numbers, it compares so many for each version and switch, from that seed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry.fix.codec import Decoder, raw
from openoutcry.fix.dictionary import Dictionary, Group, load
from openoutcry.fix.message import Message
from openoutcry.fix.plans import SESSION_KINDS
from openoutcry.fix.quickfix_xml import write_xml
from openoutcry.fix.reasons import REPEATED_TAG, REQUIRED_TAG_MISSING
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.validate import Validator
from tests.fix_interop import VERSIONS, begin_string

quickfix: Any = pytest.importorskip("quickfix", reason="quickfix has no wheel: it is compiled for some eight minutes")

MESSAGES = 60  # for each version and switch
SWITCHES: tuple[dict[str, bool], ...] = (
    {},
    {"ValidateFieldsOutOfOrder": False},
    {"ValidateFieldsHaveValues": False},
    {"ValidateUserDefinedFields": False},
    {"AllowUnknownMsgFields": True},
    {"AllowUnknownMsgFields": True, "ValidateUserDefinedFields": False, "ValidateFieldsOutOfOrder": False},
)
SETTERS = {
    "ValidateFieldsOutOfOrder": "checkFieldsOutOfOrder",
    "ValidateFieldsHaveValues": "checkFieldsHaveValues",
    "ValidateUserDefinedFields": "checkUserDefinedFields",
    "AllowUnknownMsgFields": "allowUnknownMsgFields",
}
REASONS = {
    "InvalidTagNumber": 0,
    "RequiredTagMissing": 1,
    "TagNotDefinedForMessage": 2,
    "NoTagValue": 4,
    "IncorrectTagValue": 5,
    "IncorrectDataFormat": 6,
    "InvalidMessageType": 11,
    "RepeatedTag": 13,
    "TagOutOfOrder": 14,
    "RepeatingGroupCountMismatch": 16,
}
SAMPLES = {
    "BOOLEAN": "Y",
    "UTCTIMESTAMP": "20200101-00:00:00",
    "TIME": "20200101-00:00:00",
    "UTCTIMEONLY": "10:00:00",
    "UTCDATE": "20200101",
    "UTCDATEONLY": "20200101",
}
VALUES = ("", "x", "1", "0", "-1", "1.5", "1e5", " 1", "20200101-00:00:00.000", "20209901", "ABC DEF", "A B", "N", "+3",
          "99999999999999999999", "2147483648", "-", ".", "1.", "~", "24:00:00", "1=2")  # fmt: skip
TAGS = (
    4999,
    5000,
    5001,
    9999,
    39999,
    1,
    7,
    58,
    10000,
    627,
    1128,
    1156,
    347,
    115,
    89,
    1129,
)  # known, unknown, users' own
FRAME = (8, 9, 10, 35)

Fields = list[tuple[int, str]]


class Source:
    """Messages of one version."""

    def __init__(self, d: Dictionary, transport: Dictionary, seed: int) -> None:
        self.d = d
        self.transport = transport
        self.random = random.Random(seed)
        fields = [*d.fields.values(), *transport.fields.values()]
        data = {field.tag for field in fields if field.type in ("DATA", "XMLDATA")}
        self.data = data | {tag - 1 for tag in data} | {93}  # what they mean to an engine is another matter

    def message(self) -> bytes:
        d = self.random.choice([self.d, self.d, self.transport])
        kind = self.random.choice(list(d.messages))
        d = self.transport if kind in SESSION_KINDS else self.d
        if kind not in d.messages:
            return self.message()
        m = d.messages[kind]
        fields = self.header() + self.members(d, m.members, m.groups, self.random.choice((0, 0.05, 0.2)), 0)
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2, 3))):
            self.change(fields)
        if self.random.random() < 0.05:
            kind = b"ZZ"
        text = "".join(f"{tag}={value}|" for tag, value in fields if tag not in FRAME and tag not in self.data)
        return raw(f"35={kind.decode()}|{text}", begin=self.transport.begin)

    def header(self) -> Fields:
        header = self.transport.header
        tags = [tag for tag, required in header.members.items() if required or self.random.random() < 0.05]
        return [(tag, self.sample(self.transport, tag)) for tag in tags if tag not in header.groups and tag != 1128]

    def members(
        self, d: Dictionary, members: dict[int, bool], groups: dict[int, Group], share: float, depth: int
    ) -> Fields:
        """What is required, and a share of the rest; in a group, its first field too."""
        first = next(iter(members), 0) if depth else 0
        fields: Fields = []
        for tag, required in members.items():
            if not required and tag != first and self.random.random() >= share:
                continue
            group = groups.get(tag)
            if group is None:
                fields.append((tag, self.sample(d, tag)))
                continue
            count = self.random.choice((0, 1, 1, 2, 3)) if depth < 3 else 0
            fields.append((tag, str(count)))
            for _ in range(count):
                fields += self.members(d, group.members, group.groups, share / 3, depth + 1)
        return fields

    def sample(self, d: Dictionary, tag: int) -> str:
        field = d.fields[tag]
        return min(field.values).decode() if field.values else SAMPLES.get(field.type, "1")

    def change(self, fields: Fields) -> None:
        """One change."""
        r = self.random
        at, other = r.randrange(len(fields)), r.randrange(len(fields))
        unknown = (r.choice((*TAGS, *self.d.fields)), r.choice(VALUES))
        what = r.randrange(6)
        if what == 0 and len(fields) > 1:
            fields.pop(at)
        elif what == 1:
            fields[at] = (fields[at][0], r.choice(VALUES))
        elif what == 2:
            fields.insert(at, fields[other])
        elif what == 3:
            fields.insert(at, unknown)
        elif what == 4:
            fields[at], fields[other] = fields[other], fields[at]
        else:
            fields.append(fields[at])


class Reference:
    """QuickFIX with one version's dictionaries and some switches."""

    def __init__(self, paths: list[str], switches: dict[str, bool]) -> None:
        self.dictionaries = [quickfix.DataDictionary(path) for path in paths]
        for d in self.dictionaries:
            for name, value in switches.items():
                getattr(d, SETTERS[name])(value)

    def check(self, message: Message) -> tuple[int, int | None] | None:
        application, transport = self.dictionaries[0], self.dictionaries[-1]
        text = message.raw.decode()
        try:
            if application is transport:
                application.validate(quickfix.Message(text, application, True))
            elif message.kind in SESSION_KINDS:
                transport.validate(quickfix.Message(text, transport, application, True))
            else:
                made = quickfix.Message(text, transport, application, True)
                quickfix.DataDictionary.validate(made, transport, application)
        except Exception as error:  # they have no base of their own; another one than these fails here
            return REASONS[type(error).__name__], getattr(error, "field", None)
        return None


def differences(
    version: str, place: Path, count: int, seed: int
) -> Iterator[tuple[Any, Any, Message, dict[str, bool]]]:
    names = [version.replace(".", ""), *(["FIXT11"] if begin_string(version) != version else [])]
    dictionaries = [load(name) for name in names]
    for name, d in zip(names, dictionaries, strict=True):
        (place / name).write_text(write_xml(d))
    for number, switches in enumerate(SWITCHES):
        reference = Reference([str(place / name) for name in names], switches)
        settings = SessionSettings(SenderCompID="A", TargetCompID="B", **switches)
        validator = Validator(dictionaries[0], dictionaries[1] if len(names) > 1 else None, settings)
        source = Source(dictionaries[0], dictionaries[-1], seed * len(SWITCHES) + number)
        for _ in range(count):
            (message,) = Decoder().feed(source.message())
            ours, theirs = validator.check(message), reference.check(message)
            if ours != theirs and not meant(ours, theirs, message):
                yield ours, theirs, message, switches


def meant(ours: tuple[int, int | None] | None, theirs: tuple[int, int | None] | None, message: Message) -> bool:
    """Differences that are to be: what FIXT wants in a header is looked at here, and it sorts equal tags at random."""
    if ours is not None and theirs is not None:
        return ours[1] == theirs[1] and REPEATED_TAG in (ours[0], theirs[0])
    header = (34, 49, 52, 56)
    return (
        theirs is None and message.values[0] == b"FIXT.1.1" and ours in [(REQUIRED_TAG_MISSING, tag) for tag in header]
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_flaw_is_found(version: str, tmp_path: Path) -> None:
    assert list(differences(version, tmp_path, MESSAGES, 1)) == []


if __name__ == "__main__":
    import tempfile

    for each in VERSIONS:
        with tempfile.TemporaryDirectory() as directory:
            found = list(differences(each, Path(directory), int(sys.argv[1]), int(sys.argv[2])))
            print(each, len(found), *found[:5])
