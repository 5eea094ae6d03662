"""Who may log on to a FIX endpoint, what operators can do about sessions, and limits; with a matcher played by hand."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry import bus, wire
from openoutcry.passwords import hash_password
from tests.fix_gateway_world import FixClient, FixGateway, accepted, another_life, connected, log_on, order, until
from tests.gateway_world import Client, HandMatcher

World = tuple[HandMatcher, FixGateway]
CERTIFICATES = Path(__file__).parent / "certificates"
ENDS = {"SenderCompID": "OO", "TargetCompID": "CLIENT"}
NAME = "FIX.4.2:OO->CLIENT"


@pytest.fixture
def world(directory: bus.Directory) -> Iterator[World]:
    """A matcher and a gateway."""
    yield from connected(directory)


@pytest.fixture
def both(directory: bus.Directory, on_uvloop: bool) -> Iterator[World]:
    """A gateway on each kind of loop."""
    yield from connected(directory, on_uvloop)


def set_up(matcher: HandMatcher, name: str = NAME, **settings: Any) -> None:
    """SESSION_SET."""
    given = {"BeginString": "FIX.4.2", **ENDS, **settings}
    matcher.emit((wire.SESSION_SET, "orders", name, tuple(sorted(given.items()))))
    matcher.query("ping")  # answered after that


def of_endpoint(matcher: HandMatcher) -> dict[str, Any]:
    """Statistics of the endpoint."""
    found: dict[str, Any] = matcher.query("statistics")["endpoints"]["orders"]
    return found


def of_session(matcher: HandMatcher, name: str = NAME) -> dict[str, Any]:
    """Statistics of a session."""
    found: dict[str, Any] = of_endpoint(matcher)["sessions"][name]
    return found


# ------------------------------------------------------------------------------------------------- who may log on
def test_an_endpoint_for_which_no_session_was_set_up_accepts_any_comp_ids_and_says_so(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    assert of_endpoint(matcher)["any CompIDs accepted"] is True
    for number, (begin, who) in enumerate([("FIX.4.0", "A"), ("FIX.4.4", "A"), ("FIX.4.4", "B")], 1):
        with FixClient(port, who, begin) as client:
            log_on(matcher, client, number)
    assert sorted(of_endpoint(matcher)["sessions"]) == ["FIX.4.0:OO->A", "FIX.4.4:OO->A", "FIX.4.4:OO->B"]


def test_where_sessions_were_set_up_only_they_log_on_and_others_hear_nothing(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher)
    assert of_endpoint(matcher)["any CompIDs accepted"] is False
    with FixClient(port) as client:
        log_on(matcher, client)
    for ours, begin, theirs in (("OTHER", "FIX.4.2", "OO"), ("CLIENT", "FIX.4.1", "OO"), ("CLIENT", "FIX.4.2", "XX")):
        with FixClient(port, ours, begin, theirs) as stranger:
            stranger.log_on()
            assert stranger.read() is None
    assert of_endpoint(matcher)["unwanted_logons"] == 3


@pytest.mark.parametrize(
    ("protocol", "begin", "more", "welcome"),
    [
        ("fix42", "FIX.4.2", "", True),
        ("fix42", "FIX.4.4", "", False),
        ("fix44", "FIX.4.4", "", True),
        ("fix50sp1", "FIXT.1.1", "|1137=8", True),
        ("fix50sp1", "FIXT.1.1", "|1137=9", False),
        ("fix", "FIXT.1.1", "|1137=7", True),
        ("fix", "FIXT.1.1", "", False),
        ("fix", "FIX.9.9", "", False),
    ],
)
def test_an_endpoint_speaks_the_versions_of_its_protocol(
    world: World, protocol: str, begin: str, more: str, welcome: bool
) -> None:  # fmt: skip
    matcher, _ = world
    port = matcher.open_endpoint(protocol=protocol)
    with FixClient(port, begin=begin) as client:
        if welcome:
            log_on(matcher, client, more=more)
        else:
            client.log_on(more)
            assert client.read() is None


def test_a_template_makes_sessions_and_its_approval_says_for_whom(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher, "FIX.4.4:->", BeginString="FIX.4.4", SenderCompID="", TargetCompID="", Template=True,
           Approval="friends", Account="HOUSE")  # fmt: skip
    assert of_endpoint(matcher)["any CompIDs accepted"] is True
    with FixClient(port, "FRIEND1") as client:
        client.log_on("|553=me|554=secret")
        assert matcher.wait_for(wire.LOGON)[2::2] == ("FIX.4.2:OO->FRIEND1", "HOUSE")
    with FixClient(port, "STRANGER") as client:
        client.log_on()
        client.expect("35=5|34=1|58=strangers are not welcome")
        assert client.read() is None
    with FixClient(port, "NOBODY") as client:
        client.log_on()
        assert client.read() is None


def test_names_beyond_all_bounds_are_not_passed_on(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    for ours, more in (("X" * 49, ""), ("X" * 48, f"|50={'Y' * 48}|57={'Z' * 48}"), ("\xe9", ""), ("", "")):
        with FixClient(port, ours) as client:
            client.log_on(more)
            assert client.read() is None
    with FixClient(port) as client:
        log_on(matcher, client)


def test_a_message_before_the_logon_or_one_that_is_none_ends_the_connection_without_a_word(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    garbled = b"GET / HTTP/1.1\r\n\r\n8=FIX.4.2\x019=x\x0135=A\x0110=000\x01"
    for data in (b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01", garbled):
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(data)
            assert sock.recv(100) == b""
    with FixClient(port) as client:
        client.order("a")
        assert client.read() is None


def test_allowed_remote_addresses_are_the_only_ones(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher, AllowedRemoteAddresses="10.1.0.0/16, 192.168.1.7")
    with FixClient(port) as client:
        client.log_on()
        assert client.read() is None
    set_up(matcher, AllowedRemoteAddresses="10.1.0.0/16,127.0.0.0/8")
    with FixClient(port) as client:
        log_on(matcher, client)


def test_where_there_are_users_a_logon_needs_one_with_his_password(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher)
    matcher.emit((wire.USER_SET, "Ann", "", "ANNS", hash_password("right")))
    matcher.emit((wire.USER_SET, "Bob", "", "", hash_password("right")))
    number = 1
    for more in ("", "|553=Ann", "|553=Ann|554=wrong", "|553=Eve|554=right"):
        with FixClient(port) as client:
            client.log_on(more)
            client.expect(f"35=5|34={number}|58=invalid username or password")
            assert client.read() is None
            number += 1
    with FixClient(port) as client:
        client.log_on("|553=ann|554=right")
        assert matcher.wait_for(wire.LOGON_AS)[4:] == ("ANNS", "ANN")
    until(lambda: not of_session(matcher)["connected"], "she has gone")
    set_up(matcher, Username="Bob")
    with FixClient(port) as client:
        client.log_on("|553=ann|554=right")
        client.expect(f"35=5|34={number}|58=invalid username or password")
        assert client.read() is None
    with FixClient(port) as client:
        client.log_on("|553=bob|554=right")
        assert matcher.wait_for(wire.LOGON_AS)[4:] == ("CLIENT", "BOB")


def test_a_session_has_one_connection_and_the_first_does_not_notice_the_second(both: World) -> None:
    matcher, _ = both
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client, FixClient(port) as second:
        log_on(matcher, client)
        second.log_on()
        assert second.read() is None
        client.send("35=1|112=here")
        client.expect("35=0|34=2|112=here")
    until(lambda: not of_session(matcher)["connected"], "the first has gone")
    assert of_session(matcher)["second_connections"] == 1
    with FixClient(port, number=3) as client:
        log_on(matcher, client, first=False)


def test_over_fixt_the_version_of_application_messages_is_the_clients_choice_and_is_remembered(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher, "FIXT.1.1:OO->CLIENT", BeginString="FIXT.1.1", DefaultApplVerID="FIX.5.0")
    with FixClient(port, begin="FIXT.1.1") as client:
        client.log_on("|1137=9")
        matcher.log_on(1, "0001000001")
        client.expect("35=A|34=1|98=0|108=30|1137=9")
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0")
        matcher.query("ping")  # that the Logon was taken is written by now
    gateway.kill()
    with another_life(directory), FixClient(matcher.wait_for(wire.BOUND)[3], begin="FIXT.1.1", number=2) as client:
        client.log_on("|1137=8")
        matcher.log_on(1, "0001000001", first=False)
        client.expect("35=A|34=3|98=0|108=30|1137=8")
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=4|11=a|37=2|38=100|39=0")


# ------------------------------------------------------------------------------------------------- operators and days
def test_before_the_day_begins_a_logon_is_told_so_and_after_its_end_everybody_is(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher)
    with FixClient(port) as client:
        client.log_on()
        connection = matcher.wait_for(wire.LOGON)[3]
        matcher.emit((wire.LOGON_REFUSED, "orders", connection, "the day has ended"))
        client.expect("35=5|34=1|58=the trading day has not begun")
        assert client.read() is None
    with FixClient(port, number=1) as client:
        log_on(matcher, client)
        matcher.emit(accepted(1, "a"), (wire.SYSTEM, 1, "E"))
        client.expect("35=8|34=3|11=a|37=1|38=100|39=0", "35=5|34=4|58=the trading day has ended")
        client.send("35=5")
        assert client.read() is None
    with FixClient(port, number=3) as client:  # numbers go on over days
        client.log_on()
        matcher.log_on(1, "0002000001")
        client.expect("35=A|34=5|98=0|108=30")


def ordered(action: str, next_out: int = 0, next_in: int = 0, text: str = "") -> tuple[Any, ...]:
    """A SESSION_ORDERED event."""
    return (wire.SESSION_ORDERED, "orders", NAME, action, next_out, next_in, text)


def test_an_operator_sets_and_resets_sequence_numbers_also_of_sessions_never_used(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher)
    matcher.emit(ordered("set", 10_000, 20))
    assert of_session(matcher)["next_out"] == 10_000 and of_session(matcher)["next_in"] == 20
    with FixClient(port, number=20) as client:
        client.log_on()
        matcher.log_on(1, "0001000001")
        client.expect("35=A|34=10000|98=0|108=30")
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=10001|11=a|37=1|38=100|39=0")
        client.send("35=2|7=9999|16=0")
        client.expect("35=4|34=9999|43=Y|122=*|36=10001|123=Y", "35=8|34=10001|43=Y|122=*|11=a|37=1|38=100|39=0")
        matcher.emit(ordered("reset"))
        assert client.read() is None
    gateway.kill()
    with another_life(directory), FixClient(matcher.wait_for(wire.BOUND)[3]) as client:
        client.log_on()
        matcher.log_on(1, "0001000001", first=False)
        client.expect("35=A|34=1|98=0|108=30")
        client.send("35=2|7=1|16=0")
        client.expect("35=4|34=1|43=Y|122=*|36=2|123=Y")


def test_an_operator_logs_a_session_out_and_a_deleted_one_is_forgotten(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher)
    set_up(matcher, "FIX.4.2:OO->OTHER", TargetCompID="OTHER")
    with FixClient(port) as client:
        log_on(matcher, client)
        matcher.emit(ordered("logout", text="go home"))
        client.expect("35=5|34=2|58=go home")
        client.send("35=5")
        assert client.read() is None
    until(lambda: not of_session(matcher)["connected"], "it has gone")
    with FixClient(port, number=3) as client:
        log_on(matcher, client, first=False)
        matcher.emit((wire.SESSION_DELETED, "orders", NAME))
        client.expect("35=5|34=4|58=the session has been deleted")
        client.send("35=5")
        assert client.read() is None
    with FixClient(port, number=5) as client:
        client.log_on()
        assert client.read() is None
    set_up(matcher)
    with FixClient(port) as client:
        client.log_on()
        matcher.log_on(1, "0001000001", first=False)
        client.expect("35=A|34=1|98=0|108=30")


def test_a_deleted_endpoint_logs_its_clients_out_and_its_sessions_are_forgotten(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        matcher.emit((wire.ENDPOINT_DELETED, "orders"))
        client.expect("35=5|34=2|58=the endpoint has been deleted")
        client.send("35=5")
        assert client.read() is None
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        client.log_on()
        matcher.log_on(2, "0001000002")
        client.expect("35=A|34=1|98=0|108=30")


def test_new_settings_hold_from_the_next_connection_on(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher)
    with FixClient(port) as client:
        log_on(matcher, client)
        set_up(matcher, EnableLastMsgSeqNumProcessed=True)
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0")
    until(lambda: not of_session(matcher)["connected"], "it has gone")
    with FixClient(port, number=2) as client:
        log_on(matcher, client, first=False)
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=4|369=2|11=a|37=2|38=100|39=0")


# ------------------------------------------------------------------------------------------------- limits
def test_messages_beyond_the_rate_are_refused_one_by_one(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher, MaxMessagesPerSecond=1)
    with FixClient(port) as client:
        log_on(matcher, client)
        client.send(*(order(f"o{n}") for n in range(4)))  # at most two of them in two seconds
        pairs = client.read()
        assert pairs is not None
        assert {35: "j", 372: "D", 380: "0", 58: "more than 1 messages a second"}.items() <= dict(pairs).items()
    assert of_session(matcher)["throttled"] >= 2


def test_a_client_that_does_not_read_is_dropped_and_nobody_else_notices(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix", write_buffer_max=65_536)
    with FixClient(port, "SLOW") as slow, FixClient(port) as client:
        log_on(matcher, slow, 1)
        log_on(matcher, client, 2)
        for _ in range(400):
            matcher.emit(*(accepted(1, "a" * 60) for _ in range(100)))
            if of_endpoint(matcher)["dropped_slow"]:
                break
        assert of_endpoint(matcher)["dropped_slow"] == 1
        client.send("35=1|112=here")
        client.expect("35=0|34=2|112=here")


def test_a_gap_of_many_thousand_messages_is_filled_in_portions_and_goes_over_into_what_is_new(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        for at in range(0, 5_000, 500):
            matcher.emit(*(accepted(1, f"o{n}") for n in range(at, at + 500)))
    until(lambda: of_session(matcher)["next_out"] == 5_002, "all is stored")
    with FixClient(port, number=2) as client:
        client.log_on()
        matcher.log_on(1, "0001000001", first=False)
        client.expect("35=A|34=5002|98=0|108=30")
        client.send("35=2|7=2|16=0")
        matcher.emit(*(accepted(1, f"o{n}") for n in range(5_000, 5_500)))
        numbers = [dict(pairs)[34] for pairs in (client.read() for _ in range(5_501)) if pairs is not None]
        assert numbers == [str(n) for n in range(2, 5_503)]


def test_while_the_matcher_is_behind_clients_are_not_read_and_all_goes_on_afterwards(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        matcher.answering = False
        total = 3 * bus.WINDOW
        for at in range(0, total, 512):
            client.send(*(order(f"o{n}") for n in range(at, at + 512)))
        until(lambda: matcher.query("statistics")["congested"], "the gateway is congested")
        matcher.answering = True
        found: list[str] = []
        while len(found) < total:
            found.append(matcher.wait_for(wire.ENTER)[2].decode())
        assert found == [f"o{n}" for n in range(total)]


def test_whoever_does_not_log_on_in_time_is_dropped(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix", login_timeout_ms=100)
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(b"8=FIX.4.2\x019=50\x0135=A\x01")
        assert sock.recv(100) == b""
    assert of_endpoint(matcher)["timeouts"] == 1


def test_the_longest_logon_timeout_of_its_sessions_is_the_endpoints_unless_its_own_is_shorter(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher, LogonTimeout=1)
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        assert sock.recv(100) == b""  # the endpoint's own would be 30 s
    assert of_endpoint(matcher)["timeouts"] == 1


# ------------------------------------------------------------------------------------------------- TLS
def tls(**more: str) -> dict[str, Any]:
    return {"tls_certificate": str(CERTIFICATES / "server.pem"), "tls_key": str(CERTIFICATES / "server.key"), **more}


def context(certificate: str = "") -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    if certificate:
        found.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / f"{certificate}.key")
    return found


def test_fix_over_tls_and_whoever_does_not_shake_hands_is_dropped(both: World) -> None:
    matcher, _ = both
    port = matcher.open_endpoint(protocol="fix", **tls())
    with FixClient(port, context=context()) as client:
        log_on(matcher, client)
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0")
    with FixClient(port, "PLAIN") as client:
        client.log_on()
        assert client.read() is None
    assert of_endpoint(matcher)["tls_failures"] == 1 and of_endpoint(matcher)["tls"] is True


def test_the_server_name_chooses_the_certificate(both: World) -> None:
    matcher, _ = both
    other = f"other.example={CERTIFICATES / 'other.pem'}:{CERTIFICATES / 'other.key'}"
    port = matcher.open_endpoint(protocol="fix", **tls(tls_certificates=other))
    for session, name in enumerate(("localhost", "other.example"), 1):
        with FixClient(port, f"C{session}", context=context(), server_name=name) as client:
            log_on(matcher, client, session)
    with pytest.raises(ssl.SSLCertVerificationError):
        FixClient(port, context=context(), server_name="elsewhere.example")


def test_a_client_must_show_a_certificate_where_that_is_asked_for(both: World) -> None:
    matcher, _ = both
    port = matcher.open_endpoint(protocol="fix", **tls(tls_client_ca=str(CERTIFICATES / "authority.pem")))
    with FixClient(port, context=context("client")) as client:
        log_on(matcher, client)
    with pytest.raises((ssl.SSLError, ConnectionError)), FixClient(port, context=context()) as client:
        client.log_on()
        if client.read() is None:
            raise ConnectionError
    assert of_endpoint(matcher)["tls_failures"] == 1


def test_a_certificate_that_cannot_be_read_is_an_error_of_the_endpoint(world: World) -> None:
    matcher, _ = world
    properties = (("tls_certificate", "/nowhere.pem"),)
    matcher.emit((wire.ENDPOINT_SET, "orders", "main", "fix", "127.0.0.1", 0, properties, "matching"))
    bound = matcher.wait_for(wire.BOUND)
    assert bound[3] == 0 and "/nowhere.pem" in bound[4]


def test_whoever_does_not_shake_hands_in_time_is_dropped_and_counts_as_silent_meanwhile(world: World) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix", login_timeout_ms=100, **tls())
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(100) == b""
    found = of_endpoint(matcher)
    assert (found["timeouts"], found["connections"]) == (1, 0)


def test_other_protocols_can_be_had_over_tls_too(both: World) -> None:
    matcher, _ = both
    port = matcher.open_endpoint(**tls())
    with Client(port) as client:
        client.socket = context().wrap_socket(client.socket, server_hostname="localhost")
        client.login("U1")
        matcher.log_on(1, "0001000001")
        assert client.packet()[:1] == b"A"


# ------------------------------------------------------------------------------------------------- logs
def test_messages_are_logged_without_passwords(world: World, tmp_path: Path) -> None:
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    set_up(matcher, FileLogPath=str(tmp_path / "messages"))
    with FixClient(port) as client:
        log_on(matcher, client, more="|553=ann|554=secret")
        client.order("a")
        matcher.wait_for(wire.ENTER)
        matcher.emit(accepted(1, "a"))
        client.expect("35=8|34=2|11=a|37=1|38=100|39=0")
    (file,) = (tmp_path / "messages").iterdir()
    lines = [line.split(" ", 2)[1:] for line in file.read_text().splitlines()]
    kinds = [(mark, text.partition("\x0135=")[2][:1]) for mark, text in lines if mark in "<>"]
    assert kinds == [("<", "A"), (">", "A"), ("<", "D"), (">", "8")]
    assert "secret" not in file.read_text() and "554=***" in file.read_text()
    assert "secret" not in gateway.stop()[1]
