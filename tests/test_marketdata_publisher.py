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
    assert stream(book_set(tick_size=7), (wire.STATUS, 1, wire.PHASE_OPEN, "")) == [
        ("status/AAPL/", 1, T0, "open", ""),
        ("instrument/AAPL/", 1, T0, (("tick_size", 7),)),
    ]
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
    assert stream((wire.TRADED_HIDDEN, 1, 5, 55, 10, 2), at=6) == [("trade/AAPL/", 2, T0 + 6, ((10, 55, 5, 2, 0),))]
    assert stream((wire.QUOTED, 1, 9, 10, 50, 20, 60), at=7) == [("quote/AAPL/", 1, T0 + 7, ((9, 10, 50, 20, 60),))]
    assert stream((wire.TRADE_BROKEN, 1, 10, 5, 55), (wire.TRADE_CORRECTED, 1, 9, 30, 60, 61), at=8) == [
        ("correction/AAPL/", 1, T0 + 8, ((10, 5, 55, 0), (9, 30, 60, 61)))
    ]


def test_an_auction_from_its_beginning_to_its_end() -> None:
    stream = Stream(subscribed("trade/", "order/", "depth/", "bbo/", "auction/", "status/"))
    stream(book_set())
    assert stream(
        (wire.STATUS, 1, wire.PHASE_PRE_OPEN, "timetable"), added(1, 1, 100, 60), added(2, 2, 70, 50), at=1
    ) == [
        ("order/AAPL/", 1, T0 + 1, ((4, 1, 1, 100, 60), (4, 2, 2, 70, 50))),
        ("depth/AAPL/", 1, T0 + 1, ((1, 60, 100, 1), (2, 50, 70, 1))),
        ("bbo/AAPL/", 1, T0 + 1, 60, 100, 50, 70),  # crossed, as it is
        ("status/AAPL/", 2, T0 + 1, "pre_open", "timetable"),
    ]
    assert stream((wire.INDICATIVE, 1, 55, 70, 1, 30), (wire.INDICATIVE, 1, 60, 70, 1, 30), at=2) == [
        ("auction/AAPL/", 1, T0 + 2, ((0, 60, 70, 1, 30),))
    ]
    assert stream(
        (wire.INDICATIVE, 1, 60, 75, 1, 25), (wire.CROSS_TRADED, 1, 1, 2, 70, 60, 1, 30, 0),
        (wire.CROSS_TRADED, 1, 1, 0, 5, 60, 2, 25, 0), (wire.CROSS_TRADED, 1, 0, 0, 5, 60, 3, 0, 0),
        (wire.CROSSED, 1, wire.CROSS_OPENING, 60, 80), (wire.STATUS, 1, wire.PHASE_OPEN, "open"), at=3,
    ) == [
        ("trade/AAPL/", 1, T0 + 3, ((1, 60, 70, 0, 0), (2, 60, 5, 0, 0), (3, 60, 5, 0, 0))),
        ("order/AAPL/", 2, T0 + 3, ((9, 1, 2, 70, 60, 1, 30, 0), (9, 1, 0, 5, 60, 2, 25, 0))),
        ("depth/AAPL/", 2, T0 + 3, ((1, 60, 25, 1), (2, 50, 0, 0))),
        ("bbo/AAPL/", 2, T0 + 3, 60, 25, 0, 0),
        ("status/AAPL/", 3, T0 + 3, "open", "open"),
        ("auction/AAPL/", 2, T0 + 3, ((0, 60, 75, 1, 25), (1, 60, 80, 0, 0))),
    ]  # fmt: skip
    assert stream((wire.STATUS, 1, wire.PHASE_CLOSING_AUCTION, "close"), at=4) == [
        ("status/AAPL/", 4, T0 + 4, "closing_auction", "close"),
        ("auction/AAPL/", 3, T0 + 4, ((0, 0, 0, 0, 0),)),
    ]
    assert stream((wire.CROSSED, 1, wire.CROSS_CLOSING, 0, 0), at=5) == [
        ("auction/AAPL/", 4, T0 + 5, ((2, 0, 0, 0, 0),))
    ]


