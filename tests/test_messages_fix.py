"""openoutcry.messages over FIX: every version by the newest one's names, and back; the same order over OUCH."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.clients.fixmessages import Encoded
from openoutcry.errors import VerbError
from openoutcry.fix.codec import raw
from openoutcry.fix.dictionary import load
from openoutcry.fix.values import IS
from openoutcry.messages import from_fix, from_ouch, to_fix, to_ouch, vocabulary

VERSIONS = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2")
NOON_NS = 1_769_860_800_000_000_000
ORDER = {
    "MsgType": "NewOrderSingle", "ClOrdID": "A1", "Side": "1", "OrderQty": 100, "Symbol": "AAPL", "OrdType": "2",
    "Price": "10.05", "TimeInForce": "0",
}  # fmt: skip
TRADE = {
    "MsgType": "ExecutionReport", "OrderID": "17", "ClOrdID": "A1", "ExecID": "5", "ExecType": "F", "OrdStatus": "1",
    "Side": "1", "Symbol": "AAPL", "OrderQty": 100, "LastQty": 30, "LastPx": "10.05", "CumQty": 30, "LeavesQty": 70,
    "AvgPx": "10.05",
}  # fmt: skip


def framed(encoded: Encoded, begin: str = "FIX.4.4") -> bytes:
    """A whole message, as its session would write it."""
    head = b"35=%b\x0134=7\x0149=A\x0152=20260131-12:00:00.000\x0156=B\x01" % encoded.kind
    return raw(head + b"".join(b"%d=%b\x01" % pair for pair in encoded.header) + encoded.body, begin)


def again(fields: dict[str, Any], version: str, **how: Any) -> dict[str, Any]:
    """What is read of what was written."""
    return from_fix(framed(to_fix(fields, version, time_ns=NOON_NS)), version, **how)


# ------------------------------------------------------------------------------------------------- both protocols
def test_the_same_order_over_ouch_and_fix_is_the_same_dictionary() -> None:
    over_ouch = from_ouch(to_ouch(ORDER, inbound=True), inbound=True)
    over_fix = from_fix(framed(to_fix(ORDER, "FIX.4.4", time_ns=NOON_NS)), "FIX.4.4")
    assert over_ouch == {**ORDER, "OrderCapacity": "P"}
    assert over_fix == {**ORDER, "TransactTime": "20260131-12:00:00.000"}


@pytest.mark.parametrize("terms", [
    {"OrdType": "1", "Price": None},
    {"Side": "5", "TimeInForce": "3", "MinQty": 10},
    {"TimeInForce": "A", "ExposureDuration": 60},
    {"TimeInForce": "2"},
    {"TimeInForce": "B"},
    {"MaxFloor": 0},
    {"ExecInst": "6"},
    {"OrdType": "P", "ExecInst": "6 M"},
])  # fmt: skip
def test_terms_that_both_protocols_have_are_said_alike(terms: dict[str, Any]) -> None:
    order = {name: value for name, value in (ORDER | terms | {"OrderCapacity": "A"}).items() if value is not None}
    over_fix = again(order, "FIX.5.0SP2")
    assert over_fix.pop("TransactTime") == "20260131-12:00:00.000"
    assert from_ouch(to_ouch(order, inbound=True), inbound=True) == over_fix == order


# ------------------------------------------------------------------------------------------------- versions
@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_is_the_same_dictionary_in_every_version(version: str) -> None:
    found = again(ORDER, version)
    filled = {"HandlInst": "1"} if version <= "FIX.4.3" else {}
    stamped = {} if version < "FIX.4.2" else {"TransactTime": "20260131-12:00:00.000"}
    assert found == {**ORDER, **filled, **stamped}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trade_is_the_same_dictionary_in_every_version(version: str) -> None:
    trade = dict(TRADE)
    if version == "FIX.4.0":  # which has no words for it
        del trade["ExecType"], trade["LeavesQty"]
    found = again(trade, version)
    assert found.pop("ExecTransType", "0") == "0"
    assert found.pop("TransactTime", "")[:8] in ("", "20260131")
    assert found == trade


def test_old_versions_have_trades_in_words_of_their_own() -> None:
    body = to_fix(TRADE, "FIX.4.2", time_ns=NOON_NS).body
    assert b"\x0120=0\x01" in body
    assert b"\x01150=1\x01" in body


def test_names_of_a_version_are_taken_too_and_given_by_the_newest() -> None:
    old = {**{name: value for name, value in TRADE.items() if name != "LastQty"}, "LastShares": 30}
    assert again(old, "FIX.4.2")["LastQty"] == 30
    with pytest.raises(VerbError) as raised:
        to_fix({**TRADE, "LastShares": 30}, "FIX.4.2")
    assert raised.value.field == "LastShares"


def test_a_message_can_be_named_by_its_code_and_a_value_by_its_meaning() -> None:
    assert to_fix({**ORDER, "MsgType": "D", "Side": "BUY", "OrderQty": "100"}, time_ns=1) == to_fix(ORDER, time_ns=1)


def test_groups_are_lists_of_dictionaries() -> None:
    parties = [
        {"PartyID": "ME", "PartyIDSource": "D", "PartyRole": "3", "NoPartySubIDs": [{"PartySubID": "DESK"}]},
        {"PartyID": "YOU", "PartyRole": "17"},
    ]
    order = {**ORDER, "NoPartyIDs": parties}
    found = again(order, "FIX.4.4")
    assert found["NoPartyIDs"] == parties
    assert b"453=2\x01448=ME\x01447=D\x01452=3\x01802=1\x01523=DESK\x01448=YOU\x01452=17" in to_fix(order).body
    assert again({**ORDER, "NoPartyIDs": 0}, "FIX.4.4")["NoPartyIDs"] == 0


def test_values_are_read_by_their_type() -> None:
    message = raw(b"35=D\x0134=7\x0111=007\x0138=0100.0\x0144=0010.0500\x0154=1\x0199=.5\x01110=2.50\x01")
    assert from_fix(message, "FIX.4.4") == {
        "MsgType": "NewOrderSingle", "ClOrdID": "007", "OrderQty": 100, "Price": "10.05", "Side": "1", "StopPx": ".5",
        "MinQty": "2.5",
    }  # fmt: skip


def test_fields_of_the_session_are_there_when_the_whole_is_asked_for() -> None:
    found = again({"MsgType": "TestRequest", "TestReqID": "T", "SenderSubID": "S"}, "FIX.4.4", whole=True)
    assert {name: found[name] for name in ("MsgType", "MsgSeqNum", "SenderCompID", "TestReqID", "SenderSubID")} == {
        "MsgType": "TestRequest", "MsgSeqNum": 7, "SenderCompID": "A", "TestReqID": "T", "SenderSubID": "S",
    }  # fmt: skip
    short = again({"MsgType": "TestRequest", "TestReqID": "T", "SenderSubID": "S"}, "FIX.4.4")
    assert short == {"MsgType": "TestRequest", "TestReqID": "T", "SenderSubID": "S"}


def test_what_no_dictionary_has_is_read_and_written_by_its_number() -> None:
    assert from_fix(raw(b"35=U9\x0134=7\x015001=a\x01"), "FIX.4.4") == {"MsgType": "U9", "5001": "a"}
    assert again({"MsgType": "Email", "EmailThreadID": "1", "EmailType": "0", "Subject": "x", "RawData": "a\x01b"},
                 "FIX.4.4")["RawData"] == "a\x01b"  # fmt: skip


# ------------------------------------------------------------------------------------------------- its own names
def test_tags_and_values_as_they_are() -> None:
    native = {"35": "D", "11": "A1", "38": "0100", "453": [{"448": "ME", "452": "3"}], "54": "?"}
    encoded = to_fix(native, "FIX.4.4", native=True)
    assert encoded == Encoded(b"D", b"11=A1\x0138=0100\x0154=?\x01453=1\x01448=ME\x01452=3\x01", ())
    assert from_fix(framed(encoded), "FIX.4.4", native=True) == native
    with pytest.raises(VerbError) as raised:
        to_fix({"35": "D", "ClOrdID": "A1"}, "FIX.4.4", native=True)
    assert raised.value.field == "ClOrdID"


# ------------------------------------------------------------------------------------------------- what is wrong
@pytest.mark.parametrize(("fields", "field", "words"), [
    ({"MsgType": None}, "MsgType", "NewOrderSingle"),
    ({"MsgType": "NewOrderSingel"}, "MsgType", "did you mean NewOrderSingle"),
    ({"Prize": "1"}, "Prize", "did you mean Price"),
    ({"QuoteReqID": "1"}, "QuoteReqID", "has no place in NewOrderSingle of FIX.4.4"),
    ({"ExposureDuration": 5}, "ExposureDuration", "FIX.4.4 has no field"),
    ({"Firm": "F"}, "Firm", "has no field"),
    ({"Side": "ouch:Q"}, "Side", "1 (BUY)"),
    ({"OrderQty": "many"}, "OrderQty", "a decimal number"),
    ({"Price": 10.05}, "Price", "a float is not exact"),
    ({"Price": "1e3"}, "Price", "a decimal number"),
    ({"TransactTime": "now"}, "TransactTime", "a UTC time"),
    ({"OrderQty": None}, "OrderQty", "text or a whole number"),
    ({"Symbol": ""}, "Symbol", "must be"),
    ({"Symbol": "A\x0154=2"}, "Symbol", "must be"),
    ({"Symbol": "\u20ac"}, "Symbol", "latin-1"),
    ({"Symbol": ["A"]}, "Symbol", "no group"),
    ({"NoPartyIDs": ["A"]}, "NoPartyIDs", "list of dictionaries"),
    ({"NoPartyIDs": [{"Symbol": "A"}]}, "Symbol", "an entry of NoPartyIDs"),
    ({"MsgSeqNum": 7}, "MsgSeqNum", "written by the session"),
])  # fmt: skip
def test_what_cannot_be_written_is_named(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(VerbError) as raised:
        to_fix(ORDER | fields, "FIX.4.4")
    assert (raised.value.code, raised.value.field) == ("bad_argument", field)
    assert words in raised.value.text


def test_what_a_version_has_no_place_for_can_be_left_out_if_anybody_knows_it() -> None:
    more = {"ExposureDuration": 5, "QuoteReqID": "1", "Firm": "F", "ExecTransType": "0", "LastShares": 1}
    assert to_fix(ORDER | more, "FIX.4.4", strict=False, time_ns=1) == to_fix(ORDER, "FIX.4.4", time_ns=1)
    with pytest.raises(VerbError):
        to_fix(ORDER | {"Prize": "1"}, "FIX.4.4", strict=False)


def test_bytes_that_are_no_message_are_refused() -> None:
    for data in (b"", b"8", b"8=FIX.4.2\x01", b"\x01\x01"):
        with pytest.raises(VerbError):
            from_fix(data)


# ------------------------------------------------------------------------------------------------- any message
def _value(version: str, tag: int) -> st.SearchStrategy[str]:
    field = load(version.replace(".", "")).fields[tag]
    if field.values:
        return st.sampled_from([code.decode() for code in field.values])
    if field.type not in IS or IS[field.type] == IS["STRING"]:
        return st.text(st.characters(min_codepoint=2, max_codepoint=255), min_size=1, max_size=9)
    return st.from_regex(IS[field.type].decode(), fullmatch=True).filter(lambda value: max(value) <= "\xff")


@st.composite
def _messages(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    version = draw(st.sampled_from(VERSIONS))
    words = vocabulary(version)
    message = words.application.messages[draw(st.sampled_from([b"D", b"8", b"G", b"S"]))]
    plain = [tag for tag in message.members if tag not in message.groups and words.application.fields[tag].type
             not in ("DATA", "XMLDATA", "LENGTH")]  # fmt: skip
    tags = draw(st.lists(st.sampled_from(plain), unique=True, min_size=1, max_size=8))
    return version, {"35": message.kind.decode(), **{str(tag): draw(_value(version, tag)) for tag in tags}}


@given(found=_messages())
def test_what_was_read_can_be_written_and_reads_the_same_again(found: tuple[str, dict[str, str]]) -> None:
    version, native = found
    message = framed(to_fix(native, version, native=True))
    assert from_fix(message, version, native=True) == native
    fields = from_fix(message, version)
    assert json.loads(json.dumps(fields)) == fields
    written = from_fix(framed(to_fix(fields, version, time_ns=NOON_NS)), version)
    assert {name: written[name] for name in fields} == fields
    assert written.keys() - fields.keys() <= {"HandlInst", "ExecTransType", "TransactTime", "LastQty", "LastPx"}


@given(data=st.binary(max_size=60), version=st.sampled_from(VERSIONS))
def test_whatever_a_peer_sends_can_be_read(data: bytes, version: str) -> None:
    fields = b"35=D\x0111=" + data.replace(b"\x01", b"") + b"\x0138=" + data[:9].replace(b"\x01", b"") + b"\x01"
    assert from_fix(fields, version)["MsgType"] == "NewOrderSingle"
