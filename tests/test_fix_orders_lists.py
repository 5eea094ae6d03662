"""Lists of orders (as pairs of which one cancels the others), crosses, and cancels and questions about many orders."""

from __future__ import annotations

import pytest

from tests.fix_orders_world import (
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
)

STAMP = NOW + ".000"


def list_of(version: str, name: str, *orders: tuple[str, int, str], more: str = "") -> list[str]:
    """A NewOrderList of (ClOrdID, side, price): one message, or in 4.0 and 4.1 one for each order."""
    handling = "21=1|" if version in ("FIX.4.2", "FIX.4.3", *OLD) else ""
    if version in OLD:
        return [
            f"35=E|66={name}|67={place}|68={len(orders)}|11={token}|{handling}55=X|54={side}|38=10|40=2|44={price}"
            for place, (token, side, price) in enumerate(orders, 1)
        ]
    entries = "".join(
        f"|11={token}|67={place}|{handling}55=X|54={side}|38=10|40=2|44={price}"
        for place, (token, side, price) in enumerate(orders, 1)
    )
    return [f"35=E|66={name}|394=3{more}|68={len(orders)}|73={len(orders)}{entries}"]


def send_all(client: Client, texts: list[str]) -> list[Fields]:
    return [said for text in texts for said in client.send(text)]


def entries_of(client: Client) -> list[tuple[bytes, ...]]:
    """ClOrdID, status, leaves and average of each order in the newest ListStatus, as bytes."""
    kind, body = client.bodies[-1]
    assert kind == b"N"
    found: list[dict[bytes, bytes]] = []
    for field in body.split(b"\x01"):
        tag, _, value = field.partition(b"=")
        if tag == b"11":
            found.append({})
        if found:
            found[-1].setdefault(tag, value)
    return [tuple(entry.get(tag, b"") for tag in (b"11", b"39", b"151", b"84", b"6")) for entry in found]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_list_is_acknowledged_when_all_its_orders_are_answered(version: str) -> None:
    alice = Floor().client(version)
    said = send_all(alice, list_of(version, "L1", ("A1", 1, "9"), ("A2", 2, "11")))
    assert [pick(each, 35, 11, 66, 39)[:3] for each in said[:2]] == [("8", "A1", "L1"), ("8", "A2", "L1")]
    if version in OLD:
        assert pick(said[2], 35, 66, 82, 83, 73) == ("N", "L1", "1", "1", "2")
    else:
        assert pick(said[2], 35, 66, 68, 73, 82, 83, 429, 431) == ("N", "L1", "2", "2", "1", "1", "1", "3")
    assert len(said) == 3
    leaves = b"" if version == "FIX.4.0" else b"10"
    status = b"" if version in OLD else b"0"
    assert entries_of(alice) == [(b"A1", status, leaves, b"0", b"0"), (b"A2", status, leaves, b"0", b"0")]


