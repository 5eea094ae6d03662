"""What ``openoutcry fix decode`` prints: one message as a table, a line, or JSON, by the dictionary of its own version.

Invariant: passwords are blanked unless it is told otherwise; what is wrong with a message is said beside it, and the
message is printed all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from openoutcry.clients.fixmessages import Vocabulary
from openoutcry.fix.dictionary import DictionaryError, load
from openoutcry.fix.message import Message
from openoutcry.fix.messagelog import HIDDEN, LOGON_SECRET_TAGS, SECRET_TAGS
from openoutcry.fix.pretty import describe
from openoutcry.fix.reasons import REASONS
from openoutcry.fix.settings import APPL_VERSION_OF
from openoutcry.fix.transcript import Entry
from openoutcry.fix.validate import Validator

VERSIONS_MAX: Final = 64  # kinds of messages whose dictionaries are kept; files are made of a few


class Decoding:
    """One run. dictionary: instead of the version's own. application: for FIXT when messages do not say theirs.

    check: also by the dictionary. only: names or MsgTypes. ``found`` and ``wrong`` count messages. Raises
    DictionaryError.
    """

    def __init__(
        self, dictionary: str | None = None, application: str = "FIX50SP2", check: bool = False,
        show_secrets: bool = False, only: Iterable[str] | None = None,
    ) -> None:  # fmt: skip
        self.found = 0
        self.wrong = 0
        self._own = (
            Vocabulary(load(dictionary), load("FIXT11") if _is_fixt(dictionary) else None) if dictionary else None
        )
        self._application = application
        self._check = check
        self._show_secrets = show_secrets
        self._only = frozenset(only or ())
        self._words: dict[tuple[bytes, bytes], Vocabulary] = {}
        self._validators: dict[Vocabulary, Validator] = {}
        self._agreed: dict[tuple[bytes | None, bytes | None], bytes] = {}  # CompIDs: DefaultApplVerID of their Logon
        if application:
            load(application)

    def text(self, entry: Entry, source: str, summary: bool) -> str | None:
        """A message for people; None: it is not among those that are wanted."""
        message, words = self._prepared(entry)
        if not self._wanted(message, words):
            return None
        faults = self._faults(entry, words)
        where = f"{source}:{entry.line}" if source else ""
        name = words.name_of(message.kind)
        if summary:
            fields = " ".join(f"{key}={value}" for key, value in words.as_fields(message).items())
            number = (message.get(34) or b"?").decode("latin-1")
            return " ".join(part for part in (entry.before, number, name, fields, *map(_mark, faults)) if part)
        transport = words.transport if words.transport is not words.application else None
        head = "  ".join(part for part in (where, entry.before, name) if part)
        return "\n".join([head, describe(message, words.application, transport), *map(_mark, faults), ""])

    def as_json(self, entry: Entry) -> str | None:
        """The same as a line of JSON."""
        message, words = self._prepared(entry)
        if not self._wanted(message, words):
            return None
        found: dict[str, Any] = {"line": entry.line, "before": entry.before, "name": words.name_of(message.kind)}
        found |= {"fields": words.as_fields(message, "all"), "faults": self._faults(entry, words)}
        return json.dumps(found)

    def _wanted(self, message: Message, words: Vocabulary) -> bool:
        names = {words.name_of(message.kind), message.kind.decode("latin-1")}
        if self._only and not self._only & names:
            return False
        self.found += 1
        return True

    def _prepared(self, entry: Entry) -> tuple[Message, Vocabulary]:
        message = entry.message
        words = self._words_for(message)
        if not self._show_secrets:
            hidden = (*SECRET_TAGS, *(LOGON_SECRET_TAGS if message.kind == b"A" else ()))
            values = tuple(HIDDEN if tag in hidden else value for tag, value in message.pairs())
            message = Message(message.kind, message.shape, values, message.raw, False)
        return message, words

    def _words_for(self, message: Message) -> Vocabulary:
        if self._own is not None:
            return self._own
        begin, version = message.get(8) or b"", b""
        if begin == b"FIXT.1.1":
            version = self._version(message)
        words = self._words.get((begin, version))
        if words is None:
            words = self._load(begin.decode("latin-1"), version.decode("latin-1"))
            if len(self._words) < VERSIONS_MAX:
                self._words[(begin, version)] = words
        return words

    def _version(self, message: Message) -> bytes:
        """ApplVerID: the message's own, or what the Logon between the two said."""
        between = message.get(49), message.get(56)
        said = message.get(1137)
        if said is not None and len(self._agreed) < VERSIONS_MAX:
            self._agreed[between] = self._agreed[between[::-1]] = said
        return message.get(1128) or said or self._agreed.get(between, b"")

    def _load(self, begin: str, version: str) -> Vocabulary:
        if begin != "FIXT.1.1":
            try:
                return Vocabulary(load(begin.replace(".", "")))
            except DictionaryError:  # a version that nobody knows: the newest one's names are the best guess
                return Vocabulary(load("FIX50SP2"), load("FIXT11"))
        name = APPL_VERSION_OF.get(version, "")
        return Vocabulary(load(name.replace(".", "") or self._application), load("FIXT11"))

    def _faults(self, entry: Entry, words: Vocabulary) -> list[str]:
        faults = list(entry.faults)
        if self._check and not faults:
            validator = self._validators.get(words)
            if validator is None:
                transport = words.transport if words.transport is not words.application else None
                validator = self._validators[words] = Validator(words.application, transport)
            flaw = validator.check(entry.message)
            if flaw is not None:
                faults.append(REASONS.get(flaw.reason, "") + (f" ({flaw.tag})" if flaw.tag else ""))
        if self._check and faults:
            self.wrong += 1
        return faults


def _mark(fault: str) -> str:
    return f"    ! {fault}"


def _is_fixt(name: str) -> bool:
    """Whether a dictionary has no header of its own: then FIXT's is used."""
    return not load(name).header.members
