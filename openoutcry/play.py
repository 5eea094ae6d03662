"""Plays a scenario: a JSON file of OUCH messages, sent one by one, with every answer printed as a line of JSON.

A scenario is ``{"_expected_behaviour": [comments], "actions": [{"message_type": "O", ...}, ...]}``; docs/scenarios.md
has all of it. Values are taken by name. The files of The OUCH Project (Japannext names) are understood as far as they
mean something in OUCH 4.2; its client knows positions alone, so an action with names that nobody knows, but with as
many values as Japannext's message has, is taken by position.

Invariant: a scenario is checked as a whole before its first message is sent; an error names the action, counted
from 1, and the field.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from openoutcry.clients.ouch import Message, MessageTimeout, OuchClient
from openoutcry.errors import ClientError, OpenOutcryError, ProtocolError
from openoutcry.gateway import ouch42

SCENARIO_BYTES_MAX: Final = 10_000_000  # of a scenario file: some 30,000 actions
SETTLE_S: Final = 0.5  # how long an action's answer is waited for, and silence at the end

# What The OUCH Project (Japannext OUCH) calls a field -> what it is called here.
ALIASES: Final = {
    "buy_sell_indicator": "side",
    "quantity": "shares",
    "orderbook_id": "stock",
    "firm_id": "firm",
    "existing_token": "existing_order_token",
    "replacement_token": "replacement_order_token",
}
WITHOUT_MEANING: Final = frozenset(("client_reference", "group", "order_classification", "cash_margin_type"))
POSITIONS: Final[dict[str, tuple[str, ...]]] = {  # of the values in an action of that project, after message_type
    "O": (
        "order_token", "client_reference", "buy_sell_indicator", "quantity", "orderbook_id", "group", "price",
        "time_in_force", "firm_id", "display", "capacity", "minimum_quantity", "order_classification",
        "cash_margin_type",
    ),
    "U": (
        "existing_token", "replacement_token", "quantity", "price", "time_in_force", "display", "minimum_quantity",
    ),
    "X": ("order_token", "quantity"),
}  # fmt: skip
ORDINARY: Final = ("", " ", "\0")  # Japannext's display of an ordinary order, padded with blanks or NUL

DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "O": {
        "time_in_force": ouch42.TIF_MARKET_HOURS, "firm": "", "display": "Y", "capacity": "P", "intermarket_sweep": "N",
        "minimum_quantity": 0, "cross_type": "N", "customer_type": " ",
    },
    "U": {
        "time_in_force": ouch42.TIF_MARKET_HOURS, "display": "Y", "intermarket_sweep": "N", "minimum_quantity": 0,
    },
    "X": {"shares": 0},
    "M": {},
    "N": {},
}  # fmt: skip
_TOKENS: Final = ("order_token", "existing_order_token", "replacement_order_token")


class ScenarioError(OpenOutcryError):
    """A scenario that cannot be played; the text names the action and the field."""


def load_scenario(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a scenario file. Raises ScenarioError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(SCENARIO_BYTES_MAX + 1)
        if len(data) > SCENARIO_BYTES_MAX:
            raise ScenarioError(f"{path}: more than {SCENARIO_BYTES_MAX} bytes")
        scenario = json.loads(data, parse_float=Decimal, parse_constant=_no_constant)
        messages(scenario)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{path}: not JSON: {error}") from None
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None
    checked: dict[str, Any] = scenario
    return checked


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def messages(scenario: Any) -> list[bytes]:
    """The OUCH messages of a scenario's actions, in order. Raises ScenarioError."""
    if not isinstance(scenario, dict) or not isinstance(scenario.get("actions"), list):
        raise ScenarioError('a scenario is an object with a list "actions"')
    stocks = scenario.get("stocks", {})
    if not isinstance(stocks, dict) or not all(isinstance(stock, str) for stock in stocks.values()):
        raise ScenarioError('"stocks" is an object from order book ids to stocks: {"1": "AAPL"}')
    return [_message(number, action, stocks) for number, action in enumerate(scenario["actions"], 1)]