@pytest.mark.parametrize("version", VERSIONS)
def test_one_order_of_a_list_that_trades_cancels_the_others(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    send_all(alice, list_of(version, "L1", ("A1", 1, "9"), ("A2", 2, "11")))
    bob.send(order(version, "B1", 1, 4, "11"))
    assert [pick(each, 11, 39, 14) for each in alice.take()] == [("A2", "1", "4"), ("A1", "4", "0")]
    [status] = alice.send("35=M|66=L1")
    assert status[66] == "L1" and (version in OLD or pick(status, 429, 431) == ("2", "3"))
    leaves = (b"", b"") if version == "FIX.4.0" else (b"0", b"6")
    states = (b"", b"") if version in OLD else (b"4", b"1")
    assert entries_of(alice) == [(b"A1", states[0], leaves[0], b"10", b"0"), (b"A2", states[1], leaves[1], b"0", b"11")]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rejected_order_of_a_list_counts_as_answered(version: str) -> None:
    alice = Floor().client(version)
    said = send_all(alice, list_of(version, "L1", ("A1", 1, "-1"), ("A2", 2, "0")))
    assert [pick(each, 35, 11, 39, 58) for each in said[:2]] == [
        ("8", "A1", "8", "Price(44) must be above 0"), ("8", "A2", "8", "Price(44) must be above 0"),
    ]  # fmt: skip
    assert said[2][35] == "N" and (version in OLD or said[2][431] == "7")


@pytest.mark.parametrize("version", FROM_42)
def test_a_list_is_taken_in_whole_or_not_at_all(version: str) -> None:
    alice = Floor().client(version)
    [text] = list_of(version, "L1", ("A1", 1, "9"), ("A2" * 40, 2, "11"))
    assert alice.send(text) == [
        {35: "j", 45: "2", 58: "ClOrdID(11) is longer than 64 characters", 372: "E", 379: "L1", 380: "0"}
    ]
    [text] = list_of(version, "L1", ("A1", 1, "9"), ("A2", 2, "11"))
    [said] = alice.send(text.replace("68=2", "68=3"))
    assert pick(said, 35, 58) == (
        "j", "TotNoOrders(68) is not the 2 orders of this message: lists come in one message"
    )  # fmt: skip
    assert alice.send("35=M|66=L1") == [
        {35: "j", 45: "2", 58: "ListID(66): there is no such list", 372: "M", 379: "L1", 380: "1"}
    ]


def test_from_50sp2_on_a_list_may_say_how_its_orders_depend_on_each_other() -> None:
    alice = Floor().client("FIX.5.0SP2")
    said = send_all(alice, list_of("FIX.5.0SP2", "L1", ("A1", 1, "9"), ("A2", 2, "11"), more="|1385=1"))
    assert [each[35] for each in said] == ["8", "8", "N"]
    [said_] = send_all(alice, list_of("FIX.5.0SP2", "L2", ("A3", 1, "9"), ("A4", 2, "11"), more="|1385=2"))
    assert pick(said_, 35, 58) == ("j", "ContingencyType(1385) must be 1, one cancels other")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_list_is_cancelled_in_whole(version: str) -> None:
    alice = Floor().client(version)
    send_all(alice, list_of(version, "L1", ("A1", 1, "9"), ("A2", 2, "11")))
    when = "" if version in OLD else f"|60={NOW}"
    said = alice.send("35=K|66=L1" + when)
    assert [pick(each, 35, 431) for each in said[:1]] == [("N", None if version in OLD else "4")]
    assert [pick(each, 35, 11, 39) for each in said[1:]] == [("8", "A1", "4"), ("8", "A2", "4")]
    [said_] = alice.send("35=K|66=L1" + when)
    assert pick(said_, 35, 58) == ("3" if version in OLD else "j", "ListID(66): no order of such a list is live")


# ------------------------------------------------------------------------------------------------- crosses
def cross(version: str, price: str = "10", **more: str) -> str:
    handling = "21=1|" if version == "FIX.4.3" else ""
    fields = {"549": "1", "550": "0", "40": "2", **{name[1:]: value for name, value in more.items()}}
    head = "|".join(f"{tag}={value}" for tag, value in fields.items())
    return (f"35=s|548=C1|{head}|{handling}44={price}|55=X|60={NOW}"
            "|552=2|54=1|11=A1|38=10|54=2|11=A2|38=10")  # fmt: skip


@pytest.mark.parametrize("version", FROM_43)
def test_both_sides_of_a_cross_trade_with_each_other(version: str) -> None:
    alice = Floor().client(version)
    said = alice.send(cross(version))
    assert [pick(each, 11, 54, 39, 14, 31, 548, 549) for each in said] == [
        ("A1", "1", "0", "0", None, "C1", "1"), ("A2", "2", "0", "0", None, "C1", "1"),
        ("A2", "2", "2", "10", "10", "C1", "1"), ("A1", "1", "2", "10", "10", "C1", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("version", FROM_43)
def test_a_cross_that_a_better_order_forbids_is_rejected_on_both_sides(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    bob.send(order(version, "B1", 1, 5, "11"))
    said = alice.send(cross(version))
    assert [pick(each, 11, 39, 58) for each in said] == [
        ("A1", "8", "price: a better order is in the book"), ("A2", "8", "price: a better order is in the book"),
    ]  # fmt: skip


@pytest.mark.parametrize("version", FROM_43)
@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"t549": "2"}, "CrossType(549) must be 1: both sides execute in whole"),
        ({"t550": "1"}, "CrossPrioritization(550) must be 0"),
        ({"t40": "1"}, "OrdType(40) of a cross must be 2"),
    ],
)
def test_other_kinds_of_crosses_are_turned_down(version: str, more: dict[str, str], text: str) -> None:
    alice = Floor().client(version)
    assert alice.send(cross(version, **more)) == [{35: "j", 45: "2", 58: text, 372: "s", 379: "C1", 380: "0"}]


