"""Sessions to record: a small theatre in which clients send dictionaries, and what each of them got is kept.

with Theatre(exchange) as play:
    play.market("aapl")                                  # engine, books, endpoints
    alice = play.client("ALICE", "orders")
    alice.send("NewOrderSingle", ClOrdID="A1", ...)      # returns when the exchange has answered
    ...
same_again(play)      # recorded = what they got; saved and loaded; replayed = recorded
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from openoutcry import Exchange, scenarios
from openoutcry.errors import OpenOutcryError
from openoutcry.scenarios import Client, Event, Scenario, connections
from openoutcry.scenarios.settling import Settling
from openoutcry.scenarios.times import desk_message, without_time

Message = dict[str, Any]
SIDES = {"buy": "1", "sell": "2", "short": "5"}


class Actor:
    """A client of the theatre, over the same connections that a replay has, but steered by the test."""

    def __init__(self, play: Theatre, client: Client) -> None:
        self.play = play
        self.name = client.name
        self.got: list[Message] = []
        endpoint = play.endpoint(client.endpoint)
        play.settling.connecting(client.endpoint)
        self.connection = connections.connect(client, endpoint, 5.0, play.path(endpoint["protocol"]))
        play.opened.append(self.connection)
        play.settle()

    def send(self, message: str | Message, /, **fields: Any) -> Message:
        """Send, wait until it is done; returns the last message that came, of all so far."""
        found = dict(message) if isinstance(message, dict) else {"MsgType": message, **fields}
        self.connection.send(found)
        self.play.settling.sent(self.connection.client.endpoint)
        self.play.settle()
        return self.got[-1] if self.got else {}

    def order(self, name: str, side: str, quantity: int, price: str | None = None, **more: Any) -> Message:
        """An order in AAPL."""
        priced = {"OrdType": "1"} if price is None else {"OrdType": "2", "Price": price}
        fields = {"Symbol": "AAPL", "Side": SIDES[side], "OrderQty": quantity, **priced, **more}
        return self.send("NewOrderSingle", ClOrdID=name, **fields)

    def cancel(self, name: str, new: str = "", **more: Any) -> Message:
        """An order in AAPL, by its name; over FIX a cancel has one of its own."""
        own = {"ClOrdID": new, "Symbol": "AAPL", "Side": "1", "OrderQty": 1} if new else {}
        return self.send("OrderCancelRequest", OrigClOrdID=name, **own, **more)

    def replace(self, name: str, new: str, quantity: int, price: str, **more: Any) -> Message:
        """Another quantity and price."""
        fields = {"OrderQty": quantity, "OrdType": "2", "Price": price, **more}
        return self.send("OrderCancelReplaceRequest", OrigClOrdID=name, ClOrdID=new, **fields)

    def disconnect(self) -> None:
        """As a crash."""
        self.connection.disconnect()
        self.play.settle()

    def reconnect(self) -> None:
        """And back."""
        self.connection.reconnect()
        self.play.settle()


class Theatre:
    """See the module."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.settling = Settling(exchange.call)
        self.actors: dict[str, Actor] = {}
        self.recorded = Scenario()
        self.opened: list[connections.Connection] = []
        self.mail: dict[str, list[Message]] = {}  # of desks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.settle()
            self.recorded = scenarios.record(self.exchange)
            for row in self.exchange.list("desks"):
                rows = self.exchange.order_events(row["name"], 0, row["engine"], 400)
                self.mail[row["name"]] = [desk_message(each) for each in rows]
        for connection in self.opened:
            with suppress(OpenOutcryError):
                connection.close()

    def market(self, kind: str = "matching", fix: str = "fix44") -> None:
        """Engine main, book aapl, endpoints orders and fix."""
        self.exchange.create_engine("main", kind)
        self.exchange.create_book("aapl", "main", "AAPL")
        self.exchange.create_endpoint("orders", "main", "ouch42")
        self.exchange.create_endpoint("fix", "main", fix)

    def client(self, name: str, endpoint: str, password: str = "", **settings: Any) -> Actor:
        """Log a client on. OUCH's users are in capitals."""
        user = name if endpoint.startswith("orders") else None
        actor = self.actors[name] = Actor(self, Client(name, endpoint, user, password, settings))
        return actor

    def endpoint(self, name: str) -> Any:
        """Its row."""
        return next(row for row in self.exchange.list("endpoints") if row["name"] == name)

    def path(self, protocol: str) -> str:
        """From where a protocol was loaded."""
        return str(next(row["path"] for row in self.exchange.list("protocols") if row["name"] == protocol))

    def settle(self) -> None:
        """All that was sent is done, and everybody has what came of it."""
        self.settling.wait(actor.connection for actor in self.actors.values())
        for actor in self.actors.values():
            actor.got += [without_time(message) for message in actor.connection.take()]


def same_again(
    play: Theatre, tmp_path: Path, left_out: list[str] | None = None, notes: int = 0, untold: int = 0
) -> Scenario:  # fmt: skip
    """What was recorded is what they got; it stays the same in a file, and when it is replayed. Returns the replay.

    untold: so many of the messages were the gateway's own answers, of which the journal knows nothing.
    """
    recorded = play.recorded
    got = {name: actor.got for name, actor in play.actors.items()} | play.mail
    events = [Event(0, 0, name, message) for name, messages in got.items() for message in messages]
    found = scenarios.compare(replace(recorded, events=events), recorded)
    missing = [difference for difference in found.differences if difference.actual is None]
    assert len(found.differences) == len(missing) == untold, found.report(20)
    assert recorded.left_out == (left_out or []), recorded.left_out
    assert sum(bool(step.note) for step in recorded.steps) == notes, [step for step in recorded.steps if step.note]
    for ending in ("toml", "json"):
        scenarios.save(recorded, tmp_path / f"recorded.{ending}")
        assert scenarios.load(tmp_path / f"recorded.{ending}") == recorded
    came = scenarios.replay(recorded)
    found = scenarios.compare(recorded, came, times=True)
    assert found.same, found.report(20)
    return came
