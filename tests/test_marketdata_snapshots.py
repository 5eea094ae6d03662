"""The snapshot service's core: requests in, replies out, whatever the bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import feed, wire
from openoutcry.errors import WireError
from openoutcry.marketdata.publisher import Publisher
from openoutcry.marketdata.snapshots import SnapshotService
from tests.marketdata_world import T0, Flow, book_set


def service(events: int = 0, books: int = 1, life: int = 3) -> SnapshotService:
    publisher, flow = Publisher(life), Flow(1, books)
    publisher.apply(1, T0, tuple(book_set(n, f"book{n}", "main", f"S{n}") for n in range(1, books + 1)))
    for start in range(0, events, 500):
        publisher.apply(publisher.market.last_event + 1, T0 + 1, flow.frame(min(500, events - start)))
    return SnapshotService(publisher)


def ask(target: SnapshotService, what: str, *arguments: Any, now: int = 0) -> tuple[str, tuple[Any, ...]]:
    data = target.answer(feed.request(7, what, *arguments), now)
    assert len(data) < wire.FRAME_MAX
    number, error, body = feed.decode_reply(data)
    assert number == 7
    return error, body


def test_a_snapshot_holds_the_book_and_every_topics_number() -> None:
    target = service()
    market = target.market
    target.publisher.apply(2, T0 + 5, ((4, 1, 1, 1, 100, 50), (4, 1, 2, 2, 30, 60), (4, 1, 3, 1, 5, 50)))
    target.publisher.apply(5, T0 + 6, ((5, 1, 1, 40, 50, 1, 2, 60),))
    head, page = feed.decode_snapshot(ask(target, "snapshot", "S1")[1])
    assert head == feed.SnapshotHead(
        T0 + 6, "S1", "book1", "main", "S1", 3, (1, 2, 2, 2, 1, 0, 0, 0, 0, 1), "open", "",
        feed.Bbo(50, 65, 60, 30), feed.Stats(50, 50, 50, 50, 40, 1, "0.00002", 1), feed.Auction(), (), (), 0, 1,
    )  # fmt: skip
    assert page.levels == (feed.Level(1, 50, 65, 2), feed.Level(2, 60, 30, 1))
    assert page.orders == ((1, 1, 60, 50), (3, 1, 5, 50), (2, 2, 30, 60))
    assert head.seqs == market.books[1].seqs
    assert feed.decode_snapshot(ask(target, "snapshot", "S1", 0)[1])[1].orders == ()


def test_a_snapshot_holds_auctions_corrections_quotes_and_reference_data() -> None:
    target = service()
    events = (
        book_set(1, "book1", "main", "S1", currency="EUR", positions=True, maker_fee=-7),
        (wire.TRADED_HIDDEN, 1, 5, 60, 1, 2),
        (wire.TRADE_CORRECTED, 1, 1, 5, 60, 61),
        (wire.QUOTED, 1, 7, 10, 50, 20, 60),
        (wire.INDICATIVE, 1, 55, 70, 1, 30),
    )
    target.publisher.apply(2, T0 + 5, events)
    head, page = feed.decode_snapshot(ask(target, "snapshot", "S1")[1])
    properties = (("currency", "EUR"), ("maker_fee", -7), ("positions", True))
    assert (head.auction, head.properties) == (feed.Auction(0, 55, 70, 1, 30), properties)
    assert head.corrections == (feed.Correction(1, 5, 60, 61, T0 + 5),)
    assert page.quotes == (feed.Quote(7, 10, 50, 20, 60),)
    assert head.seqs == (1, 0, 0, 0, 1, 0, 1, 1, 1, 2)
    found = feed.decode_instrument(ask(target, "instrument", "S1")[1])
    assert found == feed.Instrument("S1", "book1", "main", "S1", 2, properties)


def test_a_big_book_comes_in_pages_of_one_moment() -> None:
    target = service(60_000)
    quotes = [(maker, 1, 50, 2, 60) for maker in range(1, 9_001)]
    events = tuple((wire.QUOTED, 1, *quote) for quote in quotes)
    target.publisher.apply(target.market.last_event + 1, T0 + 2, events)
    head, page = feed.decode_snapshot(ask(target, "snapshot", "S1")[1])
    assert head.pages > 2 and head.image == (3 << 32) + 1
    book = target.market.books[1]
    levels, orders = book.level_rows(), book.order_rows()
    target.publisher.apply(target.market.last_event + 1, T0 + 9, ((wire.BOOK_DELETED, 1),))
    found = [page]
    for number in range(1, head.pages):
        image, got, page = feed.decode_page(ask(target, "page", head.image, number)[1])
        assert (image, got) == (head.image, number)
        found.append(page)
    assert [tuple(level) for page in found for level in page.levels] == levels
    assert [order for page in found for order in page.orders] == orders
    assert [tuple(quote) for page in found for quote in page.quotes] == quotes
    assert ask(target, "page", head.image, head.pages)[0] == "expired"


def test_images_are_few_and_do_not_live_long() -> None:
    target = service(20_000)
    images = [
        feed.decode_snapshot(ask(target, "snapshot", "S1", now=n)[1])[0].image for n in range(feed.IMAGES_MAX + 1)
    ]
    assert len(target.images) == feed.IMAGES_MAX
    assert ask(target, "page", images[0], 1)[0] == "expired"
    assert ask(target, "page", images[1], 1)[0] == ""
    target.expire(2 * feed.IMAGE_NS)
    assert not target.images and target.counters["expired_images"] == len(images)
    assert ask(target, "page", images[-1], 1)[0] == "expired"


def test_symbols_lists_all_books_in_parts() -> None:
    target = service(books=feed.SYMBOL_ROWS + 5)
    total, rows = feed.decode_symbols(ask(target, "symbols")[1])
    more = feed.decode_symbols(ask(target, "symbols", len(rows))[1])
    assert (total, len(rows), len(more[1])) == (feed.SYMBOL_ROWS + 5, feed.SYMBOL_ROWS, 5)
    assert rows[0] == feed.SymbolRow("S1", "book1", "main", "S1", "open")


def test_trades_are_retransmitted_out_of_a_bounded_ring() -> None:
    target = service()
    apply, market = target.publisher.apply, target.market
    apply(2, T0, ((4, 1, 1, 1, 10_000_000, 50),))
    frames = [((5, 1, 1, 1, 50, n, 2, 10_000_000 - n),) for n in range(1, 5_001)]
    for events in frames:
        apply(market.last_event + 1, T0 + 1, events)
    kept = feed.decode_trades(ask(target, "trades", "S1", 1, 5_000)[1])[1]
    assert [message[0] for message in kept] == list(range(5_001 - feed.TRADES_KEPT, 5_001))
    some = feed.decode_trades(ask(target, "trades", "S1", 4_000, 4_001)[1])
    assert some[0] == 4_000 and some[1] == [(n, T0 + 1, ((n, 50, 1, 2, 1),)) for n in (4_000, 4_001)]
    assert feed.decode_trades(ask(target, "trades", "S1", 2**64 - 1, 2**64 - 1)[1]) == (2**64 - 1, [])
    assert feed.decode_symbols(ask(target, "symbols", 2**64 - 1)[1]) == (1, [])
    assert feed.decode_trades(ask(target, "trades", "S1", 1, 5)[1]) == (1, [])


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (("snapshot", "NONE"), "unknown_symbol"), (("trades", "NONE", 1, 2), "unknown_symbol"),
        (("what",), "unknown_request"),
        (("snapshot",), "malformed"), (("snapshot", 5), "malformed"), (("snapshot", "S1", "x"), "malformed"),
        (("page", 1), "malformed"), (("page", 2**64 - 1, 2**64 - 1), "expired"), (("symbols", "x"), "malformed"),
        (("instrument",), "malformed"), (("instrument", "NONE"), "unknown_symbol"), (("instrument", 1), "malformed"),
        (("trades", "S1", 1), "malformed"), (("",), "unknown_request"), (("symbols", 1, 2, 3, 4), "malformed"),
    ],
)  # fmt: skip
def test_refusals_name_the_rule(request_: tuple[Any, ...], code: str) -> None:
    error, body = ask(service(), *request_)
    assert error == code and body[0]


@pytest.mark.parametrize(
    ("data", "number", "code"),
    [
        (b"", 0, "malformed"), (b"\xc1", 0, "malformed"), (wire.pack((1, 9, "snapshot", "S1")), 9, "version"),
        (wire.pack((3, 9)), 9, "malformed"), (wire.pack((3, 9, 5)), 9, "malformed"), (b"x" * 5_000, 0, "malformed"),
        (wire.pack((3, 9, "snapshot", "S" * 300)), 0, "malformed"),
        (wire.pack((3, 9, "snapshot", None)), 9, "malformed"),
        (wire.pack((3, -9, "snapshot")), 0, "malformed"), (wire.pack((3, 9, "page", 1.5, 1)), 9, "malformed"),
    ],
)  # fmt: skip
def test_malformed_requests_get_an_error_with_their_number_when_it_can_be_read(
    data: bytes, number: int, code: str
) -> None:
    target = service()
    assert feed.decode_reply(target.answer(data, 0))[:2] == (number, code)
    assert target.counters["malformed"] == 1


TARGET = service(200)
ARGUMENTS = st.lists(st.integers(0, 2**64 - 1) | st.text(max_size=20) | st.none() | st.just("S1"), max_size=5)


@settings(max_examples=300)
@given(
    st.binary(max_size=80)
    | st.tuples(
        st.just(2),
        st.integers(0, 99),
        st.sampled_from(["snapshot", "page", "symbols", "trades", "instrument", "?"]),
        ARGUMENTS,
    ).map(lambda row: wire.pack((*row[:3], *row[3])))
)
def test_every_request_has_an_answer(data: bytes) -> None:
    feed.decode_reply(TARGET.answer(data, 0))


@given(data=st.binary(max_size=60))
def test_replies_decode_or_raise_wire_errors(data: bytes) -> None:
    decoders = (feed.decode_reply, feed.decode_request)
    for decode in decoders:
        for bytes_ in (data, b"\x94\x03\x07\xa0" + data):
            try:
                decode(bytes_)
            except WireError:
                pass


@given(
    body=st.lists(
        st.recursive(st.integers(-1, 2**64 - 1) | st.text(max_size=3) | st.none(), lambda x: st.tuples(x, x)),
        max_size=14,
    )
)
def test_bodies_decode_or_raise_wire_errors(body: list[Any]) -> None:
    for decode in (
        feed.decode_snapshot,
        feed.decode_page,
        feed.decode_symbols,
        feed.decode_trades,
        feed.decode_instrument,
    ):
        try:
            decode(tuple(body))
        except WireError:
            pass
