"""The verbs of the clock, as clients of OUCH and of FIX meet them: orders, phases and policies in no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openoutcry import Exchange, VerbError
from openoutcry.testkit import Order
from tests.both_world import SYMBOL, Client, Floor, fills, shows, time_ns, wait_for

SECOND_NS = 1_000_000_000
DAY = timedelta(days=1)


@pytest.fixture
def floor(exchange: Exchange, protocol: str) -> Floor:
    """A market of the test's own, at eight in the morning of a clock that stands still."""
    exchange.clock.stop()
    exchange.clock.advance_to("08:00")
    return Floor(exchange, protocol)


def at(message: Any) -> str:
    """The time of day that a message says."""
    return str(timedelta(seconds=time_ns(message) / SECOND_NS))


def lasting(floor: Floor, client: Client, seconds: int) -> Order:
    """An order to buy that lasts so long: over OUCH a time in force in seconds, over FIX a GTD."""
    if not floor.is_fix:
        return client.buy(SYMBOL, 100, "10", time_in_force=seconds)
    until = floor.exchange.clock.now + timedelta(seconds=seconds)
    return client.buy(SYMBOL, 100, "10", TimeInForce="6", ExpireTime=f"{until:%Y%m%d-%H:%M:%S}")


@shows(verbs="stop_clock start_clock advance_clock clock")
def test_an_order_expires_at_its_time_and_not_before(floor: Floor) -> None:
    client = floor.client()
    order = lasting(floor, client, 90).expect_accepted()
    floor.exchange.clock.advance(seconds=89)
    floor.ping(client)
    assert order.status == "open"
    floor.exchange.clock.advance(hours=1)
    order.expect_canceled(100)
    assert at(order.messages[-1]) == "8:01:30"
    assert floor.exchange.clock().now.endswith("T09:01:29.000000000Z")
    floor.exchange.clock.start()
    first, second = floor.exchange.clock.now, floor.exchange.clock.now
    assert first <= second and not floor.exchange.clock.stopped


@shows(verbs="set_timetable")
def test_a_day_with_its_auctions_goes_by_at_once(floor: Floor) -> None:
    clock = floor.exchange.clock
    floor.engine.set_timetable("08:30 opening_auction, 09:00 open, 16:30 closing_auction, 16:35 closed")
    buyer, seller = floor.clients("ANN", "BOB")
    clock.advance_to("08:45")
    bid, offer = buyer.buy(SYMBOL, 100, "10.10"), seller.sell(SYMBOL, 60, "9.90")
    for order in (bid, offer):
        order.expect_accepted()
    clock.advance_to("12:00")
    for order in (bid, offer):
        order.expect_filled(60)
    assert at(offer.messages[-1]) == "9:00:00"
    clock.advance_to("16:32")
    assert floor.book.depth(1)["phase"] == "closing_auction"
    late = seller.sell(SYMBOL, 40, "10.05").expect_accepted()
    assert not fills(late)
    clock.advance(minutes=3)
    late.expect_filled(40)
    bid.expect_filled(40)
    assert (at(late.messages[-1]), floor.book.depth(1)["phase"]) == ("16:35:00", "closed")


@shows("policy auto-cancel.delay_ms")
def test_what_policies_put_off_happens_at_its_time(floor: Floor) -> None:
    floor.engine.add_policy("gone", "auto-cancel", delay_ms=86_000)
    floor.engine.add_policy("fill", "auto-fill", percent=50, delay_ms=1_000, slices=2, interval_ms=30_000)
    order = floor.client().buy(SYMBOL, 100, "10").expect_accepted()
    floor.exchange.clock.advance(minutes=2)
    order.expect_canceled()
    assert [at(message) for message in order.messages] == ["8:00:00", "8:00:01", "8:00:31", "8:01:26"]
    assert [quantity for quantity, _ in fills(order)] == [25, 25]


@shows("policy delay.delay_ms")
def test_what_a_policy_holds_is_let_go_at_its_time(floor: Floor) -> None:
    floor.engine.add_policy("slow", "delay", delay_ms=10_000)
    order = floor.client().buy(SYMBOL, 100, "10")
    wait_for(lambda: floor.exchange.list("policies")[0]["seen"] == 1)
    assert not order.messages
    floor.exchange.clock.advance(seconds=10)
    order.expect_accepted()
    assert at(order.messages[0]) == "8:00:10"


@shows("endpoint cancel_on_disconnect", "endpoint cancel_grace_ms")
def test_the_grace_after_a_lost_connection_is_over_at_once(floor: Floor) -> None:
    endpoint = floor.endpoint()
    endpoint.set_property("cancel_on_disconnect", True)
    endpoint.set_property("cancel_grace_ms", 60_000)
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    client.drop()
    wait_for(lambda: not any(row["connection"] for row in floor.exchange.list("sessions")))
    floor.exchange.clock.advance(seconds=59)
    assert len(floor.book.orders()) == 1
    floor.exchange.clock.advance(seconds=1)
    assert not floor.book.orders()
    client.reconnect()
    order.expect_canceled(100, "disconnect")


@shows(verbs="advance_clock")
def test_a_clock_that_goes_takes_orders_with_it(floor: Floor) -> None:
    clock = floor.exchange.clock
    clock.start()
    client = floor.client()
    order = lasting(floor, client, 3600).expect_accepted()
    clock.advance(hours=8)
    order.expect_canceled(100)
    lasting(floor, client, 3600).expect_accepted()
    assert clock.now.hour == 16


@shows(verbs="stop_clock start_clock advance_clock")
def test_time_does_not_go_back(floor: Floor) -> None:
    clock = floor.exchange.clock
    noon = datetime(2060, 2, 29, 12, tzinfo=UTC)
    assert clock.advance_to(noon).now == "2060-02-29T12:00:00.000000000Z"
    for hours in (0, -1):
        with pytest.raises(ValueError, match="time never goes back"):
            clock.advance(hours=hours)
    for wrong in (noon - DAY, noon, noon.replace(tzinfo=None) + DAY, "25:00", "4pm", ""):
        with pytest.raises(ValueError):
            clock.advance_to(wrong)
    with pytest.raises(VerbError, match="2100"):
        clock.advance(days=366 * 50)
    with pytest.raises(VerbError, match="stands still already"):
        clock.stop()
    clock.start()
    with pytest.raises(VerbError, match="does not stand still"):
        clock.start()
    floor.client().buy(SYMBOL, 100, "10").expect_accepted()
