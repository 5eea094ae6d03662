"""A codec that is not ours: PyPI's simplefix encodes what the gateway reads, and decodes everything that it sends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simplefix import FixMessage, FixParser

from openoutcry import Exchange
from openoutcry.fix.codec import DATA_FIELDS, Decoder, body, frame
from openoutcry.fix.dictionary import load
from openoutcry.fix.settings import APPL_VERSIONS
from openoutcry.fix.validate import Validator
from openoutcry.handles import Endpoint
from tests.fix_interop import OURS, PATIENCE_S, VERSIONS, begin_string, cancel, change, fill, fitting, new_order, now

# -- the codecs alone --------------------------------------------------------------------------------------------------

Pairs = list[tuple[int, bytes]]
VALUES = st.binary(min_size=1, max_size=20).map(lambda value: value.replace(b"\x01", b"|"))
PLAIN = st.tuples(st.integers(50, 10_000), VALUES).map(lambda field: [field])
DATA = st.tuples(st.sampled_from([95, 212, 354]), st.binary(min_size=1, max_size=20)).map(
    lambda field: [(field[0], b"%d" % len(field[1])), (field[0] + 1, field[1])]
)
# Lengths without their data, and data without their lengths, are what two engines may well see differently.
SPECIAL = {*DATA_FIELDS, *DATA_FIELDS.values()}
FIELDS = st.lists(PLAIN.filter(lambda field: field[0][0] not in SPECIAL) | DATA, max_size=12).map(
    lambda fields: [pair for field in fields for pair in field]
)


def simple_message(begin: str, kind: str, fields: list[tuple[int, Any]]) -> FixMessage:
    message = FixMessage()
    message.append_pair(8, begin)
    message.append_pair(35, kind)
    for tag, value in fields:
        message.append_pair(tag, value)
    return message


def simple_pairs(message: FixMessage) -> Pairs:
    return [(int(tag), bytes(value)) for tag, value in message.pairs]


@given(FIELDS)
def test_what_it_encodes_is_understood(fields: Pairs) -> None:
    data = simple_message("FIX.4.2", "U1", fields).encode()
    (message,) = Decoder().feed(data)
    assert (message.kind, message.raw, message.pairs()[3:-1]) == (b"U1", data, fields)


@given(FIELDS)
def test_what_we_encode_is_understood(fields: Pairs) -> None:
    data = frame(b"FIX.4.2", b"35=U1\x01" + body(fields))
    parser = FixParser()
    parser.append_buffer(data)
    message = parser.get_message()
    assert simple_pairs(message)[3:-1] == fields
    assert message.encode() == data


# -- a client made of it -----------------------------------------------------------------------------------------------


class Client:
    """A session of its own making, logged on: simplefix, a socket and a number."""

    def __init__(self, endpoint: Endpoint, version: str, name: str) -> None:
        self.version = version
        self.name = name
        self.number = 0
        self.received: list[FixMessage] = []
        self.data = b""
        self.parser = FixParser()
        self.socket = socket.create_connection((endpoint.host, endpoint.port), PATIENCE_S)
        self.send("A", {98: 0, 108: 30, **({1137: APPL_VERSIONS[version]} if version >= "FIX.5" else {})})
        self.expect("A", {108: 30})

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, kind: str, fields: Any) -> None:
        """fields: a dictionary, or pairs where there are groups."""
        self.number += 1
        head = [(34, self.number), (49, self.name), (52, now()), (56, OURS)]
        pairs = fields.items() if isinstance(fields, dict) else fields
        self.socket.sendall(simple_message(begin_string(self.version), kind, [*head, *pairs]).encode())

    def read(self) -> FixMessage:
        while (message := self.parser.get_message()) is None:
            data = self.socket.recv(65_536)
            assert data, "the connection has ended"
            self.data += data
            self.parser.append_buffer(data)
        self.received.append(message)
        return message

    def expect(self, kind: str, fields: dict[int, Any]) -> FixMessage:
        """The next message, which is of that type and has those values."""
        message = self.read()
        found = {tag: (message.get(tag) or b"-").decode() for tag in (35, *fields)}
        assert found == {35: kind, **{tag: str(value) for tag, value in fields.items()}}, message
        return message

    def until(self, kind: str) -> FixMessage:
        """The next message of that type."""
        while (message := self.read()).get(35) != kind.encode():
            pass
        return message

    def close_look(self) -> None:
        """All that came: simplefix would write the same bytes, our decoder reads the same, the dictionary allows it."""
        while (message := self.parser.get_message()) is not None:
            self.received.append(message)
        written = b"".join(message.encode() for message in self.received)
        assert written == self.data[: len(written)]
        messages = Decoder().feed(written)
        assert [message.pairs() for message in messages] == [simple_pairs(message) for message in self.received]
        assert [(message, flaw) for message in messages if (flaw := self.validator().check(message))] == []

    def validator(self) -> Validator:
        transport = load("FIXT11") if self.version >= "FIX.5" else None
        return Validator(load(self.version.replace(".", "")), transport)

    def kinds(self) -> set[str]:
        return {message.get(35).decode() for message in self.received}


@pytest.fixture
def endpoint(exchange: Exchange) -> Endpoint:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    return engine.create_endpoint("orders", "fix")


@pytest.mark.parametrize("version", VERSIONS)
def test_it_trades_in_every_version(endpoint: Endpoint, version: str) -> None:
    with Client(endpoint, version, "ALICE") as alice, Client(endpoint, version, "BOB") as bob:
        alice.send("D", new_order(version, "a1", 1, 100, "150.25"))
        alice.expect("8", {11: "a1", 39: 0})
        bob.send("D", new_order(version, "b1", 2, 60, "150"))
        bob.expect("8", {11: "b1", 39: 0})
        bob.expect("8", {11: "b1", 32: 60, 31: "150.25", 14: 60} | fill(version, whole=True))
        alice.expect("8", {11: "a1", 32: 60, 31: "150.25", 14: 60} | fill(version, whole=False))
        alice.send("G", change(version, "a2", "a1", 1, 120, "149"))
        alice.expect("8", fitting(version, "8", {11: "a2", 41: "a1", 38: 120, 44: 149, 14: 60}))
        alice.send("F", cancel(version, "a3", "a2", 1, 120))
        alice.expect("8", fitting(version, "8", {11: "a3", 41: "a2", 39: 4}))
        alice.send("F", cancel(version, "a4", "a2", 1, 120))
        alice.expect("9", fitting(version, "9", {11: "a4", 41: "a2"}))
        alice.send("5", {})
        alice.expect("5", {})
        for client in (alice, bob):
            client.close_look()


# -- every kind of message that we send --------------------------------------------------------------------------------

SESSION_KINDS = {"0", "2", "3", "4", "5", "A", "j"}
ORDER_KINDS = {"8", "9", "AE", "AI", "AQ", "N", "b", "r"}
MARKET_KINDS = {"W", "X", "Y", "d", "f", "h", "y"}


@pytest.fixture
def pair(endpoint: Endpoint, version: str) -> Iterator[tuple[Client, Client]]:
    with Client(endpoint, version, "ALICE") as alice, Client(endpoint, version, "BOB") as bob:
        yield alice, bob


def in_version(version: str, kinds: set[str]) -> set[str]:
    return {kind for kind in kinds if kind.encode() in load(version.replace(".", "")).messages}


@pytest.mark.parametrize("version", ["FIX.4.4", "FIX.5.0SP2"])
def test_it_decodes_every_session_message_that_we_send(pair: tuple[Client, Client], version: str) -> None:
    alice, _ = pair
    alice.send("1", {112: "are you there?"})
    alice.expect("0", {112: "are you there?"})
    alice.send("D", {**new_order(version, "a1", 1, 100, "150"), 9999: 1})
    alice.expect("3", {45: 3, 371: 9999, 372: "D", 373: 0, 58: "Invalid tag number"})
    alice.send("B", {148: "Headline", 33: 0})
    alice.expect("j", {45: 4, 372: "B", 380: 3, 58: "Unsupported Message Type"})
    alice.send("2", {7: 1, 16: 0})
    alice.expect("4", {34: 1, 43: "Y", 123: "Y", 36: 3})
    alice.expect("3", {34: 3, 43: "Y", 45: 3})
    alice.expect("j", {34: 4, 43: "Y", 45: 4})
    alice.number += 1  # one message is lost
    alice.send("0", {})
    alice.expect("2", {7: alice.number - 1, 16: 0})
    alice.send("5", {58: "good night"})
    alice.expect("5", {})
    alice.close_look()
    assert alice.kinds() >= SESSION_KINDS


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_it_decodes_every_answer_to_orders_and_quotes(pair: tuple[Client, Client], version: str) -> None:
    alice, bob = pair

    def ask(kind: str, fields: dict[int, Any], answer: str, **expected: Any) -> None:
        """In versions that have the question and the answer."""
        if in_version(version, {kind, answer}) == {kind, answer}:
            alice.send(kind, fitting(version, kind, fields))
            wanted = fitting(version, answer, {int(tag[1:]): value for tag, value in expected.items()})
            message = alice.until(answer)
            assert {tag: (message.get(tag) or b"-").decode() for tag in wanted} == wanted

    alice.send("D", new_order(version, "a1", 1, 100, "150"))
    alice.expect("8", {11: "a1", 39: 0})
    bob.send("D", new_order(version, "b1", 2, 60, "150"))
    bob.expect("8", {11: "b1", 39: 0})
    bob.expect("8", {11: "b1", 39: 2})
    alice.expect("8", {11: "a1", 39: 1})
    ask("H", {11: "a1", 37: 1, 55: "AAPL", 54: 1}, "8", t11="a1", t39=1)
    ask("AF", {584: "S1", 585: 7}, "8", t584="S1", t39=1)
    ask("F", {**cancel(version, "a2", "nonsense", 1, 100)}, "9", t11="a2", t41="nonsense")
    alice.send("Q", fitting(version, "Q", {37: 1, 17: 1, 127: "D", 55: "AAPL", 54: 1, 38: 100, 32: 1, 31: 1}))
    ask("AD", {568: "T1", 569: 0}, "AE", t568="T1", t32=60, t31=150)
    ask("q", {11: "q1", 530: 7, 60: now()}, "r", t11="q1")
    orders = [(11, "l1"), (67, 1), (21, 1), (55, "AAPL"), (54, 1), (60, now()), (38, 10), (40, 2), (44, 100)]
    second = [(11, "l2"), (67, 2), (21, 1), (55, "AAPL"), (54, 2), (60, now()), (38, 10), (40, 2), (44, 200)]
    if version >= "FIX.4.2":
        alice.send("E", [(66, "L1"), (394, 3), (68, 2), (73, 2), *orders, *second])
        alice.until("N")
        entry = [(299, 1), (55, "AAPL"), (132, 100), (133, 101), (134, 10), (135, 10)]
        quote_set = [(302, 1), *([(311, "AAPL")] if version == "FIX.4.2" else []), (304, 1), (295, 1)]
        alice.send("i", [(117, "Q1"), (301, 2), (296, 1), *quote_set, *entry])
        alice.until("b")
    ask("a", {649: "R1", 117: "*", 55: "AAPL", 54: 1}, "AI")
    for client in pair:
        client.close_look()
    without = {"N"} if version == "FIX.4.1" else set()  # it has ListStatus, but no list of orders
    assert alice.kinds() >= in_version(version, ORDER_KINDS) - without


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_it_decodes_every_message_with_market_and_reference_data(pair: tuple[Client, Client], version: str) -> None:
    alice, bob = pair
    wanted = [(264, 0), (265, 1), (267, 2), (269, 0), (269, 1), (146, 1)]
    alice.send("V", [(262, "M1"), (263, 1), *wanted, (55, "AAPL")])
    alice.until("W")
    bob.send("D", new_order(version, "b1", 1, 100, "150"))
    alice.until("X")
    alice.send("V", [(262, "M2"), (263, 0), *wanted, (55, "NOSUCH")])
    alice.until("Y")
    requests: list[tuple[str, dict[int, Any], str]] = [
        ("x", {320: "R1", 559: 4}, "y"),
        ("c", {320: "R2", 321: 0, 55: "AAPL"}, "d"),
        ("e", {324: "R3", 55: "AAPL", 263: 0}, "f"),
        ("g", {335: "R4", 263: 0}, "h"),
    ]
    for kind, fields, answer in requests:
        if in_version(version, {kind}):
            alice.send(kind, fitting(version, kind, fields))
            alice.until(answer)
    alice.close_look()
    assert alice.kinds() >= in_version(version, MARKET_KINDS)
