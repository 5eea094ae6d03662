"""openoutcry.messages over OUCH 4.2: every message by FIX's names, and back to the same bytes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.errors import ProtocolError, VerbError
from openoutcry.gateway import ouch42
from openoutcry.messages import from_ouch, to_ouch

NOON_NS = 43_200_000_000_000
ORDER = {
    "MsgType": "NewOrderSingle", "ClOrdID": "A1", "Side": "1", "OrderQty": 100, "Symbol": "AAPL", "OrdType": "2",
    "Price": "10.05", "TimeInForce": "0", "OrderCapacity": "P",
}  # fmt: skip
ACCEPTED = {
    "message_type": "A", "timestamp": NOON_NS, "order_token": "A1", "side": "B", "shares": 100, "stock": "AAPL",
    "price": "10.05", "time_in_force": 99_998, "firm": "", "display": "Y", "order_reference_number": 17,
    "capacity": "P", "intermarket_sweep": "N", "minimum_quantity": 0, "cross_type": "N", "order_state": "L",
    "bbo_weight_indicator": " ",
}  # fmt: skip
EXECUTED = {
    "message_type": "E", "timestamp": NOON_NS, "order_token": "A1", "executed_shares": 30, "execution_price": "10.05",
    "liquidity_flag": "R", "match_number": 5,
}  # fmt: skip


def told(**fields: Any) -> dict[str, Any]:
    """What an outbound message is by FIX's names."""
    return from_ouch(ouch42.encode(ouch42.OUTBOUND, fields), inbound=False)


def asked(**fields: Any) -> dict[str, Any]:
    """What the Enter Order of ORDER is with some of its fields changed, by OUCH's names."""
    native = from_ouch(to_ouch(ORDER, inbound=True), inbound=True, native=True)
    return from_ouch(to_ouch(native | fields, inbound=True, native=True), inbound=True)


# ------------------------------------------------------------------------------------------------- reading
def test_an_enter_order_is_a_new_order_single() -> None:
    assert from_ouch(to_ouch(ORDER, inbound=True), inbound=True) == ORDER


@pytest.mark.parametrize(
    ("native", "fix"),
    [
        ({"price": "214748.3647"}, {"OrdType": "1", "Price": None}),
        ({"price": "200000"}, {"OrdType": "1", "Price": "200000"}),
        ({"side": "E"}, {"Side": "6"}),
        ({"side": "Q"}, {"Side": "ouch:Q"}),
        ({"time_in_force": 0}, {"TimeInForce": "3"}),
        ({"time_in_force": 99_999}, {"TimeInForce": "5"}),
        ({"time_in_force": 60}, {"TimeInForce": "A", "ExposureDuration": 60}),
        ({"time_in_force": 90_000}, {"TimeInForce": "ouch:90000"}),
        ({"cross_type": "O"}, {"TimeInForce": "2"}),
        ({"cross_type": "C"}, {"TimeInForce": "7"}),
        ({"cross_type": "H", "time_in_force": 0}, {"TimeInForce": "B", "ExposureDuration": 0}),
        ({"cross_type": "S"}, {"CrossType": "S"}),
        ({"display": "A"}, {"Display": "A"}),
        ({"display": "N"}, {"MaxFloor": 0}),
        ({"display": "P"}, {"ExecInst": "6"}),
        ({"display": "L", "intermarket_sweep": "Y"}, {"ExecInst": "6 f", "Display": "L"}),
        ({"display": "M"}, {"ExecInst": "M", "OrdType": "P"}),
        ({"display": "W", "price": "214748.3647"}, {"ExecInst": "6 M", "OrdType": "P", "Price": None}),
        ({"minimum_quantity": 10, "customer_type": "R", "firm": "FIRM"},
         {"MinQty": 10, "CustomerType": "R", "Firm": "FIRM"}),
    ],
)  # fmt: skip
def test_what_ouch_says_with_letters_has_fixs_codes(native: dict[str, Any], fix: dict[str, Any]) -> None:
    assert asked(**native) == {name: value for name, value in (ORDER | fix).items() if value is not None}


