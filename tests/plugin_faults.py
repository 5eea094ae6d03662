"""Plugins that do wrong whatever can be done wrong: for tests of who is hurt by it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from openoutcry import wire
from openoutcry.matcher.orders import Order
from openoutcry.matcher.policies import Hands, Message, Policy
from openoutcry.matcher.treatment import Treatment
from openoutcry.parameters import Parameter
from openoutcry.plugins import Client, Engine

HEAD = {"MsgType": "ExecutionReport", "OrderID": "1", "ExecID": "1", "ExecType": "0", "OrdStatus": "0", "CumQty": 0,
        "AvgPx": "0"}  # fmt: skip


class Unsayable(Exception):
    """An error without words."""

    def __str__(self) -> str:
        raise RuntimeError("nor this")


def deep(levels: int) -> Any:
    """A list in a list in a list ..."""
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


def news(**fields: Any) -> dict[str, Any]:
    return {"MsgType": "News", "Headline": "x", **fields}


class Faulty(Engine):
    """Does what the Symbol of an order says, and accepts all other orders."""

    def message(self, client: Client, message: dict[str, Any]) -> None:
        act = getattr(self, "do_" + message.get("Symbol", "").lower(), None)
        if act is not None:
            act(client)
        self.hands.send(client, {**HEAD, **{name: message[name] for name in ("ClOrdID", "Symbol", "Side", "OrderQty")},
                                 "LeavesQty": message["OrderQty"], "OrdType": "2", "Price": "10"})  # fmt: skip

    def do_raise(self, client: Client) -> None:
        raise RuntimeError(f"of {self!r}\n  and more")

    def do_exit(self, client: Client) -> None:
        sys.exit("so there")

    def do_mute(self, client: Client) -> None:
        raise Unsayable

    def do_half(self, client: Client) -> None:
        raise ValueError("\ud800" * 1000)

    def do_recurse(self, client: Client) -> None:
        self.do_recurse(client)

    def do_string(self, client: Client) -> None:
        self.hands.send(client, "News")  # type: ignore[arg-type]  # as somebody might

    def do_bytes(self, client: Client) -> None:
        self.hands.send(client, news(Text=b"x"))

    def do_float(self, client: Client) -> None:
        self.hands.send(client, news(Price=10.05))

    def do_keys(self, client: Client) -> None:
        self.hands.send(client, news(Lines=[{1: "x"}]))

    def do_deep(self, client: Client) -> None:
        self.hands.send(client, news(Lines=deep(900)))

    def do_lone(self, client: Client) -> None:
        self.hands.send(client, news(Text="\ud800"))

    def do_digits(self, client: Client) -> None:
        self.hands.send(client, news(Urgency=10**5000))

    def do_long(self, client: Client) -> None:
        self.hands.send(client, news(Text="x" * 20_000))

    def do_nobody(self, client: Client) -> None:
        assert not self.hands.send(4711, news())
        assert self.hands.client(-1) is None
        self.hands.send("ALICE", news())  # type: ignore[arg-type]  # as somebody might

    def do_many(self, client: Client) -> None:
        while True:
            self.hands.send(client, news())

    def do_large(self, client: Client) -> None:
        while True:
            self.hands.send(client, news(Text="x" * 16_000))

    def do_deaf(self, client: Client) -> None:
        while True:
            try:
                self.hands.send(client, news())
            except Exception:
                continue

    def do_chain(self, client: Client) -> None:
        self.hands.later(0, "chain")

    def do_later(self, client: Client) -> None:
        self.hands.later("1", None)  # type: ignore[arg-type]  # as somebody might

    def do_pairs(self, client: Client) -> None:
        self.hands.later(1, {(1, 2): 3})

    def do_object(self, client: Client) -> None:
        self.hands.later(1, object())

    def do_heavy(self, client: Client) -> None:
        self.hands.later(1, "x" * 100_000)

    def do_unkept(self, client: Client) -> None:
        self.state["unkept"] = {(1, 2): 3}

    def due(self, data: Any) -> None:
        self.hands.later(0, data)


class Handless(Faulty):
    """Has thrown away what it had, and refuses in no words at all."""

    def message(self, client: Client, message: dict[str, Any]) -> None:
        del self.hands

    def refusal(self, client: Client, message: dict[str, Any], reason: str, text: str) -> Mapping[str, Any] | None:
        return "no"  # type: ignore[return-value]  # as somebody might


class Exits(Engine):
    """Ends the process instead of being made."""

    def __init__(self) -> None:
        sys.exit(3)


class Forgets(Engine):
    """Does not take what it has kept, while a file says so."""

    def message(self, client: Client, message: dict[str, Any]) -> None:
        self.state["seen"] = self.state.get("seen", 0) + 1
        self.hands.send(client, {**HEAD, "OrderID": str(self.state["seen"]), "LeavesQty": 1, "OrdType": "2",
                                 "Price": "10", **{name: message[name] for name in ("ClOrdID", "Symbol", "Side",
                                                                                    "OrderQty")}})  # fmt: skip

    def load(self, state: Any) -> None:
        if os.path.exists(os.environ.get("FORGETS", "")):
            raise KeyError("what was that")
        super().load(state)


class Rough(Policy):
    """Does what its option says, to new orders."""

    parameters = (Parameter("how", "text", "what it does wrong", "", 0, 20),)
    messages = frozenset((wire.ENTER,))
    dictionaries = True

    def __init__(self, options: dict[str, Any]) -> None:
        if options["how"] == "unmade":
            sys.exit("not made")
        super().__init__(options)

    def judged(self) -> frozenset[int]:
        return 7 if self.options["how"] == "unjudged" else super().judged()  # type: ignore[return-value]  # as somebody

    def treats(self, hands: Hands, message: Message) -> Treatment:
        act = getattr(self, "treats_" + self.options["how"], None)
        return act() if act is not None else Treatment()

    def treats_raise(self) -> None:
        raise RuntimeError(f"of {self!r}")

    def treats_exit(self) -> None:
        sys.exit("so there")

    def treats_none(self) -> None:
        pass

    def treats_code(self) -> Treatment:
        return Treatment((4711, "no such reason"))

    def treats_text(self) -> Treatment:
        return Treatment((wire.REJECT_HALTED, b"bytes"))  # type: ignore[arg-type]  # as somebody might

    def treats_word(self) -> Treatment:
        return Treatment("no")  # type: ignore[arg-type]  # as somebody might

    def treats_long(self) -> Treatment:
        return Treatment((wire.REJECT_HALTED, "\ud800" * 10_000))

    def treats_held(self) -> Treatment:
        return Treatment(held_ns=10**30)

    def treats_float(self) -> Treatment:
        return Treatment(held_ns=1.5)  # type: ignore[arg-type]  # as somebody might

    def treats_behind(self) -> Treatment:
        return Treatment(held_ns=1, behind=-1)

    def treats_copies(self) -> Treatment:
        return Treatment(copies="x")  # type: ignore[arg-type]  # as somebody might

    def accepted(self, hands: Hands, order: Order) -> bool:
        act = getattr(self, "accepted_" + self.options["how"], None)
        return act is not None and act(hands, order) is None

    def accepted_fill(self, hands: Hands, order: Order) -> None:
        hands.fill(order, 1.5, 10)  # type: ignore[arg-type]  # as somebody might

    def accepted_reason(self, hands: Hands, order: Order) -> None:
        hands.cancel(order, 4711)

    def accepted_leaves(self, hands: Hands, order: Order) -> None:
        hands.cancel(order, leaves=-1)

    def accepted_later(self, hands: Hands, order: Order) -> None:
        hands.later(order, -1)

    def accepted_data(self, hands: Hands, order: Order) -> None:
        hands.later(order, 1, 10**30)

    def accepted_wake(self, hands: Hands, order: Order) -> None:
        hands.wake("1")  # type: ignore[arg-type]  # as somebody might

    def accepted_due(self, hands: Hands, order: Order) -> None:
        hands.later(order, 0)

    def accepted_woken(self, hands: Hands, order: Order) -> None:
        hands.wake(0)

    def due(self, hands: Hands, order: Order, data: tuple[int, ...]) -> None:
        hands.later(order, 0)

    def woken(self, hands: Hands) -> None:
        hands.wake(0)
