"""The feed of a book in which everything happens: what is shown of it is what the matcher shows, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from openoutcry import Exchange, feed
from openoutcry.clients.marketdata import MarketDataClient
from openoutcry.clients.replica import Book
from openoutcry.errors import VerbError

ORDERS = 250  # of the random flow


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as made:
        made.create_engine("main")
        made.create_book("book", "main", "AAPL")
        yield made


@pytest.fixture
def market(exchange: Exchange) -> Iterator[MarketDataClient]:
    with exchange.market_data() as client:
        client.subscribe("AAPL")
        client.wait_live("AAPL")
        yield client


def orders(market: MarketDataClient) -> list[tuple[int, int, int]]:
    """(side, quantity, price in cents) of the shown orders."""
    return [(side, quantity, price // 10**6) for side, quantity, price in market.book("AAPL").orders.values()]


def test_of_an_iceberg_the_feed_shows_one_part_after_the_other(exchange: Exchange, market: MarketDataClient) -> None:
    exchange.enter_order("I", "book", "buy", 50, "10.00", display_quantity=20)
    exchange.enter_order("B", "book", "buy", 5, "10.00")
    market.wait_for(lambda: orders(market) == [(1, 20, 1000), (1, 5, 1000)])
    first = next(iter(market.book("AAPL").orders))
    exchange.enter_order("S", "book", "sell", 22, "10.00", "other")
    market.wait_for(lambda: orders(market) == [(1, 3, 1000), (1, 20, 1000)])
    assert first not in market.book("AAPL").orders
    exchange.enter_order("T", "book", "sell", 24, "10.00", "other")
    market.wait_for(lambda: orders(market) == [(1, 9, 1000)])
    assert [trade.quantity for trade in market.trades("AAPL")] == [20, 2, 3, 20, 1]


def test_an_indicative_quote_is_in_no_book(exchange: Exchange, market: MarketDataClient) -> None:
    exchange.quote("maker", "book", 10, "9.00", 20, "11.00", indicative=True)
    quotes = market.wait_for(lambda: market.book("AAPL").quotes)
    assert [tuple(quote[1:]) for quote in quotes.values()] == [(10, 9 * 10**8, 20, 11 * 10**8)]
    assert market.book("AAPL").bbo == feed.Bbo() and not market.book("AAPL").orders
    with exchange.market_data() as late:
        late.subscribe("AAPL")
        assert late.wait_live("AAPL").quotes == quotes
    exchange.quote("maker", "book", 0, "0", 0, "0", indicative=True)
    market.wait_for(lambda: not market.book("AAPL").quotes)


def known(book: Book) -> tuple[Any, ...]:
    """Everything of a book that a subscriber who came late must know as well."""
    return book.orders, book.bbo, book.stats, book.phase, book.auction, list(book.corrections), book.properties


def some_order(random: Random) -> dict[str, Any]:
    """The arguments of a random order, most of them more than a plain limit order."""
    quantity = random.randrange(1, 100)
    price = f"{random.randrange(980, 1021) / 100:.2f}"
    found: dict[str, Any] = {"side": random.choice(("buy", "sell")), "quantity": quantity, "price": price}
    found |= random.choice(
        [
            {}, {"hidden": True}, {"display_quantity": 1 + quantity // 3}, {"post_only": "slide"},
            {"all_or_none": True}, {"minimum_quantity": 1 + quantity // 2}, {"time_in_force": "ioc"},
            {"time_in_force": "at-close"},
            {"order_type": "pegged", "peg": random.choice(("primary", "market", "midpoint"))},
            {"order_type": "stop-limit", "stop_price": price},
            {"order_type": "market", "price": None},
            {"order_type": "market-to-limit", "price": None},
        ]
    )  # fmt: skip
    return found


def step(exchange: Exchange, random: Random, number: int) -> None:
    """Something happens in the book."""
    try:
        if number % 50 == 20:
            exchange.set_phase("main", "pre_open" if number % 100 == 20 else "closing_auction")
        elif number % 50 == 40:
            exchange.open("main")
        elif number % 9 == 5:
            for trade in random.sample(found := exchange.trades("book", 5), min(1, len(found))):
                exchange.break_trade(trade["match"])
        elif number % 9 == 7:
            exchange.cancel_order(f"N{random.randrange(number)}", random.choice("XY"))
        else:
            exchange.enter_order(f"N{number}", "book", desk=random.choice("XY"), **some_order(random))
    except VerbError as error:  # no such order, a trade that was broken before
        assert error.code in ("unknown_name", "wrong_state"), error


@pytest.mark.parametrize("seed", [1, 2])
def test_the_feed_of_a_random_market_is_the_matchers_book(
    exchange: Exchange, market: MarketDataClient, seed: int
) -> None:
    random = Random(seed)
    exchange.set_book_property("book", "indicative_ms", 0)
    for number in range(ORDERS):
        step(exchange, random, number)
        if number == ORDERS // 2:
            exchange.kill("marketdata")
            exchange.restart("marketdata")
    depth = exchange.depth("book")
    levels = {side: depth[side] for side in ("bids", "asks")}
    market.wait_for(lambda: market.book("AAPL").levels() == levels, timeout=30)
    with exchange.market_data() as late:
        late.subscribe("AAPL", recent_trades=10_000)
        fresh = late.wait_live("AAPL")
        late.wait_for(lambda: late.is_settled("AAPL"))
        market.wait_for(lambda: known(market.book("AAPL")) == known(fresh), timeout=30)
        broken = {correction.match for correction in fresh.corrections}
        standing = [trade for trade in late.trades("AAPL") if trade.match not in broken]
        assert fresh.stats.volume == sum(trade.quantity for trade in standing)
        assert fresh.stats.trades == len(standing) > 0
        assert {0} < {trade.side for trade in standing} and broken
