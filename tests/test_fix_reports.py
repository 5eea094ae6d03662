"""Reports of what nobody asked for: trades broken and corrected, expiries, days; what is remembered; drop copies."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.fix.dictionary import load
from openoutcry.gateway.fix import dialects
from openoutcry.gateway.fix.dialects import DIALECTS
from openoutcry.gateway.fix.reports import FILLS_MAX, Order
from tests.fix_orders_world import (
    BEFORE_43,
    FROM_42,
    FROM_43,
    FROM_44,
    FROM_50,
    NOW,
    OLD,
    VERSIONS,
    Client,
    Fields,
    Floor,
    order,
    pick,
    request,
)

every_version = pytest.mark.parametrize("version", VERSIONS)
DAY_NS = 86_400 * 10**9


def traded(version: str, quantity: int = 100, price: str = "10") -> tuple[Floor, Client, Client, int]:
    """Alice has bought from Bob, who had 60; the match."""
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 60, price))
    alice.send(order(version, "A1", 1, quantity, price))
    alice.take()
    bob.take()
    [match] = {event[6] for event in floor.events if event[0] == w.EXECUTED}
    return floor, alice, bob, match


# ------------------------------------------------------------------------------------------------- broken, corrected
@every_version
def test_a_broken_trade_is_taken_back_from_both_sides(version: str) -> None:
    floor, alice, bob, match = traded(version)
    floor.verb("break_trade", match, "erroneous")
    transaction = "1" if version in BEFORE_43 else None
    kind = {"FIX.4.0": None}.get(version, "0" if version in BEFORE_43 else "H")
    reference = "11" if version == "FIX.4.0" else "2-1"
    leaves = None if version == "FIX.4.0" else "40"
    assert [pick(each, 11, 14, 6, 19, 20, 31, 32, 39, 150, 151, 58) for each in alice.take()] == [
        ("A1", "0", "0", reference, transaction, "10", "60", "0", kind, leaves, "broken: erroneous")
    ]
    kind = {"FIX.4.0": None}.get(version, "4" if version in BEFORE_43 else "H")
    reference = "12" if version == "FIX.4.0" else "1-1"
    assert [pick(each, 11, 14, 19, 20, 39, 150) for each in bob.take()] == [
        ("B1", "0", reference, transaction, "4", kind)
    ]


@every_version
def test_a_corrected_trade_has_its_new_price_in_the_average(version: str) -> None:
    floor, alice, bob, match = traded(version)
    floor.verb("correct_trade", match, "9.5", "consent")
    transaction = "2" if version in BEFORE_43 else None
    for client, status in ((alice, "1"), (bob, "2")):
        kind = {"FIX.4.0": None}.get(version, status if version in BEFORE_43 else "G")
        assert [pick(each, 14, 6, 20, 31, 32, 39, 150, 58) for each in client.take()] == [
            ("60", "9.5", transaction, "9.5", "60", status, kind, "corrected: consent")
        ]


def test_very_many_trades_of_an_order_are_not_all_remembered() -> None:
    alice = Floor().client("FIX.4.4")
    kept = Order(b"A", 1, w.BUY, 10**6, 100, alice.application.forms[b"54=1\x01"])
    for match in range(FILLS_MAX + 5):
        kept.add_fill(match, 1, 100, w.ADDED_LIQUIDITY, 0)
    assert len(kept.fills) == FILLS_MAX * 5 and kept.fills[0] == 5
    assert (kept.correct_fill(0, 50), kept.correct_fill(6, 50), kept.correct_fill(6, 70)) == (50, 100, 50)


# ------------------------------------------------------------------------------------------------- the end of an order
@every_version
def test_an_order_for_a_time_expires(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    alice.send(order(version, "A1", t59=6, t126="20231114-22:13:30"))
    floor.world.now += 11 * 10**9
    floor.world.timer()
    floor.deliver()
    [report] = alice.take()
    assert pick(report, 39, 58) == ("C", "cancelled: timeout")
    assert report.get(150) == (None if version == "FIX.4.0" else "C")


@every_version
def test_at_the_end_of_the_day_day_orders_expire_and_others_are_done_for_the_day(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    alice.send(order(version, "A1"))
    alice.send(order(version, "A2", t59=1))
    floor.verb("end_of_day", "main")
    said = alice.take()
    assert [pick(each, 11, 39) for each in said] == [("A1", "C"), ("A2", "3")]
    assert alice.application.statistics()["orders"] == 1
    floor.world.now += DAY_NS
    floor.verb("start_of_day", "main")
    [report] = alice.take()
    kind = {"FIX.4.0": (None, None), "FIX.4.1": ("0", None)}.get(version, ("D", "1"))
    assert pick(report, 11, 39, 150, 378) == ("A2", "0", *kind)
    floor.verb("open", "main")
    assert alice.send(request(version, "F", "A1", "A2"))[0][39] == "4"  # yesterday's ClOrdID is free again


@every_version
def test_a_lost_connection_cancels_where_the_session_wants_that(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    floor.verb("set_protocol_property", "fix", "cancel_on_disconnect", True)
    alice.send(order(version, "A1"))
    floor.send((w.LOGOFF, alice.number, 1))
    assert [pick(each, 11, 39, 58) for each in alice.take()] == [("A1", "4", "cancelled: disconnect")]


@pytest.mark.parametrize("version", FROM_42)
def test_self_match_prevention_that_shrinks_an_order_restates_it(version: str) -> None:
    floor = Floor(self_match="decrement")
    alice = floor.client(version)
    alice.send(order(version, "A1", 2, 30))
    said = alice.send(order(version, "A2", 1, 100))
    assert [pick(each, 11, 39, 38, 151, 150, 378) for each in said] == [
        ("A2", "0", "100", "100", "0", None), ("A2", "0", "70", "70", "D", "5"), ("A1", "4", "30", "0", "4", None),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- what is remembered
def story(version: str) -> tuple[Floor, Client]:
    """Alice's orders in many states."""
    floor = Floor("X", "Y")
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 2, 10, "10"))
    alice.send(order(version, "A1", 1, 30, "10", t1="ALICE"))
    alice.send(order(version, "A2", 1, 30, "9", t59=1))
    alice.send(request(version, "G", "A3", "A1", quantity=40, price="9.5"))
    alice.send(order(version, "A4", t55="NOPE"))
    alice.send(order(version, "A5", 1, 30, None, t59=3))
    alice.send(order(version, "A1"))
    alice.send("35=S|117=Q1|55=Y|132=10|133=11|134=5|135=6")
    bob.send(order(version, "B2", 2, 2, "10", t55="Y"))
    return floor, alice


