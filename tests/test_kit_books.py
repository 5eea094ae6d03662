"""The test kit's prices: what a book and the market data are expected to show, and what they show instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openoutcry import Book, Exchange
from openoutcry.testkit import MarketWatcher, OuchTrader, Unexpected


@pytest.fixture
def book(exchange: Exchange) -> Book:
    return exchange.create_engine("main").create_book("aapl", "AAPL")


@pytest.fixture
def client(exchange: Exchange, book: Book) -> Iterator[OuchTrader]:
    endpoint = exchange.create_endpoint("orders", "main", "ouch42")
    with OuchTrader(*endpoint.address) as client:
        yield client


def test_a_book_shows_its_best_prices(book: Book, client: OuchTrader) -> None:
    book.expect_best(bid=None, ask=None)
    client.buy("AAPL", 100, "10.00")
    client.sell("AAPL", 60, "10.05")
    book.expect_best(bid="10.00", ask=("10.05", 60))
    book.expect_best(bid=10)
    book.expect_best()
    with pytest.raises(Unexpected) as caught:
        book.expect_best(bid="10.01", ask=None, timeout=0)
    assert str(caught.value) == (
        "expected: book aapl: bid 10.01, ask none\n but: not within 0 s\n"
        "AAPL, open:\n  ask 60 at 10.05 (1 orders)\n  bid 100 at 10 (1 orders)"
    )
    with pytest.raises(TypeError, match="not exact"):
        book.expect_best(bid=10.05)  # type: ignore[arg-type]  # that is the point


def test_the_market_data_shows_best_prices_and_trades(exchange: Exchange, client: OuchTrader) -> None:
    with MarketWatcher(exchange.feed, exchange.snapshot) as market:
        market.watch("AAPL")
        client.buy("AAPL", 100, "10.05")
        market.expect_best("AAPL", bid=("10.05", 100), ask=None)
        client.sell("AAPL", 40, "10.05")
        client.sell("AAPL", 60, "10.05")
        assert market.expect_trade("AAPL", 40, at="10.05").quantity == 40
        with pytest.raises(Unexpected, match=r"but: the next trade was 60 at 10.05\n(.|\n)*for:\n  40 at 10.05\n"):
            market.expect_trade("AAPL", 50)
        market.expect_trade("AAPL", 60)
        market.expect_best("AAPL", bid=None)
        assert [trade.quantity for trade in market.seen("AAPL")] == [40, 60]
        with pytest.raises(Unexpected, match=r"not within 0 s\nfeed of AAPL, live: bid none, ask none"):
            market.expect_best("AAPL", ask="10.06", timeout=0)
