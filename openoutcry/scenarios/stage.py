"""Scenarios that are Python functions: a ``Stage`` takes the steps, one by one, as the function says them.

::

    @scenario
    def crossing(ex):
        ex.create_engine("main")
        ex.create_book("aapl", "main", "AAPL")
        ex.create_endpoint("orders", "main", "ouch42")
        alice, bob = ex.client("ALICE", "orders"), ex.client("BOB", "orders")
        alice.send("NewOrderSingle", ClOrdID="A1", Side="1", OrderQty=100, Symbol="AAPL", OrdType="2", Price="10")
        ex.after("1h")  # on the exchange's clock: it takes no time
        bob.send("NewOrderSingle", ClOrdID="B1", Side="2", OrderQty=100, Symbol="AAPL", OrdType="2", Price="10")
        assert alice.last["LastQty"] == 100

A function that yields does without all that: it yields steps as files have them, and gets what came of each.

Invariant: whatever a function does by its Stage becomes a step, so what ``replay`` returns can be saved, and played
again without the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeVar

from openoutcry import verbs
from openoutcry.errors import ClientError, VerbError
from openoutcry.scenarios.model import (
    CONNECT,
    DISCONNECT,
    LOGOUT,
    Client,
    Event,
    Message,
    ScenarioError,
    Step,
    from_data,
    moment,
)
from openoutcry.scenarios.player import Player

Function = Callable[["Stage"], Any]
F = TypeVar("F", bound=Callable[..., Any])
MARK = "__scenario__"


def scenario(function: F) -> F:
    """Mark a function as a scenario, so that ``openoutcry replay FILE.py`` finds it."""
    setattr(function, MARK, True)
    return function


class Actor:
    """A client of a Stage; it connects when it first does something."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self.name = name

    @property
    def got(self) -> list[Message]:
        """All messages that it has got so far."""
        return [event.message for event in self._stage.events if event.client == self.name]

    @property
    def last(self) -> Message:
        """The last of them. Raises ClientError when there is none."""
        got = self.got
        if not got:
            raise ClientError(f"{self.name} has got no message yet")
        return got[-1]

    def connect(self) -> list[Event]:
        """Log on, or on again; returns what came of it, as all these do. Raises ClientError when it is refused."""
        return self._do(Step(client=self.name, do=CONNECT))

    def disconnect(self) -> list[Event]:
        """Lose the connection."""
        return self._do(Step(client=self.name, do=DISCONNECT))

    def logout(self) -> list[Event]:
        """Log out, and close."""
        return self._do(Step(client=self.name, do=LOGOUT))

    def send(self, message: str | Message, /, **fields: Any) -> list[Event]:
        """Send a message: ``send("NewOrderSingle", ClOrdID="A1", ...)``, or a dictionary."""
        found = dict(message) if isinstance(message, dict) else {"MsgType": message, **fields}
        return self._do(Step(client=self.name, message=found))

    def send_raw(self, data: bytes) -> list[Event]:
        """Send bytes."""
        return self._do(Step(client=self.name, raw=data))

    def _do(self, step: Step) -> list[Event]:
        done, came = self._stage.take(step)
        if done.refused:
            raise ClientError(f"{self.name}: {done.refused}")
        return came


class Stage:
    """The exchange as a scenario's function sees it: every verb is a method; ``client`` makes clients."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self._at = 0

    # --------------------------------------------------------------------------------------------- steps
    def take(self, step: Step) -> tuple[Step, list[Event]]:
        """One step now: with what became of it, and what came."""
        done, came = self._player.step(replace(step, at=self._at))
        self.steps.append(done)
        self.events += came
        return done, came

    def after(self, duration: Any) -> list[Event]:
        """Let time pass: "1h30m", "0.250s", or a number of seconds. Returns what came of it. Raises ValueError."""
        return self._pass_to(self._at + moment(duration))

    def at(self, when: Any) -> list[Event]:
        """Let time pass until then, from the beginning. Returns what came of it. Raises ValueError when it is over."""
        if moment(when) < self._at:
            raise ValueError(f"{when} is over: time does not go back")
        return self._pass_to(moment(when))

    def _pass_to(self, at: int) -> list[Event]:
        self._at = at
        came = self._player.pass_to(at)
        self.events += came
        return came

    def verb(self, verb: str, /, *arguments: Any, **named: Any) -> Any:
        """A control verb; returns its value. Those that only look are no steps. Raises VerbError when it is refused."""
        row = verbs.VERBS.get(verb)
        plain = [getattr(value, "name", value) for value in arguments]
        verbs.check(verb, plain, named)
        if row is None or not row.journaled:
            return self._player.call(verb, *plain, **named)
        values = {p.name: value for p, value in zip(row.parameters, plain, strict=False)} | named
        done, _ = self.take(Step(verb=verb, arguments=values))
        if done.refused:
            raise VerbError(done.refused, "", f"{verb} was refused: {done.refused}")
        return self._player.value

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in verbs.VERBS:
            raise AttributeError(f"a Stage has no {name!r}: neither a method of its own nor a verb")
        return lambda *arguments, **named: self.verb(name, *arguments, **named)

    def client(
        self, name: str, endpoint: str, user: str | None = None, password: str = "", **settings: Any
    ) -> Actor:  # fmt: skip
        """A client of that name at an endpoint. settings: of its FIX session."""
        self._player.clients[name] = Client(name, str(endpoint), user, password, settings)
        return Actor(self, name)

    def got(self, client: str) -> list[Message]:
        """All messages that a client has got so far."""
        return [event.message for event in self.events if event.client == client]

    # --------------------------------------------------------------------------------------------- all of it
    def perform(self, function: Function) -> None:
        """Call the function, and take the steps that it yields, if it does."""
        result = function(self)
        if inspect.isgenerator(result):
            self._exhaust(result)

    def _exhaust(self, rows: Generator[Any, Any, Any]) -> None:
        came: list[Event] | None = None
        while True:
            try:
                row = rows.send(came)
            except StopIteration:
                return
            came = self._yielded(row)

    def _yielded(self, row: Any) -> list[Event]:
        """A step as files have it."""
        known = {name: {"endpoint": client.endpoint} for name, client in self._player.clients.items()}
        step, clients = _one(row, known)
        for name, client in clients.items():
            self._player.clients.setdefault(name, client)
        self._at = max(self._at + (moment(row["after"]) if "after" in row else 0), step.at)
        return self.take(step)[1]

    def finish(self) -> None:
        """Collect what still comes."""
        self.events += self._player.end(self._at)


def _one(row: Any, known: dict[str, Any]) -> tuple[Step, dict[str, Client]]:
    """A single row; raises ScenarioError."""
    if not isinstance(row, dict):
        raise ScenarioError(f"a scenario yields steps as dictionaries, not {row!r}")
    found = from_data({"clients": known, "steps": [{key: value for key, value in row.items() if key != "after"}]})
    return found.steps[0], found.clients
