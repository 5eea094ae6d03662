"""A protocol of one's own that does wrong: its connection is closed, the log says why, and nobody else notices.

The connection alone suffers whatever is raised (sys.exit() too) or returned, wherever: while bytes are read, messages
made, timers asked. What cannot be rendered costs that message. The gateway goes on, and is not blocked.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.errors import VerbError

MODULE = "tests.plugin_dialects"
WORDS = ("RAISE", "EXIT", "TEXT", "NONE", "LONG")


class Client:
    """Lines over TCP."""

    def __init__(self, endpoint: Any, login: str = "") -> None:
        self.socket = socket.create_connection(endpoint.address, timeout=10)
        self.file = self.socket.makefile("rb")
        if login:
            self.say(f"LOGIN {login}")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def say(self, line: str) -> None:
        self.socket.sendall(f"{line}\n".encode())

    def hear(self) -> str:
        """The next line, "" when the connection is closed."""
        try:
            return self.file.readline().decode().strip()
        except ConnectionResetError:
            return ""

    def buy(self, name: str) -> None:
        self.say(f"BUY {name} X 10 1000")

    def heard_until_closed(self) -> list[str]:
        found = []
        while line := self.hear():
            found.append(line)
        return found


class Floor:
    """An exchange with an endpoint for lines, where somebody honest is logged on, who must notice nothing."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        for name in ("lines", "unbegun", "timeless", "unmade", "wrong", "Rough", "Shut"):
            exchange.load_protocol(name.lower(), f"{MODULE}:{name}")
        self.engine = exchange.create_engine("main")
        self.engine.create_book("x", "X")
        self.endpoint = self.engine.create_endpoint("lines", "lines")
        self.honest = Client(self.endpoint, "HONEST")
        assert [self.honest.hear(), self.honest.hear()] == ["WELCOME", "DAY"]
        self.pid = self.gateway()["pid"]
        self.orders = self.endpoints = 0

    def another(self) -> Any:
        """One more endpoint: of each, no more than so many lines a second are in the log."""
        self.endpoints += 1
        return self.engine.create_endpoint(f"lines-{self.endpoints}", "lines")

    def gateway(self) -> Any:
        return self.exchange.statistics()["gateway-1"]

    def check(self, *words: str) -> None:
        """Nobody has noticed anything, but the log says so."""
        self.orders += 1
        self.honest.buy(f"H{self.orders}")
        assert self.honest.hear() == f"ACCEPTED H{self.orders}"
        assert self.gateway()["pid"] == self.pid
        for word in words:
            assert word in self.exchange.log("gateway-1")


@pytest.fixture(scope="module")
def floor() -> Iterator[Floor]:
    """One for all: what is wrong hurts nobody."""
    with Exchange(plugins="tests") as exchange:
        found = Floor(exchange)
        with found.honest:
            yield found


def refused(what: str, how: str) -> tuple[str, ...]:
    """What the log says."""
    more = {"RAISE": "RuntimeError: as it was asked to", "EXIT": "SystemExit: as it was asked to"}
    return (f"protocol 'lines' has failed in {what}: {more.get(how, 'it returned ')}",)


# ------------------------------------------------------------------------------------------------- sessions
@pytest.mark.parametrize("how", ["RAISE", "EXIT", "TEXT", "NONE", "AGAIN", "USER", "PAYLOAD", "JUNK"])
def test_what_goes_wrong_with_bytes_that_have_come_closes_that_connection(floor: Floor, how: str) -> None:
    with Client(floor.another(), f"RECEIVE-{how}") as client:
        assert [client.hear(), client.hear()] == ["WELCOME", "DAY"]
        client.say("anything")
        assert client.hear() == ""
    floor.check(*refused("receive", how))


@pytest.mark.parametrize("how", WORDS)
def test_what_goes_wrong_with_the_answer_to_a_login_closes_that_connection(floor: Floor, how: str) -> None:
    with Client(floor.another(), f"ACCEPT_LOGIN-{how}") as client:
        assert client.hear() == ""
    floor.check(*refused("accept_login", how))


