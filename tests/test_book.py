"""The book's own structure: levels, dead orders, no garbage; and the mark that it is measured by."""

from __future__ import annotations

import gc
from random import Random

import pytest

from openoutcry import wire as w
from openoutcry.matcher.book import DEAD_MAX, DEAD_TO_LIVE, NO_BUY, NO_SELL, Book, Side
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.orders import BOOK, NUMBER, OPEN, PRICE, Numbers, Timers
from openoutcry.matcher.sessions import Endpoint, Session
from openoutcry.matcher.tape import Tape


@pytest.fixture
def session() -> Session:
    events = Tape()
    return Session(1, Endpoint("e", Engine("main", "matching", events), "ouch42", "", "", 0), "U", events)


@pytest.fixture
def book() -> Book:
    return Book(1, "b", "main", "X", Numbers(), Timers(), Tape())


def enter(book: Book, session: Session, token: bytes, side: int, quantity: int, price: int) -> None:
    book.enter(session, token, side, quantity, price, w.DAY, 0, b"")


def test_best_prices_follow_the_levels_and_empty_sides_cross_nothing(book: Book, session: Session) -> None:
    assert (book.bids.best, book.asks.best) == (NO_BUY, NO_SELL)
    for token, side, price in ((b"1", w.BUY, 5), (b"2", w.BUY, 7), (b"3", w.SELL, 9), (b"4", w.SELL, 8)):
        enter(book, session, token, side, 1, price)
    assert (book.bids.best, book.asks.best) == (7, 8)
    book.cancel(session.live[b"2"], w.CANCEL_USER)
    book.cancel(session.live[b"4"], w.CANCEL_USER)
    assert (book.bids.best, book.asks.best, book.bids.prices, book.asks.prices) == (5, 9, [5], [9])
    book.cancel(session.live[b"1"], w.CANCEL_USER)
    book.cancel(session.live[b"3"], w.CANCEL_USER)
    assert (book.bids.best, book.asks.best, book.bids.levels, book.asks.levels) == (NO_BUY, NO_SELL, {}, {})


def test_levels_come_best_first() -> None:
    for buying, expected in ((True, [30, 20, 10]), (False, [10, 20, 30])):
        side = Side(buying)
        for price in (20, 10, 30):
            side.open_level(price)
        assert [level.price for level in side.best_first()] == expected


def test_dead_orders_are_swept_out_of_a_queue_before_they_outnumber_the_live_ones(book: Book, session: Session) -> None:
    tokens = [b"%d" % number for number in range(2_000)]
    for token in tokens:
        enter(book, session, token, w.BUY, 1, 10)
    level = book.bids.levels[10]
    Random(7).shuffle(tokens)
    for token in tokens[:-1]:
        book.cancel(session.live[token], w.CANCEL_USER)
        live = len(session.live)
        assert level.dead == len(level.queue) - live
        assert level.dead <= max(DEAD_MAX, DEAD_TO_LIVE * live)
    assert book.bids.levels == {10: level}
    book.cancel(session.live[tokens[-1]], w.CANCEL_USER)
    assert book.bids.levels == {}
    assert not level.queue


def test_a_sweep_keeps_the_order_of_arrival(book: Book, session: Session) -> None:
    for number in range(400):
        enter(book, session, b"%d" % number, w.SELL, 1, 10)
    for number in range(400):
        if number % 5:
            book.cancel(session.live[b"%d" % number], w.CANCEL_USER)
    assert [order[NUMBER] for order in book.orders()] == list(range(1, 401, 5))


def test_available_looks_no_further_than_the_limit_and_the_quantity(book: Book, session: Session) -> None:
    for token, price in ((b"1", 10), (b"2", 11), (b"3", 12)):
        enter(book, session, token, w.SELL, 10, price)
    assert book.available(w.BUY, 11, 20)
    assert not book.available(w.BUY, 11, 21)
    assert not book.available(w.SELL, 1, 1)
    book.cancel(session.live[b"1"], w.CANCEL_USER)
    assert not book.available(w.BUY, 11, 11)


def test_extreme_prices_and_quantities(book: Book, session: Session) -> None:
    enter(book, session, b"s", w.SELL, w.QUANTITY_MAX, w.PRICE_MAX)
    enter(book, session, b"b", w.BUY, 1, 1)
    book.enter_immediate(session, b"m", w.BUY, w.QUANTITY_MAX, 0, 0, True, b"")
    book.enter_immediate(session, b"n", w.SELL, 2, 0, 0, True, b"")
    assert session.live == {}
    assert (book.bids.best, book.asks.best) == (NO_BUY, NO_SELL)


def test_a_long_random_life_leaves_no_garbage_for_the_collector(book: Book, session: Session) -> None:
    """Reference counting alone frees everything: the collector can stay frozen (openoutcry.matcher.service)."""
    random = Random(3)
    gc.collect()
    gc.disable()
    try:
        for number in range(5_000):
            draw = random.random()
            if draw < 0.6 or not session.live:
                enter(
                    book,
                    session,
                    b"%d" % number,
                    random.choice((1, 2)),
                    random.randrange(1, 9),
                    random.randrange(90, 110),
                )
            else:
                order = session.live[random.choice(list(session.live)[-20:])]
                if draw < 0.8:
                    book.cancel(order, w.CANCEL_USER)
                else:
                    book.replace(order, b"r%d" % number, 5, random.randrange(90, 110), w.DAY, 0, b"")
        for order in list(session.live.values()):
            book.cancel(order, w.CANCEL_USER)
        del order
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_restored_order_waits_at_the_back_of_its_level(book: Book, session: Session) -> None:
    enter(book, session, b"a", w.BUY, 5, 10)
    copy = Book(1, "b", "main", "X", book.numbers, Timers(), book.events)
    for order in book.orders():
        copy.restore([*order])
    assert [(o[OPEN], o[PRICE]) for o in copy.orders()] == [(5, 10)]
    assert copy.orders()[0][BOOK] is copy
