"""Plays a scenario over FIX: messages sent one by one, answers printed as lines of JSON, expectations checked.

A scenario is JSON::

    {"actions": [
        {"send": "NewOrderSingle", "fields": {"ClOrdID": "1", "Side": "BUY", "NoPartyIDs": [{"PartyID": "me"}], ...}},
        {"expect": "ExecutionReport", "fields": {"ClOrdID": "1", "OrdStatus": "NEW"}, "within": 2},
        {"wait": 0.5},
        {"logout": "done for today"}
    ]}

or a log of messages (openoutcry.fix.transcript): its application messages are sent again, with the header of the new
session; where the lines say a direction, those that were sent (``>``). Names, values and groups are those of
openoutcry.clients.fixmessages; prices are text, or numbers as they are written.

Invariant: a scenario is checked as a whole before its first message is sent; an error names the action, counted
from 1, and the field.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from openoutcry.clients.fix import FixClient, MessageTimeout, Received, Vocabulary
from openoutcry.errors import ClientError, OpenOutcryError, VerbError
from openoutcry.fix import transcript
from openoutcry.fix.states import INPUTS
from openoutcry.fix.structure import HEADER_TAGS, TRAILER_TAGS

SCENARIO_BYTES_MAX: Final = 10_000_000  # of a JSON scenario; a log may be of any size
WITHIN_S: Final = 5.0  # how long what is expected is waited for
SETTLE_S: Final = 0.5  # of silence, after which a message has been answered, and the play is over
WAIT_MAX_S: Final = 86_400.0
WORDS: Final = ("send", "expect", "wait", "logout")


class ScenarioError(OpenOutcryError):
    """A scenario that cannot be played; the text names the action and the field."""


class ExpectationError(ClientError):
    """What a scenario expects has not come; the text says what has."""


class Action(NamedTuple):
    """One step. word: of WORDS. name: a message's. fields: by name, or a body. seconds: to wait."""

    word: str
    name: Any = ""
    fields: Any = None
    seconds: float = 0.0