def twin(alice: Client) -> Client:
    """Another gateway's view of the same session, which has been told nothing yet."""
    floor = Floor()
    floor.services.world = alice.floor.world
    return Client(floor, alice.name, alice.number, alice.settings)


@every_version
def test_state_is_a_function_of_the_events(version: str) -> None:
    floor, alice = story(version)
    other = twin(alice)
    for event in floor.events:
        if event[1] == alice.number:
            other.application.absorb(event, floor.world.now)
    assert other.bodies == []
    assert other.application.dump() == alice.application.dump()


@every_version
def test_a_dump_and_the_events_after_it_give_the_same_reports(version: str) -> None:
    floor, alice = story(version)
    other = twin(alice)
    other.application.load(alice.application.dump())
    assert other.application.dump() == alice.application.dump()
    bob = next(client for client in floor.clients.values() if client.name == "BOB")
    done, told = len(floor.events), len(alice.bodies)
    bob.send(order(version, "B9", 2, 55, "9"))
    bob.send(order(version, "B8", 2, 1, "10", t55="Y"))
    alice.send(request(version, "F", "A9", "A2"))
    for event in floor.events[done:]:
        if event[1] == alice.number:
            other.application.event(event, floor.world.now)
    assert other.bodies == alice.bodies[told:] and len(other.bodies) > 2


def test_a_dump_comes_in_pieces_that_fit_the_store() -> None:
    alice = Floor().client("FIX.4.4")
    for number in range(3_000):
        alice.application.absorb((w.ACCEPTED, 1, b"T%d" % number, number + 1, 1, 5, 100, 1, bytes(16) + b"54=1\x01"), 7)
    pieces = alice.application.dump()
    assert len(pieces) > 1 and all(len(piece) <= 60_000 for piece in pieces)
    other = twin(alice)
    other.application.load(pieces)
    assert other.application.dump() == pieces
    assert len(other.application.book.orders) == 3_000
    other.application.load([])
    assert other.application.book.orders == {}


def test_orders_that_are_done_are_forgotten_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openoutcry.gateway.fix.book.DONE_MAX", 3)
    alice = Floor().client("FIX.4.4")
    for number in range(5):
        alice.send(order("FIX.4.4", f"A{number}", t59=3))
    assert [pick(alice.send(f"35=H|11=A{number}|54=1|55=X")[0], 39) for number in range(5)] == [
        ("8",), ("8",), ("4",), ("4",), ("4",)
    ]  # fmt: skip


@every_version
def test_every_execution_has_an_id_of_its_own(version: str) -> None:
    _, alice = story(version)
    reports = [body for kind, body in alice.bodies if kind == b"8"]
    ids = [field[3:] for body in reports for field in body.split(b"\x01") if field.startswith(b"17=")]
    assert len(ids) == len(set(ids)) and len(ids) > 6


