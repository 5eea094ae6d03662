"""Quotes over FIX: single and mass, their acknowledgements in each version, executions, cancels, questions."""

from __future__ import annotations

import pytest

from tests.fix_orders_world import FROM_42, FROM_43, OLD, VERSIONS, Client, Floor, order, pick

QUOTE = "35=S|117=Q1|55=X|132=9|133=11|134=5|135=6"
MASS = (
    "35=i|117=Q1|296=2|302=S1|{under}304=2|295=2|299=E1|55=X|132=9|133=11|134=5|135=6"
    "|299=E2|55=Y|132=19|133=21|134=5|135=6|302=S2|{under}304=1|295=1|299=E3|55=NOPE|132=1|133=2|134=1|135=1"
)


def mass(version: str) -> str:
    return MASS.format(under="311=U|" if version == "FIX.4.2" else "")


def newest(client: Client) -> bytes:
    """The newest message, in short."""
    kind, body = client.bodies[-1]
    return kind + b" " + body.replace(b"\x01", b"|")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_quote_stands_in_the_book_and_is_acknowledged(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    said = alice.send(QUOTE)
    if version in OLD:
        assert said == []
    elif version == "FIX.4.2":
        assert said == [{35: "b", 117: "Q1", 297: "0"}]
    else:
        assert said == [{35: "AI", 55: "X", 117: "Q1", 132: "9", 133: "11", 134: "5", 135: "6", 297: "0"}]
    bob.send(order(version, "B1", 2, 2, "9"))
    bob.send(order(version, "B2", 1, 6, "11"))
    leaves = (None, None) if version == "FIX.4.0" else ("3", "0")
    assert [pick(each, 11, 54, 55, 39, 14, 38, 151, 31) for each in alice.take()] == [
        ("Q1", "1", "X", "1", "2", "5", leaves[0], "9"), ("Q1", "2", "X", "2", "6", "6", leaves[1], "11"),
    ]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_quote_takes_the_place_of_the_old_one(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    alice.send(QUOTE)
    alice.send("35=S|117=Q2|55=X|132=10|134=7")
    bob.send(order(version, "B1", 1, 5, "11", t59=3))
    assert alice.take() == []  # there is no offer any more
    bob.send(order(version, "B2", 2, 5, "9"))
    assert [pick(each, 11, 38, 31) for each in alice.take()] == [("Q2", "7", "10")]


@pytest.mark.parametrize("version", FROM_42)
def test_a_mass_quote_is_acknowledged_with_what_was_wrong_in_it(version: str) -> None:
    alice = Floor("X", "Y").client(version)
    alice.send(mass(version))
    assert newest(alice) == (
        b"b 58=unknown symbol|117=Q1|296=2|302=S1|304=2|295=2|299=E1|55=X|299=E2|55=Y|"
        b"302=S2|304=1|295=1|299=E3|55=NOPE|368=1|297=0|"
    )


@pytest.mark.parametrize("version", FROM_42)
@pytest.mark.parametrize(("level", "answers"), [("0", [0, 0]), ("1", [0, 1]), ("2", [1, 1])])
def test_the_response_level_says_what_is_acknowledged(version: str, level: str, answers: list[int]) -> None:
    alice = Floor("X", "Y").client(version)
    under = "311=U|" if version == "FIX.4.2" else ""
    good = f"35=i|117=Q0|301={level}|296=1|302=S1|{under}304=1|295=1|299=E1|55=X|132=9|134=1"
    bad = mass(version).replace("117=Q1|", f"117=Q1|301={level}|")
    assert [len(alice.send(text)) for text in (good, bad)] == answers


@pytest.mark.parametrize("version", FROM_42)
def test_sizes_may_be_said_once_for_all_entries(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    under = "311=U|" if version == "FIX.4.2" else ""
    alice.send(f"35=i|117=Q1|293=7|294=8|296=1|302=S1|{under}304=1|295=1|299=E1|55=X|132=9|133=11")
    bob.send(order(version, "B1", 1, 100, "11", t59=3))
    assert [pick(each, 38, 14) for each in alice.take()] == [("8", "8")]


@pytest.mark.parametrize("version", FROM_42)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("35=S|117=Q1|55=X|132=9", "BidSize(134) is missing"),
        ("35=S|117=Q1|55=X|132=9.123456789|134=1", "BidPx(132) or BidSize(134) is no number with at most 8 decimals"),
        ("35=S|117=Q1|55=X|132=9|134=-1", "BidPx(132) or BidSize(134) is out of range"),
        ("35=S|117=" + "Q" * 65 + "|55=X|132=9|134=1", "QuoteID(117) is longer than 64 characters"),
        ("35=S|117=Q1|55=SEVENTEENLETTERSX|132=9|134=1", "Symbol(55) is longer than 16 characters"),
    ],
)
def test_a_quote_that_cannot_be_read_is_refused_with_its_reason(version: str, text: str, why: str) -> None:
    alice = Floor().client(version)
    [said] = alice.send(text)
    assert pick(said, 35, 297) == ("b" if version == "FIX.4.2" else "AI", "5")
    assert said.get(58) == (None if version == "FIX.4.3" else why)


@pytest.mark.parametrize("version", OLD)
def test_before_42_a_quote_that_cannot_be_read_is_rejected(version: str) -> None:
    [said] = Floor().client(version).send("35=S|117=Q1|55=X|132=9")
    assert said == {35: "3", 45: "2", 58: "BidSize(134) is missing"}


@pytest.mark.parametrize("version", FROM_42)
def test_a_quote_the_book_refuses_is_rejected_with_its_reason(version: str) -> None:
    alice = Floor().client(version)
    [said] = alice.send(QUOTE.replace("132=9", "132=12"))
    assert pick(said, 35, 297) == ("b" if version == "FIX.4.2" else "AI", "5")
    if version == "FIX.4.2":
        assert pick(said, 300, 58) == ("7", "bid_price is not below ask_price")
    [said] = alice.send(QUOTE.replace("Q1", "Q2").replace("55=X", "55=NOPE"))
    assert said[297] == "5" and said.get(58) == (None if version == "FIX.4.3" else "unknown symbol")


@pytest.mark.parametrize("version", FROM_42)
def test_a_used_quote_id_is_a_duplicate_but_not_again(version: str) -> None:
    alice = Floor().client(version)
    alice.send(QUOTE)
    [said] = alice.send(QUOTE)
    assert said[297] == "5" and said.get(58, "duplicate").startswith("duplicate")
    assert alice.send(QUOTE, again=True) == []


def cancel(version: str, kind: int, symbol: str = "X", quote: str = "Q1") -> str:
    """A QuoteCancel; 4.2 wants an entry in every one."""
    entry = f"|295=1|55={symbol}" if kind == 1 or version == "FIX.4.2" else ""
    return f"35=Z|117={quote}|298={kind}{entry}"


@pytest.mark.parametrize("version", FROM_42)
def test_quotes_are_cancelled_by_symbol_and_all_at_once(version: str) -> None:
    floor = Floor("X", "Y", "Z")
    alice, bob = floor.client(version), floor.client(version, "BOB")
    for number, symbol in enumerate("XYZ"):
        alice.send(QUOTE.replace("Q1", f"Q{number}").replace("55=X", f"55={symbol}"))
    said = alice.send(cancel(version, 1))
    expected = {35: "b", 117: "Q1", 297: "1"} if version == "FIX.4.2" else {35: "AI", 55: "X", 117: "Q1", 297: "1"}
    assert said == [expected]
    said = alice.send(cancel(version, 4, quote="-"))
    assert [pick(each, 55, 297) for each in said] == (
        [(None, "4")] if version == "FIX.4.2" else [("Y", "4"), ("Z", "4")]
    )
    for symbol in "XYZ":
        assert len(bob.send(order(version, f"B{symbol}", 1, 1, "11", t55=symbol))) == 1
    assert len(alice.send(cancel(version, 4, quote="-"))) == 1  # there is nothing left, and that is what was asked for


@pytest.mark.parametrize("version", FROM_42)
def test_a_quote_cancel_is_never_a_duplicate(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    for number in range(3):  # as after a reset of the sequence numbers: the very same message
        alice.send(QUOTE.replace("Q1", f"Q{number}"))
        floor.world.now += 1
        assert [each[297] for each in alice.send(cancel(version, 4, quote="ALL"))] == ["4"]
        assert [pick(each, 117) for each in alice.send("35=a|55=X") if each[297] == "0"] == []


@pytest.mark.parametrize("version", VERSIONS[5:])
def test_from_50_on_a_quote_is_cancelled_by_its_id(version: str) -> None:
    alice = Floor("X", "Y").client(version)
    alice.send(QUOTE)
    alice.send(QUOTE.replace("Q1", "Q2").replace("55=X", "55=Y"))
    assert [pick(each, 55, 297) for each in alice.send(cancel(version, 5, quote="Q2"))] == [("Y", "1")]
    assert [pick(each, 55, 117) for each in alice.send("35=a")] == [("X", "Q1")]


@pytest.mark.parametrize("version", FROM_42)
def test_a_quote_cancel_by_other_means_is_refused(version: str) -> None:
    [said] = Floor().client(version).send(cancel(version, 2))
    assert said[297] == "5" and said.get(58) == (
        None if version == "FIX.4.3" else "QuoteCancelType(298) must be 1, 4 or 5"
    )


@pytest.mark.parametrize("version", FROM_42)
def test_a_quote_status_request_says_what_stands(version: str) -> None:
    alice = Floor().client(version)
    alice.send(QUOTE)
    request = "" if version == "FIX.4.2" else "|649=R1"
    [said] = alice.send("35=a|55=X" + request)
    if version == "FIX.4.2":
        assert said == {35: "b", 117: "Q1", 297: "0"}
    else:
        assert said == {35: "AI", 55: "X", 117: "Q1", 132: "9", 133: "11", 134: "5", 135: "6", 297: "0", 649: "R1"}
    [said] = alice.send("35=a|55=X|117=Q9")
    assert said[297] == ("5" if version == "FIX.4.2" else "9")


@pytest.mark.parametrize("version", FROM_43)
def test_an_indicative_quote_is_shown_and_cannot_be_traded_with(version: str) -> None:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    assert alice.send(QUOTE + "|537=0")[0][297] == "0"
    assert len(bob.send(order(version, "B1", 1, 5, "11"))) == 1
    assert alice.take() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_quote_that_goes_with_the_day_is_reported(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    alice.send(QUOTE)
    floor.verb("end_of_day", "main")
    assert [pick(each, 11, 54, 39) for each in alice.take()] == [("Q1", "1", "C"), ("Q1", "2", "C")]
    assert alice.application.book.quotes == {}
