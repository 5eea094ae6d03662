"""Two FIX sessions over a network that fails: no application message is lost, delivered twice, or out of order.

Connections end in the middle of messages, with the two ends noticing at different times; bytes come in any pieces and
late, some never; either side dies and comes back with its store; both send all the while. A seed gives the same run
again.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from openoutcry.fix.codec import Decoder
from openoutcry.fix.events import Disconnect, LogonRequested
from openoutcry.fix.message import Message
from openoutcry.fix.session import Session
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.states import State
from openoutcry.fix.store import MemoryStore
from tests.fix_session_peer import MONDAY, SECOND

STEPS = 1_500
BURST = 700  # messages at once: more than two portions of a resend
SEEDS = range(12)


class End:
    """One side: a session that may die, a store that does not, and what the application has sent and got."""

    def __init__(self, role: str, settings: dict[str, Any]) -> None:
        names = ("ISLD", "TW") if role == "acceptor" else ("TW", "ISLD")
        self.settings = SessionSettings(
            ConnectionType=role, SenderCompID=names[0], TargetCompID=names[1], UseDataDictionary="N", **settings
        )
        self.store = MemoryStore(MONDAY)
        self.sent = 0
        self.got: list[int] = []
        self.wants_close = False
        self.start(MONDAY)

    def start(self, now: int) -> None:
        """A new life."""
        self.session = Session(self.settings, self.store, now)
        self.decoder = Decoder()
        self.wants_close = False

    def send(self, now: int) -> None:
        self.sent += 1
        self.session.send(b"D", b"11=%d\x01" % self.sent, now)

    def hear(self, data: bytes, now: int) -> None:
        for message in self.decoder.feed(data):
            self.session.receive(message, now)
            self.take_events(now)

    def take_events(self, now: int) -> None:
        events = self.session.events[:]
        self.session.events.clear()
        for event in events:
            if isinstance(event, LogonRequested):
                self.session.approve(now)
                self.take_events(now)
            elif isinstance(event, Disconnect):
                self.wants_close = True
            elif isinstance(event, Message):
                self.got.append(int(event[11]))

    def said(self) -> bytes:
        data = b"".join(self.session.out)
        self.session.out.clear()
        return data


class Network:
    """Both ends, what is on the way between them, and what may go wrong."""

    def __init__(self, seed: int, **settings: Any) -> None:
        self.random = random.Random(seed)
        self.now = MONDAY
        self.ends = (End("acceptor", settings), End("initiator", settings))
        self.way: list[bytearray | None] = [
            None,
            None,
        ]  # to the acceptor, to the initiator; None: it has noticed the end
        self.connections = 0

    # ---- what happens
    def step(self) -> None:
        self.now += self.random.randrange(2_000_000)
        actions = (
            (30, self.carry), (20, self.speak), (10, self.pump), (4, self.wait), (2, self.cut), (2, self.notice),
            (1, self.crash), (1, self.lose_bytes), (1, self.burst), (6, self.connect),
        )  # fmt: skip
        action = self.random.choices([a for _, a in actions], [weight for weight, _ in actions])[0]
        action()
        self.settle()

    def speak(self) -> None:
        end = self.random.choice(self.ends)
        for _ in range(self.random.randrange(1, 6)):
            end.send(self.now)

    def burst(self) -> None:
        if self.random.random() < 0.2:
            end = self.random.choice(self.ends)
            for _ in range(BURST):
                end.send(self.now)

    def carry(self) -> None:
        """Some bytes arrive, cut anywhere."""
        side = self.random.randrange(2)
        way = self.way[side]
        if way:
            size = self.random.choice((1, 7, 60, 300, 5_000, 1_000_000))
            data = bytes(way[:size])
            del way[:size]
            self.ends[side].hear(data, self.now)

    def lose_bytes(self) -> None:
        way = self.random.choice(self.way)
        if way:
            at = self.random.randrange(len(way))
            del way[at : at + self.random.randrange(1, 500)]

    def pump(self) -> None:
        self.random.choice(self.ends).session.pump(self.now)

    def wait(self) -> None:
        """Time passes, with nothing on the way."""
        for _ in range(20):
            for side in (0, 1):
                if (way := self.way[side]) is not None:
                    data = bytes(way)
                    way.clear()
                    self.ends[side].hear(data, self.now)
            self.settle()
        self.now += self.random.choice((1, 5, 31, 37)) * SECOND

    def connect(self) -> None:
        """The initiator connects; the acceptor may not know yet that the old connection has ended."""
        if self.way[1] is None:
            self.noticed(0)
            self.way = [bytearray(), bytearray()]
            self.connections += 1
            for end in self.ends:
                end.decoder = Decoder()
                end.wants_close = False
                end.session.connected(self.now)

    def cut(self) -> None:
        """The connection ends; one side or both notice at once, and what was on the way may arrive or not."""
        for side in self.random.choice(((0,), (1,), (0, 1))):
            if self.random.random() < 0.5:
                self.carry()
            self.noticed(side)

    def notice(self) -> None:
        """What was on the way to a side whose peer has gone is all there is."""
        for side in (0, 1):
            if self.way[1 - side] is None and self.way[side] is not None:
                self.noticed(side)

    def crash(self) -> None:
        """A process dies, and is there again with its store."""
        side = self.random.randrange(2)
        self.way[side] = None
        self.ends[side].start(self.now)

    def noticed(self, side: int) -> None:
        if self.way[side] is not None:
            self.way[side] = None
            self.ends[side].session.disconnected(self.now)
            self.ends[side].take_events(self.now)
            self.ends[side].said()

    # ---- what follows
    def settle(self) -> None:
        """Timers, bytes onto the way, and closing."""
        for side, end in enumerate(self.ends):
            end.session.on_timer(self.now)
            end.take_events(self.now)
            other = self.way[1 - side]
            data = end.said()
            if other is not None and self.way[side] is not None:
                other += data
            if end.wants_close:
                end.wants_close = False
                self.noticed(side)

    def heal(self) -> None:
        """No more failures: everything arrives in the end."""
        for _ in range(400):
            if all(self.ends[i].got == [*range(1, self.ends[1 - i].sent + 1)] for i in (0, 1)):
                return
            self.notice()
            self.connect()
            for side in (0, 1):
                self.ends[side].session.pump(self.now)
                self.settle()
                if (way := self.way[side]) is not None:
                    data = bytes(way)
                    way.clear()
                    self.ends[side].hear(data, self.now)
                self.settle()
            self.now += SECOND
        raise AssertionError("it does not heal")

    def check(self) -> None:
        for one, other in (self.ends, self.ends[::-1]):
            assert one.got == [*range(1, len(one.got) + 1)], "lost, twice or out of order"
            assert len(one.got) <= other.sent


KINDS: list[dict[str, Any]] = [
    {"BeginString": "FIX.4.2"},
    {"BeginString": "FIX.4.0", "HeartBtInt": 10},
    {"BeginString": "FIX.4.4", "EnableNextExpectedMsgSeqNum": "Y", "EnableLastMsgSeqNumProcessed": "Y"},
    {"BeginString": "FIX.4.3", "MaxMessagesInResendRequest": 50},
    {"BeginString": "FIXT.1.1", "SendRedundantResendRequests": "Y"},
    {"BeginString": "FIX.4.4", "MaxMessagesInResendRequest": 7, "EnableNextExpectedMsgSeqNum": "Y"},
]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_message_is_lost_or_delivered_twice(seed: int) -> None:
    network = Network(seed, **KINDS[seed % len(KINDS)])
    for _ in range(STEPS):
        network.step()
        network.check()
    network.heal()
    network.check()
    assert network.connections > 10 and all(len(end.got) > 500 for end in network.ends)
    assert {end.session.state for end in network.ends} == {State.LOGGED_ON}