def _message(number: int, action: Any, stocks: Mapping[str, str]) -> bytes:
    if not isinstance(action, dict):
        raise ScenarioError(f"action {number}: it must be an object")
    if "message_type" not in action and next(iter(action.values()), None) in tuple(POSITIONS):
        action = dict(zip(("message_type", *list(action)[1:]), action.values(), strict=True))
    kind = action.get("message_type")
    if not isinstance(kind, str) or kind not in DEFAULTS:
        raise ScenarioError(f"action {number}: message_type is {kind!r}, it must be one of {', '.join(DEFAULTS)}")
    try:
        return ouch42.encode(ouch42.INBOUND, DEFAULTS[kind] | _fields(action, stocks))
    except ProtocolError as error:
        raise ScenarioError(f"action {number}: {error}") from None


def _fields(action: Mapping[str, Any], stocks: Mapping[str, str]) -> dict[str, Any]:
    """An action with the names, and the kinds of values, of OUCH 4.2."""
    known = {field.name: field.type for field in ouch42.INBOUND[action["message_type"]].fields}
    action = _by_position(action, known)
    found: dict[str, Any] = {}
    for key, value in action.items():
        if key in WITHOUT_MEANING or key.startswith("_"):
            continue
        name = ALIASES.get(key, key)
        if name in found:
            raise ProtocolError(f"{name} is given twice, the second time as {key}")
        if key == "orderbook_id":
            value = stocks.get(str(value), str(value))
        found[name] = _value(name, known.get(name, ""), value)
    if found.get("display") in ORDINARY and not ALIASES.keys().isdisjoint(action):
        found["display"] = "Y"
    return found


def _by_position(action: Mapping[str, Any], known: Mapping[str, str]) -> Mapping[str, Any]:
    """The action with Japannext's names, when its own are unknown and it has as many values as the message there."""
    given = {key: value for key, value in action.items() if not key.startswith("_")}
    names = POSITIONS.get(action["message_type"], ())
    if all(key in known or key in ALIASES or key in WITHOUT_MEANING or key == "message_type" for key in given):
        return action
    if len(given) != len(names) + 1:
        return action
    return dict(zip(("message_type", *names), given.values(), strict=True))


def _value(name: str, kind: str, value: Any) -> Any:
    """One value as ``encode`` takes it. A negative number becomes what 32 bits make of it, so that a scenario can
    try what the exchange says to that."""
    if name in _TOKENS and type(value) is int:
        return str(value if value >= 0 else (1 << 32) + value)
    if name == "firm" and type(value) is int:
        return str(value) if value else ""
    if kind == "price" and isinstance(value, float):
        value = Decimal(repr(value))
    if kind == "price" and isinstance(value, int | Decimal) and value < 0:
        return ouch42.price_value((1 << 32) - ouch42.price_units(-value))
    if kind == "I" and type(value) is int and value < 0:
        return (1 << 32) + value
    return value.rstrip("\0") if isinstance(value, str) and len(value) > 1 else value


# ------------------------------------------------------------------------------------------------- playing
def as_line(message: Message) -> str:
    """One answer as a line of JSON: its sequence number, name, and fields; prices as text."""
    fields = {name: str(value) if isinstance(value, Decimal) else value for name, value in message.fields.items()}
    return json.dumps({"sequence": message.sequence, "name": message.name, **fields})


def play(
    scenario: Mapping[str, Any], host: str, port: int, *, auto: bool = False, username: str = "", password: str = "",
    sequence: int = 1, out: TextIO | None = None, keys: int | None = None, settle: float = SETTLE_S,
) -> int:  # fmt: skip
    """Log in, send the scenario's actions, print the answers; returns the number of actions sent.

    auto: send each action as soon as the one before is answered, or `settle` seconds have passed without an answer.
    Else each line that arrives at `keys` (a file descriptor; default: standard input) sends the next action; one line
    more, or its end, ends the play. sequence: the message to begin with, 1 for the whole day of this user, 0 for the
    last one so far. Raises ScenarioError, LoginRejected, ClientError.
    """
    actions = messages(scenario)
    stream = sys.stdout if out is None else out
    with OuchClient(host, port, username, password, sequence=sequence) as client:
        player = _Player(client, actions, stream, settle)
        if auto:
            player.automatic()
        else:
            player.by_hand(sys.stdin.fileno() if keys is None else keys)
        return player.sent


