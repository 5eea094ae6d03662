"""The publisher's core: public events in, complete lists of feed messages out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import feed, wire
from openoutcry.errors import JournalError, WireError
from openoutcry.marketdata.image import dump, load
from openoutcry.marketdata.publisher import Publisher, Subscriptions
from tests.marketdata_world import T0, Flow, book_set

S = 1_000_000_000


def subscribed(*prefixes: str) -> Publisher:
    publisher = Publisher()
    for prefix in prefixes or ("",):
        publisher.subscribe(b"\x01" + prefix.encode())
    return publisher


class Stream:
    """Numbers frames of events for a publisher, and decodes what comes out."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.end = publisher.market.last_event

    def __call__(self, *events: Any, at: int = 0) -> list[tuple[Any, ...]]:
        first, self.end = self.end + 1, self.end + len(events)
        return decoded(self.publisher.apply(first, T0 + at, events))


def decoded(messages: list[tuple[bytes, bytes]]) -> list[tuple[Any, ...]]:
    return [(topic.decode(), *feed.decode(feed.split_topic(topic)[0], data)) for topic, data in messages]


def added(order: int, side: int, quantity: int, price: int, book: int = 1) -> tuple[Any, ...]:
    return (wire.ADDED, book, order, side, quantity, price)


# ------------------------------------------------------------------------------------------------- messages
def test_every_kind_of_event_makes_its_messages() -> None:
    stream = Stream(subscribed())
    assert stream(book_set(), (wire.STATUS, 1, wire.PHASE_OPEN, "")) == [("status/AAPL/", 1, T0, "open", "")]
    assert stream(added(1, 1, 100, 50), added(2, 5, 70, 60), at=1) == [
        ("order/AAPL/", 1, T0 + 1, ((4, 1, 1, 100, 50), (4, 2, 5, 70, 60))),
        ("depth/AAPL/", 1, T0 + 1, ((1, 50, 100, 1), (2, 60, 70, 1))),
        ("bbo/AAPL/", 1, T0 + 1, 50, 100, 60, 70),
    ]
    assert stream((wire.TRADED, 1, 2, 30, 60, 9, 1, 40), at=2) == [
        ("trade/AAPL/", 1, T0 + 2, ((9, 60, 30, 1, 2),)),
        ("order/AAPL/", 2, T0 + 2, ((5, 2, 30, 60, 9, 1, 40),)),
        ("depth/AAPL/", 2, T0 + 2, ((2, 60, 40, 1),)),
        ("bbo/AAPL/", 2, T0 + 2, 50, 100, 60, 40),
    ]
    assert stream((wire.ORDER_REPLACED, 1, 1, 3, 80, 49), at=3) == [
        ("order/AAPL/", 3, T0 + 3, ((7, 1, 3, 80, 49),)),
        ("depth/AAPL/", 3, T0 + 3, ((1, 50, 0, 0), (1, 49, 80, 1))),
        ("bbo/AAPL/", 3, T0 + 3, 49, 80, 60, 40),
    ]
    assert stream((wire.REDUCED, 1, 2, 40, 0), at=4) == [
        ("order/AAPL/", 4, T0 + 4, ((6, 2, 40, 0),)),
        ("depth/AAPL/", 4, T0 + 4, ((2, 60, 0, 0),)),
        ("bbo/AAPL/", 4, T0 + 4, 49, 80, 0, 0),
    ]
    assert stream((wire.STATUS, 1, wire.PHASE_HALTED, "news"), at=5) == [("status/AAPL/", 2, T0 + 5, "halted", "news")]


def test_a_frame_makes_one_message_a_topic_and_bbo_only_when_it_ends_elsewhere() -> None:
    stream = Stream(subscribed("trade/", "bbo/", "depth/"))
    stream(book_set(), added(1, 1, 100, 50), added(2, 2, 100, 60))
    assert stream(
        (wire.TRADED, 1, 1, 10, 50, 1, 2, 90), (wire.TRADED, 1, 2, 5, 60, 2, 6, 95), added(3, 1, 10, 50),
        added(4, 2, 5, 60), added(5, 1, 1, 40), (wire.REDUCED, 1, 5, 1, 0),
    ) == [
        ("trade/AAPL/", 1, T0, ((1, 50, 10, 2, 1), (2, 60, 5, 2, 2))),
        ("depth/AAPL/", 2, T0, ((1, 50, 100, 2), (1, 40, 0, 0), (2, 60, 100, 2))),
    ]  # fmt: skip