# ------------------------------------------------------------------------------------------------- the dialects
@every_version
def test_every_tag_and_code_of_a_dialect_is_in_its_dictionary(version: str) -> None:
    dialect = DIALECTS[version]
    known = load(version.replace(".", ""))
    members = known.messages[b"8"].members
    fields = known.fields
    assert dialect.reported <= set(members)
    tags = {tag for layout in (dialect.accepted, dialect.part_fills, dialect.general) for tag, piece in layout.items()
            if piece != dialects.NOTHING}  # fmt: skip
    if not any(dialect.liquidity.values()):
        tags.discard(851)
    assert tags <= set(members)
    if dialect.exec_types:
        assert dialect.exec_types == set(fields[150].values) - {b"1", b"2"} | (dialect.exec_types & {b"1", b"2"})
    assert {int(code) for code in fields[103].values} >= set(dialect.reject_codes.values())
    assert {code for code in dialect.cancel_codes.values() if code >= 0} <= {int(code) for code in fields[102].values}
    statuses = {dialect.status(status, cum) for status in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"8", b"C")
                for cum in (0, 5)}  # fmt: skip
    assert statuses <= set(fields[39].values)


@pytest.mark.parametrize(("reason", "codes"), [
    (w.REJECT_SYMBOL, ["1"] * 8),
    (w.REJECT_CLOSED, ["2"] * 8),
    (w.REJECT_MAX_QUANTITY, ["3"] * 8),
    (w.REJECT_DUPLICATE, ["0"] + ["6"] * 7),
    (w.REJECT_QUANTITY, ["0"] * 4 + ["13"] * 4),
    (w.REJECT_ORDER_TYPE, ["0"] * 3 + ["11"] * 5),
    (w.REJECT_PRICE, ["0"] * 4 + ["99"] * 4),
    (w.REJECT_COLLAR, ["0"] * 4 + ["99"] * 2 + ["16"] * 2),
])  # fmt: skip
def test_ord_rej_reason_is_the_best_that_each_version_has(reason: int, codes: list[str]) -> None:
    assert [DIALECTS[version].reject_code(reason).decode() for version in VERSIONS] == codes


def test_liquidity_is_said_from_44_on() -> None:
    auction = w.CROSS_LIQUIDITY + w.CROSS_CLOSING
    said = {version: (dialect.liquidity[w.ADDED_LIQUIDITY], dialect.liquidity[auction])
            for version, dialect in DIALECTS.items()}  # fmt: skip
    assert said == {
        **dict.fromkeys(VERSIONS[:4], (b"", b"")),
        **dict.fromkeys(FROM_44[:2], (b"851=1\x01", b"")),
        **dict.fromkeys(FROM_50[1:], (b"851=1\x01", b"851=4\x01")),
    }


@every_version
def test_time_stamps_have_the_sessions_precision(version: str) -> None:
    floor = Floor()
    alice = floor.client(version, TimestampPrecision="nanos")
    floor.world.now += 123_456_789
    [report] = alice.send(order(version, "A1"))
    assert report[60] == (NOW if version in OLD else NOW + ".123456789")


# ------------------------------------------------------------------------------------------------- drop copies
def without(fields: Fields, *tags: int) -> Fields:
    return {tag: value for tag, value in fields.items() if tag not in tags}


@every_version
def test_a_drop_copy_of_the_same_version_says_what_the_original_said(version: str) -> None:
    floor = Floor()
    copies = floor.client(version, "BACK", DropCopy="all")
    alice, bob = floor.client(version), floor.client(version, "BOB")
    said = bob.send(order(version, "B1", 2, 60)) + alice.send(order(version, "A1", 1, 60))
    said += bob.take() + alice.send(order(version, "A2", t55="NOPE")) + alice.send(order(version, "A3", 1, 60))
    said += alice.send(request(version, "F", "A4", "A3"))
    extra = (109,) if version in BEFORE_43 else (453, 448, 447, 452, 797)
    copied = copies.take()
    assert sorted(map(str, (without(each, *extra) for each in copied))) == sorted(map(str, said))
    names = {each.get(109) or each.get(448) for each in copied}
    assert names == {"ALICE", "BOB"}
    assert {each.get(797) for each in copied} == ({"Y"} if version in FROM_44 else {None})


@every_version
@pytest.mark.parametrize("theirs", ["FIX.4.0", "FIX.4.2", "FIX.5.0SP2"])
def test_a_drop_copy_is_in_the_words_of_the_one_who_gets_it(version: str, theirs: str) -> None:
    floor = Floor()
    copies = floor.client(version, "BACK", DropCopy="all")
    alice = floor.client(theirs)
    more: dict[str, Any] = {"t59": "B"} if theirs == "FIX.5.0SP2" else {}
    alice.send(order(theirs, "A1", 1, 60, "10", t18="6", **more))
    alice.send(request(theirs, "F", "A2", "A1"))
    said = copies.take()
    assert [each[11] for each in said][:1] == ["A1"] and len(said) in (1, 2)  # the validator has read them