@pytest.mark.parametrize("how", ["RAISE", "EXIT"])
@pytest.mark.parametrize("what", ["SENT", "CONFIGURE", "FORGIVE"])
def test_what_goes_wrong_with_what_a_session_is_told_closes_that_connection(floor: Floor, what: str, how: str) -> None:
    endpoint = floor.another()
    with Client(endpoint, f"{what}-{how}") as client:
        assert client.hear() == "WELCOME"
        if what == "CONFIGURE":
            endpoint.set_property("heartbeat_ms", 2_000)
        if what == "FORGIVE":
            floor.exchange.advance_clock("1s")
        client.heard_until_closed()
    floor.check(*refused(what.lower(), how))


@pytest.mark.parametrize("how", ["RAISE", "EXIT", "TEXT", "NONE", "LIST", "BELOW"])
def test_what_goes_wrong_with_a_timer_closes_that_connection(floor: Floor, how: str) -> None:
    with Client(floor.another(), f"ON_TIMER-{how}") as client:
        assert client.hear() == "WELCOME"
        client.heard_until_closed()
    floor.check(*refused("on_timer", how))


@pytest.mark.parametrize("how", WORDS)
def test_what_goes_wrong_with_the_end_of_a_day_closes_that_connection(how: str) -> None:
    with Exchange(plugins="tests") as exchange:
        floor = Floor(exchange)
        other = exchange.create_engine("other")
        endpoint = other.create_endpoint("other", "lines")
        with floor.honest, Client(endpoint, f"END_OF_SESSION-{how}") as client, Client(endpoint, "GOOD") as good:
            assert [client.hear(), client.hear()] == [good.hear(), good.hear()] == ["WELCOME", "DAY"]
            other.end_of_day()
            assert client.heard_until_closed() in ([], ["DAY"])
            assert good.heard_until_closed() == ["DAY", "GOOD NIGHT"]
            floor.check(*refused("end_of_session", how))


@pytest.mark.parametrize("how", WORDS)
def test_what_goes_wrong_with_a_refused_login_closes_that_connection(floor: Floor, how: str) -> None:
    endpoint = floor.engine.create_endpoint(f"guarded-{how}", "lines")
    floor.exchange.create_user(f"hanna-{how}", "secret", endpoint.name)
    with Client(endpoint, f"REJECT_LOGIN-{how}") as client:
        assert client.hear() == ""
    floor.check(*refused("reject_login", how))


# ------------------------------------------------------------------------------------------------- messages
@pytest.mark.parametrize("how", ["RAISE", "EXIT", "TEXT", "NONE", "BELOW", "OTHER", "JUNK", "LISTS", "MANY", "SYMBOL",
                                 "LOGOFF"])  # fmt: skip
def test_what_goes_wrong_with_a_message_closes_that_connection_and_nothing_of_it_is_done(
    floor: Floor, how: str
) -> None:
    with Client(floor.another(), "ALICE") as client:
        client.buy(f"COMMANDS-{how}")
        assert "ACCEPTED" not in " ".join(client.heard_until_closed())
    floor.check(*refused("commands", how))
    assert not [order for order in floor.exchange.orders("x") if "COMMANDS" in str(order)]


@pytest.mark.parametrize("how", ["RAISE", "EXIT", "TEXT", "NONE", "LONG", "EMPTY"])
def test_an_event_that_cannot_be_rendered_costs_that_message(floor: Floor, how: str) -> None:
    before = floor.gateway()["delivery"]["not_rendered"]
    with Client(floor.endpoint, f"READER-{how}") as client:
        assert [client.hear(), client.hear()] == ["WELCOME", "DAY"]
        client.buy(f"RENDER-{how}")
        client.buy(f"AFTER-{how}")
        assert client.hear() == f"ACCEPTED AFTER-{how}"
    assert floor.gateway()["delivery"]["not_rendered"] == before + 1
    floor.check(*refused("render", how))