def test_statistics_are_published_once_a_second_of_event_time() -> None:
    stream = Stream(subscribed("stats/"))
    stream(book_set(), added(1, 1, 100, 50), added(2, 2, 100, 70))
    assert stream((wire.TRADED, 1, 1, 10, 50, 1, 2, 90), (wire.TRADED, 1, 2, 1, 70, 2, 1, 99), at=5) == []
    assert stream((wire.TRADED, 1, 1, 10, 50, 3, 2, 80), at=S - 1) == []
    assert stream((wire.TRADED, 1, 1, 10, 60, 4, 2, 70), at=S) == [
        ("stats/AAPL/", 1, T0 + S - 1, 50, 70, 50, 50, 21, 3, "0.0000107", 1)
    ]
    assert stream(added(3, 1, 1, 1), at=5 * S) == [("stats/AAPL/", 2, T0 + S, 50, 70, 50, 60, 31, 4, "0.0000167", 1)]
    assert stream(added(4, 1, 1, 1), at=9 * S) == []


def test_a_quiet_market_publishes_its_last_second_and_counts_as_if_it_had_waited() -> None:
    streams = [Stream(subscribed("stats/")) for _ in range(2)]
    for number, stream in enumerate(streams):
        stream(book_set(), added(1, 1, 100, 50))
        stream((wire.TRADED, 1, 1, 10, 50, 1, 2, 90), at=1)
        if number:
            assert [message[1] for message in decoded(stream.publisher.idle())] == [1]
            assert stream.publisher.idle() == []
        stream((wire.TRADED, 1, 1, 10, 50, 2, 2, 80), at=2)  # late, of the same second
    last = [stream(added(2, 1, 1, 1), at=7 * S) for stream in streams]
    assert last[0] == last[1] == [("stats/AAPL/", 1, T0 + 2, 50, 50, 50, 50, 20, 2, "0.00001", 1)]


def test_a_new_day_begins_statistics_again_but_keeps_the_last_price() -> None:
    stream = Stream(subscribed("stats/", "status/"))
    stream(book_set(), added(1, 1, 100, 50), (wire.TRADED, 1, 1, 100, 50, 1, 2, 0))
    stream((wire.STATUS, 1, wire.PHASE_ENDED, ""), at=S)
    stream((wire.STATUS, 1, wire.PHASE_CLOSED, ""), at=2 * S)
    assert stream((wire.STATUS, 1, wire.PHASE_OPEN, ""), at=3 * S) == [
        ("stats/AAPL/", 2, T0 + 2 * S, 0, 0, 0, 50, 0, 0, "0", 2),
        ("status/AAPL/", 4, T0 + 3 * S, "open", ""),
    ]


def test_a_second_book_with_the_same_symbol_is_published_under_its_own_name() -> None:
    stream = Stream(subscribed("order/"))
    stream(
        book_set(1), book_set(2, "other", "second"), book_set(3, "AAPL", "third"), book_set(4, "AAPL", "fourth"),
        book_set(5, "AAPL", "fourth"),
    )  # fmt: skip
    messages = stream(*(added(n, 1, 10, 5, book=n) for n in range(1, 6)))
    assert [message[0] for message in messages] == [
        "order/AAPL/", "order/other/", "order/AAPL@third/", "order/AAPL@fourth/", "order/AAPL~2/",
    ]  # fmt: skip


def test_a_deleted_book_leaves_an_empty_market_and_its_numbers_go_on_when_it_comes_back() -> None:
    stream = Stream(subscribed())
    stream(book_set(), added(1, 1, 100, 50))
    assert stream((wire.BOOK_DELETED, 1), book_set(2), added(2, 2, 7, 60, book=2), at=1) == [
        ("order/AAPL/", 2, T0 + 1, ()),
        ("depth/AAPL/", 2, T0 + 1, ((1, 50, 0, 0),)),
        ("bbo/AAPL/", 2, T0 + 1, 0, 0, 0, 0),
        ("status/AAPL/", 2, T0 + 1, "deleted", ""),
        ("order/AAPL/", 3, T0 + 1, ((4, 2, 2, 7, 60),)),
        ("depth/AAPL/", 3, T0 + 1, ((2, 60, 7, 1),)),
        ("bbo/AAPL/", 3, T0 + 1, 0, 0, 60, 7),
        ("status/AAPL/", 3, T0 + 1, "open", ""),
    ]


def test_heartbeats_tell_the_numbers_of_all_topics() -> None:
    stream = Stream(subscribed("heartbeat/"))
    stream(book_set(), added(1, 1, 100, 50), (wire.TRADED, 1, 1, 10, 50, 1, 2, 90))
    stream(added(2, 1, 1, 40))
    assert decoded(stream.publisher.heartbeats()) == [("heartbeat/AAPL/", 1, T0, 1, 1, 2, 2, 1, 0, 1)]


def test_sums_beyond_64_bits_are_saturated() -> None:
    stream = Stream(subscribed("depth/"))
    stream(book_set())
    huge = [added(n, 1, wire.QUANTITY_MAX, 50) for n in range(1, 2_101)]
    assert stream(*huge) == [("depth/AAPL/", 1, T0, ((1, 50, 2**64 - 1, 2_100),))]