def load(path: str | Path, words: Vocabulary) -> list[Action]:
    """The actions of a scenario or log. Raises ScenarioError."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(4_096).lstrip()
            file.seek(0)
            if not start.startswith(b"{"):
                return from_log(transcript.read(transcript.lines_of(file)), words)
            data = file.read(SCENARIO_BYTES_MAX + 1)
        if len(data) > SCENARIO_BYTES_MAX:
            raise ScenarioError(f"more than {SCENARIO_BYTES_MAX} bytes")
        return from_json(json.loads(data, parse_float=Decimal, parse_constant=_no_constant), words)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{path}: not JSON: {error}") from None
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def from_json(scenario: Any, words: Vocabulary) -> list[Action]:
    """The actions of a scenario. Raises ScenarioError."""
    if not isinstance(scenario, dict) or not isinstance(scenario.get("actions"), list):
        raise ScenarioError('a scenario is an object with a list "actions"')
    found = []
    for number, action in enumerate(scenario["actions"], 1):
        try:
            found.append(_action(action, words))
        except (ScenarioError, VerbError) as error:
            text = error.text if isinstance(error, VerbError) else error
            raise ScenarioError(f"action {number}: {text}") from None
    return found


def _action(action: Any, words: Vocabulary) -> Action:
    if not isinstance(action, dict):
        raise ScenarioError("it must be an object")
    given = [word for word in WORDS if word in action]
    if len(given) != 1:
        raise ScenarioError(f"it must have exactly one of: {', '.join(WORDS)}")
    word, fields = given[0], action.get("fields", {})
    if word == "wait":
        return Action(word, seconds=_seconds("wait", action["wait"]))
    if not isinstance(action[word], str) or not isinstance(fields, dict):
        raise ScenarioError(f"{word} must be text, and fields an object from names to values")
    if word == "send":
        words.encode(action[word], fields)  # raises; encoded again when it is sent, for the time stamp
    elif word == "expect":
        words.matcher(action[word] or None, fields)
    return Action(word, action[word], fields, _seconds("within", action.get("within", WITHIN_S)))


def _seconds(name: str, value: Any) -> float:
    if type(value) not in (int, float, Decimal) or not 0 <= value <= WAIT_MAX_S:
        raise ScenarioError(f"{name} is {value!r}, it must be seconds, 0 to {WAIT_MAX_S:g}")
    return float(value)


def from_log(entries: Iterable[transcript.Entry], words: Vocabulary) -> list[Action]:
    """The application messages of a log, to be sent again. Raises ScenarioError when there are none."""
    found = [(entry.direction, entry.message) for entry in entries if entry.message.kind not in INPUTS
             and entry.message.get(43) != b"Y"]  # fmt: skip  # a possible duplicate was sent before
    if any(direction for direction, _ in found):
        found = [each for each in found if each[0] == ">"]
    actions = []
    for _, message in found:
        sections = words.sections(message.kind)
        outside = sections.header_tags | sections.trailer_tags | HEADER_TAGS | TRAILER_TAGS
        body = b"".join([b"%d=%b\x01" % pair for pair in message.pairs() if pair[0] not in outside])
        if message.kind:
            actions.append(Action("send", message.kind, body))
    if not actions:
        raise ScenarioError("neither a JSON scenario nor a log with application messages that were sent")
    return actions


def as_line(message: Received) -> str:
    """A message as a line of JSON: number, name, fields by name."""
    return json.dumps({"sequence": message.sequence, "name": message.name, **message.fields()})


class Player:
    """Plays actions on a client that is logged on, and prints to `out` what comes.

    pause: seconds of silence after which the next message is sent; 0: at once.
    """

    def __init__(self, client: FixClient, out: TextIO | None = None, pause: float = SETTLE_S) -> None:
        self.client = client
        self.out = out or sys.stdout
        self.pause = pause
        self.sent = 0

    def play(self, actions: list[Action], keys: TextIO | None = None) -> int:
        """All actions; returns how many messages were sent. keys: each line from there lets the next one be sent.

        Raises ExpectationError naming the action, ClientError.
        """
        for number, action in enumerate(actions, 1):
            if action.word == "send":
                if keys is not None and not keys.readline():
                    break
                self.client.send(action.name, action.fields)
                self.sent += 1
                # Answers are printed now, unless the scenario itself says what it waits for.
                if actions[number : number + 1] and actions[number].word == "send":
                    self._show_answers(self.pause)
            elif action.word == "expect":
                self._expect(number, action)
            elif action.word == "wait":
                time.sleep(action.seconds)
                self._show(self.client.available())
            else:
                self._show(self.client.available())
                self.client.logout(action.name)
                return self.sent
        self._show_answers(max(self.pause, SETTLE_S))
        return self.sent

    def _expect(self, number: int, action: Action) -> None:
        until = time.monotonic() + action.seconds
        wanted = self.client.words.matcher(action.name or None, action.fields)
        seen: list[str] = []
        while True:
            try:
                message = self.client.next(timeout=max(0.0, until - time.monotonic()))
            except MessageTimeout:
                break
            self._show([message])
            if wanted(message):
                return
            seen.append(message.name)
        what = f"{action.name or 'message'} with {action.fields}" if action.fields else action.name
        came = ", ".join(seen[-10:]) or "nothing"
        raise ExpectationError(f"action {number}: no {what} within {action.seconds:g} s; what came: {came}")

    def _show_answers(self, silence: float) -> None:
        """Print what comes, until nothing does for so many seconds."""
        while True:
            try:
                self._show([self.client.next(timeout=silence)])
            except MessageTimeout:
                return

    def _show(self, messages: list[Received]) -> None:
        for message in messages:
            print(as_line(message), file=self.out, flush=True)
