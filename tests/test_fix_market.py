"""Market and reference data over FIX: every message that we send passes its version's dictionary, and says what is so.

The source of the data is played by hand here, with the books of openoutcry.clients.replica.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from openoutcry import feed, verbs
from openoutcry import wire as w
from openoutcry.clients.replica import Book
from openoutcry.feed import Correction, Stats, Trade
from openoutcry.gateway.fix import market, reference
from tests.fix_market_world import CENT, TIME, World, entries, levels, of, request, told
from tests.fix_orders_world import FROM_42, FROM_43, FROM_50

BOOK = levels((1, 1000, 100, 2), (1, 999, 50, 1), (2, 1010, 70, 3))


@pytest.fixture
def world() -> World:
    world = World()
    world.source.books["X"] = BOOK
    return world


# ------------------------------------------------------------------------------------------------- books
@pytest.mark.parametrize("version", FROM_42)
def test_a_snapshot_and_increments_in_every_version(world: World, version: str) -> None:
    client = world.client(version)
    (snapshot,) = world.ask(client, request())
    assert snapshot[0] == (35, "W") and (of(snapshot, 262), of(snapshot, 55)) == ("r", "X")
    assert entries(snapshot) == [
        {269: "0", 270: "10", 271: "100", 346: "2"}, {269: "0", 270: "9.99", 271: "50", 346: "1"},
        {269: "1", 270: "10.1", 271: "70", 346: "3"},
    ]  # fmt: skip
    world.change("X", levels((1, 1000, 80, 1), (1, 999, 0, 0), (2, 1009, 5, 1)))
    (increment,) = told(client)
    assert increment[0] == (35, "X") and of(increment, 262) == "r"
    assert entries(increment, 279) == [
        {279: "2", 269: "0", 270: "9.99"}, {279: "1", 269: "0", 270: "10", 271: "80", 346: "1"},
        {279: "0", 269: "1", 270: "10.09", 271: "5", 346: "1"},
    ]  # fmt: skip
    assert [value for tag, value in increment if tag == 55] == ["X"] * 3


def test_nothing_is_said_when_nothing_has_changed_in_the_view(world: World) -> None:
    client = world.client()
    world.ask(client, request("0", depth=1))
    world.change("X", levels((1, 998, 10, 1), (2, 1020, 10, 1)))
    assert told(client) == []


def test_depth_is_a_window(world: World) -> None:
    client = world.client()
    (snapshot,) = world.ask(client, request(depth=1))
    assert [entry[270] for entry in entries(snapshot)] == ["10", "10.1"]
    world.change("X", levels((1, 1001, 10, 1)))
    (increment,) = told(client)
    assert [(entry[279], entry[270]) for entry in entries(increment, 279)] == [("2", "10"), ("0", "10.01")]


@pytest.mark.parametrize("version", FROM_42)
def test_full_refresh_is_a_snapshot_after_every_change(world: World, version: str) -> None:
    client = world.client(version)
    world.ask(client, request("0", more="|265=0"))
    world.change("X", levels((1, 1000, 0, 0)))
    (snapshot,) = told(client)
    assert snapshot[0] == (35, "W") and [entry[270] for entry in entries(snapshot)] == ["9.99"]


@pytest.mark.parametrize("version", FROM_42)
def test_a_book_by_order(world: World, version: str) -> None:
    def orders(book: Book) -> None:
        book.add_order(7, w.BUY, 30, 1000 * CENT)
        book.add_order(5, w.BUY, 20, 1000 * CENT)
        book.add_order(6, w.SELL, 10, 1010 * CENT)

    world.source.books["X"] = orders
    client = world.client(version)
    (snapshot,) = world.ask(client, request(more="|265=1|266=N"))
    assert [(entry[269], entry[270], entry[271]) for entry in entries(snapshot)] == [
        ("0", "10", "20"), ("0", "10", "30"), ("1", "10.1", "10"),
    ]  # fmt: skip
    assert [value for tag, value in snapshot if tag == 37] == ["5", "7", "6"]
    world.change("X", lambda book: book.reduce_order(5, 0))
    (increment,) = told(client)
    assert entries(increment, 279) == [{279: "2", 269: "0", 270: "10", 278: "5"}]


@pytest.mark.parametrize("version", FROM_42)
def test_an_empty_book_is_a_snapshot_without_entries(version: str) -> None:
    world = World()
    client = world.client(version)
    (snapshot,) = world.ask(client, request())
    assert of(snapshot, 268) == "0"
    world.change("X", levels((1, 1000, 1, 1)))
    assert [message[0] for message in told(client)] == [(35, "X")]


# ------------------------------------------------------------------------------------------------- trades
@pytest.mark.parametrize("version", FROM_42)
def test_trades_are_told_one_by_one_and_so_is_what_becomes_of_them(world: World, version: str) -> None:
    client = world.client(version)
    world.ask(client, request("2"))
    trades = [Trade(1, 1000 * CENT, 10, w.BUY, 3, TIME), Trade(2, 1001 * CENT, 20, w.SELL, 4, TIME)]
    world.change("X", lambda book: None, *trades)
    (increment,) = told(client)
    assert entries(increment, 279) == [
        {279: "0", 269: "2", 270: "10", 271: "10", 278: "1"}, {279: "0", 269: "2", 270: "10.01", 271: "20", 278: "2"},
    ]  # fmt: skip
    assert (of(increment, 272), of(increment, 273)) == ("20231114", "22:13:20.123")
    wrong = [Correction(1, 10, 1000 * CENT, 999 * CENT, TIME), Correction(2, 20, 1001 * CENT, 0, TIME)]
    world.change("X", lambda book: None, *wrong)
    (increment,) = told(client)
    assert entries(increment, 279) == [
        {279: "1", 269: "2", 270: "9.99", 271: "10", 278: "1"}, {279: "2", 269: "2", 270: "10.01", 271: "20", 278: "2"},
    ]  # fmt: skip
    other = world.client(version, "BEN")
    (snapshot,) = world.ask(other, request("2"))
    assert [(entry[270], entry[271]) for entry in entries(snapshot)] == [("10.01", "20")]  # the last one


@pytest.mark.parametrize("version", FROM_42)
def test_statistics_of_the_day(world: World, version: str) -> None:
    client = world.client(version)
    kinds = "4578" + ("B" if version >= "FIX.4.4" else "")
    world.ask(client, request(kinds))

    def traded(book: Book) -> None:
        book.stats = Stats(1000 * CENT, 1010 * CENT, 990 * CENT, 1005 * CENT, 500, 7, "5000", 1)

    world.change("X", traded)
    (increment,) = told(client)
    prices = {entry[269]: entry.get(270, entry.get(271)) for entry in entries(increment, 279)}
    volume = {"B": "500"} if version >= "FIX.4.4" else {}
    assert prices == {"4": "10", "7": "10.1", "8": "9.9"} | volume
    world.change("X", lambda book: setattr(book, "phase", "closed"))
    (increment,) = told(client)
    assert entries(increment, 279) == [{279: "0", 269: "5", 270: "10.05"}]


# ------------------------------------------------------------------------------------------------- requests
def test_a_snapshot_alone_is_the_end_of_its_request(world: World) -> None:
    client = world.client()
    world.source.add("Y")
    assert len(world.ask(client, request("0", "r", 0, 0, "", "X", "Y"))) == 2
    assert world.source.followed == {}
    assert len(world.ask(client, request("0", "r", 0))) == 1  # its id is free


def test_a_subscription_is_ended_by_its_client_or_with_its_connection(world: World) -> None:
    client = world.client()
    world.ask(client, request())
    assert world.ask(client, request(subscribe=2)) == []
    assert world.source.followed == {}
    world.ask(client, request())
    world.market.forget(client)
    assert world.source.followed == {}
    world.market.changed([])


@pytest.mark.parametrize("version", FROM_42)
def test_requests_begin_anew_with_the_books_of_another_engine(world: World, version: str) -> None:
    client, other = world.client(version), world.client(name="BEN")
    world.source.add("Y")
    for asked in (request(), request("0", "once", 0, 0, "", "Y"), request("0", "gone", 1, 1, "", "X", "Y")):
        assert world.ask(client, asked)[0][0] == (35, "W")
    world.source.add("X", "other")
    world.source.books.clear()
    world.floor.services.engine = "other"  # type: ignore[attr-defined]  # as the gateway's own has it
    world.market.begin_anew(client)
    world.market.begin_anew(client)  # and back, and there again, before anybody has answered
    world.loop.run()
    snapshot, reject = told(client)
    assert (snapshot[0], of(snapshot, 262), of(snapshot, 268)) == ((35, "W"), "r", "0")
    assert (reject[0], of(reject, 262), of(reject, 58)) == ((35, "Y"), "gone", "unknown symbol Y")
    assert {topic: followed.watchers for (topic, _), followed in world.source.followed.items()} == {"X": 1}
    assert told(other) == []
    world.ask(client, request(subscribe=2))
    assert world.source.followed == {}


@pytest.mark.parametrize("version", FROM_42)
def test_statuses_are_told_anew_with_another_engine(world: World, version: str) -> None:
    client = world.client(version)
    world.source.add("Y")
    for asked in ("35=e|324=x|55=X|263=1", "35=e|324=y|55=Y|263=1", "35=g|335=q|263=1"):
        assert len(world.ask(client, asked)) == 1
    world.source.add("X", "other", "closed")
    world.floor.services.engine = "other"  # type: ignore[attr-defined]  # as the gateway's own has it
    world.market.begin_anew(client)
    world.loop.run()
    found = {of(message, 324) or of(message, 335): message for message in told(client)}
    assert {name: (message[0][1], of(message, 325)) for name, message in found.items()} == {
        "x": ("f", "Y"), "y": ("f", None), "q": ("h", "Y"),
    }  # fmt: skip
    assert (of(found["y"], 326), of(found["q"], 340)) == ("20", "3")
    world.change("X", partial(goes_to, "halted"))
    assert [(of(message, 324), of(message, 325)) for message in told(client)] == [("x", "Y")]
    world.market.forget(client)
    assert world.source.followed == {}


def test_sessions_that_follow_the_same_book_share_it(world: World) -> None:
    ann, ben = world.client(), world.client(name="BEN")
    world.ask(ann, request())
    world.ask(ben, request("2"))
    assert len(world.source.followed) == 1
    world.change("X", levels((1, 1000, 1, 1)), Trade(1, 1000 * CENT, 10, w.BUY, 3, TIME))
    assert [entry[269] for entry in entries(told(ann)[0], 279)] == ["0"]
    assert [entry[269] for entry in entries(told(ben)[0], 279)] == ["2"]


REFUSED = {
    "unknown symbol": (request("0", "q", 1, 0, "", "NONE"), "0"),
    "one of several": (request("0", "q", 1, 0, "", "X", "NONE"), "0"),
    "duplicate": (request("0", "used"), "1"),
    "entry type": (request("03", "q"), "8"),
    "depth": (request("0", "q", 1, -1), "5"),
    "to end what is not": (request("0", "q", 2), None),
}


@pytest.mark.parametrize("version", FROM_42)
@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_cannot_be_met_is_rejected_with_its_reason(world: World, version: str, case: str) -> None:
    text, reason = REFUSED[case]
    client = world.client(version)
    world.ask(client, request("0", "used"))
    (answer,) = world.ask(client, text)
    assert answer[0] == (35, "Y") and of(answer, 58)
    assert (of(answer, 262), of(answer, 281)) == ("used" if case == "duplicate" else "q", reason)
    world.change("X", levels((1, 1000, 1, 1)))
    assert len(told(client)) == 1  # the request before goes on


def test_what_has_been_taken_is_not_refused_when_it_is_sent_again(world: World) -> None:
    client = world.client()
    world.ask(client, request())
    client.application.take(client.message(request().replace("35=V|", "35=V|43=Y|"), check=False), [], True)
    world.loop.run()
    assert told(client) == []


def test_a_session_has_a_limited_number_of_subscriptions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "SUBSCRIPTIONS_MAX", 2)
    client = world.client()
    assert world.ask(client, request())[0][0] == (35, "W")
    (answer,) = world.ask(client, request(name="s"))
    assert (answer[0], of(answer, 281)) == ((35, "Y"), "2")


def test_trades_that_a_slow_client_cannot_be_told_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "TRADES_MAX", 3)
    client = world.client()
    world.ask(client, request("02"))
    ready = False
    monkeypatch.setattr(market, "is_ready", lambda app: ready)
    for number in range(1, 6):
        world.change("X", levels((1, 1000, number, 1)), Trade(number, 1000 * CENT, 1, w.BUY, 3, TIME))
    assert told(client) == []
    ready = True
    world.loop.wait()
    (increment,) = told(client)
    assert [(entry[269], entry.get(278), entry[271]) for entry in entries(increment, 279)] == [
        ("0", None, "5"), ("2", "3", "1"), ("2", "4", "1"), ("2", "5", "1"),
    ]  # fmt: skip
    assert world.market.counters["trades_dropped"] == 2


def test_a_publisher_that_does_not_answer_is_said_to_be_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = world.client()
    world.source.there = False
    (answer,) = world.ask(client, request())
    assert (answer[0], of(answer, 58)) == ((35, "Y"), "market data is not available now")
    world.source.there = True
    world.source.refresh(lambda: None)
    world.source.there = False  # it is listed, but nothing comes of it
    monkeypatch.setattr(market, "WAIT_NS", -1)
    assert world.ask(client, request()) == []
    world.loop.wait()
    assert [of(answer, 58) for answer in told(client)] == ["market data is not available now"]
    assert world.source.followed == {}


def test_a_large_increment_comes_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "ENTRIES_MAX", 2)
    client = world.client()
    world.ask(client, request())
    world.change("X", levels((1, 990, 1, 1), (1, 991, 1, 1), (1, 992, 1, 1)))
    assert [of(message, 268) for message in told(client)] == ["2", "1"]


# ------------------------------------------------------------------------------------------------- securities
@pytest.mark.parametrize("version", FROM_43)
def test_the_list_of_securities(world: World, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "LIST_PART", 2)
    future: dict[str, Any] = {
        "security_type": "future",
        "expiry": "20261218",
        "multiplier": 10,
        "description": "a future",
    }
    world.source.add("F", **future, currency="EUR")
    world.source.add("O", security_type="option", strike=50 * w.PRICE_SCALE, put_call="call", expiry="20261218")
    world.source.add("Z", "other")
    client = world.client(version)
    first, last = world.ask(client, "35=x|320=q|559=4")
    assert [value for tag, value in first + last if tag == 55] == ["X", "F", "O"]
    assert {of(message, 393) for message in (first, last)} == {"3"} and of(first, 320) == "q"
    if version >= "FIX.4.4":
        assert (of(first, 893), of(last, 893)) == ("N", "Y")
        assert [value for tag, value in first + last if tag == 167] == ["CS", "FUT", "OPT"]
    (one,) = world.ask(client, "35=x|320=q|559=0|55=F")
    assert (of(one, 560), of(one, 541), of(one, 231), of(one, 107), of(one, 15)) == (
        "0", "20261218", "10", "a future", "EUR",
    )  # fmt: skip
    (none,) = world.ask(client, "35=x|320=q|559=0|55=NONE")
    assert of(none, 560) == "2"
    (kind,) = world.ask(client, "35=x|320=q|559=1|167=CS")
    assert [value for tag, value in kind if tag == 55] == ["X"]


@pytest.mark.parametrize("version", FROM_42)
@pytest.mark.parametrize(
    ("kind", "newest"),
    [("equity", "CS"), ("future", "FUT"), ("option", "OPT"), ("fx", "FXSPOT"), ("ndf", "FXNDF"), ("crypto", "CASH")],
)
def test_a_kind_of_instrument_is_said_by_the_best_name_that_a_version_has(
    world: World, version: str, kind: str, newest: str
) -> None:
    assert kind in verbs.BOOK_PROPERTIES["security_type"].choices
    world.source.add("K", security_type=kind)
    (one,) = world.ask(world.client(version), "35=c|320=q|321=0|55=K")
    said = of(one, 167)
    assert said == newest if version == "FIX.5.0SP2" else said in ("CS", "FUT", "OPT", "CASH", "FOR", "NONE", None)


@pytest.mark.parametrize("version", FROM_42)
def test_the_definition_of_a_security(world: World, version: str) -> None:
    world.source.add("O", security_type="option", strike=50 * w.PRICE_SCALE, put_call="put", expiry="20261218")
    client = world.client(version)
    (one,) = world.ask(client, "35=c|320=q|321=0|55=O")
    assert (one[0], of(one, 55), of(one, 202), of(one, 323)) == ((35, "d"), "O", "50", "1")
    every = world.ask(client, "35=c|320=q|321=3")
    assert [of(each, 55) for each in every] == ["X", "O"]
    (none,) = world.ask(client, "35=c|320=q|321=0|55=NONE")
    assert (of(none, 323), of(none, 58)) == ("5", "unknown symbol NONE")
    (unsupported,) = world.ask(client, "35=c|320=q|321=2")
    assert of(unsupported, 323) == "5"


PHASES = (*w.PHASES.values(), feed.DELETED)


def goes_to(phase: str, book: Book) -> None:
    book.phase = phase


@pytest.mark.parametrize("version", FROM_42)
def test_the_status_of_a_security_in_every_phase(world: World, version: str) -> None:
    client = world.client(version)
    (first,) = world.ask(client, "35=e|324=q|55=X|263=1")
    assert (first[0], of(first, 326), of(first, 325)) == ((35, "f"), "17", None)
    for phase in PHASES[1:]:
        world.change("X", partial(goes_to, phase))
        (update,) = told(client)
        assert of(update, 325) == "Y" and of(update, 326)
    world.change("X", lambda book: None)
    assert told(client) == []
    assert world.ask(client, "35=e|324=q|55=X|263=2") == []
    assert world.source.followed == {}
    (unknown,) = world.ask(client, "35=e|324=q|55=NONE|263=0")
    assert of(unknown, 326) == "20"


@pytest.mark.parametrize("version", FROM_42)
def test_the_status_of_trading_follows_the_books(world: World, version: str) -> None:
    client = world.client(version)
    name = "1" if version in FROM_50[1:] else "main"
    (first,) = world.ask(client, "35=g|335=q|263=1")
    assert (first[0], of(first, 336), of(first, 340)) == ((35, "h"), name, "2")
    for phase, status in (("halted", "1"), ("closed", "3"), ("pre_open", "4"), ("closing_auction", "5")):
        world.source.add("X", phase=phase)
        world.loop.wait()
        (update,) = told(client)
        assert (of(update, 325), of(update, 340)) == ("Y", status)
    world.loop.wait()
    assert told(client) == []
    (unknown,) = world.ask(client, "35=g|335=r|336=EVENING|263=0") if version not in FROM_50[1:] else [[(35, "j")]]
    assert unknown[0] == (35, "j")
    assert world.ask(client, "35=g|335=q|263=2") == []


def test_a_version_without_market_data_says_so() -> None:
    world = World()
    client = world.client("FIX.4.2")
    message = client.message("35=x|320=q|559=4", check=False)
    client.application.take(message, [], False)
    (answer,) = told(client)
    assert (answer[0], of(answer, 380)) == ((35, "j"), "3")