class _Player:
    """One play: what has been sent, and the printing of what comes."""

    def __init__(self, client: OuchClient, actions: list[bytes], out: TextIO, settle: float) -> None:
        self.client = client
        self.actions = actions
        self.out = out
        self.settle = settle
        self.sent = 0

    def automatic(self) -> None:
        """All actions, one after the other."""
        while self.sent < len(self.actions):
            tokens = self._send()
            until = time.monotonic() + self.settle
            while not self._answered(tokens, until):
                pass
        self._finish()

    def by_hand(self, keys: int) -> None:
        """One action for each line that arrives at `keys`."""
        typed = b"."
        self._hint(keys)
        while typed:
            readable = select.select([keys, self.client.fileno()], [], [])[0]
            self._show(self.client.available())
            if keys in readable:
                typed = os.read(keys, 4_096)
                for _ in range(typed.count(b"\n")):
                    if self.sent == len(self.actions):
                        return self._finish()
                    self._send()
                self._hint(keys)
        return self._finish()

    def _hint(self, keys: int) -> None:
        """What Enter does next, for somebody at a terminal; the answers alone go to standard output."""
        if not os.isatty(keys):
            return
        what = "ends the play"
        if self.sent < len(self.actions):
            action = self.actions[self.sent].decode("latin-1")
            what = f"sends {action[:1]} {action[1:15].rstrip()}"
        print(f"[{self.sent} of {len(self.actions)} sent; Enter {what}]", file=sys.stderr, flush=True)

    def _send(self) -> tuple[bytes, ...]:
        """Send the next action; returns the tokens in it."""
        action = self.actions[self.sent]
        self.client.send_raw(action)
        self.sent += 1
        return (action[1:15], action[15:29]) if action[:1] == b"U" else (action[1:15],)

    def _answered(self, tokens: tuple[bytes, ...], until: float) -> bool:
        """Print one message, if one comes by then; whether there is nothing more to wait for."""
        try:
            message = self.client.next_message(until - time.monotonic())
        except MessageTimeout:
            return True
        self._show([message])
        return any(token in message.raw for token in tokens)

    def _finish(self) -> None:
        """Print what still comes, until nothing does for `settle` seconds."""
        while found := self._quiet():
            self._show(found)

    def _quiet(self) -> list[Message]:
        try:
            return [self.client.next_message(self.settle)]
        except MessageTimeout:
            return []
        except ClientError:
            if self.client.ended:  # the exchange ended the day: all has been said
                return []
            raise

    def _show(self, found: list[Message]) -> None:
        for message in found:
            print(as_line(message), file=self.out, flush=True)


def run(
    path: str | os.PathLike[str], host: str, port: int, *, auto: bool = False, username: str = "", password: str = "",
    sequence: int = 1, out: TextIO | None = None, keys: int | None = None, stocks: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Play the scenario file at `path`, as ``openoutcry play`` does. stocks: more of the file's own.

    Returns the exit status: 0 played; 1 the exchange could not be reached, refused the login, or went away; 2 the
    file is no scenario. Errors go to standard error.
    """
    try:
        scenario = load_scenario(path)
        scenario["stocks"] = {**scenario.get("stocks", {}), **(stocks or {})}
        play(scenario, host, port, auto=auto, username=username, password=password, sequence=sequence,
             out=out, keys=keys)  # fmt: skip
    except ScenarioError as error:
        print(f"openoutcry play: {error}", file=sys.stderr)
        return 2
    except ClientError as error:
        print(f"openoutcry play: {error}", file=sys.stderr)
        return 1
    return 0