@pytest.mark.parametrize(
    "event",
    [
        (wire.REDUCED, 1, 99, 1, 0), (wire.ADDED, 7, 1, 1, 1, 1), (99, 1), (wire.ADDED, 1), (), ("x", 1),
        (wire.TRADED, 1, 5, 1, 1, 1, 1, 0), (wire.STATUS, 1, 9, ""), (wire.BOOK_DELETED, 3),
        (wire.ORDER_REPLACED, 1, 9, 1, 1, 1),
    ],
)  # fmt: skip
def test_an_event_that_does_not_fit_is_an_error(event: tuple[Any, ...]) -> None:
    stream = Stream(subscribed())
    stream(book_set())
    with pytest.raises(WireError):
        stream(event)


# ------------------------------------------------------------------------------------------------- numbers
def run(publisher: Publisher, frames: list[Any]) -> list[list[tuple[Any, ...]]]:
    stream = Stream(publisher)
    return [stream(*events, at=at) for at, events in frames]


def frames_of(seed: int, count: int = 30) -> list[Any]:
    flow = Flow(seed, books=3)
    books = (book_set(1), book_set(2, "b", "main", "MSFT"), book_set(3, "c", "other", "AAPL"))
    return [(0, books), *((n * S // 3, flow.frame(flow.random.randint(1, 12))) for n in range(1, count))]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 29))
def test_a_restart_from_an_image_makes_the_same_messages_with_the_same_numbers(seed: int, cut: int) -> None:
    frames = frames_of(seed)
    whole = run(subscribed(), frames)
    before = subscribed()
    assert run(before, frames[:cut]) == whole[:cut]
    again = Publisher(2, load(dump(before.market)))
    for book in again.market.books.values():
        assert not book.want_depth  # subscribers say again what they want
    again.subscribe(b"\x01")
    assert run(again, frames[cut:]) == whole[cut:]
    assert dump(again.market) == dump(load(dump(again.market)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sets(st.sampled_from(feed.CHANNELS)), st.integers(0, 29))
def test_numbers_do_not_depend_on_who_listens_or_since_when(seed: int, channels: set[str], since: int) -> None:
    frames = frames_of(seed)
    whole = run(subscribed(), frames)
    publisher = Publisher()
    first = run(publisher, frames[:since])
    assert not any(first)
    for channel in channels:
        publisher.subscribe(b"\x01" + channel.encode() + b"/")
    wanted = [[m for m in messages if m[0].split("/")[0] in channels] for messages in whole[since:]]
    assert run(publisher, frames[since:]) == wanted


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_levels_and_orders_are_those_of_a_plain_count(seed: int) -> None:
    publisher, flow = Publisher(), Flow(seed)
    stream = Stream(publisher)
    stream(book_set())
    for _ in range(20):
        stream(*flow.frame(10))
    book = publisher.market.books[1]
    expected: dict[tuple[int, int], list[int]] = {}
    for _, order, side, price in flow.live:
        level = expected.setdefault((side, price), [0, 0])
        level[0] += flow.left[order]
        level[1] += 1
    rows = book.level_rows()
    assert {(side, price): [quantity, count] for side, price, quantity, count in rows} == expected
    assert rows == sorted(rows, key=lambda r: (r[0], -r[1] if r[0] == 1 else r[1]))
    live = sorted(flow.live, key=lambda row: (row[2], -row[3] if row[2] == 1 else row[3], row[1]))
    assert book.order_rows() == [(order, side, flow.left[order], price) for _, order, side, price in live]


@pytest.mark.parametrize("data", [b"", b"\x90", b"\xc1", b"x" * 100, b"\x98\x02\x00\x00\x00\x90\x90\x90\x90"])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(JournalError):
        load(data)


# ------------------------------------------------------------------------------------------------- subscriptions
def test_only_what_is_subscribed_to_is_made() -> None:
    stream = Stream(Publisher())
    assert stream(book_set(), added(1, 1, 1, 1)) == []
    stream.publisher.subscribe(b"\x01bbo/AAPL/")
    assert [m[0] for m in stream(added(2, 1, 1, 2))] == ["bbo/AAPL/"]
    stream.publisher.subscribe(b"\x01ord")
    assert [m[0] for m in stream(added(3, 1, 1, 3))] == ["order/AAPL/", "bbo/AAPL/"]
    stream.publisher.subscribe(b"\x00bbo/AAPL/")
    assert [m[0] for m in stream(added(4, 1, 1, 4))] == ["order/AAPL/"]
    stream.publisher.subscribe(b"\x00ord")
    assert stream(added(5, 1, 1, 5)) == []


def test_a_subscription_to_a_book_that_comes_later_counts_from_its_first_order() -> None:
    stream = Stream(subscribed("order/AAPL/", "order/MSFT/"))
    assert stream(book_set(), added(1, 1, 1, 1)) == [("order/AAPL/", 1, T0, ((4, 1, 1, 1, 1),))]


def test_subscribing_to_a_heartbeat_brings_one_at_once() -> None:
    publisher = Publisher(7)
    Stream(publisher)(book_set())
    for _ in range(2):  # for the second subscriber as well
        assert [m[0] for m in decoded(publisher.subscribe(b"\x01heartbeat/AAPL/"))] == ["heartbeat/AAPL/"]
    assert publisher.subscribe(b"\x01heartbeat/MSFT/") == publisher.subscribe(b"\x00heartbeat/AAPL/") == []


@pytest.mark.parametrize("prefix", [b"x", b"trades/", b"/", b"\xff", b"trade/" + b"A" * 200, b"trade\x00"])
def test_subscriptions_that_no_topic_can_match_are_not_kept(prefix: bytes) -> None:
    subscriptions = Subscriptions()
    assert subscriptions.take(b"\x01" + prefix) is None
    assert not subscriptions.prefixes and subscriptions.ignored == 1


def test_too_many_subscriptions_make_everything_wanted_until_some_end() -> None:
    subscriptions = Subscriptions()
    for number in range(feed.SUBSCRIPTIONS_MAX):
        subscriptions.take(b"\x01trade/%d/" % number)
    assert not subscriptions.wanted(b"bbo/AAPL/")
    assert subscriptions.take(b"\x01trade/AAPL/") == b""
    assert subscriptions.wanted(b"bbo/AAPL/") and len(subscriptions.prefixes) == feed.SUBSCRIPTIONS_MAX
    assert subscriptions.take(b"\x00trade/AAPL/") == b""
    assert not subscriptions.wanted(b"bbo/AAPL/")


@given(st.binary(max_size=120))
def test_any_subscription_message_is_survived(message: bytes) -> None:
    publisher = Publisher()
    Stream(publisher)(book_set())
    publisher.subscribe(message)


# ------------------------------------------------------------------------------------------------- decoding
@pytest.mark.parametrize("channel", feed.ALL_CHANNELS)
@given(data=st.binary(max_size=60))
def test_decoding_raises_wire_errors_only(channel: str, data: bytes) -> None:
    for bytes_ in (data, b"\x93\x01\x02" + data, b"\x94\x01\x02" + data):
        try:
            feed.decode(channel, bytes_)
        except WireError:
            pass


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.floats(),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=12,
)


@given(channel=st.sampled_from(feed.ALL_CHANNELS), body=st.lists(VALUES, max_size=9))
def test_what_decodes_has_the_types_that_are_documented(channel: str, body: list[Any]) -> None:
    try:
        message = feed.decode(channel, wire.pack((1, 2, *body)))
    except WireError:
        return
    if channel in (feed.TRADE, feed.DEPTH, feed.ORDER):
        assert all(type(value) is int for row in message[2] for value in row)
    elif channel in (feed.BBO, feed.HEARTBEAT):
        assert all(type(value) is int for value in message)


def test_topics() -> None:
    assert feed.topic(feed.TRADE, "AAPL") == b"trade/AAPL/"
    assert feed.split_topic(b"trade/AAPL/") == ("trade", "AAPL")
    for bad in (
        b"",
        b"trade/AAPL",
        b"trade//",
        b"x/AAPL/",
        b"trade/\xff/",
        b"trade/a/b/",
        b"trade/" + b"A" * 99 + b"/",
    ):
        with pytest.raises(WireError):
            feed.split_topic(bad)


def test_prices_for_people() -> None:
    assert str(feed.decimal(15025000000)) == "150.25000000"
    assert [feed.price_text(p) for p in (15025000000, 15000000000, 1, 10010000000)] == [
        "150.25", "150.00", "0.00000001", "100.10",
    ]  # fmt: skip


def test_every_field_is_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "market-data.md").read_text()
    for fields in (
        feed.Trade._fields[:5],
        feed.Bbo._fields,
        feed.Level._fields,
        feed.Stats._fields,
        feed.SnapshotHead._fields,
    ):
        for name in fields:
            assert re.search(rf"\| .*\b{name}\b.* \|", text), name
    for name in (*feed.ALL_CHANNELS, *feed.ERROR_CODES, "snapshot", "page", "symbols", "trades", *wire.PHASES.values()):
        assert f"`{name}`" in text or f'`"{name}"`' in text, name
    assert f"`[seq, time_ns, {', '.join(feed.Stats._fields)}]`" in text
    assert f"`[seq, time_ns, {', '.join(feed.Heartbeat._fields)}]`" in text
    assert f"`[seq, time_ns, {', '.join(feed.Bbo._fields)}]`" in text
