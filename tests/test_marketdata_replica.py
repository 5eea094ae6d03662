"""The subscriber's core: whatever is lost, doubled or late, the rebuilt book is the publisher's book in the end."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import feed, parameters, wire
from openoutcry.clients import replica
from openoutcry.clients.replica import JOINING, LIVE, SYNCING, Replica
from openoutcry.errors import WireError
from openoutcry.marketdata.image import dump, load
from openoutcry.marketdata.publisher import Publisher
from openoutcry.marketdata.snapshots import SnapshotService
from tests.marketdata_world import T0, Flow, book_set

MS = 1_000_000


TRADES = (wire.TRADED, wire.TRADED_HIDDEN, wire.CROSS_TRADED)


def trade_row(event: tuple[Any, ...]) -> tuple[int, ...]:
    """(match, price, quantity, side, order) of an event."""
    kind, _, *fields = event
    if kind == wire.TRADED:
        order, quantity, price, match, side, _ = fields
        return match, price, quantity, side, order
    if kind == wire.TRADED_HIDDEN:
        quantity, price, match, side = fields
        return match, price, quantity, side, 0
    return fields[4], fields[3], fields[2], 0, 0


class World:
    """A publisher and one subscriber, with everything that the network may do in between."""

    def __init__(
        self, seed: int, channels: tuple[str, ...] = feed.CHANNELS, rare: float = 0.0, **options: Any
    ) -> None:  # fmt: skip
        self.random = Random(seed)
        self.flow = Flow(seed, rare=rare)
        self.now = 1
        self.loss = self.doubles = 0.0
        self.frames = 0
        self.publisher = Publisher(1)
        self.service = SnapshotService(self.publisher)
        self._subscribe()
        self.replica = Replica("AAPL", channels, self.now, **options)
        self.wanted = {feed.topic(channel, "AAPL"): channel for channel in (*channels, feed.HEARTBEAT)}
        self.requests: deque[tuple[Any, ...]] = deque()
        self.trades: list[tuple[Any, ...]] = []
        self.apply((book_set(),))

    def _subscribe(self) -> None:
        self.publisher.subscribe(b"\x01")

    def apply(self, events: Any) -> None:
        self.now += MS
        self.frames += 1
        self.trades += [trade_row(event) for event in events if event[0] in TRADES]
        market = self.publisher.market
        self.deliver(self.publisher.apply(market.last_event + 1, T0 + self.frames * 200 * MS, tuple(events)))

    def deliver(self, messages: list[tuple[bytes, bytes]]) -> None:
        for topic, data in messages:
            if topic not in self.wanted or self.random.random() < self.loss:
                continue
            for _ in range(2 if self.random.random() < self.doubles else 1):
                channel = self.wanted[topic]
                self.replica.receive(channel, feed.decode(channel, data), self.now)

    def talk(self) -> None:
        """One request and its answer, either of which may be lost."""
        self.requests.extend(self.replica.requests(self.now))
        if self.requests:
            what, *arguments = self.requests.popleft()
            data = self.service.answer(feed.request(1, what, *arguments), self.now)
            if self.random.random() >= self.loss:
                _, error, body = feed.decode_reply(data)
                self.replica.reply(what, error, body, self.now)

    def restart(self) -> None:
        market = load(dump(self.publisher.market))
        self.publisher = Publisher(self.publisher.life + 1, market)
        self.service = SnapshotService(self.publisher)
        self._subscribe()

    def settle(self) -> None:
        """The network behaves again: a heartbeat, and all the time that the questions need."""
        self.loss = self.doubles = 0.0
        self.deliver(self.publisher.heartbeats())
        for _ in range(40):
            self.now += 600 * MS
            self.talk()
        self.deliver(self.publisher.heartbeats())

    def check(self) -> None:
        book, mine = self.publisher.market.books[1], self.replica.book
        assert self.replica.state == LIVE and not self.replica.asking
        levels = [(1, *row) for row in mine.bids] + [(2, *row) for row in mine.asks]
        if feed.ORDER in self.replica.channels or feed.DEPTH in self.replica.channels:
            assert levels == book.level_rows()
        if feed.ORDER in self.replica.channels:
            sides = sorted(
                mine.orders.items(), key=lambda row: (row[1][0], -row[1][2] if row[1][0] == 1 else row[1][2])
            )
            assert [(order, *fields) for order, fields in sides] == book.order_rows()
        assert tuple(mine.bbo) == book.bbo
        assert (mine.phase, mine.name) == (book.phase_text, book.name)
        for channel, has, true in (
            (feed.AUCTION, tuple(mine.auction), book.auction),
            (feed.CORRECTION, [tuple(row) for row in mine.corrections], book.corrections),
            (feed.QUOTE, {maker: tuple(quote) for maker, quote in mine.quotes.items()}, book.quotes),
            (feed.INSTRUMENT, mine.properties, dict(book.properties)),
        ):
            assert channel not in self.replica.channels or has == true, channel
        assert tuple(mine.stats)[:6] == book.stats()[:6] or book in self.publisher.market.dirty


@settings(max_examples=60)
@given(
    seed=st.integers(0, 100_000), loss=st.sampled_from([0.0, 0.05, 0.4]), doubles=st.sampled_from([0.0, 0.2]),
    channels=st.sampled_from(
        [feed.CHANNELS, (feed.DEPTH, feed.BBO, feed.STATUS, feed.STATS), ("order", "bbo", "stats", "status")]
    ),
    restarts=st.booleans(),
)  # fmt: skip
def test_the_rebuilt_book_is_the_true_book_whatever_was_lost(
    seed: int, loss: float, doubles: float, channels: tuple[str, ...], restarts: bool
) -> None:
    world = World(seed, channels, rare=0.2)
    world.loss, world.doubles = loss, doubles
    for number in range(60):
        world.apply(world.flow.frame(world.random.randint(1, 6)))
        if number % 20 == 7:
            world.apply((book_set(tick_size=number),))
        if world.random.random() < 0.5:
            world.talk()
        if world.random.random() < 0.1:
            world.deliver(world.publisher.heartbeats())
        if restarts and world.random.random() < 0.05:
            world.restart()
    world.settle()
    world.check()
    assert world.replica.counters["trades_lost"] == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 100_000), loss=st.sampled_from([0.0, 0.1, 0.5]), restarts=st.booleans())
def test_every_trade_comes_once_and_in_order(seed: int, loss: float, restarts: bool) -> None:
    world = World(seed, recent_trades=1_000, rare=0.1)
    world.apply(world.flow.frame(50))
    world.loss = loss
    for number in range(40):
        world.apply(world.flow.frame(5))
        world.talk()
        if number % 7 == 0:
            world.deliver(world.publisher.heartbeats())
        if restarts and number % 11 == 5:
            world.restart()
    world.settle()
    assert [tuple(trade[:5]) for trade in world.replica.trades] == world.trades


def test_recent_trades_are_those_that_stand() -> None:
    world = World(8, recent_trades=100)
    world.apply(tuple((wire.TRADED_HIDDEN, 1, 10, 50, match, 1) for match in range(1, 6)))
    world.apply(((wire.TRADE_BROKEN, 1, 2, 10, 50),))
    for _ in range(3):
        world.talk()  # a snapshot with the correction, then the trades as they were told
    world.apply(((wire.TRADE_CORRECTED, 1, 4, 10, 50, 51), (wire.TRADE_BROKEN, 1, 5, 10, 50)))
    world.settle()
    recent = world.replica.recent
    assert [(trade.match, trade.price) for trade in recent] == [(1, 50), (3, 50), (4, 51)]
    assert [trade.price for trade in world.replica.trades] == [50] * 5
    assert [tuple(row[:4]) for row in world.replica.book.corrections] == [
        (2, 10, 50, 0),
        (4, 10, 50, 51),
        (5, 10, 50, 0),
    ]
    world.replica._resync(world.now, 0)
    world.settle()
    assert world.replica.recent == recent and len(world.replica.book.corrections) == 3


def test_without_loss_one_snapshot_is_enough() -> None:
    world = World(1)
    for _ in range(50):
        world.apply(world.flow.frame(5))
        world.talk()
    world.deliver(world.publisher.heartbeats())
    world.check()
    counters = world.replica.counters
    assert (counters["snapshots"], counters["gaps"], counters["restarts"]) == (1, 0, 0)


def test_a_lost_last_message_is_noticed_by_the_heartbeat() -> None:
    world = World(2)
    for _ in range(3):
        world.talk()
    world.loss = 1.0
    world.apply(world.flow.frame(3))
    world.loss = 0.0
    assert world.replica.state == LIVE
    world.deliver(world.publisher.heartbeats())
    assert (world.replica.state, world.replica.counters["gaps"]) == (SYNCING, 1)
    world.settle()
    world.check()


def test_nothing_is_asked_before_the_subscription_has_arrived_unless_it_takes_too_long() -> None:
    one = Replica("AAPL", feed.CHANNELS, 0)
    assert (one.state, list(one.requests(1))) == (JOINING, [])
    assert list(one.requests(replica.JOIN_NS)) == [("snapshot", "AAPL", 1)]
    assert list(one.requests(replica.JOIN_NS + 1)) == []
    assert list(one.requests(replica.JOIN_NS + replica.RETRY_NS)) == [("snapshot", "AAPL", 1)]
    other = Replica("AAPL", (feed.BBO,), 0)
    other.receive(feed.BBO, (5, 1, 0, 0, 0, 0), 7)
    assert list(other.requests(7)) == [("snapshot", "AAPL", 0)]


def test_an_unknown_symbol_is_asked_for_again_later() -> None:
    one = Replica("NONE", feed.CHANNELS, 0)
    assert list(one.requests(replica.JOIN_NS))
    one.reply("snapshot", "unknown_symbol", ("no",), replica.JOIN_NS)
    assert one.error == "unknown_symbol"
    assert list(one.requests(replica.JOIN_NS + replica.UNKNOWN_NS - 1)) == []
    assert list(one.requests(replica.JOIN_NS + replica.UNKNOWN_NS)) == [("snapshot", "NONE", 1)]


def test_a_big_book_is_put_together_from_its_pages() -> None:
    world = World(3)
    for _ in range(150):
        world.apply(world.flow.frame(500))
    world.deliver(world.publisher.heartbeats())
    for _ in range(3):
        world.talk()
        world.apply(world.flow.frame(3))  # the market does not wait
    assert world.service.counters["requests"] == 3
    world.settle()
    world.check()


def test_trades_that_are_not_kept_any_more_are_counted() -> None:
    world = World(4)
    world.talk()
    world.settle()
    world.loss = 1.0
    book = world.publisher.market.books[1]
    while not book.ring or book.ring[0][0] < 100:
        world.apply(world.flow.frame(500))
    world.settle()
    counters = world.replica.counters
    assert counters["trades_lost"] == book.ring[0][0] - 1
    assert counters["trades"] == sum(len(trades) for _, _, trades in book.ring)


def test_buffers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "WAITING_MAX", 10)
    monkeypatch.setattr(replica, "TRADES_MAX", 10)
    world = World(5)
    for _ in range(100):
        world.apply(world.flow.frame(5))
    assert len(world.replica._waiting) == len(world.replica._trades_waiting) == 10
    world.settle()
    for _ in range(20):
        world.apply(world.flow.frame(5))
    world.check()
    assert len(world.replica.trades) == 10 and world.replica.counters["trades_dropped"] > 0


def test_a_deleted_book_is_empty() -> None:
    world = World(6)
    world.settle()
    world.apply(world.flow.frame(20))
    world.apply(((wire.BOOK_DELETED, 1),))
    assert world.replica.book.phase == feed.DELETED
    assert not world.replica.book.bids and not world.replica.book.asks and not world.replica.book.orders


def test_levels_have_the_form_of_the_depth_verb() -> None:
    book = replica.Book("AAPL")
    book.add_order(1, 1, 100, 15025000000)
    book.add_order(2, 5, 30, 15100000000)
    book.add_order(3, 1, 7, 15000000000)
    assert book.levels() == {"bids": [["150.25", 100, 1], ["150", 7, 1]], "asks": [["151", 30, 1]]}
    assert book.levels(1)["bids"] == [["150.25", 100, 1]] and parameters.price_text(15025000000) == "150.25"


ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=7), max_size=4)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(feed.ALL_CHANNELS), st.integers(1, 9), ROWS | st.lists(st.integers(0, 3), max_size=8))
    )
)
def test_well_formed_nonsense_never_breaks_a_subscriber(messages: list[Any]) -> None:
    world = World(7)
    world.settle()
    seqs = world.replica.seqs
    for channel, step, body in messages:
        fields = body if channel in (feed.BBO, feed.HEARTBEAT) else [body]
        if channel == feed.HEARTBEAT and len(body) > 2:
            fields = [*body, *[1] * (len(feed.CHANNELS) + 1 - len(body))]
        try:
            message = feed.decode(channel, wire.pack((seqs.get(channel, 0) + step // 4, 1, *fields)))
        except WireError:
            continue
        world.replica.receive(channel, message, world.now)
    for what, *arguments in world.replica.requests(world.now):
        assert feed.request(1, what, *arguments)


@given(
    what=st.sampled_from(["snapshot", "page", "trades"]),
    body=st.lists(st.integers() | st.text(max_size=3), max_size=14),
)
def test_nonsensical_replies_are_wire_errors(what: str, body: list[Any]) -> None:
    one = Replica("AAPL", feed.CHANNELS, 0)
    try:
        one.reply(what, "", tuple(body), 1)
    except WireError:
        pass
