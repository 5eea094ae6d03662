"""Two traders and a maker on examples/rfq_engine.py, over FIX: ``pytest examples/test_rfq_engine.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.clients.fix import FixClient

Connect = Callable[[str], FixClient]
ASKS = {"QuoteReqID": "q1", "NoRelatedSym": [{"Symbol": "EURUSD", "OrderQty": 1_000}]}
QUOTES = {"QuoteID": "m1", "Symbol": "EURUSD", "BidPx": "1.0849", "BidSize": 1_000, "OfferPx": "1.0852",
          "OfferSize": 1_000}  # fmt: skip
ORDER = {"ClOrdID": "a1", "Symbol": "EURUSD", "Side": "1", "OrderQty": 600, "OrdType": "D"}


@pytest.fixture
def rfq() -> Iterator[Exchange]:
    """An exchange with an engine for requests for quotes, and a port for its clients."""
    with Exchange(plugins="examples") as exchange:
        exchange.load_engine("rfq", "examples.rfq_engine:RfqEngine")
        exchange.create_engine("quotes", "rfq").create_endpoint("fix", "fix44")
        yield exchange


@pytest.fixture
def connect(rfq: Exchange) -> Connect:
    """Log a client on; it is closed with the exchange."""
    return lambda name: rfq.fix_client("fix", SenderCompID=name)


def fields(message: Any, *names: str) -> tuple[Any, ...]:
    """The message's name, and some of its fields."""
    return (message.name, *(message.get(name) for name in names))


def quoted(asker: FixClient, maker: FixClient) -> str:
    """The asker asks, the maker quotes; the number of the quote that the asker gets."""
    asker.send("QuoteRequest", ASKS)
    maker.send("Quote", {**QUOTES, "QuoteReqID": maker.next("QuoteRequest")["QuoteReqID"]})
    return str(asker.next("Quote")["QuoteID"])


def test_a_quote_is_asked_for_given_and_lifted(connect: Connect) -> None:
    asker, maker, other = connect("ASKER"), connect("MAKER"), connect("OTHER")
    asker.send("QuoteRequest", ASKS)
    request = maker.next("QuoteRequest")
    assert request.group("NoRelatedSym")[0]["Symbol"] == "EURUSD"
    maker.send("Quote", {**QUOTES, "QuoteReqID": request["QuoteReqID"]})

    quote = asker.next("Quote")
    assert fields(quote, "QuoteReqID", "BidPx", "OfferPx") == ("Quote", "q1", "1.0849", "1.0852")
    asker.send("NewOrderSingle", {**ORDER, "QuoteID": quote["QuoteID"], "Price": "1.0852"})

    trade = ("Side", "LastQty", "LastPx", "OrdStatus", "ClOrdID")
    assert fields(asker.next("ExecutionReport"), *trade) == ("ExecutionReport", "1", "600", "1.0852", "2", "a1")
    assert fields(maker.next("ExecutionReport"), *trade) == ("ExecutionReport", "2", "600", "1.0852", "2", "m1")
    assert other.next("QuoteRequest")["QuoteReqID"] == request["QuoteReqID"]


def test_a_quote_is_good_for_its_asker_and_for_what_is_left_of_it(connect: Connect) -> None:
    asker, maker = connect("ASKER"), connect("MAKER")
    number = quoted(asker, maker)

    maker.send("NewOrderSingle", {**ORDER, "QuoteID": number})
    assert maker.next("ExecutionReport")["Text"] == "there is no such quote"
    for client_id, quantity in (("a1", 600), ("a2", 600), ("a3", 400)):
        asker.send("NewOrderSingle", {**ORDER, "ClOrdID": client_id, "OrderQty": quantity, "QuoteID": number})
    reports = [fields(asker.next("ExecutionReport"), "ClOrdID", "OrdStatus", "Text")[1:] for _ in range(3)]
    assert reports == [("a1", "2", None), ("a2", "8", "the quote is good for 400"), ("a3", "2", None)]


def test_a_quote_is_good_for_a_minute(rfq: Exchange, connect: Connect) -> None:
    asker, maker = connect("ASKER"), connect("MAKER")
    number = quoted(asker, maker)
    rfq.advance_clock("1m")
    asker.send("NewOrderSingle", {**ORDER, "QuoteID": number})
    assert asker.next("ExecutionReport")["Text"] == "there is no such quote"


def test_without_makers_the_asker_is_told(connect: Connect) -> None:
    asker = connect("ASKER")
    asker.send("QuoteRequest", ASKS)
    assert asker.next("QuoteRequestReject")["Text"] == "there is nobody to quote"
    asker.send("OrderStatusRequest", {"ClOrdID": "a1", "Symbol": "EURUSD", "Side": "1"})
    assert asker.next("BusinessMessageReject")["Text"] == "OrderStatusRequest means nothing here"


def test_quotes_survive_kill_9_of_the_matcher(rfq: Exchange, connect: Connect) -> None:
    asker, maker = connect("ASKER"), connect("MAKER")
    number = quoted(asker, maker)
    rfq.kill("matcher")
    rfq.restart("matcher")
    asker.send("NewOrderSingle", {**ORDER, "QuoteID": number})
    assert asker.next("ExecutionReport")["OrdStatus"] == "2"
