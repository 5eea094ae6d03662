"""FIX sessions of a whole exchange: set up by verbs, over days, and over kills of what hosts them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from openoutcry import Exchange
from tests.fix_gateway_world import FixClient, until
from tests.fix_wire import Pairs, framed, stamp


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange with one book."""
    with Exchange() as found:
        found.create_engine("main")
        found.create_book("book", "main", "AAPL")
        yield found


def logged_on(port: int, ours: str, begin: str = "FIX.4.4", number: int = 1, more: str = "") -> FixClient:
    client = FixClient(port, ours, begin, number=number)
    client.log_on(more)
    assert fields(client)["35"] == "A"
    return client


def fields(client: FixClient) -> dict[str, str]:
    """The next message by tag."""
    pairs: Pairs | None = client.read()
    assert pairs is not None, "the connection has ended"
    return {str(tag): value for tag, value in pairs}


def enter(client: FixClient, token: str, side: int = 1, quantity: int = 100, more: str = "") -> None:
    client.send(f"35=D|11={token}|38={quantity}|40=2|44=100|54={side}|55=AAPL|59=0|60={stamp()}{more}")


def statistics(exchange: Exchange, name: str) -> dict[str, Any]:
    found: dict[str, Any] = exchange.statistics()["gateway-1"]["endpoints"]["fix"]["sessions"][name]
    return found


def is_gone(exchange: Exchange, name: str) -> bool:
    return not statistics(exchange, name)["connected"]


