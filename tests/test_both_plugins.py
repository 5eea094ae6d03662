"""Engines and protocols out of modules, and endpoints that change, as the clients of OUCH and of FIX meet it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from openoutcry import Exchange
from openoutcry.errors import ClientError, VerbError
from tests.both_world import SHOWN_VERBS, SYMBOL, VERSIONS, Floor, shows, used_verbs


@pytest.fixture
def floor(request: pytest.FixtureRequest, exchange_factory: Callable[..., Exchange], protocol: str) -> Iterator[Floor]:
    """A market that may load modules of the tests; the test must use the verbs that it shows."""
    exchange = exchange_factory(plugins="tests")
    with used_verbs(exchange) as used:
        yield Floor(exchange, protocol)
    assert set(getattr(request.function, SHOWN_VERBS, ())) <= used


@shows(verbs="load_engine")
def test_an_engine_of_ones_own_answers_clients(floor: Floor) -> None:
    with pytest.raises(VerbError):
        floor.exchange.create_engine("mine", "counting")
    floor.exchange.load_engine("counting", "tests.plugin_parts:Counting")
    engine = floor.exchange.create_engine("mine", "counting")
    ann, bob = (floor.client(name, floor.endpoint("mine-port", engine=engine)) for name in ("ANN", "BOB"))
    ann.buy(SYMBOL, 100, "10.05").expect_accepted().expect_open(100)
    bob.buy("WAIT", 30, "10").expect_accepted().expect_filled(30, at="10")


@shows(verbs="load_protocol", fix="a protocol out of a module is one of SoupBinTCP's kind; FIX has its own")
def test_an_endpoint_speaks_a_protocol_of_ones_own(floor: Floor) -> None:
    floor.exchange.load_protocol("mine", "tests.plugin_parts:ouch_too")
    client = floor.client("ANN", floor.engine.create_endpoint("port", "mine"))
    client.buy(SYMBOL, 100, "10").expect_accepted()


@shows(verbs="set_endpoint_engine")
def test_an_endpoint_moves_to_another_engine_with_its_clients(floor: Floor) -> None:
    other = floor.exchange.create_engine("other")
    book = other.create_book("other-aapl", SYMBOL)
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10").expect_accepted()
    with pytest.raises(VerbError):  # it has an order there
        floor.endpoint().set_engine(other)
    order.cancel().expect_canceled(100)
    assert floor.endpoint().set_engine(other).engine == "other"
    client.drop()
    client.reconnect()
    client.buy(SYMBOL, 70, "11").expect_accepted()
    book.expect_best(bid=("11", 70))


@shows(verbs="set_endpoint_protocol")
def test_an_endpoint_changes_its_protocol_and_keeps_its_port(floor: Floor) -> None:
    other = "ouch" if floor.is_fix else "fix"
    before = floor.endpoint("port", VERSIONS[other])
    after = before.set_protocol(VERSIONS[floor.protocol])
    assert (after.port, after.protocol) == (before.port, VERSIONS[floor.protocol])
    floor.client("ANN", after).buy(SYMBOL, 100, "10").expect_accepted().cancel().expect_canceled(100)
    floor.exchange.close_clients()
    after.set_protocol(VERSIONS[other])
    with pytest.raises(ClientError):
        floor.client("BOB", after, timeout=1)