def test_drop_copies_may_be_those_of_one_account() -> None:
    floor = Floor()
    copies = floor.client("FIX.4.4", "BACK", DropCopy="account", DropCopyAccount="FUND")
    alice, bob = floor.client("FIX.4.2"), floor.client("FIX.4.4", "BOB", Account="FUND")
    alice.send(order("FIX.4.2", "A1"))
    alice.send(order("FIX.4.2", "A2", t1="FUND"))
    bob.send(order("FIX.4.4", "B1"))
    assert [each[11] for each in copies.take()] == ["A2", "B1"]


def test_nobody_gets_copies_of_answers_of_his_own_or_after_he_has_left() -> None:
    floor = Floor()
    copies = floor.client("FIX.4.4", "BACK", DropCopy="all")
    alice = floor.client()
    assert [each[11] for each in copies.send(order("FIX.4.4", "C1"))] == ["C1"]
    alice.send(order("FIX.4.4", "A1"))
    alice.send("35=H|11=A1|54=1|55=X")
    assert [each[11] for each in copies.take()] == ["A1"]
    floor.services.copies.remove(copies.application)
    alice.send(order("FIX.4.4", "A2"))
    assert copies.take() == []


# ------------------------------------------------------------------------------------------------- trades asked for
@pytest.mark.parametrize("version", FROM_43)
def test_a_trade_capture_request_brings_the_trades(version: str) -> None:
    floor, alice, _, match = traded(version)
    said = alice.send("35=AD|568=R1|569=0")
    head = [] if version == "FIX.4.3" else [{35: "AQ", 568: "R1", 569: "0", 748: "1", 749: "0", 750: "0"}]
    stamp = NOW + ".000"
    report = {35: "AE", 17: "2-1", 31: "10", 32: "60", 55: "X", 60: stamp, 75: "20231114", 150: "F", 552: "1",
              54: "1", 37: "2", 11: "A1", 568: "R1", 570: "N", 571: "2-1"}  # fmt: skip
    if version != "FIX.4.3":
        report |= {748: "1", 912: "Y"}
    assert said == [*head, report]
    floor.verb("break_trade", match, "erroneous")
    alice.take()
    assert [each[35] for each in alice.send("35=AD|568=R2|569=0")] == ([] if version == "FIX.4.3" else ["AQ"])


@pytest.mark.parametrize("version", FROM_44)
def test_trades_can_be_chosen_and_other_requests_are_turned_down(version: str) -> None:
    _, alice, _, _ = traded(version)
    for criteria, count in (("|11=A1", 1), ("|11=A2", 0), ("|55=X", 1), ("|55=Y", 0), ("|54=2", 0), ("|37=2", 1),
                            ("|17=2-1", 1), ("|17=2-2", 0)):  # fmt: skip
        said = alice.send("35=AD|568=R1|569=1" + criteria)
        assert [each[35] for each in said] == ["AQ"] + ["AE"] * count, criteria
    [answer] = alice.send("35=AD|568=R1|569=4")
    assert pick(answer, 35, 749, 750, 58) == ("AQ", "8", "2", "TradeRequestType(569) must be 0 or 1")
    [answer] = alice.send("35=AD|568=R1|569=0|263=1")
    assert pick(answer, 749, 750) == ("99", "2")


# ------------------------------------------------------------------------------------------------- auctions
@every_version
def test_a_cancel_that_must_wait_for_the_auction_is_pending_until_then(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    floor.verb("set_phase", "main", "pre_open")
    alice.send(order(version, "A1", t59=2))
    alice.send(order(version, "A2"))
    floor.verb("set_phase", "main", "pre_open_no_cancel")
    alice.take()
    [pending] = alice.send(request(version, "F", "A3", "A1"))
    original = None if version == "FIX.4.0" else "A1"
    assert pick(pending, 11, 41, 39, 58) == ("A3", original, "6", "the cancel takes place after the auction")
    [late] = alice.send(request(version, "F", "A4", "A2"))
    assert pick(late, 35, 11, 102) == ("9", "A4", "0")
    floor.verb("set_phase", "main", "open")
    assert [pick(each, 11, 41, 39) for each in alice.take()] == [("A3", original, "4")]


@every_version
def test_a_trade_in_an_auction_says_so_where_the_version_can(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    floor.verb("set_phase", "main", "pre_open")
    alice.send(order(version, "A1", 1, 10, "11"))
    bob.send(order(version, "B1", 2, 10, "9"))
    floor.verb("set_phase", "main", "open")
    [report] = alice.take()
    assert pick(report, 39, 851) == ("2", "4" if version in FROM_50[1:] else None)
