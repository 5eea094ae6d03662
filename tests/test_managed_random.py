"""Managed mode against the obvious: a list of what waits, whatever is done in whatever order, over both protocols."""

from __future__ import annotations

import random

import pytest

from openoutcry import Exchange
from openoutcry.errors import VerbError
from tests.managed_world import PROTOCOLS, logged_on, market

pytestmark = pytest.mark.usefixtures("closed_peers")

STEPS = 60


class Hand:
    """A client, its session in the hand, and the list."""

    def __init__(self, exchange: Exchange, protocol: str, seed: int) -> None:
        self.endpoint = market(exchange, protocol, auto_receive=False)
        self.client, self.session = logged_on(self.endpoint)
        self.draws = random.Random(seed)
        self.waiting: dict[str, int] = {}  # names of orders, with the numbers of those that have been shown, else 0
        self.holds = True
        self.sent = 0

    def step(self) -> None:
        steps = [self.send, self.send, self.look, self.process, self.discard, self.switch, self.leave]
        self.draws.choice(steps)()

    def expect(self, *names: str) -> None:
        """Those have been accepted, in this order, and nothing else has been said before."""
        assert [self.client.told() for _ in names] == [f"accepted {name}" for name in names]

    def send(self) -> None:
        self.sent += 1
        name = f"a{self.sent}"
        self.client.send_order(name)
        assert self.session.wait_for("NewOrderSingle")["message"]["ClOrdID"] == name
        if self.holds:
            self.waiting[name] = 0
        else:
            self.expect(name)

    def look(self) -> None:
        unseen = next((name for name, number in self.waiting.items() if not number), None)
        row = self.endpoint.exchange.next_message(self.endpoint, self.client.session)
        assert (row["message"]["ClOrdID"] if row is not None else None) == unseen
        if row is not None and unseen is not None:
            self.waiting[unseen] = row["number"]

    def chosen(self) -> tuple[str, int | None]:
        """One that waits: the oldest, or any that has been shown."""
        seen = [(name, number) for name, number in self.waiting.items() if number]
        if seen and self.draws.random() < 0.5:
            return self.draws.choice(seen)
        return next(iter(self.waiting)), None

    def process(self) -> None:
        if not self.waiting:
            with pytest.raises(VerbError, match="waits"):
                self.session.process()
            return
        name, number = self.chosen()
        self.session.process(number)
        del self.waiting[name]
        self.expect(name)

    def discard(self) -> None:
        if self.waiting:
            name, number = self.chosen()
            self.session.discard(number)
            del self.waiting[name]

    def switch(self) -> None:
        self.holds = not self.holds
        self.endpoint.set_property("auto_receive", not self.holds)
        if not self.holds:
            self.expect(*self.waiting)
            self.waiting.clear()

    def leave(self) -> None:
        """It goes, something is processed meanwhile, and it comes again."""
        missed = self.client.sequence
        self.client.close()
        self.session.wait_for("disconnect")
        names = list(self.waiting)[: self.draws.randrange(3)]
        for name in names:
            self.session.process()
            del self.waiting[name]
        self.client.connect()
        self.client.log_on()
        self.client.expect_welcome()
        if names:
            self.client.ask_again(missed)
        self.expect(*names)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_done_is_what_was_asked_for(exchange: Exchange, protocol: str, seed: int) -> None:
    hand = Hand(exchange, protocol, seed)
    for _ in range(STEPS):
        hand.step()
    rest = list(hand.waiting)
    hand.endpoint.set_property("auto_receive", True)
    hand.expect(*rest)
