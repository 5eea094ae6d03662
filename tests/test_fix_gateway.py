"""FIX sessions of a gateway process, on the real bus, with a matcher played by hand and clients on plain sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openoutcry import bus, wire
from tests.fix_gateway_world import FixClient, FixGateway, accepted, another_life, connected, executed, log_on, order
from tests.gateway_world import HandMatcher

World = tuple[HandMatcher, FixGateway]
NAME = "FIX.4.2:OO->CLIENT"


@pytest.fixture
def both(directory: bus.Directory, on_uvloop: bool) -> Iterator[World]:
    """A gateway on each kind of loop."""
    yield from connected(directory, on_uvloop)


@pytest.fixture
def world(directory: bus.Directory) -> Iterator[World]:
    """A matcher and a gateway."""
    yield from connected(directory)


def test_a_logon_goes_to_the_matcher_and_an_order_and_its_report_go_through(both: World) -> None:
    matcher, _ = both
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        client.log_on()
        logon = matcher.wait_for(wire.LOGON)
        assert logon[1:3] == ("orders", NAME) and logon[4] == "CLIENT"
        begin = [(wire.SESSION_STREAM, 1, "orders", NAME, "0001000001"), (wire.SYSTEM, 1, "S")]
        matcher.emit(*begin, (wire.LOGGED_ON, 1, "orders", logon[3], "0001000001"))
        client.expect("35=A|34=1|98=0|108=30")
        client.order("a")
        assert matcher.wait_for(wire.ENTER) == (wire.ENTER, 1, b"a", "AAPL", 1, 100, 10**10, 2, 0, 0, 0, b"")
        matcher.emit(accepted(1, "a"), executed(1, "a", 40))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0", "35=8|34=3|11=a|37=2|38=40|39=1")
        client.send("35=5")
        client.expect("35=5|34=4")
        assert client.read() is None
    assert matcher.wait_for(wire.LOGOFF) == (wire.LOGOFF, 1, logon[3])


def test_what_is_missed_is_sent_again_and_gap_filled(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        matcher.emit(*(accepted(1, f"o{n}") for n in range(3)))
        client.expect(*(f"35=8|34={n + 2}|11=o{n}|37=1|38=100|39=0" for n in range(3)))
        client.send("35=1|112=ping")
        client.expect("35=0|34=5|112=ping")
        client.send("35=2|7=1|16=0")
        client.expect(
            "35=4|34=1|43=Y|122=*|36=2|123=Y",
            *(f"35=8|34={n + 2}|43=Y|122=*|11=o{n}|37=1|38=100|39=0" for n in range(3)),
            "35=4|34=5|43=Y|122=*|36=6|123=Y",
        )
    matcher.emit(accepted(1, "late"))
    with FixClient(port, number=4) as client:
        client.log_on()
        matcher.log_on(1, "0001000001", first=False)
        client.expect("35=A|34=7|98=0|108=30")
        client.send("35=2|7=6|16=0")
        client.expect(
            "35=8|34=6|43=Y|122=*|11=late|37=1|38=100|39=0", "35=4|34=7|43=Y|122=*|36=8|123=Y"
        )  # fmt: skip


def test_numbers_and_messages_and_what_the_application_knows_survive_kill_9(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        client.order("a")
        matcher.wait_for(wire.ENTER)
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0")
        gateway.kill()
        assert client.read() is None
    with another_life(directory):
        assert matcher.wait_for_life(2) == 0  # no dump yet: everything comes again, and is only absorbed
        assert matcher.wait_for(wire.BOUND)[3] == port
        with FixClient(port, number=3) as client:
            client.log_on()
            matcher.log_on(1, "0001000001", first=False)
            client.expect("35=A|34=3|98=0|108=30")
            matcher.emit(executed(1, "a", 40))
            client.expect("35=8|34=4|11=a|37=2|38=40|39=1")
            client.send("35=2|7=2|16=2")
            client.expect("35=8|34=2|43=Y|122=*|11=a|37=1|38=100|39=0")


def test_what_the_matcher_has_not_acknowledged_is_asked_for_again_after_kill_9(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        client.order("a")
        matcher.wait_for(wire.ENTER)
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0")
        matcher.answering = False
        client.send(order("b"), "35=1|112=sent")
        client.expect("35=0|34=3|112=sent")
        gateway.kill()
    matcher.answering = True
    with another_life(directory):
        matcher.wait_for_life(2)
        with FixClient(port, number=5) as client:
            client.log_on()
            matcher.log_on(1, "0001000001", first=False)
            client.expect("35=A|34=4|98=0|108=30", "35=2|34=5|7=3|16=0")
            client.send("35=4|34=4|43=Y|122=20260101-00:00:00|36=6|123=Y")
            client.send(order("b", more="|34=3|43=Y|122=20260101-00:00:00"))
            assert matcher.wait_for(wire.AGAIN) == (wire.AGAIN, 1)
            assert matcher.wait_for(wire.ENTER)[2] == b"b"
            client.number = 6
            client.send("35=1|112=ping")
            client.expect("35=0|34=6|112=ping")