def test_the_other_requests_are_named_too() -> None:
    replace = {
        "message_type": "U", "existing_order_token": "A1", "replacement_order_token": "A2", "shares": 80,
        "price": "10.1", "time_in_force": 99_998, "display": "Y", "intermarket_sweep": "N", "minimum_quantity": 0,
    }  # fmt: skip
    requests: list[dict[str, Any]] = [
        replace,
        {"message_type": "X", "order_token": "A1", "shares": 0},
        {"message_type": "X", "order_token": "A1", "shares": 40},
        {"message_type": "M", "order_token": "A1", "side": "T", "shares": 40},
        {"message_type": "N", "order_token": "A1"},
    ]
    assert [from_ouch(ouch42.encode(ouch42.INBOUND, each), inbound=True) for each in requests] == [
        {"MsgType": "OrderCancelReplaceRequest", "OrigClOrdID": "A1", "ClOrdID": "A2", "OrderQty": 80, "OrdType": "2",
         "Price": "10.1", "TimeInForce": "0"},
        {"MsgType": "OrderCancelRequest", "OrigClOrdID": "A1"},
        {"MsgType": "OrderCancelRequest", "OrigClOrdID": "A1", "Shares": 40},
        {"MsgType": "ModifyOrder", "OrigClOrdID": "A1", "Side": "5", "OrderQty": 40},
        {"MsgType": "TradeNow", "OrigClOrdID": "A1"},
    ]  # fmt: skip


def test_what_the_exchange_says_about_an_order_is_an_execution_report() -> None:
    at_noon = {"MsgType": "ExecutionReport", "TransactTime": "12:00:00.000000000", "ClOrdID": "A1"}
    head = {"timestamp": NOON_NS, "order_token": "A1"}
    assert told(**ACCEPTED) == {
        **ORDER, **at_noon, "ExecType": "0", "OrdStatus": "0", "OrderID": "17",
    }  # fmt: skip
    assert told(**ACCEPTED | {"order_state": "D"})["WorkingIndicator"] == "N"
    assert told(**EXECUTED) == {
        **at_noon, "ExecType": "F", "LastQty": 30, "LastPx": "10.05", "LastLiquidityInd": "2", "TrdMatchID": "5",
    }  # fmt: skip
    assert told(message_type="C", decrement_shares=70, reason="U", **head) == {
        **at_noon, "ExecType": "4", "OrdStatus": "4", "CxlQty": 70, "Reason": "U",
    }  # fmt: skip
    assert told(message_type="J", reason="S", **head) == {
        **at_noon, "ExecType": "8", "OrdStatus": "8", "OrdRejReason": "1", "Reason": "S",
    }  # fmt: skip
    assert told(message_type="P", **head) == {**at_noon, "ExecType": "6", "OrdStatus": "6"}
    assert told(message_type="B", match_number=5, reason="E", **head) == {
        **at_noon, "ExecType": "H", "TrdMatchID": "5", "Reason": "E",
    }  # fmt: skip
    assert told(message_type="K", match_number=5, new_execution_price="10", reason="E", **head) == {
        **at_noon, "ExecType": "G", "TrdMatchID": "5", "LastPx": "10", "Reason": "E",
    }  # fmt: skip
    assert told(message_type="I", **head) == {
        "MsgType": "OrderCancelReject", "TransactTime": "12:00:00.000000000", "OrigClOrdID": "A1",
        "CxlRejResponseTo": "1",
    }  # fmt: skip
    assert told(message_type="S", timestamp=1, event_code="S") == {
        "MsgType": "SystemEvent", "TransactTime": "00:00:00.000000001", "EventCode": "S",
    }  # fmt: skip


@pytest.mark.parametrize(("flag", "fix"), [
    ("A", {"LastLiquidityInd": "1"}),
    ("J", {"LastLiquidityInd": "1", "LiquidityFlag": "J"}),
    ("O", {"LastLiquidityInd": "4", "LiquidityFlag": "O"}),
    ("H", {"LastLiquidityInd": "4"}),
    ("?", {"LiquidityFlag": "?"}),
])  # fmt: skip
def test_liquidity_has_fixs_code_and_ouchs_letter_where_that_says_more(flag: str, fix: dict[str, str]) -> None:
    found = told(**EXECUTED | {"liquidity_flag": flag})
    assert {name: value for name, value in found.items() if name in ("LastLiquidityInd", "LiquidityFlag")} == fix


# ------------------------------------------------------------------------------------------------- any message
def _values(field: ouch42.Field) -> st.SearchStrategy[Any]:
    if field.type == "price":
        return st.one_of(
            st.sampled_from([Decimal("214748.3647"), Decimal(200_000), Decimal("10.05"), Decimal(0)]),
            st.integers(0, ouch42.U32_MAX).map(ouch42.price_value),
        )
    if field.type in ("I", "Q"):
        common = st.sampled_from([0, 1, 86_399, 86_400, 99_998, 99_999])
        return st.one_of(common, st.integers(0, 2 ** (32 if field.type == "I" else 64) - 1))
    size = int(field.type[:-1])
    if size == 1:
        return st.one_of(st.sampled_from("BSTEYNAPLMWOCHRJ "), st.characters(max_codepoint=255))
    return st.text(st.characters(max_codepoint=255), max_size=size)