@pytest.mark.parametrize("how", ["RAISE", "EXIT", "TEXT", "NONE", "BELOW"])
def test_what_goes_wrong_with_what_comes_again_closes_that_connection(floor: Floor, how: str) -> None:
    endpoint = floor.another()
    with Client(endpoint, f"COMES-{how}") as client:
        client.say(f"BUY A-{how} X 10 1000\nBUY SKIP-{how} X 10 1000")  # together, so that they are stored together
        while client.hear() != f"ACCEPTED SKIP-{how}":
            pass
    with Client(endpoint, f"COMES-{how} 3") as client:
        assert client.hear() == "WELCOME"
        client.heard_until_closed()
    floor.check(*refused("skip", how))


# ------------------------------------------------------------------------------------------------- protocols
def test_a_protocol_whose_sessions_cannot_be_made_lets_nobody_in(floor: Floor) -> None:
    endpoint = floor.engine.create_endpoint("unbegun", "unbegun")
    with Client(endpoint, "ALICE") as client:
        assert client.hear() == ""
    floor.check("protocol 'lines' has failed in making a session: SystemExit: as it was asked to")


def test_a_protocol_that_knows_no_time_says_nothing(floor: Floor) -> None:
    endpoint = floor.engine.create_endpoint("timeless", "timeless")
    with Client(endpoint, "ALICE") as client:
        assert client.hear() == "WELCOME"
        client.buy("T1")
        floor.check("protocol 'lines' has failed in stamp: RuntimeError: as it was asked to")


@pytest.mark.parametrize(("protocol", "words"), [
    ("wrong", "its function returned 'text', no Dialect"),
    ("shut", "as it was asked to"),
])  # fmt: skip
def test_an_endpoint_that_cannot_be_made_is_an_error_of_the_verb(floor: Floor, protocol: str, words: str) -> None:
    with pytest.raises(VerbError, match=words) as raised:
        floor.engine.create_endpoint(protocol, protocol)
    assert raised.value.code == "unavailable"
    floor.check(f"endpoint {protocol} cannot be opened")


def test_a_protocol_that_cannot_be_made_any_more_says_nothing_and_the_others_go_on() -> None:
    with Exchange(plugins="tests") as exchange:
        floor = Floor(exchange)
        with floor.honest:
            endpoint = floor.engine.create_endpoint("unmade", "unmade")
            with Client(endpoint, "ALICE") as client:
                assert [client.hear(), client.hear()] == ["WELCOME", "DAY"]
                with pytest.raises(VerbError, match="SystemExit: as it was asked to"):
                    floor.engine.create_endpoint("second", "unmade")
                client.buy("A1")
                assert client.hear() == "ACCEPTED A1"
            floor.check()


# ------------------------------------------------------------------------------------------------- endpoints
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_endpoints_of_ones_own_hurt_nobody_either(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENOUTCRY_UVLOOP", "0" if loop == "asyncio" else "1")
    with Exchange(plugins="tests") as exchange:
        floor = Floor(exchange)
        with floor.honest:
            for name in ("none", "rough"):
                endpoint = floor.engine.create_endpoint(name, "rough")
                clients = {what: Client(endpoint) for what in ("DATA-EXIT", "DATA-RAISE", "TIMER-RAISE",
                                                               "CONFIGURE-RAISE", "CLOCK-RAISE")}  # fmt: skip
                for what, client in clients.items():
                    client.say(what)
                    if name == "none" or what.startswith("DATA"):
                        assert client.hear() == ""
                    else:
                        assert client.hear() == "OK"
                endpoint.set_property("heartbeat_ms", 2_000)
                exchange.advance_clock("1s")
                assert [client.hear() for client in clients.values()] == [""] * len(clients)
                floor.check()
                for client in clients.values():
                    client.__exit__()
                with Client(endpoint) as last:
                    last.say("BYE")
                    assert last.hear() == ("OK" if name == "rough" else "")
                    endpoint.delete()
                    assert last.hear() == ""
            floor.check("endpoint rough: somewhere: RuntimeError: as it was asked to", "it counts nothing")
