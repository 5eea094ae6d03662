"""openoutcry.gateway.soupbintcp: framing, and both ends' sessions, clause by clause of the specification."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.errors import ProtocolError
from openoutcry.gateway import soupbintcp as soup
from openoutcry.gateway.soupbintcp import ClientSession, Framer, ServerSession, State, packet

S = 1_000_000_000
LOGIN = packet(soup.LOGIN_REQUEST, b"%-6b%-10b%10b%20d" % (b"alice", b"secret", b"", 1))
PACKETS = st.lists(st.tuples(st.sampled_from(b"+AJSUHZLRO?"), st.binary(max_size=60)), max_size=30)


def logged_in_server(**limits: Any) -> ServerSession:
    session = ServerSession(0, **limits)
    session.receive(LOGIN, 0)
    session.accept_login("0001000001", 1)
    return session


def logged_in_client() -> ClientSession:
    client = ClientSession(0)
    client.login("alice", "secret")
    client.receive(packet(soup.LOGIN_ACCEPTED, b"0001000001%20d" % 1), 0)
    return client


def flat(runs: list[soup.Run]) -> list[tuple[int, bytes]]:
    return [(kind, payload) for kind, payloads in runs for payload in payloads]


# ------------------------------------------------------------------------------------------------- framing
def test_golden_bytes_of_real_traffic() -> None:
    cancel = bytes.fromhex("000a5558 00752e71 00000000".replace(" ", ""))
    assert flat(Framer().split(b"\x00\x01R\x00\x01H" + cancel)) == [
        (soup.CLIENT_HEARTBEAT, b""),
        (soup.SERVER_HEARTBEAT, b""),
        (soup.UNSEQUENCED, b"X\x00\x75\x2e\x71\x00\x00\x00\x00"),
    ]
    assert packet(soup.UNSEQUENCED, cancel[3:]) == cancel
    assert packet(soup.END_OF_SESSION) == b"\x00\x01Z"


@given(PACKETS, st.lists(st.integers(1, 40), max_size=60))
def test_packets_are_the_same_however_the_bytes_are_cut(found: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(packet(kind, payload) for kind, payload in found)
    framer, out, at = Framer(), [], 0
    for size in [*cuts, len(data)]:
        out += flat(framer.split(data[at : at + size]))
        at += size
    assert out == found


@given(st.binary(min_size=1, max_size=60), st.integers(0, 70), st.binary(max_size=50), st.sampled_from(b"SU"))
def test_a_read_full_of_equal_packets_is_cut_like_any_other(payload: bytes, count: int, tail: bytes, kind: int) -> None:
    data = packet(kind, payload) * count
    framer = Framer()
    unfinished = packet(kind, payload + tail)[:-1]
    assert flat(framer.split(data + unfinished)) == [(kind, payload)] * count
    assert flat(framer.split(unfinished[:0] + (payload + tail)[-1:])) == [(kind, payload + tail)]


@pytest.mark.parametrize("length", [0, 1_025, 0xFFFF])
def test_a_length_of_zero_or_above_the_limit_breaks_the_protocol(length: int) -> None:
    with pytest.raises(ProtocolError, match=str(length)):
        Framer(1_024).split(length.to_bytes(2, "big"))
    for before in (b"", packet(soup.UNSEQUENCED, b"x" * 49) * 10):
        with pytest.raises(ProtocolError):
            Framer(1_024).split(before + length.to_bytes(2, "big") + b"U" + b"x" * 65_535)


def test_packets_are_below_32768_bytes() -> None:
    largest = packet(soup.SEQUENCED, b"x" * soup.PAYLOAD_MAX)
    assert flat(Framer().split(largest)) == [(soup.SEQUENCED, b"x" * soup.PAYLOAD_MAX)]
    with pytest.raises(ProtocolError):
        packet(soup.SEQUENCED, b"x" * (soup.PAYLOAD_MAX + 1))
    with pytest.raises(ProtocolError):
        soup.packets(soup.SEQUENCED, [b"", b"x" * (soup.PAYLOAD_MAX + 1)])


@given(st.lists(st.binary(max_size=1_500), max_size=5))
def test_joined_packets_are_the_packets_joined(payloads: list[bytes]) -> None:
    for kind in (soup.SEQUENCED, soup.UNSEQUENCED):
        assert soup.packets(kind, payloads) == b"".join(packet(kind, payload) for payload in payloads)


# ------------------------------------------------------------------------------------------------- login
def test_a_login_byte_by_byte() -> None:
    session = ServerSession(0)
    events = [event for at in range(len(LOGIN)) for event in session.receive(LOGIN[at : at + 1], at)]
    assert events == [soup.LoginRequest("ALICE", "secret", "", 1, None)]
    assert session.state is State.AUTHENTICATING


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"   bob        pw0001000001" + b"7".rjust(20), ("BOB", "pw", "0001000001", 7, None)),
        (b"bob       pw    000007    " + b"7".ljust(20), ("BOB", "pw", "000007", 7, None)),
        (b" " * 46, ("", "", "", 0, None)),
        (b"Bob   PW        " + b" " * 10 + b"%020d" % 5 + b"  200", ("BOB", "PW", "", 5, 200)),
        (b"Bob   PW        " + b" " * 10 + b"%020d" % 5 + b"15000", ("BOB", "PW", "", 5, 15_000)),
        (b"Bob   PW        " + b" " * 10 + b"%020d" % 5 + b"     ", ("BOB", "PW", "", 5, None)),
        (b"Bob\0\0\0PW\0\0\0\0\0\0\0\0" + b" " * 10 + b"%020d" % 5, ("BOB", "PW", "", 5, None)),
    ],
)
def test_login_fields_are_stripped_on_both_sides_and_may_be_of_any_version(payload: bytes, expected: Any) -> None:
    assert ServerSession(0).receive(packet(soup.LOGIN_REQUEST, payload), 0) == [soup.LoginRequest(*expected)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" " * 45,
        b" " * 47,
        b" " * 52,
        b"a\nb".ljust(46),
        b"a\0b".ljust(46),
        b"bob\x7f".ljust(46),
        b" " * 26 + b"1x".ljust(20),
        b" " * 26 + b"-1".ljust(20),
        b"\xff" + b" " * 45,
    ],
)
def test_a_malformed_login_breaks_the_protocol(payload: bytes) -> None:
    session = ServerSession(0)
    with pytest.raises(ProtocolError):
        session.receive(packet(soup.LOGIN_REQUEST, payload), 0)
    assert session.state is State.CLOSED


def test_a_password_is_not_shown() -> None:
    (request,) = ServerSession(0).receive(LOGIN, 0)
    assert "secret" not in repr(request)
    with pytest.raises(ProtocolError) as error:
        ClientSession(0).login("alice", "much too long a password")
    assert "much" not in str(error.value)


def test_login_accepted_is_left_padded() -> None:
    session = ServerSession(0)
    session.receive(LOGIN, 0)
    assert session.accept_login("DAY1", 42) == b"\x00\x1fA" + b"      DAY1" + b"                  42"
    assert (session.state, session.sequence) == (State.LOGGED_IN, 42)


def test_login_rejected_closes() -> None:
    session = ServerSession(0)
    session.receive(LOGIN, 0)
    assert session.reject_login(soup.NOT_AUTHORISED) == b"\x00\x02JA"
    assert session.state is State.CLOSED
    assert session.accept_login("late", 1) == session.sequenced([b"x"]) == b""


def test_requested_sequence_numbers() -> None:
    last_10 = {0: 10, 1: 1, 5: 5, 10: 10, 11: 11, 12: 11, 10**20: 11}
    assert {requested: soup.next_sequence(requested, 10) for requested in last_10} == last_10
    assert [soup.next_sequence(requested, 0) for requested in (0, 1, 2)] == [1, 1, 1]


def test_what_a_client_sends_while_its_login_is_judged_waits() -> None:
    session = ServerSession(0)
    orders = packet(soup.UNSEQUENCED, b"1") + packet(soup.UNSEQUENCED, b"2")
    assert len(session.receive(LOGIN + orders, 0)) == 1
    assert session.receive(packet(soup.CLIENT_HEARTBEAT) + packet(soup.UNSEQUENCED, b"3"), 0) == []
    session.accept_login("S", 1)
    assert session.receive(b"", 0) == [soup.Unsequenced([b"1", b"2"]), soup.Unsequenced([b"3"])]


def test_what_waits_for_the_login_is_limited() -> None:
    session = ServerSession(0)
    one = packet(soup.UNSEQUENCED, b"x")
    session.receive(LOGIN + one * soup.WAITING_MAX, 0)
    with pytest.raises(ProtocolError, match="before the login"):
        session.receive(one, 0)
    assert session.state is State.CLOSED


def test_a_second_login_request_breaks_the_protocol() -> None:
    session = ServerSession(0)
    session.receive(LOGIN + LOGIN, 0)
    session.accept_login("S", 1)
    with pytest.raises(ProtocolError):
        session.receive(b"", 0)


# ------------------------------------------------------------------------------------------------- logged in
def test_orders_of_one_read_come_together() -> None:
    session = logged_in_server()
    orders = [bytes([number]) * 49 for number in range(64)]
    assert session.receive(soup.packets(soup.UNSEQUENCED, orders), 0) == [soup.Unsequenced(orders)]


def test_packets_of_unknown_type_are_ignored_and_counted() -> None:
    for session in (ServerSession(0), logged_in_server(), ClientSession(0), logged_in_client()):
        state = session.state
        assert session.receive(packet(ord("?"), b"x") * 3, 0) == []
        assert (session.ignored, session.state) == (3, state)


def test_debug_packets_are_handed_on() -> None:
    assert logged_in_server().receive(packet(soup.DEBUG, b"hello"), 0) == [soup.Debug("hello")]
    assert ClientSession(0).receive(ServerSession(0).debug("wait"), 0) == [soup.Debug("wait")]


def test_logout_closes_and_the_rest_is_ignored() -> None:
    session = logged_in_server()
    order = packet(soup.UNSEQUENCED, b"x")
    assert session.receive(order + packet(soup.LOGOUT_REQUEST) + order, 0) == [
        soup.Unsequenced([b"x"]),
        soup.Logout(),
    ]
    assert session.state is State.CLOSED
    assert session.receive(order, 0) == []
    assert session.on_timer(0)[1]


def test_sequenced_messages_are_counted_by_both_ends() -> None:
    server, client = logged_in_server(), logged_in_client()
    assert client.receive(server.sequenced([b"a", b"b"]), 0) == [soup.Sequenced(1, [b"a", b"b"])]
    stored = soup.packets(soup.SEQUENCED, [b"c"])
    server.sent(1)
    data = stored + server.unsequenced([b"-"]) + server.debug("d") + server.sequenced([b"d"])
    assert client.receive(data, 0) == [
        soup.Sequenced(3, [b"c"]),
        soup.Unsequenced([b"-"]),
        soup.Debug("d"),
        soup.Sequenced(4, [b"d"]),
    ]
    assert server.sequence == client.sequence == 5
    assert client.receive(server.end_of_session(), 0) == [soup.EndOfSession()]
    assert server.state is client.state is State.CLOSED


def test_the_login_of_our_client_reaches_our_server() -> None:
    for heartbeat_ms in (None, 250):
        client, server = ClientSession(0), ServerSession(0)
        (request,) = server.receive(client.login("Al", "pw", "S1", 12, heartbeat_ms), 0)
        assert request == soup.LoginRequest("AL", "pw", "S1", 12, heartbeat_ms)
        assert client.receive(server.accept_login("S1", 12), 0) == [soup.Accepted("S1", 12)]
        assert (client.session, client.sequence, client.state) == ("S1", 12, State.LOGGED_IN)
        assert server.receive(client.unsequenced([b"o"]) + client.logout(), 0) == [
            soup.Unsequenced([b"o"]),
            soup.Logout(),
        ]


def test_a_client_hears_why_it_is_refused() -> None:
    client = ClientSession(0)
    client.login("a", "b")
    assert client.receive(packet(soup.LOGIN_REJECTED, b"S"), 0) == [soup.Rejected("S")]
    assert client.state is State.CLOSED


# ------------------------------------------------------------------------------------------------- timers
def test_a_server_sends_a_heartbeat_after_a_second_without_sending() -> None:
    session = logged_in_server()
    assert session.on_timer(S - 1) == (b"", False, S)
    assert session.on_timer(S) == (b"\x00\x01H", False, 2 * S)
    session.receive(b"", S + S // 2)
    session.sequenced([b"x"])
    assert session.on_timer(2 * S) == (b"", False, 2 * S + S // 2)


def test_a_client_sends_a_heartbeat_after_a_second_without_sending() -> None:
    client = logged_in_client()
    assert client.on_timer(S) == (b"\x00\x01R", False, 2 * S)
    assert ClientSession(0).heartbeat(9 * S) == b""


def test_silence_ends_both_ends() -> None:
    for session in (logged_in_server(), logged_in_client()):
        session.receive(packet(soup.DEBUG), S)
        assert session.on_timer(16 * S - 1)[1] is False
        assert session.on_timer(16 * S) == (b"", True, 16 * S)
        assert session.state is State.CLOSED


def test_a_4_10_client_gives_its_own_timeout() -> None:
    session = ServerSession(0)
    session.receive(ClientSession(0).login("a", "b", heartbeat_ms=200), 0)
    session.accept_login("S", 1)
    assert session.on_timer(S // 5 - 1) == (b"", False, S // 5)
    assert session.on_timer(S // 5)[1] is True


def test_a_login_must_come_and_be_answered_in_time() -> None:
    for data in (b"", LOGIN):
        session = ServerSession(0, login_timeout_ns=30 * S)
        session.receive(data, S)
        assert session.on_timer(30 * S - 1) == (b"", False, 30 * S)
        assert session.on_timer(30 * S)[1] is True
        assert session.accept_login("late", 1) == b""


def test_a_client_does_not_wait_for_a_login_answer_for_ever() -> None:
    client = ClientSession(0)
    client.login("a", "b")
    assert client.on_timer(S) == (b"", False, 15 * S)
    assert client.on_timer(15 * S)[1] is True


# ---------------------------------------------------------------------------------------- every state and input
def server_in(state: str) -> ServerSession:
    session = ServerSession(0)
    if state != State.AWAITING_LOGIN:
        session.receive(LOGIN, 0)
    if state in (State.LOGGED_IN, State.CLOSED):
        session.accept_login("S", 1)
    if state == State.CLOSED:
        session.close()
    assert session.state == state
    return session


def client_in(state: str) -> ClientSession:
    client = ClientSession(0) if state in (State.CONNECTED, State.LOGIN_SENT) else logged_in_client()
    if state == State.LOGIN_SENT:
        client.login("a", "b")
    if state == State.CLOSED:
        client.close()
    assert client.state == state
    return client


SERVER_STATES = [*soup.SERVER, State.CLOSED]
CLIENT_STATES = [*soup.CLIENT, State.CLOSED]
CALLS: dict[str, tuple[Any, ...]] = {
    "accept_login": ("S", 1), "reject_login": ("A",), "sequenced": ([b"x"],), "unsequenced": ([b"x"],),
    "end_of_session": (), "login": ("a", "b"), "logout": (),
}  # fmt: skip


def check_packet(session: ServerSession | ClientSession, table: soup.Table, kind: int, payload: bytes) -> None:
    """A legal new state, or ProtocolError and closed; what is ignored or waits changes nothing."""
    before = session.state
    expected = table.get(before, {}).get(kind, before)
    try:
        session.receive(packet(kind, payload), 0)
    except ProtocolError:
        assert session.state is State.CLOSED
        assert before is not State.CLOSED
    else:
        assert session.state in (expected, State.CLOSED) if kind in table.get(before, {}) else session.state == before


@settings(max_examples=40)
@given(payload=st.one_of(st.binary(max_size=60), st.just(b" " * 46), st.just(b"S".rjust(10) + b"1".rjust(20))))
def test_every_packet_in_every_state_is_legal_or_ends_the_session(payload: bytes) -> None:
    for state, kind in itertools.product(SERVER_STATES, range(256)):
        check_packet(server_in(state), soup.SERVER, kind, payload)
    for state, kind in itertools.product(CLIENT_STATES, b"+AJSUHZLRO?\x00"):
        check_packet(client_in(state), soup.CLIENT, kind, payload)


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(SERVER_STATES, sorted(soup.FROM_CLIENT))))
def test_what_the_table_does_not_list_breaks_the_protocol(state: str, kind: int) -> None:
    session = server_in(state)
    payload = b" " * 46 if kind == soup.LOGIN_REQUEST else b""
    if state in (State.AUTHENTICATING, State.CLOSED) or kind in soup.SERVER[state]:
        session.receive(packet(kind, payload), 0)
    else:
        with pytest.raises(ProtocolError):
            session.receive(packet(kind, payload), 0)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", [*SERVER_STATES, *CLIENT_STATES])
def test_a_call_in_the_wrong_state_is_refused_and_ends_the_session(state: str, call: str) -> None:
    for make, states in ((server_in, SERVER_STATES), (client_in, CLIENT_STATES)):
        if state not in states or not hasattr(session := make(state), call):
            continue
        try:
            data = getattr(session, call)(*CALLS[call])
        except ProtocolError:
            assert session.state is State.CLOSED
            assert state is not State.CLOSED
        else:
            assert bool(data) is (state is not State.CLOSED)


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_random_bytes_raise_nothing_but_protocol_error(reads: list[bytes]) -> None:
    for state in SERVER_STATES:
        feed(server_in(state), reads)
    for state in CLIENT_STATES:
        feed(client_in(state), reads)


def feed(session: ServerSession | ClientSession, reads: list[bytes]) -> None:
    for data in reads:
        try:
            session.receive(data, 0)
        except ProtocolError:
            assert session.state is State.CLOSED