def test_trades_that_were_not_shown_or_of_an_auction_are_counted_like_others() -> None:
    stream = Stream(subscribed("stats/"))
    stream(book_set(), added(1, 1, 100, 50), (wire.TRADED, 1, 1, 10, 50, 1, 2, 90))
    stream((wire.TRADED_HIDDEN, 1, 5, 55, 2, 2), (wire.CROSS_TRADED, 1, 1, 0, 20, 45, 3, 70, 0), at=1)
    assert stream(added(2, 1, 1, 1), at=S) == [("stats/AAPL/", 1, T0 + 1, 50, 55, 45, 45, 35, 3, "0.00001675", 1)]


def test_corrections_change_the_sums_of_the_day_but_not_where_the_market_was() -> None:
    stream = Stream(subscribed("stats/"))
    hidden = [(wire.TRADED_HIDDEN, 1, 10, price, match, 1) for match, price in ((1, 50), (2, 70), (3, 60))]
    stream(book_set(), *hidden)
    assert stream((wire.TRADE_BROKEN, 1, 2, 10, 70), at=S) == [
        ("stats/AAPL/", 1, T0, 50, 70, 50, 60, 30, 3, "0.000018", 1)
    ]
    assert stream((wire.TRADE_CORRECTED, 1, 3, 10, 60, 61), at=2 * S) == [
        ("stats/AAPL/", 2, T0 + S, 50, 70, 50, 60, 20, 2, "0.000011", 1)
    ]
    assert stream((wire.TRADE_BROKEN, 1, 1, 10, 50), (wire.TRADE_BROKEN, 1, 3, 10, 61), at=3 * S) == [
        ("stats/AAPL/", 3, T0 + 2 * S, 50, 70, 50, 60, 20, 2, "0.0000111", 1)
    ]
    assert stream((wire.TRADED_HIDDEN, 1, 1, 80, 4, 1), (wire.TRADE_CORRECTED, 1, 4, 1, 80, 90), at=4 * S) == [
        ("stats/AAPL/", 4, T0 + 3 * S, 0, 0, 0, 60, 0, 0, "0", 1)
    ]
    assert stream(added(1, 1, 1, 1), at=5 * S) == [("stats/AAPL/", 5, T0 + 4 * S, 80, 80, 80, 80, 1, 1, "0.0000009", 1)]


def test_a_correction_of_an_earlier_day_does_not_touch_todays_statistics() -> None:
    stream = Stream(subscribed("stats/", "correction/"))
    stream(book_set(), (wire.TRADED_HIDDEN, 1, 10, 50, 1, 1), (wire.STATUS, 1, wire.PHASE_ENDED, ""))
    stream((wire.STATUS, 1, wire.PHASE_CLOSED, ""), at=S)
    stream((wire.TRADE_BROKEN, 1, 1, 10, 50), at=2 * S)
    stream((wire.TRADED_HIDDEN, 1, 7, 60, 2, 1), at=3 * S)
    stream((wire.TRADE_CORRECTED, 1, 1, 10, 50, 51), at=3 * S)
    assert stream(added(1, 1, 1, 1), at=9 * S)[0][3:] == (60, 60, 60, 60, 7, 1, "0.0000042", 2)


def test_the_kept_corrections_are_bounded() -> None:
    publisher = subscribed()
    stream = Stream(publisher)
    stream(book_set())
    count = feed.CORRECTIONS_KEPT + 10
    stream(*((wire.TRADE_BROKEN, 1, match, 1, 1) for match in range(1, count + 1)))
    assert [row[0] for row in publisher.market.books[1].corrections] == list(range(11, count + 1))


def test_quotes_are_told_as_they_are_now_and_gone_with_both_quantities() -> None:
    stream = Stream(subscribed("quote/"))
    stream(book_set())
    assert stream(
        (wire.QUOTED, 1, 9, 10, 50, 20, 60), (wire.QUOTED, 1, 4, 0, 0, 5, 70), (wire.QUOTED, 1, 9, 11, 50, 0, 0)
    ) == [("quote/AAPL/", 1, T0, ((9, 11, 50, 0, 0), (4, 0, 0, 5, 70)))]
    assert stream((wire.QUOTED, 1, 9, 0, 0, 0, 0)) == [("quote/AAPL/", 2, T0, ((9, 0, 0, 0, 0),))]
    assert stream((wire.BOOK_DELETED, 1)) == [("quote/AAPL/", 3, T0, ((4, 0, 0, 0, 0),))]


