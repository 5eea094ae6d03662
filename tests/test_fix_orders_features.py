"""Every feature of an order that FIX can say, in the words of the bus; and what the engine makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.gateway.fix.orders import PLANS_MAX, SHAPES_MAX
from openoutcry.gateway.fix.reports import HEAD
from tests.fix_orders_world import (
    FROM_43,
    FROM_44,
    FROM_50,
    VERSIONS,
    Client,
    Fields,
    Floor,
    order,
    pick,
)

FROM_41 = VERSIONS[1:]
SP2 = VERSIONS[-1:]
UNIT = 10**8
LIMIT_DAY = (w.LIMIT, w.DAY, 0, 0)


def command_of(client: Client, **given: Any) -> tuple[Any, ...]:
    """What an order becomes."""
    out: list[Any] = []
    client.application.take(client.message(order(client.version, "A1", **given)), out, False)
    [command] = out
    w.check_command(command)
    return tuple(command)


def meaning(command: tuple[Any, ...]) -> tuple[Any, ...]:
    """Order type, time in force, expire and minimum quantity, and the terms by name."""
    given = command[12] if command[0] == w.SUBMIT else ()
    return (*command[7:11], {w.ORDER_TERMS[term].name: value for term, value in given})


@pytest.mark.parametrize(
    ("versions", "given", "expected"),
    [
        (VERSIONS, {}, (*LIMIT_DAY, {})),
        (VERSIONS, {"price": None}, (w.MARKET, w.DAY, 0, 0, {})),
        (VERSIONS, {"t40": 3, "price": None, "t99": "9.5"}, (w.STOP, w.DAY, 0, 0, {"stop_price": 95 * UNIT // 10})),
        (VERSIONS, {"t40": 4, "t99": "9.5"}, (w.STOP_LIMIT, w.DAY, 0, 0, {"stop_price": 95 * UNIT // 10})),
        (VERSIONS[:3], {"t40": 5, "price": None}, (w.MARKET, w.AT_CLOSE, 0, 0, {})),
        (VERSIONS[:3], {"t40": "B"}, (w.LIMIT, w.AT_CLOSE, 0, 0, {})),
        (FROM_43, {"t40": "J", "price": None, "t99": "9"},
         (w.MARKET_IF_TOUCHED, w.DAY, 0, 0, {"stop_price": 9 * UNIT})),
        (FROM_43, {"t40": "K", "price": None}, (w.MARKET_TO_LIMIT, w.DAY, 0, 0, {})),
        (VERSIONS, {"t40": "P", "t18": "R"}, (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_PRIMARY})),
        (VERSIONS, {"t40": "P", "t18": "P", "price": None}, (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_MARKET})),
        (VERSIONS, {"t40": "P", "t18": "M"}, (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_MIDPOINT})),
        (FROM_41, {"t40": "P", "t18": "R", "t211": "-0.25"},
         (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_PRIMARY, "peg_offset": -UNIT // 4})),
        (FROM_41, {"t40": "P", "t18": "R", "t211": "-0.25", "side": 2},
         (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_PRIMARY, "peg_offset": UNIT // 4})),
        (FROM_50, {"t40": "P", "t1094": 5}, (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_PRIMARY})),
        (FROM_50, {"t40": "P", "t1094": 4}, (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_MARKET})),
        (FROM_50, {"t40": "P", "t1094": 2}, (w.PEGGED, w.DAY, 0, 0, {"peg": w.PEG_MIDPOINT})),
        (FROM_44, {"t40": "P", "t18": "a", "t211": "-0.5", "price": None},
         (w.STOP, w.DAY, 0, 0, {"trail_amount": UNIT // 2})),
        (FROM_44, {"t40": 4, "t18": "a", "t211": "0.5"}, (w.STOP_LIMIT, w.DAY, 0, 0, {"trail_amount": UNIT // 2})),
        (FROM_44, {"t40": 3, "t18": "a", "t211": "25", "t836": 1, "price": None},
         (w.STOP, w.DAY, 0, 0, {"trail_percent": 25})),
        (VERSIONS, {"t59": 0}, (*LIMIT_DAY, {})),
        (VERSIONS, {"t59": 1}, (w.LIMIT, w.GTC, 0, 0, {})),
        (VERSIONS, {"t59": 2}, (w.LIMIT, w.AT_OPEN, 0, 0, {})),
        (VERSIONS, {"t59": 3}, (w.LIMIT, w.IOC, 0, 0, {})),
        (VERSIONS, {"t59": 4}, (w.LIMIT, w.FOK, 0, 0, {})),
        (VERSIONS, {"t59": 5}, (w.LIMIT, w.SYSTEM_HOURS, 0, 0, {})),
        (VERSIONS, {"t59": 6, "t126": "20300101-00:00:00"}, (w.LIMIT, w.GTD, 1_893_456_000 * 10**9, 0, {})),
        (VERSIONS[2:], {"t59": 6, "t432": "20291231"}, (w.LIMIT, w.GTD, 1_893_456_000 * 10**9, 0, {})),
        (FROM_43, {"t59": 7}, (w.LIMIT, w.AT_CLOSE, 0, 0, {})),
        (VERSIONS[-2:], {"t59": 9}, (w.LIMIT, w.GOOD_FOR_AUCTION, 0, 0, {})),
        (SP2, {"t59": "A", "t1629": 60}, (w.LIMIT, w.GOOD_FOR_TIME, 60, 0, {})),
        (SP2, {"t59": "B"}, (w.LIMIT, w.GOOD_FOR_AUCTION, 0, 0, {})),
        (VERSIONS, {"t110": 40}, (w.LIMIT, w.DAY, 0, 40, {})),
        (VERSIONS, {"t111": 10}, (*LIMIT_DAY, {"display_quantity": 10})),
        (VERSIONS, {"t111": 0}, (*LIMIT_DAY, {"hidden": 1})),
        (FROM_41, {"t210": 10}, (*LIMIT_DAY, {"display_quantity": 10})),
        (FROM_50, {"t1138": 10}, (*LIMIT_DAY, {"display_quantity": 10})),
        (FROM_50, {"t1138": 0}, (*LIMIT_DAY, {"hidden": 1})),
        (FROM_50, {"t1138": 10, "t1084": 3, "t1085": 6, "t1086": 14},
         (*LIMIT_DAY, {"display_quantity": 10, "display_range": 4})),
        (SP2, {"t1084": 4}, (*LIMIT_DAY, {"hidden": 1})),
        (VERSIONS, {"t18": "G"}, (*LIMIT_DAY, {"all_or_none": 1})),
        (VERSIONS, {"t18": "6"}, (*LIMIT_DAY, {"post_only": w.POST_ONLY_REJECT})),
        (VERSIONS, {"t18": "5"}, (*LIMIT_DAY, {})),
        (VERSIONS[2:], {"t18": "G E"}, (*LIMIT_DAY, {"all_or_none": 1})),
        (FROM_41, {"t77": "C"}, (*LIMIT_DAY, {"reduce_only": 1})),
        (FROM_41, {"t77": "O"}, (*LIMIT_DAY, {})),
        (VERSIONS, {"t1": "OTHER"}, (*LIMIT_DAY, {"account": "OTHER"})),
        (VERSIONS, {"t1": "ALICE"}, (*LIMIT_DAY, {})),
        (SP2, {"t2964": 1}, (*LIMIT_DAY, {"self_match": w.SELF_MATCH_NEWEST})),
        (SP2, {"t2964": 2}, (*LIMIT_DAY, {"self_match": w.SELF_MATCH_OLDEST})),
        (SP2, {"t2964": 3, "t2362": "DESK"}, (*LIMIT_DAY, {"self_match": w.SELF_MATCH_BOTH})),
    ],
    ids=str,
)  # fmt: skip
def test_each_feature_has_its_words(versions: tuple[str, ...], given: dict[str, Any], expected: Any) -> None:
    floor = Floor()
    for version in versions:
        assert meaning(command_of(floor.client(version, "ALICE"), **given)) == expected, version


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("said", "side"), [(1, w.BUY), (2, w.SELL), (5, w.SELL_SHORT), (6, w.SELL_SHORT_EXEMPT)])
def test_the_four_sides(version: str, said: int, side: int) -> None:
    command = command_of(Floor().client(version), side=said, quantity=7, price="1.5", t114="N")
    assert command[1:7] == (1, b"A1", "X", side, 7, 3 * UNIT // 2)


@pytest.mark.parametrize(
    ("versions", "given", "text"),
    [
        (FROM_41, {"t152": 100}, "CashOrderQty(152) is not supported"),
        (VERSIONS[2:], {"t168": "20300101-00:00:00"}, "EffectiveTime(168) is not supported"),
        (VERSIONS[2:], {"t388": 0}, "DiscretionInst(388) is not supported"),
        (FROM_50, {"t1100": 1}, "TriggerType(1100) is not supported"),
        (FROM_41, {"t111": 10, "t210": 20}, "MaxFloor(111) and MaxShow(210) say different things"),
        (FROM_44, {"t18": "a", "t40": 3, "price": None},
         "ExecInst(18) a needs PegOffsetValue(211), as a price or (PegOffsetType(836) 1) in basis points"),
        (FROM_44, {"t18": "a", "t40": 3, "price": None, "t836": 1, "t211": "0.5"},
         "PegOffsetValue(211) must be 1 to 9999 whole basis points"),
        (FROM_41, {"t211": "1"}, "PegOffsetValue(211) needs OrdType(40) P, or ExecInst(18) a"),
        (FROM_44, {"t40": "P", "t18": "R", "t211": "1", "t836": 2}, "PegOffsetType(836) must be 0, a price"),
        (FROM_50, {"t1084": 3, "t1138": 5, "t1085": 5, "t1086": 6},
         "DisplayMethod(1084) 3 needs DisplayLowQty(1085) and DisplayHighQty(1086), an even number apart"),
        (VERSIONS[2:3], {"t40": "B", "t59": 3}, "TimeInForce(59) and OrdType(40) on close contradict each other"),
        (SP2, {"t59": "A"}, "ExposureDuration(1629) must be 1 to 86399 s"),
        (SP2, {"t59": "C"}, "TimeInForce(59) C is not supported"),
        (VERSIONS[2:], {"t18": "G 9"}, "ExecInst(18) 9 is not supported"),
        (VERSIONS, {"t1": "X" * 65}, "Account(1) is longer than 64 characters"),
        (FROM_43, {"t55": None, "t48": "US1", "t22": "4"}, "Symbol(55) is missing"),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_engine_has_no_word_for_is_refused(
    versions: tuple[str, ...], given: dict[str, Any], text: str
) -> None:
    floor = Floor()
    for version in versions:
        client = floor.client(version, "ALICE")
        command = command_of(client, **given)
        assert (command[0], command[4]) == (w.REFUSE, text), version
        [report] = client.send(order(version, f"{version}A", **given))
        assert pick(report, 39, 58) == ("8", text)


# ------------------------------------------------------------------------------------------------- what reports repeat
REPEATED: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (VERSIONS, {"t1": "ALICE", "t15": "USD", "t18": "5", "t59": "1", "t63": "0"}),
    (VERSIONS[:3], {"t109": "CLIENT", "t47": "A"}),
    (VERSIONS[2:], {"t110": "5", "t111": "50", "t77": "O"}),
    (VERSIONS[3:], {"t528": "A", "t529": "1 2", "t526": "SECOND", "t583": "LINK"}),
    (FROM_50, {"t1138": "50"}),
]


@pytest.mark.parametrize(("versions", "given"), REPEATED, ids=str)
def test_reports_repeat_the_orders_fields(versions: tuple[str, ...], given: dict[str, Any]) -> None:
    floor = Floor()
    for version in versions:
        client = floor.client(version, "ALICE")
        [report] = client.send(order(version, f"{version}A", **given))
        assert {f"t{tag}": report.get(tag) for tag in (int(name[1:]) for name in given)} == given, version
        [report] = client.send("35=H|11=" + f"{version}A" + "|54=1|55=X")
        assert {f"t{tag}": report.get(tag) for tag in (int(name[1:]) for name in given)} == given, version


def test_what_has_no_room_is_not_repeated_and_the_order_is_as_good() -> None:
    alice = Floor().client("FIX.4.4")
    long: dict[str, Any] = {f"t{tag}": str(tag) * 20 for tag in (526, 583, 15, 48)}
    command = command_of(alice, t1="A" * 64, **long)
    assert len(command[11]) <= w.CLIENT_DATA_MAX
    [report] = alice.send(order("FIX.4.4", "A1", t1="A" * 64, **long))
    assert pick(report, 39, 1, 54, 55) == ("0", "A" * 64, "1", "X")


def test_percent_signs_in_fields_are_just_characters() -> None:
    alice = Floor().client("FIX.4.4")
    [report] = alice.send(order("FIX.4.4", "A%d%b1", t1="100%d %s"))
    assert pick(report, 11, 1) == ("A%d%b1", "100%d %s")


# ------------------------------------------------------------------------------------------------- what comes of it
def reports_of(floor: Floor, client: Client, text: str) -> list[Fields]:
    """What a message brings a client, and what it brings everybody else is passed over."""
    client.take()
    return client.send(text)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_that_is_triggered_is_told_and_trades(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    alice.send(order(version, "A1", 1, 10, None, t40=3, t99="11"))
    bob.send(order(version, "B1", 2, 10, "11"))
    bob.send(order(version, "B2", 2, 10, "12"))
    bob.send(order(version, "B3", 1, 10, "11"))
    said = alice.take()
    kind = {"FIX.4.0": None, "FIX.4.1": "0"}.get(version, "L" if version in FROM_50 else "D")
    last = "0" if version in VERSIONS[:2] else None
    assert pick(said[0], 11, 39, 31, 150) == ("A1", "0", last, kind)
    assert pick(said[1], 39, 31, 6) == ("2", "12", "12")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_post_only_order_that_would_take_is_rejected(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 10, "10"))
    [report] = alice.send(order(version, "A1", 1, 10, "10", t18="6"))
    assert pick(report, 39, 58) == ("8", "post_only: it would take liquidity")


@pytest.mark.parametrize("version", FROM_41)
def test_a_pegged_order_is_restated_when_it_follows_the_market(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 1, 10, "10"))
    alice.send(order(version, "A1", 1, 10, None, t40="P", t18="R", t211="-0.5"))
    bob.send(order(version, "B2", 1, 10, "11"))
    [report] = alice.take()
    restated = ("0", None) if version == "FIX.4.1" else ("D", "3")
    assert pick(report, 11, 39, 44, 150, 378) == ("A1", "0", "10.5", *restated)


@pytest.mark.parametrize("version", FROM_43)
def test_market_to_limit_says_the_price_it_rests_at(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 4, "10.25"))
    said = alice.send(order(version, "A1", 1, 10, None, t40="K"))
    assert [pick(each, 39, 44, 150, 151) for each in said] == [
        ("0", None, "0", "10"), ("1", None, "F", "6"), ("1", "10.25", "D", "6"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- memory
def test_a_client_that_never_repeats_itself_does_not_grow_the_gateway() -> None:
    alice = Floor().client("FIX.4.4")
    entry = alice.application.entry
    for number in range(PLANS_MAX + 10):
        command_of(alice, t1=f"ACCOUNT{number}")
    [layout] = entry._layouts.values()
    assert len(layout.plans) <= PLANS_MAX
    assert SHAPES_MAX == 256


def test_the_head_of_client_data_is_quantity_and_price() -> None:
    command = command_of(Floor().client("FIX.4.4"), quantity=70, price="10.5")
    assert HEAD.unpack(command[11][: HEAD.size]) == (70, 1_050_000_000)
    assert command[11][HEAD.size :] == b"54=1\x0155=X\x0140=2\x01"