def _messages(table: dict[str, ouch42.Message]) -> st.SearchStrategy[bytes]:
    def one(message: ouch42.Message) -> st.SearchStrategy[bytes]:
        fields = st.fixed_dictionaries({field.name: _values(field) for field in message.fields})
        return fields.map(lambda values: ouch42.encode(table, {"message_type": message.letter, **values}))

    return st.sampled_from(sorted(table)).flatmap(lambda letter: one(table[letter]))


@given(payload=_messages(ouch42.INBOUND), native=st.booleans())
def test_what_was_read_from_a_client_is_written_again_byte_for_byte(payload: bytes, native: bool) -> None:
    assert to_ouch(from_ouch(payload, True, native=native), True, native=native) == payload


@given(payload=_messages(ouch42.OUTBOUND), native=st.booleans())
def test_what_was_read_from_the_exchange_is_written_again_byte_for_byte(payload: bytes, native: bool) -> None:
    assert to_ouch(from_ouch(payload, False, native=native), False, native=native) == payload


def test_what_is_no_message_is_a_protocol_error() -> None:
    for payload in (b"", b"?", b"O", b"X" * 48):
        with pytest.raises(ProtocolError):
            from_ouch(payload, inbound=True)


# ------------------------------------------------------------------------------------------------- writing
@pytest.mark.parametrize(("fields", "field", "words"), [
    ({"MsgType": "Quote"}, "MsgType", "NewOrderSingle"),
    ({"Side": "B"}, "Side", "1 (buy)"),
    ({"OrderQty": "many"}, "OrderQty", "a whole number"),
    ({"OrderQty": -1}, "OrderQty", "from 0 to"),
    ({"Price": 10.05}, "Price", "decimal number"),
    ({"Price": "10.00001"}, "Price", "at most 4 decimals"),
    ({"OrdType": "1"}, "Price", "has none"),
    ({"OrdType": "3"}, "OrdType", "2 (limit)"),
    ({"Price": None}, "Price", "is missing"),
    ({"TimeInForce": "4"}, "TimeInForce", "3 (IOC)"),
    ({"TimeInForce": "A"}, "ExposureDuration", "a whole number"),
    ({"ExecInst": "G"}, "ExecInst", "6 (post-only)"),
    ({"ExecInst": "M"}, "ExecInst", "with OrdType P alone"),
    ({"MaxFloor": 5}, "MaxFloor", "0"),
    ({"Display": "N"}, "Display", "left out"),
    ({"Symbol": None}, "Symbol", "is missing"),
    ({"Symbol": "TOO-LONG-A-NAME"}, "Symbol", "at most 8"),
    ({"ClOrdID": "\u20ac"}, "ClOrdID", "one byte a character"),
    ({"Account": "A"}, "Account", "has no place"),
    ({"Prize": "1"}, "Prize", "has no place"),
])  # fmt: skip
def test_what_cannot_be_written_is_named(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(VerbError) as raised:
        to_ouch(ORDER | fields, inbound=True)
    assert (raised.value.code, raised.value.field) == ("bad_argument", field)
    assert words in raised.value.text


def test_what_ouch_has_no_place_for_can_be_left_out_if_it_is_fixs() -> None:
    more = {"Account": "A", "HandlInst": "1", "TransactTime": "20260131-12:00:00"}
    assert to_ouch(ORDER | more, inbound=True, strict=False) == to_ouch(ORDER, inbound=True)
    with pytest.raises(VerbError):
        to_ouch(ORDER | {"Prize": "1"}, inbound=True, strict=False)


def test_a_report_in_fixs_words_becomes_what_ouch_has_for_it() -> None:
    report = {
        "MsgType": "ExecutionReport", "ClOrdID": "A1", "OrderID": "17", "ExecID": "17-5", "ExecType": "F",
        "OrdStatus": "2", "Side": "1", "Symbol": "AAPL", "LastQty": 30, "LastPx": "10.05", "CumQty": 30,
        "LeavesQty": 0, "AvgPx": "10.05", "TrdMatchID": "5", "LastLiquidityInd": "2",
    }  # fmt: skip
    payload = to_ouch(report, inbound=False, strict=False, time_ns=86_400_000_000_000 + NOON_NS)
    assert ouch42.decode(ouch42.OUTBOUND, payload) == EXECUTED | {"execution_price": Decimal("10.05")}
    reject = {"MsgType": "8", "ClOrdID": "A1", "ExecType": "8", "OrdRejReason": "1", "TransactTime": "12:00:00"}
    assert told(**ouch42.decode(ouch42.OUTBOUND, to_ouch(reject, inbound=False)))["Reason"] == "S"
