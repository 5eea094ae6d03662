"""openoutcry.gateway.ouch42: layouts, orders into commands, events into messages, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import wire
from openoutcry.errors import ProtocolError
from openoutcry.gateway import ouch42, soupbintcp
from openoutcry.gateway.ouch42 import INBOUND, OUTBOUND, decode, encode

SIZES_IN = {"O": 49, "U": 47, "X": 19, "M": 20, "N": 15}
SIZES_OUT = {"S": 10, "A": 66, "U": 80, "C": 28, "D": 37, "E": 40, "G": 45, "F": 41, "B": 32, "K": 36, "J": 24, "P": 23,
             "I": 23, "T": 36, "M": 28, "N": 23}  # fmt: skip
TOKEN = b"ORDER000000001"
NEXT = b"ORDER2        "
ENTER: dict[str, Any] = {
    "message_type": "O", "order_token": TOKEN.decode(), "side": "B", "shares": 100, "stock": "AAPL",
    "price": Decimal("150.25"), "time_in_force": 99_998, "firm": "FIRM", "display": "Y", "capacity": "P",
    "intermarket_sweep": "N", "minimum_quantity": 0, "cross_type": "N", "customer_type": "R",
}  # fmt: skip
REPLACE: dict[str, Any] = {
    "message_type": "U", "existing_order_token": TOKEN.decode(), "replacement_order_token": "ORDER2", "shares": 80,
    "price": "150.5", "time_in_force": 60, "display": "A", "intermarket_sweep": "Y", "minimum_quantity": 7,
}  # fmt: skip
# One field after the other.
ENTER_BYTES = b"".join((b"O", TOKEN, b"B", b"\0\0\0\x64", b"AAPL    ", b"\x00\x16\xed\x24", b"\x00\x01\x86\x9e",
                        b"FIRM", b"Y", b"P", b"N", b"\0\0\0\0", b"N", b"R"))  # fmt: skip
REPLACE_BYTES = b"".join((b"U", TOKEN, NEXT, b"\0\0\0\x50", b"\x00\x16\xf6\xe8", b"\0\0\0\x3c", b"A", b"Y",
                          b"\0\0\0\x07"))  # fmt: skip


def taken(*payloads: bytes) -> tuple[list[Any], int]:
    """The commands made of messages, each one valid on the bus, and the number ignored."""
    out: list[Any] = []
    ignored = ouch42.commands(7, payloads, out)
    for command in out:
        wire.check_command(command)
    return out, ignored


def enter(**fields: Any) -> Any:
    """The one command that an Enter Order becomes."""
    (command,), ignored = taken(encode(INBOUND, ENTER | fields))
    assert ignored == 0
    return command


def replace(**fields: Any) -> dict[str, Any]:
    (command,), ignored = taken(encode(INBOUND, REPLACE | fields))
    assert ignored == 0
    return wire.as_dict(command, wire.COMMANDS)


# ------------------------------------------------------------------------------------------------- layouts
def test_length_tables() -> None:
    assert {letter: message.size for letter, message in INBOUND.items()} == SIZES_IN
    assert {letter: message.size for letter, message in OUTBOUND.items()} == SIZES_OUT


@pytest.mark.parametrize(
    ("table", "letter", "offsets"),
    [
        (INBOUND, "O", {"order_token": 1, "side": 15, "shares": 16, "stock": 20, "price": 28, "time_in_force": 32,
                        "firm": 36, "display": 40, "capacity": 41, "intermarket_sweep": 42, "minimum_quantity": 43,
                        "cross_type": 47, "customer_type": 48}),
        (INBOUND, "U", {"existing_order_token": 1, "replacement_order_token": 15, "shares": 29, "price": 33,
                        "time_in_force": 37, "display": 41, "intermarket_sweep": 42, "minimum_quantity": 43}),
        (INBOUND, "X", {"order_token": 1, "shares": 15}),
        (INBOUND, "M", {"order_token": 1, "side": 15, "shares": 16}),
        (OUTBOUND, "A", {"timestamp": 1, "order_token": 9, "side": 23, "shares": 24, "stock": 28, "price": 36,
                         "time_in_force": 40, "firm": 44, "display": 48, "order_reference_number": 49, "capacity": 57,
                         "intermarket_sweep": 58, "minimum_quantity": 59, "cross_type": 63, "order_state": 64,
                         "bbo_weight_indicator": 65}),
        (OUTBOUND, "U", {"replacement_order_token": 9, "order_state": 64, "previous_order_token": 65,
                         "bbo_weight_indicator": 79}),
        (OUTBOUND, "C", {"order_token": 9, "decrement_shares": 23, "reason": 27}),
        (OUTBOUND, "D", {"reason": 27, "quantity_prevented_from_trading": 28, "execution_price": 32,
                         "liquidity_flag": 36}),
        (OUTBOUND, "E", {"executed_shares": 23, "execution_price": 27, "liquidity_flag": 31, "match_number": 32}),
        (OUTBOUND, "G", {"reference_price": 40, "reference_price_type": 44}),
        (OUTBOUND, "F", {"reason": 40}),
        (OUTBOUND, "B", {"match_number": 23, "reason": 31}),
        (OUTBOUND, "K", {"match_number": 23, "new_execution_price": 31, "reason": 35}),
        (OUTBOUND, "J", {"reason": 23}),
        (OUTBOUND, "T", {"price": 23, "display": 27, "order_reference_number": 28}),
        (OUTBOUND, "M", {"side": 23, "shares": 24}),
    ],
)  # fmt: skip
def test_offsets(table: dict[str, ouch42.Message], letter: str, offsets: dict[str, int]) -> None:
    sizes = {"I": 4, "price": 4, "Q": 8}
    at, found = 1, {}
    for field in table[letter].fields:
        found[field.name] = at
        at += sizes.get(field.type) or int(field.type[:-1])
    assert {name: found[name] for name in offsets} == offsets


def test_golden_bytes_of_an_enter_and_a_replace() -> None:
    assert encode(INBOUND, ENTER) == ENTER_BYTES
    assert decode(INBOUND, ENTER_BYTES) == ENTER
    assert encode(INBOUND, REPLACE) == REPLACE_BYTES
    assert decode(INBOUND, REPLACE_BYTES) == REPLACE | {"price": Decimal("150.5")}


def values_of(message: ouch42.Message) -> st.SearchStrategy[dict[str, Any]]:
    text = st.characters(min_codepoint=33, max_codepoint=255)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "I": st.integers(0, 2**32 - 1), "Q": st.integers(0, 2**64 - 1), "1s": st.characters(max_codepoint=255),
        "price": st.integers(0, 2**32 - 1).map(ouch42.price_value), "4s": st.text(text, max_size=4),
        "8s": st.text(text, max_size=8), "14s": st.text(text, max_size=14),
    }  # fmt: skip
    return st.fixed_dictionaries(
        {"message_type": st.just(message.letter)} | {field.name: kinds[field.type] for field in message.fields}
    )


@given(st.one_of([values_of(message).map(lambda v: (INBOUND, v)) for message in INBOUND.values()]
                 + [values_of(message).map(lambda v: (OUTBOUND, v)) for message in OUTBOUND.values()]))  # fmt: skip
def test_any_message_survives_the_round_trip(case: tuple[dict[str, ouch42.Message], dict[str, Any]]) -> None:
    table, values = case
    data = encode(table, values)
    assert len(data) == table[values["message_type"]].size
    assert decode(table, data) == values
    assert encode(table, decode(table, data)) == data


@given(st.binary(max_size=90), st.sampled_from([INBOUND, OUTBOUND]))
def test_decode_raises_nothing_but_protocol_error(data: bytes, table: dict[str, ouch42.Message]) -> None:
    try:
        found = decode(table, data)
    except ProtocolError:
        return
    assert encode(table, found)[: len(data)] == data


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"shares": None}, "enter_order.shares is missing"),
        ({"shares": -1}, "enter_order.shares is -1"),
        ({"shares": 2**32}, "from 0 to 4294967295"),
        ({"shares": True}, "enter_order.shares is True"),
        ({"shares": "100"}, "enter_order.shares is '100'"),
        ({"stock": "TOOLONGER"}, "enter_order.stock is 'TOOLONGER', it must have at most 8"),
        ({"stock": 7}, "enter_order.stock is 7"),
        ({"firm": "\u20ac"}, "enter_order.firm"),
        ({"price": 1.5}, "enter_order.price: price 1.5"),
        ({"price": "1.00001"}, "at most 4 decimals"),
        ({"price": "-1"}, "enter_order.price"),
        ({"price": "NaN"}, "enter_order.price"),
        ({"price": "Infinity"}, "enter_order.price"),
        ({"price": "1e99999"}, "enter_order.price"),
        ({"price": "dear"}, "enter_order.price"),
        ({"quantity": 1}, "enter_order has no field 'quantity'"),
        ({"message_type": "Q"}, "message_type is 'Q', it must be one of O, U, X, M, N"),
    ],
)
def test_encode_names_the_field_that_does_not_fit(fields: dict[str, Any], text: str) -> None:
    values = {name: value for name, value in (ENTER | fields).items() if value is not None}
    with pytest.raises(ProtocolError, match=text.replace(".", r"\.")):
        encode(INBOUND, values)


@pytest.mark.parametrize("value", ["199999.99", Decimal("199999.9900"), "0.0001", 7, "2e3"])
def test_prices_are_exact(value: Any) -> None:
    assert ouch42.price_value(ouch42.price_units(value)) == Decimal(value)


def test_price_constants() -> None:
    assert ouch42.price_units("199999.99") == ouch42.PRICE_MAX == 0x7735939C
    assert ouch42.price_value(ouch42.MARKET_PRICE) == Decimal("214748.3647")


# ------------------------------------------------------------------------------------------------- orders in
def test_an_enter_order_becomes_an_enter_command() -> None:
    assert wire.as_dict(enter(), wire.COMMANDS) == {
        "kind": "enter", "session": 7, "token": TOKEN, "symbol": "AAPL", "side": wire.BUY, "quantity": 100,
        "price": 150_25000000, "order_type": wire.LIMIT, "time_in_force": wire.DAY, "expire": 0, "min_quantity": 0,
        "client_data": b"AAPL    " + ENTER_BYTES[32:],
    }  # fmt: skip


def test_the_enter_order_of_4_1_has_no_customer_type() -> None:
    assert taken(ENTER_BYTES[:48]) == taken(ENTER_BYTES[:48] + b" ")
    assert decode(INBOUND, ENTER_BYTES[:48]) == ENTER | {"customer_type": " "}


def test_the_token_is_kept_as_sent() -> None:
    assert enter(order_token="a1")[2] == b"a1            "


@pytest.mark.parametrize(
    ("letter", "side"), [("B", wire.BUY), ("S", wire.SELL), ("T", wire.SELL_SHORT), ("E", wire.SELL_SHORT_EXEMPT)]
)
def test_sides(letter: str, side: int) -> None:
    assert enter(side=letter)[4] == side


@pytest.mark.parametrize(
    ("seconds", "tif", "expire"),
    [(0, wire.IOC, 0), (99_998, wire.DAY, 0), (99_999, wire.SYSTEM_HOURS, 0), (1, wire.GOOD_FOR_TIME, 1),
     (86_399, wire.GOOD_FOR_TIME, 86_399)],
)  # fmt: skip
def test_times_in_force(seconds: int, tif: int, expire: int) -> None:
    assert enter(time_in_force=seconds)[8:10] == (tif, expire)
    found = replace(time_in_force=seconds)
    assert (found["time_in_force"], found["expire"], found["invalid"]) == (tif, expire, 0)


@pytest.mark.parametrize("units", [ouch42.MARKET_PRICE, 2_000_000_000])
def test_market_orders(units: int) -> None:
    price = ouch42.price_value(units)
    assert enter(price=price)[6:8] == (0, wire.MARKET)
    found = replace(price=price)
    assert (found["price"], found["order_type"], found["invalid"]) == (0, wire.MARKET, 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"side": "X"}, wire.REJECT_SIDE),
        ({"shares": 0}, wire.REJECT_QUANTITY),
        ({"shares": 1_000_000}, wire.REJECT_QUANTITY),
        ({"stock": ""}, wire.REJECT_SYMBOL),
        ({"stock": "A B"}, wire.REJECT_SYMBOL),
        ({"stock": "A/B"}, wire.REJECT_SYMBOL),
        ({"stock": "\xc4"}, wire.REJECT_SYMBOL),
        ({"stock": "A\0"}, wire.REJECT_SYMBOL),
        ({"price": 0}, wire.REJECT_PRICE),
        ({"price": "199999.9901"}, wire.REJECT_PRICE),
        ({"price": "214748.3648"}, wire.REJECT_PRICE),
        ({"time_in_force": 86_400}, wire.REJECT_TIME_IN_FORCE),
        ({"time_in_force": 99_996}, wire.REJECT_TIME_IN_FORCE),
        ({"time_in_force": 99_997}, wire.REJECT_TIME_IN_FORCE),
        ({"time_in_force": 100_000}, wire.REJECT_TIME_IN_FORCE),
        *[({"display": letter}, wire.REJECT_DISPLAY) for letter in "IOTQmn Zz"],
        ({"capacity": "X"}, wire.REJECT_FIELD),
        ({"intermarket_sweep": "y"}, wire.REJECT_FIELD),
        ({"minimum_quantity": 101}, wire.REJECT_MIN_QUANTITY),
        ({"minimum_quantity": 2**32 - 1}, wire.REJECT_MIN_QUANTITY),
        *[({"cross_type": letter}, wire.REJECT_CROSS) for letter in "SREA Z"],
        *[({"cross_type": c, "display": d}, wire.REJECT_CROSS) for c in "OCHS" for d in "NPLMW"],
        *[({"cross_type": c, "minimum_quantity": 1}, wire.REJECT_MIN_QUANTITY) for c in "OCH"],
        *[({"cross_type": c, "time_in_force": 60}, wire.REJECT_TIME_IN_FORCE) for c in "OCH"],
        ({"display": "M", "capacity": "X"}, wire.REJECT_FIELD),
        ({"display": "N", "minimum_quantity": 101}, wire.REJECT_MIN_QUANTITY),
        ({"display": "P", "price": 0}, wire.REJECT_PRICE),
        ({"customer_type": "X"}, wire.REJECT_FIELD),
        ({"side": "X", "shares": 0, "price": 0}, wire.REJECT_SIDE),
        ({"price": 0, "time_in_force": 100_000, "display": "?"}, wire.REJECT_PRICE),
        ({"time_in_force": 100_000, "display": "?"}, wire.REJECT_TIME_IN_FORCE),
    ],
)
def test_an_invalid_field_of_an_enter_order_is_refused_with_its_reason(fields: dict[str, Any], reason: int) -> None:
    for _ in range(2):  # worked out, then remembered
        assert enter(**fields) == (wire.REFUSE, 7, TOKEN, reason, "", b"")


@pytest.mark.parametrize(
    "fields",
    [{"display": "A"}, {"capacity": "A"}, {"capacity": "R"}, {"capacity": "O"}, {"intermarket_sweep": "Y"},
     {"customer_type": "N"}, {"customer_type": " "}, {"minimum_quantity": 100}, {"shares": 999_999}, {"shares": 1},
     {"price": "0.0001"}, {"price": "199999.99"}, {"firm": ""}, {"stock": "BRK.A"}, {"stock": "ABCDEFGH"}],
)  # fmt: skip
def test_valid_fields_pass(fields: dict[str, Any]) -> None:
    assert enter(**fields)[0] == wire.ENTER


# ---- orders that are more than plain limit and market orders
SLIDE = (wire.TERM_POST_ONLY, wire.POST_ONLY_SLIDE)
MIDPOINT = (wire.TERM_PEG, wire.PEG_MIDPOINT)
TERMS = {
    "N": ((wire.TERM_HIDDEN, 1),), "P": (SLIDE,), "L": (SLIDE,), "M": (MIDPOINT,),
    "W": ((wire.TERM_POST_ONLY, wire.POST_ONLY_REJECT), MIDPOINT),
}  # fmt: skip


# A Replace says all that there is to say, so that a term of the old order goes when the new display has it not.
WHOLE = {
    display: tuple(sorted(({wire.TERM_HIDDEN: 0, wire.TERM_POST_ONLY: 0} | dict(terms)).items()))
    for display, terms in TERMS.items()
}


@pytest.mark.parametrize("display", TERMS)
def test_a_display_that_asks_for_more_becomes_a_submit_command_with_terms(display: str) -> None:
    data = ENTER_BYTES[20:28] + ENTER_BYTES[32:40] + display.encode() + ENTER_BYTES[41:]
    order_type = wire.PEGGED if display in "MW" else wire.LIMIT
    for _ in range(2):  # worked out, then remembered
        assert enter(display=display) == (
            wire.SUBMIT, 7, TOKEN, "AAPL", wire.BUY, 100, 150_25000000, order_type, wire.DAY, 0, 0, data, TERMS[display]
        )  # fmt: skip


@pytest.mark.parametrize("display", TERMS)
def test_a_replace_with_such_a_display_becomes_an_amend_command_with_terms(display: str) -> None:
    found = replace(display=display)
    assert found == replace() | {
        "kind": "amend", "terms": WHOLE[display], "order_type": wire.PEGGED if display in "MW" else wire.LIMIT,
        "client_data": REPLACE_BYTES[37:41] + display.encode() + REPLACE_BYTES[42:],
    }  # fmt: skip


def test_every_display_is_either_taken_or_refused() -> None:
    taken_over = {chr(letter) for letter in range(33, 127) if enter(display=chr(letter))[0] != wire.REFUSE}
    assert taken_over == {"A", "Y", *TERMS} == {chr(letter) for letter in ouch42.DISPLAYS}


def test_a_pegged_order_without_a_limit_has_no_cap() -> None:
    market = ouch42.price_value(ouch42.MARKET_PRICE)
    assert enter(display="M", price=market)[6:8] == (0, wire.PEGGED)
    assert enter(display="N", price=market)[6:8] == (0, wire.MARKET)
    found = replace(display="W", price=market)
    assert (found["price"], found["order_type"], found["invalid"]) == (0, wire.PEGGED, 0)


def test_an_immediate_order_need_not_be_hidden() -> None:
    found = enter(display="N", time_in_force=0)
    assert (found[0], found[8]) == (wire.ENTER, wire.IOC)
    assert replace(display="N", time_in_force=0)["kind"] == "replace"
    assert enter(display="M", time_in_force=0)[0] == wire.SUBMIT  # the matcher judges it


@pytest.mark.parametrize(("cross", "tif"), [("O", wire.AT_OPEN), ("C", wire.AT_CLOSE), ("H", wire.GOOD_FOR_AUCTION)])
def test_an_order_for_a_cross_waits_for_it_whatever_its_time_in_force(cross: str, tif: int) -> None:
    for seconds in (0, 99_998, 99_999):
        found = enter(cross_type=cross, time_in_force=seconds)
        assert (found[0], found[7], found[8:10]) == (wire.ENTER, wire.LIMIT, (tif, 0))
    assert enter(cross_type=cross, price=ouch42.price_value(ouch42.MARKET_PRICE))[6:9] == (0, wire.MARKET, tif)


def test_a_resting_order_may_have_a_minimum_quantity() -> None:
    assert enter(minimum_quantity=40)[10] == 40
    assert enter(minimum_quantity=40, display="N")[10] == 40


def test_a_replace_order_becomes_a_replace_command() -> None:
    assert replace() == {
        "kind": "replace", "session": 7, "token": TOKEN, "new_token": NEXT, "quantity": 80, "price": 150_50000000,
        "order_type": wire.LIMIT, "time_in_force": wire.GOOD_FOR_TIME, "expire": 60, "min_quantity": 7, "invalid": 0,
        "client_data": REPLACE_BYTES[37:],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shares": 0}, wire.REJECT_QUANTITY),
        ({"shares": 1_000_000}, wire.REJECT_QUANTITY),
        ({"shares": 2**32 - 1}, wire.REJECT_QUANTITY),
        ({"price": 0}, wire.REJECT_PRICE),
        ({"price": "199999.9901"}, wire.REJECT_PRICE),
        ({"time_in_force": 90_000}, wire.REJECT_TIME_IN_FORCE),
        ({"display": "I"}, wire.REJECT_DISPLAY),
        ({"display": "M", "price": 0}, wire.REJECT_PRICE),
        ({"display": "N", "shares": 0}, wire.REJECT_QUANTITY),
        ({"intermarket_sweep": "?"}, wire.REJECT_FIELD),
        ({"minimum_quantity": 81}, wire.REJECT_MIN_QUANTITY),
        ({"minimum_quantity": 1_000_000}, wire.REJECT_MIN_QUANTITY),
    ],
)
def test_an_invalid_field_of_a_replace_order_is_marked_with_its_reason(fields: dict[str, Any], reason: int) -> None:
    for _ in range(2):
        assert replace(**fields)["invalid"] == reason


def test_cancel_and_modify() -> None:
    cancel = encode(INBOUND, {"message_type": "X", "order_token": "A1", "shares": 5})
    modify = encode(INBOUND, {"message_type": "M", "order_token": "A1", "side": "E", "shares": 9})
    token = b"A1".ljust(14)
    assert taken(cancel, modify) == (
        [(wire.CANCEL, 7, token, 5), (wire.MODIFY, 7, token, wire.SELL_SHORT_EXEMPT, 9)],
        0,
    )


def test_messages_are_taken_in_order() -> None:
    cancel = b"X" + TOKEN + b"\0\0\0\0"
    found, ignored = taken(ENTER_BYTES, cancel, b"?", REPLACE_BYTES, ENTER_BYTES)
    assert [command[0] for command in found] == [wire.ENTER, wire.CANCEL, wire.REPLACE, wire.ENTER]
    assert ignored == 1


@pytest.mark.parametrize(
    "token", [b" " * 14, b" LEADING      ", b"IN SIDE       ", b"DASH-         ", b"\xc4" * 14, bytes(14)]
)
def test_messages_without_a_valid_token_are_ignored_and_counted(token: bytes) -> None:
    messages = [
        b"O" + token + ENTER_BYTES[15:], b"X" + token + b"\0\0\0\0", b"M" + token + b"S\0\0\0\1",
        b"U" + token + REPLACE_BYTES[15:], b"U" + TOKEN + token + REPLACE_BYTES[29:],
    ]  # fmt: skip
    assert taken(*messages) == ([], len(messages))


def test_unknown_types_wrong_lengths_and_trade_now_are_ignored_and_counted() -> None:
    messages = [b"", b"?", b"N" + TOKEN, b"M" + TOKEN + b"Q\0\0\0\1", ENTER_BYTES + b" ", ENTER_BYTES[:47],
                REPLACE_BYTES + b"\0", REPLACE_BYTES[:-1], b"X" + TOKEN + b"\0\0\0", b"M" + TOKEN]  # fmt: skip
    assert taken(*messages) == ([], len(messages))


@given(st.lists(st.one_of(
    st.binary(max_size=60),
    st.binary(min_size=18, max_size=18).map(lambda tail: b"X" + tail),
    st.tuples(st.from_regex(rb"[a-z]{14}", fullmatch=True), st.binary(min_size=34, max_size=34)).map(
        lambda parts: b"O" + parts[0] + parts[1]),
    st.tuples(st.sampled_from(sorted(ouch42.DISPLAYS)), st.sampled_from(b"NOCHS"), st.integers(0, 2**32 - 1),
              st.sampled_from([0, 1, 99_998, 99_999])).map(
        lambda found: ENTER_BYTES[:28] + found[2].to_bytes(4) + found[3].to_bytes(4) + b"FIRM" + bytes((found[0],))
        + ENTER_BYTES[41:47] + bytes((found[1],)) + b"R"),
    st.tuples(st.from_regex(rb"[a-z]{28}", fullmatch=True), st.binary(min_size=18, max_size=18)).map(
        lambda parts: b"U" + parts[0] + parts[1]),
), max_size=5))  # fmt: skip
def test_whatever_a_client_sends_becomes_valid_commands_or_is_ignored(payloads: list[bytes]) -> None:
    found, ignored = taken(*payloads)
    assert len(found) + ignored == len(payloads)


def test_what_is_remembered_of_clients_is_bounded() -> None:
    for number in range(ouch42.CACHE_MAX + 10):
        enter(stock=f"S{number}", minimum_quantity=number)
        replace(minimum_quantity=number)
    caches = (ouch42._enter_cache, ouch42._replace_cache, ouch42._symbols)
    assert all(len(cache) <= ouch42.CACHE_MAX for cache in caches)


# ------------------------------------------------------------------------------------------------- events out
DATA = b"AAPL    " + ENTER_BYTES[32:]
TIME = 34_200_000_000_123


def rendered(*event: Any) -> dict[str, Any]:
    """The message for one event, decoded, after a check of its packet."""
    wire.check(event, wire.PRIVATE_EVENTS)
    data = ouch42.render(event, TIME)
    assert ouch42.render_packet(event, TIME) == soupbintcp.packet(soupbintcp.SEQUENCED, data)
    found = decode(OUTBOUND, data)
    assert found["timestamp"] == TIME
    return found


def test_accepted_echoes_the_order() -> None:
    order = {name: value for name, value in ENTER.items() if name != "customer_type"}
    assert rendered(wire.ACCEPTED, 7, TOKEN, 12345, wire.BUY, 100, 150_25000000, wire.LIVE, DATA) == order | {
        "message_type": "A", "timestamp": TIME, "order_reference_number": 12345, "order_state": "L",
        "bbo_weight_indicator": " ",
    }  # fmt: skip


def test_golden_bytes_of_accepted() -> None:
    event = (wire.ACCEPTED, 7, TOKEN, 2**40 + 1, wire.SELL_SHORT, 100, 150_25000000, wire.DEAD, DATA)
    assert ouch42.render(event, 1) == (
        b"A\0\0\0\0\0\0\0\x01ORDER000000001T\x00\x00\x00\x64AAPL    \x00\x16\xed\x24\x00\x01\x86\x9eFIRMY"
        b"\x00\x00\x01\x00\x00\x00\x00\x01PN\x00\x00\x00\x00ND "
    )


def test_a_market_order_is_echoed_as_one() -> None:
    found = rendered(wire.ACCEPTED, 7, TOKEN, 1, wire.BUY, 100, 0, wire.LIVE, DATA)
    assert found["price"] == Decimal("214748.3647")


def test_replaced_has_the_terms_of_the_replace_and_the_rest_of_the_order() -> None:
    assert rendered(
        wire.REPLACED, 7, NEXT, TOKEN, 9, wire.SELL, 60, 150_50000000, wire.LIVE, DATA, REPLACE_BYTES[37:]
    ) == {
        "message_type": "U", "timestamp": TIME, "replacement_order_token": "ORDER2", "side": "S", "shares": 60,
        "stock": "AAPL", "price": Decimal("150.5"), "time_in_force": 60, "firm": "FIRM", "display": "A",
        "order_reference_number": 9, "capacity": "P", "intermarket_sweep": "Y", "minimum_quantity": 7,
        "cross_type": "N", "order_state": "L", "previous_order_token": TOKEN.decode(), "bbo_weight_indicator": " ",
    }  # fmt: skip


def test_executed() -> None:
    assert rendered(wire.EXECUTED, 7, TOKEN, 30, 150_25000000, wire.ADDED_LIQUIDITY, 77, 70, 8) == {
        "message_type": "E", "timestamp": TIME, "order_token": TOKEN.decode(), "executed_shares": 30,
        "execution_price": Decimal("150.25"), "liquidity_flag": "A", "match_number": 77,
    }  # fmt: skip
    assert rendered(wire.EXECUTED, 7, TOKEN, 30, 1, wire.REMOVED_LIQUIDITY, 77, 70, 8)["liquidity_flag"] == "R"


@pytest.mark.parametrize("reason", sorted(wire.CANCEL_REASONS))
def test_every_cancel_reason_has_a_letter(reason: int) -> None:
    found = rendered(wire.CANCELED, 7, TOKEN, 5, reason, 0)
    assert (found["decrement_shares"], found["reason"]) == (5, ouch42.CANCEL_LETTERS[reason].decode())
    assert found["reason"] in "UITSDQZCKHXEFG"


@pytest.mark.parametrize("reason", sorted(wire.REJECT_REASONS))
def test_every_reject_reason_has_a_letter(reason: int) -> None:
    found = rendered(wire.REJECTED, 7, TOKEN, reason, "text", b"")
    assert found["reason"] == ouch42.REJECT_LETTERS[reason].decode()
    assert found["reason"] in "THZSDCLMRXNOW" or reason >= wire.REJECT_COLLAR


def test_the_letters_of_risk_checks_are_those_of_october_2025() -> None:
    letters = {ouch42.REJECT_LETTERS[reason].decode() for reason in wire.REJECT_REASONS}
    assert {letter for letter in letters if letter.islower()} <= set("abcdefmnoqruvwxy")


@pytest.mark.parametrize("liquidity", range(1, 11))
def test_every_liquidity_that_the_matcher_tells_has_a_letter(liquidity: int) -> None:
    told = {wire.ADDED_LIQUIDITY, wire.REMOVED_LIQUIDITY, wire.ADDED_HIDDEN}
    told |= {wire.CROSS_LIQUIDITY + cross for cross in wire.CROSSES}
    assert (liquidity in told) == (liquidity in ouch42.LIQUIDITY_LETTERS)
    if liquidity in told:
        assert (
            rendered(wire.EXECUTED, 7, TOKEN, 30, 1, liquidity, 77, 70, 8)["liquidity_flag"]
            == "ARxOCHxxxJ"[liquidity - 1]
        )


def test_the_reasons_that_the_specification_names() -> None:
    cancels = {reason: ouch42.CANCEL_LETTERS[reason] for reason in wire.CANCEL_REASONS}
    assert b"".join(cancels[reason] for reason in sorted(cancels)) == b"UITSESUQGCZUZDKH"
    rejects = {reason: ouch42.REJECT_LETTERS[reason] for reason in wire.REJECT_REASONS}
    assert b"".join(rejects[reason] for reason in sorted(rejects)) == b"HCSXZNDROOOOORWemnvvOxyaLoROOO"
    assert set(ouch42.SIDE_LETTERS) == wire.SIDES


def test_self_match_prevention_is_an_aiq_cancel() -> None:
    assert rendered(wire.SELF_MATCH, 7, TOKEN, 100, 30, 150_25000000, wire.REMOVED_LIQUIDITY, 0) == {
        "message_type": "D", "timestamp": TIME, "order_token": TOKEN.decode(), "decrement_shares": 100, "reason": "Q",
        "quantity_prevented_from_trading": 30, "execution_price": Decimal("150.25"), "liquidity_flag": "R",
    }  # fmt: skip


@pytest.mark.parametrize(("reason", "letter"), list(zip(sorted(wire.BREAK_REASONS), "ECSX", strict=True)))
def test_broken_and_corrected_trades(reason: int, letter: str) -> None:
    head = {"timestamp": TIME, "order_token": TOKEN.decode(), "match_number": 77, "reason": letter}
    assert rendered(wire.BROKEN, 7, TOKEN, 77, 30, 150_25000000, reason) == head | {"message_type": "B"}
    assert rendered(wire.CORRECTED, 7, TOKEN, 77, 30, 150_50000000, reason) == head | {
        "message_type": "K", "new_execution_price": Decimal("150.5"),
    }  # fmt: skip


def test_what_becomes_of_a_cancel_before_a_cross() -> None:
    head = {"timestamp": TIME, "order_token": TOKEN.decode()}
    assert rendered(wire.CANCEL_PENDING, 7, TOKEN) == head | {"message_type": "P"}
    assert rendered(wire.CANCEL_REJECTED, 7, TOKEN, wire.REJECT_TOO_LATE, "why") == head | {"message_type": "I"}


@pytest.mark.parametrize(
    ("reason", "shown", "display"),
    [
        (wire.RESTATED_REPLENISHED, 10, "Y"), (wire.RESTATED_TRIGGERED, 0, "N"), (wire.RESTATED_TRIGGERED, 90, "Y"),
        (wire.RESTATED_PEGGED, 0, "M"), (wire.RESTATED_SLID, 90, "P"), (wire.RESTATED_LIMIT, 90, "Y"),
        (wire.RESTATED_RELEASED, 0, "N"),
    ],
)  # fmt: skip
def test_a_restated_order_has_another_priority(reason: int, shown: int, display: str) -> None:
    assert rendered(wire.RESTATED, 7, TOKEN, 9, 150_25000000, shown, 90, reason) == {
        "message_type": "T", "timestamp": TIME, "order_token": TOKEN.decode(), "price": Decimal("150.25"),
        "display": display, "order_reference_number": 9,
    }  # fmt: skip


def test_a_parked_peg_without_a_limit_has_the_price_of_a_market_order() -> None:
    found = rendered(wire.RESTATED, 7, TOKEN, 9, 0, 0, 90, wire.RESTATED_PEGGED)
    assert found["price"] == Decimal("214748.3647")


def test_golden_bytes_of_a_priority_update_and_an_aiq_cancel() -> None:
    assert ouch42.render((wire.RESTATED, 7, TOKEN, 5, 150_25000000, 1, 1, wire.RESTATED_SLID), 1) == (
        b"T\0\0\0\0\0\0\0\x01ORDER000000001\x00\x16\xed\x24P\0\0\0\0\0\0\0\x05"
    )
    assert ouch42.render((wire.SELF_MATCH, 7, TOKEN, 2, 1, 150_25000000, wire.ADDED_LIQUIDITY, 0), 1) == (
        b"D\0\0\0\0\0\0\0\x01ORDER000000001\0\0\0\x02Q\0\0\0\x01\x00\x16\xed\x24A"
    )


@pytest.mark.parametrize(
    "event",
    [
        (wire.ORDER_STATUS, 7, TOKEN, 1, wire.BUY, 1, 1, 0, 0),
        (wire.QUOTE_STATUS, 7, TOKEN, "AAPL", wire.BUY, 1, 1, 1, 0, ""),
        (wire.MASS_CANCELED, 7, TOKEN, 3),
        (wire.FEE, 7, TOKEN, 77, -5),
        (wire.TRIGGER_MOVED, 7, TOKEN, 1),
        (wire.REQUEST_REJECTED, 7, TOKEN, b"R", 1, wire.REJECT_UNKNOWN_ORDER, "unknown order"),
        (wire.CANCEL_REQUESTED, 7, TOKEN, b"R"),
        (wire.ECHOED, 7, b"8=FIX.4.2"),
    ],
)
def test_what_ouch_has_no_words_for_is_not_said(event: tuple[Any, ...]) -> None:
    wire.check(event, wire.PRIVATE_EVENTS)
    assert ouch42.render_packet(event, TIME) == ouch42.render(event, TIME) == b""


def test_modified_and_system_events() -> None:
    assert rendered(wire.MODIFIED, 7, TOKEN, wire.SELL_SHORT, 40) == {
        "message_type": "M", "timestamp": TIME, "order_token": TOKEN.decode(), "side": "T", "shares": 40,
    }  # fmt: skip
    for code in (wire.START_OF_DAY, wire.END_OF_DAY):
        assert rendered(wire.SYSTEM, 7, code) == {"message_type": "S", "timestamp": TIME, "event_code": code}


def test_a_price_that_32_bits_cannot_hold_is_cut_off() -> None:
    found = rendered(wire.EXECUTED, 7, TOKEN, 30, wire.PRICE_MAX, wire.ADDED_LIQUIDITY, 77, 70, 8)
    assert found["execution_price"] == Decimal("429496.7295")
    assert rendered(wire.EXECUTED, 7, TOKEN, 30, 10_001, 1, 77, 70, 8)["execution_price"] == Decimal("0.0001")


@pytest.mark.parametrize(
    "event",
    [
        (wire.RESULT, 1, (), ""),
        (wire.CANCELED, 7, TOKEN, 5, 99, 0),
        (wire.CANCELED, 7, TOKEN, 5),
        (wire.CANCELED, 7, TOKEN, 2**40, wire.CANCEL_USER, 0),
        (wire.SYSTEM, 7, 5),
        (wire.EXECUTED, 7, TOKEN, 30, None, 1, 77, 70, 8),
    ],
)
def test_an_event_without_a_message_is_a_protocol_error(event: tuple[Any, ...]) -> None:
    with pytest.raises(ProtocolError):
        ouch42.render_packet(event, TIME)


def test_time_stamps_are_ns_since_midnight_utc() -> None:
    assert ouch42.time_of_day(1_700_000_000 * 10**9 + 5) == (22 * 3600 + 13 * 60 + 20) * 10**9 + 5


def test_every_private_event_of_a_session_is_known() -> None:
    own = {kind for kind, (_, fields) in wire.PRIVATE_EVENTS.items() if fields[0] == wire.SESSION}
    assert own - set(ouch42.RENDER) == {wire.SESSION_STREAM, wire.LOGGED_ON}
    assert set(ouch42.RENDER) <= own
    silent = {kind for kind, function in ouch42.RENDER.items() if function is ouch42._nothing}
    assert all(kind > wire.RESULT for kind in silent)  # as openoutcry.gateway.protocols wants it