def test_reference_data_is_told_when_it_changes() -> None:
    stream = Stream(subscribed("instrument/", "status/"))
    stream(book_set(tick_size=1))
    assert stream(book_set(tick_size=1)) == []
    assert stream(book_set(tick_size=5, currency="EUR", positions=True, maker_fee=-3)) == [
        ("instrument/AAPL/", 2, T0, (("currency", "EUR"), ("maker_fee", -3), ("positions", True), ("tick_size", 5)))
    ]


def test_collecting_phases_are_the_matchers() -> None:
    from openoutcry.matcher.phases import COLLECTING

    assert {wire.PHASES[phase] for phase in COLLECTING} == feed.COLLECTING


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
        ("instrument/AAPL/", 2, T0 + 1, ()),
    ]


def test_heartbeats_tell_the_numbers_of_all_topics() -> None:
    stream = Stream(subscribed("heartbeat/"))
    stream(book_set(), added(1, 1, 100, 50), (wire.TRADED, 1, 1, 10, 50, 1, 2, 90))
    stream(added(2, 1, 1, 40))
    assert decoded(stream.publisher.heartbeats()) == [("heartbeat/AAPL/", 1, T0, 1, 1, 2, 2, 1, 0, 0, 0, 0, 1, 1)]


def test_sums_beyond_64_bits_are_saturated() -> None:
    stream = Stream(subscribed("depth/"))
    stream(book_set())
    huge = [added(n, 1, wire.QUANTITY_MAX, 50) for n in range(1, 2_101)]
    assert stream(*huge) == [("depth/AAPL/", 1, T0, ((1, 50, 2**64 - 1, 2_100),))]


@pytest.mark.parametrize(
    "event",
    [
        (wire.REDUCED, 1, 99, 1, 0), (wire.ADDED, 7, 1, 1, 1, 1), (99, 1), (wire.ADDED, 1), (), ("x", 1),
        (wire.TRADED, 1, 5, 1, 1, 1, 1, 0), (wire.STATUS, 1, 99, ""), (wire.BOOK_DELETED, 3),
        (wire.ORDER_REPLACED, 1, 9, 1, 1, 1), (wire.CROSS_TRADED, 1, 5, 0, 1, 1, 1, 0, 0), (wire.TRADED_HIDDEN, 1, 1),
        (wire.CROSS_TRADED, 1, 0, 7, 1, 1, 1, 0, 0), (wire.CROSSED, 1, 4, 1, 1), (wire.INDICATIVE, 1),
        (wire.QUOTED, 1, 0, 1, 1, 1, 1), (wire.TRADE_BROKEN, 1, 1, 1), (wire.TRADE_CORRECTED, 1, 1, 1, 1, -1),
        (wire.QUOTED, 7, 1, 1, 1, 1, 1), (max(wire.PUBLIC_EVENTS) + 1, 1),
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
    flow = Flow(seed, books=3, rare=0.2)
    books = (book_set(1), book_set(2, "b", "main", "MSFT"), book_set(3, "c", "other", "AAPL"))
    return [(0, books), *((n * S // 3, flow.frame(flow.random.randint(1, 12))) for n in range(1, count))]


@settings(max_examples=30)
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


@settings(max_examples=30)
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


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_levels_and_orders_are_those_of_a_plain_count(seed: int) -> None:
    publisher, flow = Publisher(), Flow(seed, rare=0.1)
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


@pytest.mark.parametrize("data", [b"", b"\x90", b"\xc1", b"x" * 100, b"\x98\x01\x00\x00\x00\x90\x90\x90\x90"])
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
    if channel in (feed.TRADE, feed.DEPTH, feed.ORDER, feed.AUCTION, feed.CORRECTION, feed.QUOTE):
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
        feed.Auction._fields,
        feed.Correction._fields[:4],
        feed.Quote._fields,
        feed.SnapshotHead._fields,
        feed.Page._fields,
    ):
        for name in fields:
            assert re.search(rf"\| .*\b{name}\b.* \|", text), name
    for name in (*feed.ALL_CHANNELS, *feed.ERROR_CODES, "snapshot", "page", "symbols", "trades", *wire.PHASES.values()):
        assert f"`{name}`" in text or f'`"{name}"`' in text, name
    assert f"`[seq, time_ns, {', '.join(feed.Stats._fields)}]`" in text
    assert f"`[seq, time_ns, {', '.join(feed.Heartbeat._fields)}]`" in text
    assert f"`[seq, time_ns, {', '.join(feed.Bbo._fields)}]`" in text
