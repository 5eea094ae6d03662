"""Orders in and reports out, in every version: new, replaced, cancelled, refused; the rules of ClOrdIDs."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from tests.fix_orders_world import (
    BEFORE_43,
    FROM_42,
    FROM_43,
    FROM_44,
    FROM_50,
    OLD,
    VERSIONS,
    Client,
    Fields,
    Floor,
    order,
    pick,
    request,
)

STAMP = "20231114-22:13:20.000"
every_version = pytest.mark.parametrize("version", VERSIONS)


def dialect(version: str, fields: Fields, exec_type: str, leaves: int, transaction: str = "0") -> Fields:
    """The fields of a report that each version says in its own way, put into those that all say alike."""
    fields = {35: "8", 54: "1", 55: "X", 40: "2", 60: STAMP[:17] if version in OLD else STAMP, **fields}
    if version in BEFORE_43:
        fields[20] = transaction
    if version in ("FIX.4.2", "FIX.4.3"):
        fields[21] = "1"
    if version in OLD:
        fields = {31: "0", 32: "0", **fields}
    if version != "FIX.4.0":
        fields |= {150: exec_type, 151: str(leaves)}
    else:
        fields.pop(41, None)
    return fields


def execution(version: str, number: str, in_40: str) -> str:
    return in_40 if version == "FIX.4.0" else number


# ------------------------------------------------------------------------------------------------- the life of an order
@every_version
def test_a_new_order_is_reported_as_new(version: str) -> None:
    alice = Floor().client(version)
    assert alice.send(order(version, "A1")) == [
        dialect(version, {6: "0", 11: "A1", 14: "0", 17: execution(version, "1.1", "10"), 37: "1", 38: "100", 39: "0",
                          44: "10"}, "0", 100)
    ]  # fmt: skip


@every_version
def test_each_trade_is_reported_to_both_sides_with_exact_averages(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 30, "10"))
    bob.send(order(version, "B2", 2, 30, "10.5"))
    new = dialect(version, {6: "0", 11: "A1", 14: "0", 17: execution(version, "3.1", "30"), 37: "3", 38: "100",
                            39: "0", 44: "11"}, "0", 100)  # fmt: skip
    trade = "F" if version in FROM_43 else "1"
    taken = {851: "2"} if version in FROM_44 else {}
    first = dialect(version, {6: "10", 11: "A1", 14: "30", 17: execution(version, "3-1", "11"), 31: "10", 32: "30",
                              37: "3", 38: "100", 39: "1", 44: "11", **taken}, trade, 70)  # fmt: skip
    second = dialect(version, {6: "10.25", 11: "A1", 14: "60", 17: execution(version, "3-2", "21"), 31: "10.5",
                               32: "30", 37: "3", 38: "100", 39: "1", 44: "11", **taken}, trade, 40)  # fmt: skip
    assert alice.send(order(version, "A1", 1, 100, "11")) == [new, first, second]
    made = {851: "1"} if version in FROM_44 else {}
    filled = "F" if version in FROM_43 else "2"
    assert bob.take() == [
        dialect(version, {6: "10", 11: "B1", 14: "30", 17: execution(version, "1-1", "12"), 31: "10", 32: "30",
                          37: "1", 38: "30", 39: "2", 44: "10", 54: "2", **made}, filled, 0),
        dialect(version, {6: "10.5", 11: "B2", 14: "30", 17: execution(version, "2-2", "22"), 31: "10.5", 32: "30",
                          37: "2", 38: "30", 39: "2", 44: "10.5", 54: "2", **made}, filled, 0),
    ]  # fmt: skip


@every_version
def test_a_replacement_keeps_the_order_id_and_names_its_chain(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    alice.send(order(version, "A1"))
    bob.send(order(version, "B1", 2, 60))
    alice.take()
    status = "5" if version in BEFORE_43 else "1"
    assert alice.send(request(version, "G", "A2", "A1", quantity=200, price="9")) == [
        dialect(version, {6: "10", 11: "A2", 14: "60", 17: execution(version, "1.2", "13"), 37: "1", 38: "200",
                          39: status, 41: "A1", 44: "9"}, "5", 140)
    ]  # fmt: skip
    assert alice.send(request(version, "F", "A3", "A2")) == [
        dialect(version, {6: "10", 11: "A3", 14: "60", 17: execution(version, "1.3", "23"), 37: "1", 38: "200",
                          39: "4", 41: "A2", 44: "9"}, "4", 0)
    ]  # fmt: skip


@every_version
def test_a_replaced_order_that_has_not_traded_is_new_again_from_43_on(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    [report] = alice.send(request(version, "G", "A2", "A1", price="9"))
    assert report[39] == ("5" if version in BEFORE_43 else "0")


@every_version
def test_what_an_immediate_order_leaves_is_cancelled(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 30))
    reports = alice.send(order(version, "A1", 1, 100, None, t59=3))
    assert [pick(report, 39, 14, 38, 58) for report in reports] == [
        ("0", "0", "100", None), ("1", "30", "100", None), ("4", "30", "100", "cancelled: immediate or cancel"),
    ]  # fmt: skip
    assert 44 not in reports[0]


@every_version
def test_fill_or_kill_trades_all_or_nothing(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 30))
    assert [each[39] for each in alice.send(order(version, "A1", 1, 31, "10", t59=4))] == ["0", "4"]
    assert [each[39] for each in alice.send(order(version, "A2", 1, 30, "10", t59=4))] == ["0", "2"]


# ------------------------------------------------------------------------------------------------- what is refused
@every_version
def test_a_used_clordid_is_a_duplicate(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    assert alice.send(order(version, "A1", 1, 7)) == [
        dialect(version, {6: "0", 11: "A1", 14: "0", 17: execution(version, "R1-1", "13"), 37: "NONE", 38: "7",
                          39: "8", 44: "10", 58: "duplicate order: this id was used before",
                          103: "0" if version == "FIX.4.0" else "6"}, "8", 0)
    ]  # fmt: skip
    assert alice.send("35=H|11=A1|54=1|55=X")[0][39] == "0"


@every_version
def test_an_order_for_an_unknown_symbol_is_rejected_with_its_reason(version: str) -> None:
    alice = Floor().client(version)
    [report] = alice.send(order(version, "A1", t55="NOPE"))
    assert pick(report, 39, 103, 58, 55, 37) == ("8", "1", "unknown symbol", "NOPE", "NONE")


@every_version
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"price": "10.123456789"}, "Price(44) 10.123456789 is no number with at most 8 decimals"),
        ({"price": "-1"}, "Price(44) must be above 0"),
        ({"price": "0"}, "Price(44) must be above 0"),
        ({"price": "9999999999"}, "Price(44) 9999999999 is out of range"),
        ({"price": None, "t40": 2}, "Price(44) is missing"),
        ({"t40": 1}, "Price(44) is not for this OrdType(40)"),
        ({"quantity": "0"}, "min_quantity: 0 is less than 1"),
        ({"quantity": "-5"}, "OrderQty(38) -5 is out of range"),
        ({"t59": 6}, "TimeInForce(59) 6 needs ExpireTime(126) or ExpireDate(432)"),
        ({"t126": "20300101-00:00:00"}, "ExpireTime(126) is for TimeInForce(59) 6 alone"),
        ({"t21": 3}, "HandlInst(21) 3: there is nobody to handle orders"),
        ({"t114": "Y", "side": 5}, "LocateReqd(114) Y: nobody here locates shares; say N"),
        ({"side": 3}, "Side(54) 3 is not supported"),
        ({"t40": "9"}, "OrdType(40) 9 is not supported"),
        ({"t18": "0"}, "ExecInst(18) 0 is not supported"),
        ({"t18": "M"}, "a peg, by ExecInst(18) or PegPriceType(1094), needs OrdType(40) P"),
        ({"t40": "P", "price": None}, "OrdType(40) P needs one peg: ExecInst(18) M, P or R, or PegPriceType(1094)"),
        ({"t99": "-1", "t40": 4}, "StopPx(99) -1 is out of range"),
        ({"t110": "-1"}, "MinQty(110) -1 is out of range"),
        ({"t55": "SEVENTEENLETTERSX"}, "Symbol(55) is longer than 16 characters"),
    ],
)
def test_what_cannot_be_carried_out_is_rejected_with_a_text_that_names_the_field(
    version: str, given: dict[str, Any], text: str
) -> None:
    alice = Floor().client(version)
    [report] = alice.send(order(version, "A1", **given), check=given.get("t40") != "9")
    assert pick(report, 39, 11, 58) == ("8", "A1", text)


@every_version
def test_a_clordid_that_is_too_long_is_rejected_at_once(version: str) -> None:
    alice = Floor().client(version)
    [report] = alice.send(order(version, "L" * 65))
    assert pick(report, 39, 11, 58) == ("8", "L" * 64, "ClOrdID(11) is longer than 64 characters")
    assert alice.send(order(version, "L" * 64))[0][39] == "0"


@every_version
def test_numbers_may_be_written_in_any_way_that_fix_allows(version: str) -> None:
    alice = Floor().client(version)
    quantity = "0100" if version in OLD else "0100.00"  # a quantity of 4.0 and 4.1 is an int
    [report] = alice.send(order(version, "A1", 1, quantity, "00010.500"))
    assert pick(report, 38, 44) == ("100", "10.5")


# ------------------------------------------------------------------------------------------------- requests
def cancel_reject(version: str, fields: Fields, kind: str) -> Fields:
    """An OrderCancelReject in each version's words."""
    if version == "FIX.4.0":
        return {35: "9", **{tag: value for tag, value in fields.items() if tag not in (39, 41)}}
    if version == "FIX.4.1":
        return {35: "9", **fields}
    return {35: "9", 60: STAMP, 434: kind, **fields}


