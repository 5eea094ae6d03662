"""A machine with a control peer and gateways around it, for tests of the matching core: no process, no clock."""

from __future__ import annotations

import json
from typing import Any

from openoutcry import verbs
from openoutcry import wire as w
from openoutcry.matcher.machine import Machine

Message = tuple[Any, ...]
START_NS = 1_700_000_000_000_000_000
CENT = 1_000_000  # in 1e-8
KIND = "matching"  # of the engine of ``market``
UNPRICED = (w.MARKET, w.MARKET_TO_LIMIT, w.STOP, w.MARKET_IF_TOUCHED)  # order types whose price is 0


class World:
    """`inputs` records everything that went in, so that it can be given to another machine."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.now = START_NS
        self.inputs: list[tuple[str, tuple[Any, ...]]] = []
        self.requests = 0
        self.feed("begin_epoch", 1)
        self.hello("control", w.ROLE_CONTROL)

    # ------------------------------------------------------------------------------------------- input
    def feed(self, what: str, *arguments: Any) -> None:
        """One input, as a journal would hold it."""
        self.inputs.append((what, (*arguments, self.now)))
        getattr(self.machine, what)(*arguments, self.now)

    def hello(self, name: str, role: int = w.ROLE_GATEWAY, generation: int = 1) -> None:
        self.feed("hello", name, role, generation)

    def send(self, peer: str, *commands: Message) -> None:
        """Commands that continue the peer's numbers, checked as the bus checks them."""
        for command in commands:
            w.check_command(command)
        self.feed("apply", peer, self.machine.peers[peer].last_command + 1, commands)

    def timer(self) -> None:
        self.feed("timer")

    def verb(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """Send a verb from control; returns its value, or the error's (code, field); None while it is held back."""
        self.requests += 1
        self.send("control", (w.VERB, self.requests, verb, verbs.check(verb, arguments, named)))
        answers = [event for event in self.take("control") if event[1] == self.requests]
        return outcome(answers[0], self.requests) if answers else None

    # ------------------------------------------------------------------------------------------- output
    def take(self, stream: str = "gateway-1") -> list[Message]:
        """The events of a stream since the last time, as a sequencer would take them."""
        found = self.machine.streams[stream]
        events = list(found.events)
        found.events.clear()
        found.end += len(events)
        table = w.PUBLIC_EVENTS if stream == "public" else w.PRIVATE_EVENTS
        w.check_events(w.unpack(w.pack(events), array_max=10**6), table)
        return events

    def take_all(self) -> dict[str, list[Message]]:
        return {name: self.take(name) for name in self.machine.streams}

    # ------------------------------------------------------------------------------------------- the usual
    def log_on(
        self, endpoint: str = "orders", user: str = "alice", connection: int = 1, gateway: str = "gateway-1",
        account: str = "",
    ) -> int:  # fmt: skip
        """Log on; returns the session's number. Its events are still there to be taken."""
        self.send(gateway, (w.LOGON, endpoint, user, connection, account))
        found = self.machine.endpoints[endpoint]
        return int(found.sessions[user if found.is_fix else user.strip().upper()].number)


def replayed(world: World) -> Machine:
    """Another machine that has been given all that the world's was given."""
    machine = Machine()
    for what, arguments in world.inputs:
        getattr(machine, what)(*arguments)
        for stream in machine.streams.values():
            stream.end += len(stream.events)
            stream.events.clear()
    return machine


def outcome(event: Message, request: int) -> Any:
    """What a RESULT says."""
    kind, number, error, text = event
    assert (kind, number) == (w.RESULT, request)
    if error:
        assert text == "null"
        return error[:2]
    return json.loads(text)


def market(symbols: tuple[str, ...] = ("X",), gateways: int = 1, users: tuple[str, ...] = ("alice", "bob")) -> World:
    """An open engine "main" with books, an endpoint on each gateway, and every user logged on everywhere.

    Sessions are numbered 1.. over endpoints, then users. All events so far have been taken.
    """
    world = World()
    world.verb("create_engine", "main", KIND)
    for symbol in symbols:
        world.verb("create_book", f"book-{symbol}", "main", symbol)
    for number in range(1, gateways + 1):
        name, gateway = ("orders", f"orders-{number}")[number > 1], f"gateway-{number}"
        world.hello(gateway)
        world.verb("create_endpoint", name, "main", "ouch42", gateway)
        world.send(gateway, (w.BOUND, name, "127.0.0.1", 4000 + number, ""))
        for connection, user in enumerate(users, 1):
            world.log_on(name, user, connection, gateway)
    world.take_all()
    return world


def enter(
    session: int, token: bytes | str, side: int = w.BUY, quantity: int = 100, price: int = 100, **named: Any
) -> Message:
    """An ENTER; price in cents."""
    token = token.encode() if isinstance(token, str) else token
    kind = named.get("order_type", w.LIMIT)
    return (w.ENTER, session, token, named.get("symbol", "X"), side, quantity, 0 if kind in UNPRICED else price * CENT,
            kind, named.get("tif", w.DAY), named.get("expire", 0), named.get("minimum", 0),
            named.get("data", b"data"))  # fmt: skip


def replace(
    session: int, token: bytes | str, new: bytes | str, quantity: int = 100, price: int = 100, **named: Any
) -> Message:
    """A REPLACE; price in cents."""
    token = token.encode() if isinstance(token, str) else token
    new = new.encode() if isinstance(new, str) else new
    kind = named.get("order_type", w.LIMIT)
    return (w.REPLACE, session, token, new, quantity, 0 if kind in UNPRICED else price * CENT, kind,
            named.get("tif", w.DAY), named.get("expire", 0), named.get("minimum", 0), named.get("invalid", 0),
            named.get("data", b"new"))  # fmt: skip


TERM_NUMBERS = {field.name: term for term, field in w.ORDER_TERMS.items()}
IN_CENTS = ("stop_price", "trail_amount", "protection", "peg_offset", "take_profit", "stop_loss")


def terms(**named: Any) -> tuple[tuple[int, Any], ...]:
    """Terms by their names in wire.ORDER_TERMS, as SUBMIT carries them; prices in cents."""
    values = {name: value * CENT if name in IN_CENTS else value for name, value in named.items()}
    return tuple(sorted((TERM_NUMBERS[name], value) for name, value in values.items()))


def submit(
    session: int, token: bytes | str, side: int = w.BUY, quantity: int = 100, price: int = 100, **named: Any
) -> Message:
    """A SUBMIT, as ``enter``; what else is named are terms."""
    given = terms(**{name: named.pop(name) for name in list(named) if name in TERM_NUMBERS})
    return (w.SUBMIT, *enter(session, token, side, quantity, price, **named)[1:], given)


def amend(
    session: int, token: bytes | str, new: bytes | str, quantity: int = 100, price: int = 100, **named: Any
) -> Message:
    """An AMEND, as ``replace``; what else is named are terms."""
    given = terms(**{name: named.pop(name) for name in list(named) if name in TERM_NUMBERS})
    return (w.AMEND, *replace(session, token, new, quantity, price, **named)[1:], given)


def change(
    session: int, token: bytes | str, new: bytes | str, quantity: int = 100, price: int = 100, **named: Any
) -> Message:
    """A CHANGE, as ``amend``."""
    _, *head, _, data, given = amend(session, token, new, quantity, price, **named)
    return (w.CHANGE, *head, data, given)
