"""Price bands and breakers: how far trades may move, and what happens when one would move further."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher import breakers
from openoutcry.matcher.book import Book
from openoutcry.matcher.breakers import Bands, bands_of
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import Numbers, Timers
from openoutcry.matcher.policy import Policy
from openoutcry.matcher.rooms import rooms_of
from openoutcry.matcher.tape import Tape
from tests.machine_world import CENT, Message, World, enter, market

MS = 10**6


def banded(**properties: Any) -> World:
    """A market that traded at 100 cents, with these properties of book X set after it."""
    world = market()
    world.send("gateway-1", enter(1, "0", w.SELL, 1, 100), enter(2, "0", w.BUY, 1, 100))
    for name, value in {"indicative_ms": 60_000, **properties}.items():
        world.verb("set_book_property", "book-X", name, value)
    world.take_all()
    return world


def told(world: World) -> list[Message]:
    """What the market was told of phases, trades and crosses since the last time, in short."""
    short = []
    for event in world.take("public"):
        if event[0] == w.STATUS:
            short.append((w.PHASES[event[2]], event[3]))
        elif event[0] in (w.TRADED, w.CROSS_TRADED):
            at = 4 if event[0] == w.CROSS_TRADED else 3
            short.append((event[at], event[at + 1] // CENT))
    return short


def wait(world: World, ms: int) -> None:
    world.now += ms * MS
    world.timer()


# ------------------------------------------------------------------------------------------------- the bands
def plain_book(last_price: int = 0, auction_price: int = 0) -> Book:
    book = Book(1, "b", "e", "X", Numbers(), Timers(), Tape())
    book.policy, book.last_price = Policy(), last_price
    rooms_of(book).call.price = auction_price
    return book


@pytest.mark.parametrize(("static", "dynamic", "last_price", "auction_price", "first", "expected"), [
    (0, 100, 1_000, 0, 0, (990, 1_010)),
    (0, 100, 0, 0, 0, (1, w.PRICE_MAX)),  # nothing to be around
    (0, 100, 0, 0, 500, (495, 505)),
    (500, 0, 1_000, 0, 0, (1, w.PRICE_MAX)),  # no auction yet
    (500, 0, 1_000, 0, 2_000, (1_900, 2_100)),
    (500, 0, 1_000, 3_000, 2_000, (2_850, 3_150)),
    (500, 100, 3_100, 3_000, 0, (3_069, 3_131)),
    (500, 100, 3_149, 3_000, 0, (3_118, 3_150)),  # within both
    (20_000, 0, 0, 3_000, 0, (1, 9_000)),
    (1, 0, 0, 3_000, 0, (3_000, 3_000)),  # less than 1e-8 is nothing
])  # fmt: skip
def test_the_bands_are_around_the_last_auction_and_the_last_trade(
    static: int, dynamic: int, last_price: int, auction_price: int, first: int, expected: tuple[int, int]
) -> None:
    book = plain_book(last_price, auction_price)
    assert book.policy is not None
    bands = book.policy.bands = Bands(static, dynamic, first, "auction")
    low, high = bands.limits(book)
    assert (low, high) == expected
    assert (breakers.limit(book, False), breakers.limit(book, True)) == expected
    assert bands.allows(book, low) and bands.allows(book, high)
    assert not bands.allows(book, low - 1) and not bands.allows(book, high + 1)


def test_without_bands_there_is_no_limit() -> None:
    none = {"static_band": 0, "dynamic_band": 0, "reference_price": 100, "band_action": "auction"}
    assert bands_of(none) is None
    book = plain_book(1_000)
    assert (breakers.limit(book, False), breakers.limit(book, True)) == (1, w.PRICE_MAX)


def test_one_order_is_held_to_the_trade_before_it_however_far_it_goes() -> None:
    """Else it could walk through the book, each trade within the band of the one before."""
    world = banded(dynamic_band=200, band_action="cancel")
    world.send("gateway-1", *(enter(1, f"s{price}", w.SELL, 10, price) for price in (101, 102, 103, 104)))
    world.send("gateway-1", enter(2, "b", w.BUY, 40, 110))
    assert told(world) == [(10, 101), (10, 102)]
    world.send("gateway-1", enter(2, "c", w.BUY, 40, 110))
    assert told(world) == [(10, 103), (10, 104)], "the next order is held to 102"


# ------------------------------------------------------------------------------------------------- auction
def test_an_order_beyond_a_band_begins_a_volatility_auction_and_waits_in_it() -> None:
    world = banded(dynamic_band=500, volatility_auction_ms=2_000)
    world.send(
        "gateway-1", enter(1, "s", w.SELL, 10, 104), enter(1, "t", w.SELL, 10, 106), enter(2, "b", w.BUY, 30, 107)
    )
    assert told(world) == [(10, 104), ("volatility_auction", "volatility_auction")]
    assert [event[0] for event in world.take()][-2:] == [w.EXECUTED, w.EXECUTED]
    world.send("gateway-1", enter(1, "u", w.SELL, 5, 105))
    wait(world, 1_999)
    assert told(world) == []
    wait(world, 1)
    assert told(world) == [("open", "auction_end"), (5, 107), (10, 107)]
    assert world.take("public") == []
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1.07", 5, 1]]


def test_what_may_not_rest_is_cancelled() -> None:
    world = banded(dynamic_band=500)
    world.send("gateway-1", enter(1, "s", w.SELL, 10, 106), enter(2, "b", w.BUY, 30, 107, tif=w.IOC))
    assert told(world) == [("volatility_auction", "volatility_auction")]
    assert world.take()[-1] == (w.CANCELED, 2, b"b", 30, w.CANCEL_COLLAR, 0)


def test_the_static_band_follows_the_auctions() -> None:
    world = banded(static_band=500)
    world.send("gateway-1", enter(1, "s", w.SELL, 10, 150), enter(2, "b", w.BUY, 10, 150))
    assert told(world) == [(10, 150)], "there was no auction yet"
    world.verb("set_phase", "main", "closing_auction")
    world.send("gateway-1", enter(1, "t", w.SELL, 10, 200), enter(2, "c", w.BUY, 10, 200))
    world.verb("open", "main")
    told(world)
    world.send("gateway-1", enter(1, "u", w.SELL, 10, 189), enter(2, "d", w.BUY, 10, 189))
    assert told(world) == [("volatility_auction", "volatility_auction")]


def test_an_auction_is_not_held_to_the_bands() -> None:
    world = banded(dynamic_band=100, static_band=100)
    world.verb("set_phase", "main", "closing_auction")
    world.send("gateway-1", enter(1, "t", w.SELL, 10, 200), enter(2, "c", w.BUY, 10, 200))
    told(world)
    world.verb("open", "main")
    assert told(world) == [("open", "open"), (10, 200)]


def test_a_volatility_auction_is_extended_as_often_as_the_book_says() -> None:
    world = banded(
        dynamic_band=500, volatility_auction_ms=1_000, extension_band=300, extension_ms=500, extensions_max=2
    )
    world.send("gateway-1", enter(1, "s", w.SELL, 10, 106), enter(2, "b", w.BUY, 10, 106))
    told(world)
    for _ in range(2):
        wait(world, 1_000)
        assert told(world) == [("volatility_auction", "extension")]
    wait(world, 500)
    assert told(world) == [("open", "auction_end"), (10, 106)]


# ------------------------------------------------------------------------------------------------- pause
def limited() -> World:
    """A market in a limit state, with a seller beyond the band."""
    world = banded(dynamic_band=500, band_action="pause", limit_state_ms=15_000, pause_ms=300_000)
    world.send("gateway-1", enter(1, "s", w.SELL, 10, 106), enter(2, "b", w.BUY, 10, 106))
    assert told(world) == [("open", "limit_state")]
    assert world.take()[-1] == (w.CANCELED, 2, b"b", 10, w.CANCEL_COLLAR, 0)
    return world


def test_a_limit_state_ends_when_the_market_comes_back() -> None:
    world = limited()
    world.send("gateway-1", enter(2, "c", w.BUY, 10, 106))
    assert told(world) == [], "one limit state at a time"
    world.send("gateway-1", enter(1, "t", w.SELL, 10, 105))
    wait(world, 15_000)
    assert told(world) == [("open", "limit_state_end")]
    world.send("gateway-1", enter(2, "d", w.BUY, 10, 105))
    assert told(world) == [(10, 105)]


def test_else_trading_pauses_and_goes_on_with_an_auction() -> None:
    world = limited()
    wait(world, 14_999)
    assert told(world) == []
    wait(world, 1)
    assert told(world) == [("halted", "pause")]
    assert world.machine.books["book-X"].halted
    wait(world, 300_000)
    assert told(world) == [("volatility_auction", "resume: pause")]
    world.send("gateway-1", enter(2, "c", w.BUY, 10, 106))
    wait(world, 120_000)
    assert told(world) == [("open", "auction_end"), (10, 106)]
    assert not world.machine.books["book-X"].halted


def test_a_pause_that_an_operator_ends_is_over() -> None:
    world = limited()
    wait(world, 15_000)
    world.verb("resume", "book-X")
    assert told(world) == [("halted", "pause"), ("open", "resume")]
    wait(world, 300_000)
    assert told(world) == []


def test_a_pause_goes_on_through_other_phases_and_an_operators_halt_takes_its_place() -> None:
    world = limited()
    wait(world, 15_000)
    world.verb("close", "main")
    world.verb("open", "main")
    assert [phase for phase, _ in told(world)] == ["halted", "closed", "halted"]
    wait(world, 300_000)
    assert told(world) == [("volatility_auction", "resume: pause")]
    world = limited()
    wait(world, 15_000)
    world.verb("halt", "book-X", "news")
    assert told(world) == [("halted", "pause"), ("halted", "halt: news")]
    wait(world, 300_000)
    assert told(world) == []
    assert world.verb("halt", "book-X") == ("wrong_state", "book")


def test_a_limit_state_does_not_outlive_its_phase() -> None:
    world = limited()
    world.verb("close", "main")
    world.verb("open", "main")
    told(world)
    wait(world, 15_000)
    assert told(world) == []


def test_all_of_it_is_in_the_snapshot() -> None:
    """A machine that is loaded between any two inputs does what the one that goes on does."""
    world = limited()
    for ms in (15_000, 300_000, 120_000):
        twin = World()
        twin.machine, twin.now = Machine.load(world.machine.dump()), world.now
        for one in (world, twin):
            wait(one, ms)
        assert told(twin) == told(world) != []
        assert twin.machine.dump() == world.machine.dump()


def test_a_limit_state_is_about_the_side_that_was_met_even_when_its_price_is_far_below() -> None:
    """A seller who came in below the lower band, without meeting anybody, is met by a buyer."""
    world = banded(dynamic_band=500, band_action="pause", limit_state_ms=15_000)
    world.send("gateway-1", enter(1, "s", w.SELL, 10, 90), enter(2, "b", w.BUY, 10, 100))
    assert told(world) == [("open", "limit_state")]
    wait(world, 15_000)
    assert told(world) == [("halted", "pause")]


# ------------------------------------------------------------------------------------------------- cancel
def test_cancel_takes_only_what_would_trade_beyond() -> None:
    world = banded(dynamic_band=500, band_action="cancel")
    world.send(
        "gateway-1", enter(1, "s", w.SELL, 10, 104), enter(1, "t", w.SELL, 10, 106), enter(2, "b", w.BUY, 30, 107)
    )
    assert told(world) == [(10, 104)]
    assert world.take()[-1] == (w.CANCELED, 2, b"b", 20, w.CANCEL_COLLAR, 0)
    world.send("gateway-1", enter(2, "c", w.BUY, 30, 103))
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1.03", 30, 1]]


def test_sellers_meet_the_lower_band() -> None:
    world = banded(dynamic_band=500)
    world.send("gateway-1", enter(1, "b", w.BUY, 10, 95), enter(1, "c", w.BUY, 10, 94), enter(2, "s", w.SELL, 30, 90))
    assert told(world) == [(10, 95), ("volatility_auction", "volatility_auction")]