def test_sessions_are_set_up_changed_and_deleted_by_verbs(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix")
    session = exchange.create_session("fix", BeginString="FIX.4.4", SenderCompID="OO", TargetCompID="CLIENT")
    assert session.name == "FIX.4.4:OO->CLIENT"
    exchange.statistics()  # answered by the gateway after it has heard of the session
    with logged_on(endpoint.port, "CLIENT") as client:
        enter(client, "a")
        assert fields(client)["150"] == "0"
        told = exchange.statistics()["gateway-1"]["endpoints"]["fix"]
        assert (told["messages_in"], told["messages_out"], told["users"]) == (1, 1, 0)
        exchange.call("logout_session", "fix", session.name, "good night")
        assert fields(client)["58"] == "good night"
        client.send("35=5")
        assert client.read() is None
    until(lambda: is_gone(exchange, session.name), "it has gone")
    exchange.call("set_sequence", "fix", session.name, 100, 50)
    exchange.statistics()
    with logged_on(endpoint.port, "CLIENT", number=50) as client:
        exchange.call("reset_session", "fix", session.name)
        assert client.read() is None
    until(lambda: is_gone(exchange, session.name), "it has gone")
    with logged_on(endpoint.port, "CLIENT") as client:
        exchange.call("delete_session", "fix", session.name)
        assert (told := fields(client))["150"] == "4" and told["11"] == "a"
        assert fields(client)["58"] == "the session has been deleted"
    assert exchange.statistics()["gateway-1"]["endpoints"]["fix"]["sessions"] == {}


def test_a_client_that_is_logged_out_for_a_mistake_and_does_not_answer_is_closed(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix44")
    exchange.create_session("fix", SenderCompID="OO", TargetCompID="CLIENT", LogoutTimeout=1)
    with FixClient(endpoint.port, begin="FIX.4.4") as client:
        client.log_on(heartbeat=600)
        assert fields(client)["35"] == "A"
        client.theirs = "ELSEWHERE"
        client.send("35=0")
        assert [fields(client)["35"] for _ in range(2)] == ["3", "5"]
        client.socket.settimeout(30)  # less than until its timers are looked at for another reason
        assert client.read() is None


def test_numbers_go_on_over_days_and_a_client_is_told_when_there_is_none(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix")
    name = "FIX.4.4:OO->CLIENT"
    with logged_on(endpoint.port, "CLIENT") as client:
        enter(client, "day")
        assert fields(client)["34"] == "2"
        exchange.end_of_day("main")
        told = fields(client)
        while told["35"] != "5":  # the order's end
            told = fields(client)
        assert told["58"] == "the trading day has ended"
        client.send("35=5")
        assert client.read() is None
    until(lambda: is_gone(exchange, name), "it has gone")
    with FixClient(endpoint.port, begin="FIX.4.4", number=4) as client:
        client.log_on()
        told = fields(client)
        assert (told["35"], told["58"]) == ("5", "the trading day has not begun")
        number = int(told["34"])
    exchange.start_of_day("main")
    until(lambda: is_gone(exchange, name), "it has gone")
    exchange.kill("gateway-1")
    exchange.restart("gateway-1")
    with FixClient(endpoint.port, begin="FIX.4.4", number=4) as client:
        client.log_on()
        told = fields(client)
        assert (told["35"], told["34"]) == ("A", str(number + 1))


def test_a_user_and_his_password(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix")
    exchange.call("create_user", "ann", "secret", "fix")
    exchange.statistics()  # answered by the gateway after it has heard of her
    with FixClient(endpoint.port, begin="FIX.4.4") as client:
        client.log_on("|553=ann|554=wrong")
        assert fields(client)["58"] == "invalid username or password"
        assert client.read() is None
    with logged_on(endpoint.port, "CLIENT", more="|553=ann|554=secret") as client:
        enter(client, "a")
        assert fields(client)["150"] == "0"


def test_a_drop_copy_session_gets_each_report_once_also_over_kills_and_while_it_is_away(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix")
    for name, more in (("CLIENT", {}), ("COPIES", {"DropCopy": "all"})):
        exchange.create_session("fix", BeginString="FIX.4.4", SenderCompID="OO", TargetCompID=name, **more)
    exchange.statistics()
    with logged_on(endpoint.port, "CLIENT") as client:
        enter(client, "first")  # before anybody has logged on for the copies
        first = fields(client)
    exchange.kill("gateway-1")
    exchange.restart("gateway-1")
    with logged_on(endpoint.port, "CLIENT", number=3) as client:
        enter(client, "second")
        second = fields(client)
        while second.get("11") != "second":
            second = fields(client)
    with FixClient(endpoint.port, "COPIES", "FIX.4.4") as copies:
        copies.log_on()
        assert fields(copies)["34"] == "3"
        copies.send("35=2|7=1|16=0")
        found = [fields(copies) for _ in range(2)]
        assert [(one["11"], one["17"]) for one in found] == [(one["11"], one["17"]) for one in (first, second)]


def test_one_port_speaks_every_version(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix")
    appl = {"FIX.5.0": "7", "FIX.5.0SP1": "8", "FIX.5.0SP2": "9"}
    for version in ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", *appl):
        begin, more = ("FIXT.1.1", f"|1137={appl[version]}") if version in appl else (version, "")
        with logged_on(endpoint.port, version.replace(".", ""), begin, more=more) as client:
            time = f"|60={stamp(digits=0)}" if version > "FIX.4.1" else ""
            client.send(f"35=D|11=a|21=1|38=100|40=2|44=50|54=1|55=AAPL{time}")
            report = fields(client)
            assert (report["35"], report["11"], report["39"]) == ("8", "a", "0"), (version, report)


def test_why_a_logon_is_not_even_answered_is_in_the_log(exchange: Exchange) -> None:
    endpoint = exchange.create_endpoint("fix", "main", "fix44")
    with socket.create_connection(endpoint.address) as client:
        head = ["8=FIX.4.4", "35=A", "34=1", "49=ME", "52=20200101-00:00:00", "56=OO"]
        client.sendall(framed([*head, "98=0", "108=30"]))
        assert client.recv(1) == b""
    assert "127.0.0.1 is not let in: the Logon's SendingTime is not near the present" in exchange.log("gateway-1")
    assert exchange.statistics()["gateway-1"]["endpoints"]["fix"]["unwanted_logons"] == 1