@pytest.mark.parametrize("version", FROM_43)
def test_a_cross_at_no_price_is_rejected_by_the_book(version: str) -> None:
    alice = Floor().client(version)
    said = alice.send(cross(version, "-1"))
    assert [pick(each, 11, 39, 58, 44) for each in said] == [
        ("A1", "8", "Price(44) must be above 0", "-1"), ("A2", "8", "Price(44) must be above 0", "-1"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- many orders
@pytest.mark.parametrize("version", FROM_43)
def test_a_mass_cancel_of_one_security_and_of_everything(version: str) -> None:
    floor = Floor("X", "Y")
    alice, bob = floor.client(version), floor.client(version, "BOB")
    for token, symbol, side in (("A1", "X", 1), ("A2", "X", 2), ("A3", "Y", 1)):
        alice.send(order(version, token, side, 10, "9" if side == 1 else "11", t55=symbol))
    bob.send(order(version, "B1", 1, 10, "9"))
    said = alice.send(f"35=q|11=M1|530=1|55=X|60={NOW}")
    assert [pick(each, 11, 39) for each in said[:2]] == [("A1", "4"), ("A2", "4")]
    report = {35: "r", 11: "M1", 37: "M1-1", 55: "X", 60: STAMP, 530: "1", 531: "1", 533: "2"}
    assert said[2] == (report | {1369: "M1-1"} if version in FROM_50[1:] else report)
    said = alice.send(f"35=q|11=M2|530=7|60={NOW}")
    assert [pick(each, 35, 11, 39, 531, 533) for each in said] == [
        ("8", "A3", "4", None, None), ("r", "M2", None, "7", "1"),
    ]  # fmt: skip
    assert bob.take() == []


@pytest.mark.parametrize("version", FROM_43)
@pytest.mark.parametrize(
    ("text", "reason", "why"),
    [
        ("530=3", "0", "MassCancelRequestType(530) must be 1 or 7"),
        ("530=1", "1", "Symbol(55) is missing, or no symbol"),
    ],
)
def test_a_mass_cancel_that_is_not_offered_is_rejected(version: str, text: str, reason: str, why: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1"))
    [said] = alice.send(f"35=q|11=M1|{text}|60={NOW}")
    assert pick(said, 35, 531, 532, 533, 58) == ("r", "0", reason, "0", why)


@pytest.mark.parametrize("version", FROM_44)
def test_a_mass_cancel_may_be_of_one_side(version: str) -> None:
    alice = Floor().client(version)
    alice.send(order(version, "A1", 1, 10, "9"))
    alice.send(order(version, "A2", 2, 10, "11"))
    assert pick(alice.send(f"35=q|11=M1|530=7|54=2|60={NOW}")[0], 11, 39) == ("A2", "4")
    assert alice.send("35=H|11=A1|54=1|55=X")[0][39] == "0"


@pytest.mark.parametrize("version", FROM_43)
def test_a_mass_status_request_brings_every_live_order(version: str) -> None:
    floor = Floor("X", "Y")
    alice = floor.client(version)
    for token, symbol in (("A1", "X"), ("A2", "Y"), ("A3", "X")):
        alice.send(order(version, token, t55=symbol))
    alice.send(f"35=F|11=A4|41=A3|54=1|55=X|60={NOW}")
    newer = version in FROM_44
    assert [pick(each, 11, 150, 584, 911, 912) for each in alice.send("35=AF|584=S1|585=7")] == [
        ("A1", "I", *(("S1", "2", "N") if newer else (None,) * 3)),
        ("A2", "I", *(("S1", "2", "Y") if newer else (None,) * 3)),
    ]
    assert [each[11] for each in alice.send("35=AF|584=S2|585=1|55=Y")] == ["A2"]
    assert [pick(each, 39, 37, 58) for each in alice.send("35=AF|584=S3|585=1|55=Z")] == [
        ("8", "NONE", "unknown order")
    ]
    [said] = alice.send("35=AF|584=S4|585=2")
    assert pick(said, 35, 58, 379) == ("j", "MassStatusReqType(585) must be 1 or 7", "S4")