@every_version
def test_a_cancel_of_an_order_that_never_was_is_rejected(version: str) -> None:
    alice = Floor().client(version)
    for kind, answer in (("F", "1"), ("G", "2")):
        assert alice.send(request(version, kind, f"A{kind}", "NOPE")) == [
            cancel_reject(version, {11: f"A{kind}", 37: "NONE", 39: "8", 41: "NOPE", 58: "unknown order", 102: "1"},
                          answer)
        ]  # fmt: skip


@every_version
def test_a_cancel_of_an_order_that_is_done_is_too_late(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    alice.send(request(version, "F", "A2", "A1"))
    assert alice.send(request(version, "F", "A3", "A1")) == [
        cancel_reject(version, {11: "A3", 37: "1", 39: "4", 41: "A1", 58: "too late: the order is done", 102: "0"},
                      "1")
    ]  # fmt: skip


@every_version
def test_a_request_with_a_used_clordid_is_rejected_and_the_order_stays(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    [reject] = alice.send(request(version, "F", "A1", "A1"))
    code = {"FIX.4.0": None, "FIX.4.1": None, "FIX.4.2": "2"}.get(version, "6")
    assert pick(reject, 35, 102, 58) == ("9", code, "duplicate order: this id was used before")
    [reject] = alice.send(request(version, "G", "A1", "A1"))
    assert pick(reject, 35, 102) == ("9", code)
    assert alice.send("35=H|11=A1|54=1|55=X")[0][39] == "0"


@every_version
def test_a_replacement_that_the_book_refuses_leaves_the_order_as_it_was(version: str) -> None:
    alice = Floor(tick_size="0.5").client(version)
    alice.send(order(version, "A1"))
    [reject] = alice.send(request(version, "G", "A2", "A1", price="10.25"))
    assert pick(reject, 35, 11, 58) == ("9", "A2", "tick_size: price 10.25 is no multiple of 0.5")
    [reject] = alice.send(request(version, "G", "A3", "A1", price="10.123456789"))
    assert pick(reject, 35, 11, 58) == ("9", "A3", "Price(44) 10.123456789 is no number with at most 8 decimals")
    [reject] = alice.send(request(version, "G", "A4", "A1", side=2))
    assert pick(reject, 35, 11, 58) == ("9", "A4", "Side(54) cannot be changed")
    [report] = alice.send("35=H|11=A1|54=1|55=X")
    assert pick(report, 39, 38, 44) == ("0", "100", "10")


@every_version
def test_a_chain_goes_on_from_its_newest_clordid_only(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    alice.send(request(version, "G", "A2", "A1", price="9"))
    [reject] = alice.send(request(version, "G", "A3", "A1", price="8"))
    assert pick(reject, 35, 102) == ("9", "1")
    assert pick(alice.send(request(version, "G", "A4", "A2", price="8"))[0], 11, 37) == ("A4", "1")


def test_the_partial_cancel_of_40_is_refused() -> None:
    alice = Floor().client("FIX.4.0")
    alice.send(order("FIX.4.0", "A1"))
    [reject] = alice.send(request("FIX.4.0", "F", "A2", "A1", t125="P"))
    assert pick(reject, 35, 58) == ("9", "CxlType(125) P: to reduce an order, replace it")


@pytest.mark.parametrize("version", FROM_50[1:])
def test_from_50sp1_on_a_request_may_name_the_order_by_its_order_id(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    [report] = alice.send(f"35=F|11=A2|37=1|54=1|55=X|60={STAMP}")
    assert pick(report, 39, 11, 41) == ("4", "A2", "A1")
    [reject] = alice.send(f"35=F|11=A3|37=9|54=1|55=X|60={STAMP}")
    assert pick(reject, 35, 37, 41, 58) == ("9", "NONE", "NONE", "OrigClOrdID(41) is missing")


# ------------------------------------------------------------------------------------------------- questions
@every_version
def test_a_status_request_is_answered_from_what_has_been_reported(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    [report] = alice.send("35=H|11=A1|54=1|55=X")
    assert report == dialect(version, {6: "0", 11: "A1", 14: "0", 17: "0", 37: "1", 38: "100", 39: "0", 44: "10"},
                             "I" if version in FROM_43 else "0", 100, "3")  # fmt: skip
    [report] = alice.send("35=H|11=NOPE|54=1|55=X")
    assert pick(report, 39, 37, 58) == ("8", "NONE", "unknown order")


@pytest.mark.parametrize("version", FROM_44)
def test_the_answer_to_a_status_request_names_the_request(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    assert alice.send("35=H|11=A1|54=1|55=X|790=S7")[0][790] == "S7"


@every_version
def test_a_message_that_is_not_supported_is_said_to_be_so(version: str) -> None:
    alice = Floor().client(version)
    said = alice.send("35=C|94=0|147=subject|33=1|58=line", check=False)
    if version in OLD:
        assert said == [{35: "3", 45: "2", 58: "Unsupported message type"}]
    else:
        assert said == [{35: "j", 45: "2", 58: "Unsupported Message Type", 372: "C", 380: "3"}]


@every_version
def test_a_reject_goes_back_the_way_that_its_message_came(version: str) -> None:
    alice = Floor().client(version)
    message = "35=C|94=0|147=subject|33=1|58=line|115=DESK|129=SUB"
    alice.application.take(alice.message(message, check=False), [], False)
    [said] = alice.said
    assert pick({tag: value.decode() for tag, value in said.pairs()}, 128, 116) == ("DESK", "SUB")


@every_version
def test_dont_know_trade_is_taken_note_of(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    assert alice.send("35=Q|37=1|17=1-1|127=A|55=X|54=1|38=1|32=1|31=1", check=False) == []
    assert alice.application.counters["dont_know_trade"] == 1
    assert floor.services.notes == [f"session {alice.settings.name} does not know trade b'1-1': DKReason b'A'"]


@pytest.mark.parametrize("version", FROM_42)
def test_a_business_reject_of_the_client_is_counted(version: str) -> None:
    alice = Floor().client(version)
    assert alice.send("35=j|45=1|372=8|380=0") == []
    assert alice.application.counters["business_rejects"] == 1


# ------------------------------------------------------------------------------------------------- once more
def commands_of(client: Client, text: str) -> list[tuple[object, ...]]:
    """What a possible duplicate becomes."""
    out: list[tuple[object, ...]] = []
    client.application.take(client.message(text), out, True)
    return out


@every_version
def test_what_may_have_come_before_is_marked_and_happens_once(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    for text in (order(version, "A1"), request(version, "G", "A2", "A1"), request(version, "F", "A3", "A1")):
        commands = commands_of(alice, text)
        assert [command[0] for command in commands][:1] == [w.AGAIN] and len(commands) == 2
    assert alice.send(order(version, "A1"), again=True) == []
    assert alice.send(request(version, "G", "A2", "A1", price="9"), again=True)[0][11] == "A2"
    assert alice.send(request(version, "G", "A2", "A1", price="9"), again=True) == []
    assert alice.send(request(version, "F", "A3", "A2"), again=True)[0][39] == "4"
    assert alice.send(request(version, "F", "A3", "A2"), again=True) == []
