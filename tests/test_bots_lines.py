"""Policies of a bad line: late, lost, twice, in another order; what clients send, and what they are told."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry import wire as w
from openoutcry.clients.fix import FixClient
from openoutcry.errors import VerbError
from openoutcry.matcher import lines, policies, shaping
from tests.anything import Anything
from tests.fix_orders_world import Client, Floor, order, pick, request
from tests.machine_world import World, enter, market, replace
from tests.test_bots import add, followed, sound, told, wait
from tests.test_fix_orders_quotes import QUOTE
from tests.test_quotes import quote


@pytest.fixture
def world() -> World:
    return market()


def cancel(token: bytes, session: int = 1) -> tuple[Any, ...]:
    return (w.CANCEL, session, token, 0)


# ------------------------------------------------------------------------------------------------- what is sent
def test_messages_of_every_kind_are_lost(world: World) -> None:
    add(world, "drop", "count=2")
    assert told(world, enter(1, "a"), enter(1, "b"), enter(1, "b")) == [("accepted", b"b")], "its token is free"
    world.verb("delete_policy", "main", "p")
    add(world, "drop", "on=cancels side=buy")
    assert told(world, cancel(b"b"), replace(1, "b", "c")) == [("replaced", b"c")]
    sound(world)


def test_a_message_that_comes_twice_is_known_the_second_time(world: World) -> None:
    world.verb("set_engine_property", "main", "max_open_orders", 5)
    add(world, "duplicate")
    assert told(world, enter(1, "a"), replace(1, "a", "b"), cancel(b"b")) == [
        ("accepted", b"a"), ("replaced", b"b"), ("canceled", b"b", 100, w.CANCEL_USER, 0),
    ]  # fmt: skip
    assert world.machine.query("list", {"kind": "policies"})[0]["acted"] == 3
    sound(world)


def test_over_fix_the_second_one_is_refused_as_a_duplicate() -> None:
    floor = Floor()
    alice = floor.client()
    floor.verb("add_policy", "main", "p", "duplicate", "copies=2 delay_ms=10 on=orders")
    assert [pick(each, 11, 39) for each in alice.send(order("FIX.4.4", "A1"))] == [("A1", "0")]
    sound(floor.world)
    for _ in range(2):
        pass_time(floor, 10)
        assert [pick(each, 11, 39, 58) for each in alice.take()] == [
            ("A1", "8", "duplicate order: this id was used before")
        ]
    assert floor.world.machine.query("orders", {"book": "book-X"})[0]["quantity"] == 100


def pass_time(floor: Floor, ms: int) -> None:
    floor.world.now += ms * 10**6
    floor.world.timer()
    floor.deliver()


def test_each_copy_of_a_message_meets_what_comes_after(world: World) -> None:
    add(world, "duplicate", "on=cancels", "twice")
    add(world, "delay", "on=cancels delay_ms=10", "late")
    told(world, enter(1, "a"), cancel(b"a"))
    assert len(world.machine.engines["main"].stage.requests) == 2  # type: ignore[union-attr]  # it has a policy
    sound(world)
    assert wait(world, 10) == [("canceled", b"a", 100, w.CANCEL_USER, 0)]


def test_policies_that_repeat_what_others_repeat_come_to_an_end(world: World) -> None:
    for place in range(4):
        add(world, "duplicate", f"copies=100 on={('answers', 'cancels')[place % 2]}", f"p{place}")
    said = told(world, enter(1, "a"), cancel(b"a"))
    assert said.count(("accepted", b"a")) == 101 and said.count(("canceled", b"a", 100, w.CANCEL_USER, 0)) == 101
    world.verb("delete_policy", "main", "p0")
    add(world, "duplicate", "copies=100 on=answers delay_ms=1", "p0")
    assert len(told(world, enter(1, "b"))) == 101
    sound(world)
    assert len(wait(world, 100)) <= 100 * 101


def test_a_message_lets_others_of_its_session_pass(world: World) -> None:
    add(world, "reorder", "by=2 on=orders")
    assert told(world, enter(1, "a")) == []
    assert told(world, enter(2, "z"), enter(1, "b")) == [("accepted", b"b")], (
        "that of another session is held by itself"
    )
    sound(world)
    assert told(world, enter(1, "c")) == [("accepted", b"c"), ("accepted", b"a")]
    assert told(world, enter(1, "d"), enter(1, "e"), enter(1, "f")) == [
        ("accepted", b"e"), ("accepted", b"f"), ("accepted", b"d"),
    ]  # fmt: skip
    assert wait(world, 999) == []
    assert wait(world, 1) == [("accepted", b"z")], "nobody came to pass it"


def test_a_cancel_overtakes_its_order(world: World) -> None:
    add(world, "reorder")
    assert told(world, enter(1, "a"), cancel(b"a")) == [("accepted", b"a")], "there was nothing to cancel yet"
    assert told(world, enter(1, "b"), enter(1, "b")) == [], "it waits once"
    assert wait(world, 1_000) == [("accepted", b"b")]
    sound(world)


def test_messages_lost_behind_a_policy_that_holds_back_are_passed_all_the_same(world: World) -> None:
    add(world, "reorder", "", "swap")
    add(world, "drop", "session=alice count=1", "lost")
    assert told(world, enter(1, "a"), enter(1, "b")) == [("accepted", b"a")]


@pytest.mark.parametrize(("options", "expected"), [
    ("latencies=1,5.25,2 model=in-turn", [1_000_000, 5_250_000, 2_000_000, 1_000_000]),
    ("delay_ms=7", [7_000_000] * 4), ("model=fixed", [10_000_000] * 4), ("latencies=3", [3_000_000] * 4),
])  # fmt: skip
def test_latencies_one_after_the_other(world: World, options: str, expected: list[int]) -> None:
    assert delays(world, options, 4) == expected


def delays(world: World, options: str, count: int) -> list[int]:
    """For how long orders wait, one after the other, in ns."""
    add(world, "delay", options)
    found = []
    for number in range(count):
        told(world, enter(1, str(number), quantity=1))
        found.append(world.machine.next_timer_ns - world.now)
        world.now = world.machine.next_timer_ns
        world.timer()
        world.take()
    return found


def test_recorded_latencies_are_drawn_and_uniform_ones_are_spread(world: World) -> None:
    drawn = delays(world, "latencies=1,2,4", 60)
    assert set(drawn) == {1_000_000, 2_000_000, 4_000_000} and drawn != sorted(drawn)
    uniform = delays(market(), "model=uniform delay_ms=8", 200)
    assert max(uniform) < 8_000_001 and min(uniform) < 1_000_000 and max(uniform) > 7_000_000
    assert len(set(uniform)) > 150


@pytest.mark.parametrize(("kind", "options"), [
    ("delay", "model=recorded"), ("delay", "model=fixed latencies=1"), ("delay", "latencies=1,x"),
    ("delay", "latencies=-1"), ("delay", "latencies=1,,2"), ("delay", "latencies=1e9"), ("delay", "latencies=nan"),
    ("delay", "on=answers book=none"), ("drop", "on=fills side=up"), ("drop", "on=everything"),
    ("reorder", "by=0"), ("duplicate", "copies=101"),
])  # fmt: skip
def test_options_that_make_no_sense_are_refused_and_nothing_is_left(world: World, kind: str, options: str) -> None:
    before = world.machine.engines["main"].stage, world.machine.query("list", {"kind": "desks"})
    assert add(world, kind, options) in (("bad_argument", "options"), ("unknown_name", "options"))
    assert (world.machine.engines["main"].stage, world.machine.query("list", {"kind": "desks"})) == before


# ------------------------------------------------------------------------------------------------- what is told
def test_answers_are_lost_and_what_they_would_say_has_happened(world: World) -> None:
    add(world, "drop", "on=answers session=alice count=1")
    world.take_all()
    assert told(world, enter(1, "a")) == []
    assert [event[0] for event in world.take("public")] == [w.ADDED]
    assert told(world, enter(2, "s", w.SELL, 40)) == [
        ("accepted", b"s"), ("executed", b"s", 40, 100, 0), ("executed", b"a", 40, 100, 60),
    ]  # fmt: skip
    sound(world)


def test_fills_alone_are_lost(world: World) -> None:
    add(world, "drop", "on=fills")
    assert told(world, enter(1, "a"), enter(2, "s", w.SELL, 40)) == [("accepted", b"a"), ("accepted", b"s")]


def test_answers_come_twice_at_once_or_later(world: World) -> None:
    add(world, "duplicate", "on=answers session=alice")
    assert told(world, enter(1, "a"), enter(2, "b")) == [("accepted", b"a"), ("accepted", b"a"), ("accepted", b"b")]
    world.verb("delete_policy", "main", "p")
    add(world, "duplicate", "on=fills copies=2 delay_ms=5 session=alice")
    assert told(world, enter(2, "s", w.SELL)) == [
        ("accepted", b"s"), ("executed", b"s", 100, 100, 0), ("executed", b"a", 100, 100, 0),
    ]  # fmt: skip
    sound(world)
    assert wait(world, 5) == wait(world, 5) == [("executed", b"a", 100, 100, 0)]
    assert wait(world, 5) == []


def test_answers_are_late_and_none_is_held_over_the_end_of_a_day(world: World) -> None:
    add(world, "delay", "on=answers delay_ms=20")
    assert told(world, enter(1, "a")) == []
    sound(world)
    assert wait(world, 19) == []
    assert wait(world, 1) == [("accepted", b"a")]
    assert told(world, enter(1, "b")) == []
    world.verb("end_of_day", "main")
    events = [event for event in world.take() if event[1] == 1]
    assert [(event[0], event[2]) for event in events[-4:]] == [
        (w.CANCELED, b"a"), (w.CANCELED, b"b"), (w.ACCEPTED, b"b"), (w.SYSTEM, "E"),
    ]  # fmt: skip
    assert wait(world, 20) == []


def test_answers_held_stay_what_they_are_when_the_policy_goes(world: World) -> None:
    add(world, "delay", "on=answers delay_ms=20")
    told(world, enter(1, "a"))
    world.verb("delete_policy", "main", "p")
    assert told(world, enter(1, "b")) == [("accepted", b"b")]
    sound(world)
    assert wait(world, 20) == [("accepted", b"a")]
    assert world.machine.engines["main"].stage is None


def test_answers_pass_one_that_is_held_back(world: World) -> None:
    add(world, "reorder", "on=answers")
    assert told(world, enter(1, "a"), enter(1, "b"), enter(2, "z"), enter(1, "c")) == [
        ("accepted", b"b"), ("accepted", b"a"),
    ]  # fmt: skip
    sound(world)
    assert sorted(wait(world, 1_000)) == [("accepted", b"c"), ("accepted", b"z")]


def test_answers_meet_one_policy_after_the_other(world: World) -> None:
    add(world, "delay", "on=answers delay_ms=10", "late")
    add(world, "duplicate", "on=answers", "twice")
    add(world, "drop", "on=answers count=1", "lost")
    assert told(world, enter(1, "a")) == []
    sound(world)
    assert wait(world, 10) == [("accepted", b"a")]


def test_an_answer_to_a_verb_is_shaped_for_clients_and_not_for_desks(world: World) -> None:
    told(world, enter(1, "a"))
    add(world, "drop", "on=answers")
    said = world.verb("enter_order", "d", "book-X", "sell", 40, "1.00", "desk")
    assert [row["kind"] for row in said] == ["accepted", "executed"]
    assert world.take() == []
    assert world.machine.query("orders", {"book": "book-X"})[0]["quantity"] == 60


@pytest.mark.parametrize(("options", "lost"), [
    ("book=book-X", {"x", "s"}), ("book=book-Y", {"y", "z", "r"}), ("side=buy", {"x", "y", "q", "r"}),
    ("side=sell", {"s", "z"}), ("side=buy book=book-X", {"x"}), ("session=bob side=sell", {"s"}),
    ("count=2 side=buy", {"y"}),
])  # fmt: skip
def test_answers_are_told_by_book_and_side_also_of_orders_that_have_just_gone(options: str, lost: set[str]) -> None:
    world = market(("X", "Y"))
    world.send("gateway-1", enter(1, "x"))
    world.take_all()
    add(world, "drop", f"on=answers {options}")
    said = told(
        world, enter(1, "y", symbol="Y", tif=w.IOC), enter(2, "s", w.SELL, 100), enter(1, "z", w.SELL, 5, symbol="Y"),
        enter(1, "q", symbol="none"), replace(1, "z", "z", 4), enter(1, "r", quantity=10**9, symbol="Y"),
    )  # fmt: skip
    heard = [event[1].decode() for event in said]
    assert set(heard) == {"x", "y", "s", "z", "q", "r"} - lost
    sound(world)


@pytest.mark.parametrize(("options", "heard"), [
    ("", ["", "", "", ""]), ("book=book-X", ["", "", "", ""]), ("book=book-Y", ["b1 s1", "b2 s2", "b1 s1", "b2 s2"]),
    ("side=buy", ["s1", "s2", "s1", "s2"]), ("side=sell book=book-X", ["b1", "b2", "b1", "b2"]),
    ("session=bob", ["b1", "b2 s2", "b1", "b2 s2"]), ("side=buy count=3", ["s1", "s2", "s1", "b2 s2"]),
])  # fmt: skip
@pytest.mark.parametrize("auction", [False, True])
def test_what_becomes_of_a_trade_is_of_the_book_and_side_of_orders_that_have_gone(
    options: str, heard: list[str], auction: bool
) -> None:
    world = market(("X", "Y"))
    if auction:
        world.verb("set_phase", "main", "pre_open")
    world.send("gateway-1", enter(1, "b1", quantity=10), enter(2, "s1", w.SELL, 10))
    world.send("gateway-1", enter(1, "b2", quantity=10), enter(1, "s2", w.SELL_SHORT, 10))  # with itself
    world.verb("set_phase", "main", "open")
    assert not world.machine.query("orders", {"book": "book-X"})
    world.take_all()
    add(world, "drop", f"on=answers {options}")
    told_of = []
    for verb, *arguments in (("correct_trade", 1, "1.50"), ("correct_trade", 2, "1.50"), ("break_trade", 1),
                             ("break_trade", 2)):  # fmt: skip
        world.verb(verb, *arguments)
        told_of.append(" ".join(sorted(event[2].decode() for event in world.take())))
    assert told_of == heard
    sound(world)


def test_a_quote_that_is_executed_at_once_is_known_by_its_book_and_side() -> None:
    world = market(("X", "Y"))
    world.send("gateway-1", enter(2, "s", w.SELL, 100))
    world.take_all()
    add(world, "drop", "on=fills side=buy book=book-X")
    assert told(world, quote(b"q", ("X", 100, 100, 10, 101))) == [
        ("quote_status", b"q"), ("executed", b"s", 100, 100, 0), ("quote_status", b"q"),
    ]  # fmt: skip
    sound(world)


def test_places_are_forgotten_with_the_orders(world: World) -> None:
    add(world, "drop", "on=answers side=buy session=nobody")
    places = world.machine.engines["main"].stage.answers.places  # type: ignore[union-attr]  # it has a policy
    told(world, enter(1, "a"), replace(1, "a", "b"), enter(1, "c", symbol="none"), enter(2, "s", w.SELL, 40))
    assert places.dump() == (True, ((1, b"b", "book-X", w.BUY),))
    told(world, cancel(b"b"))
    assert places.dump() == (True, ())
    world.verb("delete_policy", "main", "p")
    assert places.dump() == (False, ())


def test_no_more_than_so_many_answers_are_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shaping, "ANSWERS_MAX", 1)
    add(world, "delay", "on=answers")
    assert told(world, enter(1, "a"), enter(1, "b")) == [("accepted", b"b")]


# ------------------------------------------------------------------------------------------------- over FIX
def trading(on: str, version: str = "FIX.4.4") -> tuple[Floor, Client, Client]:
    floor = Floor()
    alice, bob = floor.client(version), floor.client(version, "BOB")
    floor.verb("add_policy", "main", "p", *on.split(" ", 1))
    return floor, alice, bob


def state(fields: dict[int, str]) -> tuple[str | None, ...]:
    """OrdStatus, CumQty, LeavesQty, AvgPx."""
    return pick(fields, 39, 14, 151, 6)


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIX.5.0SP2"])
def test_a_doubled_execution_counts_once_over_fix(version: str) -> None:
    floor, alice, bob = trading(
        "duplicate on=fills session=FIX.4.4:OO->ALICE".replace("FIX.4.4", begin(version)), version
    )
    alice.send(order(version, "A1", 1, 100))
    alice.take()
    bob.send(order(version, "B1", 2, 30))
    first, second = alice.take()
    assert first == second and state(first) == ("1", "30", "70", "10")
    bob.send(order(version, "B2", 2, 70))
    assert [state(each) for each in alice.take()] == [("2", "100", "0", "10")] * 2
    sound(floor.world)


def begin(version: str) -> str:
    return "FIXT.1.1" if version.startswith("FIX.5") else version


def test_reports_after_a_lost_one_say_what_has_happened() -> None:
    _, alice, bob = trading("drop on=fills count=2")
    alice.send(order("FIX.4.4", "A1", 1, 100))
    assert [state(each) for each in bob.send(order("FIX.4.4", "B1", 2, 30))] == [("0", "0", "30", "0")]
    bob.send(order("FIX.4.4", "B2", 2, 20))
    assert [state(each) for each in alice.take()] == [("1", "50", "50", "10")], "the 30 are in it"
    assert alice.application.statistics()["orphans"] == 0


def test_a_held_report_says_what_was_so_when_it_happened() -> None:
    floor, alice, bob = trading("reorder on=answers session=FIX.4.4:OO->ALICE")
    assert alice.send(order("FIX.4.4", "A1", 1, 100)) == []
    bob.send(order("FIX.4.4", "B1", 2, 30))
    assert [state(each) for each in alice.take()] == [("1", "30", "70", "10"), ("0", "0", "100", "0")]
    bob.send(order("FIX.4.4", "B2", 2, 30))
    pieces = alice.application.dump()
    alice.application.load(pieces)
    pass_time(floor, 1_000)
    assert [state(each) for each in alice.take()] == [("1", "60", "40", "10")]
    assert not alice.application.book.kept


def test_a_cancel_that_is_answered_late() -> None:
    floor, alice, _ = trading("delay on=answers delay_ms=10")
    assert alice.send(order("FIX.4.4", "A1", 1, 100)) == []
    assert alice.send(request("FIX.4.4", "F", "A2", "A1")) == []
    pass_time(floor, 10)
    assert [pick(each, 11, 39) for each in alice.take()] == [("A1", "0"), ("A2", "4")]


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
def test_what_a_quote_is_told_is_shaped_whole(version: str) -> None:
    floor = Floor()
    alice = floor.client(version)
    floor.verb("add_policy", "main", "p", "duplicate", "on=answers")
    first, second = alice.send(QUOTE)
    assert first == second and first[297] == "0"
    floor.verb("delete_policy", "main", "p")
    floor.verb("add_policy", "main", "p", "delay", "on=answers delay_ms=5")
    assert alice.send(QUOTE.replace("Q1", "Q2")) == []
    pass_time(floor, 5)
    assert [report[117] for report in alice.take()] == ["Q2"]
    sound(floor.world)


def test_drop_copies_come_as_always() -> None:
    floor = Floor()
    watcher = floor.client("FIX.4.4", "WATCHER", DropCopy="all")
    alice = floor.client()
    floor.verb("add_policy", "main", "p", "drop", "on=answers")
    assert alice.send(order("FIX.4.4", "A1", 1, 100)) == []
    assert [pick(each, 11, 39) for each in watcher.take()] == [("A1", "0")]


@pytest.mark.parametrize("seed", range(8))
def test_every_report_is_right_whatever_becomes_of_the_others(seed: int) -> None:
    random, floor = Random(seed), Floor()
    clients = [floor.client(), floor.client("FIX.4.2", "BOB")]
    said: dict[tuple[int, str], dict[int, str]] = {}
    for step in range(120):
        chance = random.random()
        if chance < 0.15:
            kind, _, options = random.choice(KINDS).partition(" ")
            floor.verb("delete_policy", "main", "p")
            options += f" on={random.choice(('answers', 'fills'))} probability=70"
            floor.verb("add_policy", "main", "p", kind, options)
        elif chance < 0.25:
            pass_time(floor, random.choice((1, 100, 1_000)))
        else:
            place = random.randrange(2)
            clients[place].send(any_message(random, clients[place], step))
        for place, client in enumerate(clients):
            for report in client.take():
                if 17 in report:
                    assert said.setdefault((place, report[17]), report) == report, "the same again, or another one"
                    check_report(report)
            if step == 60:
                client.application.load(client.application.dump())
    assert all(client.application.statistics()["orphans"] == 0 for client in clients)
    sound(floor.world)
    floor.verb("delete_policy", "main", "p")
    pass_time(floor, 2_000)
    assert all(not client.application.book.kept for client in clients)


def any_message(random: Random, client: Client, step: int) -> str:
    """An order, a change or a cancel of one that may be there."""
    live = [each.token.decode() for each in client.application.book.live()]
    side = random.choice((1, 2))
    if not live or random.random() < 0.6:
        return order(client.version, f"A{step}", side, random.choice((10, 100)), random.choice((10, 11)))
    if random.random() < 0.5:
        return request(client.version, "F", f"A{step}", random.choice(live), side)
    return request(client.version, "G", f"A{step}", random.choice(live), side, quantity=random.choice((5, 150)))


def check_report(report: dict[int, str]) -> None:
    """OrderQty is CumQty and LeavesQty as long as an order is live."""
    quantity, cum, leaves = (int(report[tag]) for tag in (38, 14, 151))
    assert cum + leaves == quantity if report[39] in "0125" and leaves else cum <= quantity


# ------------------------------------------------------------------------------------------------- any input
KINDS = ("drop", "duplicate copies=2", "duplicate delay_ms=300", "reorder by=2", "delay jitter_ms=900",
         "delay latencies=1,500,20", "delay model=uniform delay_ms=700")  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_it_is_a_function_of_the_inputs(seed: int) -> None:
    world, anything, random = market(("X", "Y"), gateways=2), Anything(seed), Random(seed)

    def step() -> None:
        if random.random() < 0.2:
            kind, _, options = random.choice(KINDS).partition(" ")
            options += f" on={random.choice((*policies.MESSAGES, *lines.ANSWERS, 'answers'))} probability=60"
            options += random.choice(("", " side=buy", " book=book-X"))
            world.verb(*random.choice((
                ("add_policy", "main", f"p{random.randrange(3)}", kind, options),
                ("delete_policy", "main", f"p{random.randrange(3)}"),
            )))  # fmt: skip
        else:
            anything.step(world)

    for _ in followed(world, step, 220):
        pass


# ------------------------------------------------------------------------------------------------- end to end
# A policy, and what two orders of one client come to, as OUCH and as FIX say it.
OVER_BOTH: list[tuple[str, dict[str, Any], str, str]] = [
    ("drop", {"on": "orders", "count": 1}, "A2", "2:NEW"),
    ("drop", {"on": "answers", "count": 1}, "A2", "2:NEW"),
    ("duplicate", {"on": "orders"}, "A1 A2", "1:NEW 1:REJECTED 2:NEW 2:REJECTED"),
    ("duplicate", {"on": "answers"}, "A1 A1 A2 A2", "1:NEW 1:NEW 2:NEW 2:NEW"),
    ("reorder", {"on": "orders"}, "A2 A1", "2:NEW 1:NEW"),
    ("reorder", {"on": "answers"}, "A2 A1", "2:NEW 1:NEW"),
    ("delay", {"on": "orders", "latencies": [1_000, 1], "model": "in-turn"}, "A2 A1", "2:NEW 1:NEW"),
    ("delay", {"on": "answers", "latencies": [1_000, 1], "model": "in-turn"}, "A2 A1", "2:NEW 1:NEW"),
]


@pytest.mark.parametrize(("kind", "options", "ouch", "fix"), OVER_BOTH)
def test_every_kind_over_ouch_and_fix(
    exchange: Exchange, kind: str, options: dict[str, Any], ouch: str, fix: str
) -> None:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    policy = engine.add_policy("p", kind, **options)
    client = exchange.ouch_client(engine.create_endpoint("orders"), "alice")
    client.wait_for("S")
    tokens = [client.enter("AAPL", "B", 100, "10.00") for _ in range(2)]
    said = [client.next_message(5) for _ in ouch.split()]
    assert [f"{each.type}{tokens.index(each.order_token) + 1}" for each in said] == ouch.split()
    policy.delete()
    engine.add_policy("p", kind, **options)
    with FixClient(engine.create_endpoint("fix", "fix44"), SenderCompID="TRADER", TargetCompID="EX") as trader:
        for number in (1, 2):
            trader.send("NewOrderSingle", {"ClOrdID": str(number), "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100,
                                           "OrdType": "LIMIT", "Price": "10.5"})  # fmt: skip
        reports = [trader.next("ExecutionReport") for _ in fix.split()]
        assert [f"{each['ClOrdID']}:{each.meaning('OrdStatus')}" for each in reports] == fix.split()


def test_every_kind_on_a_line_is_tried_over_both_protocols() -> None:
    assert {kind for kind, *_ in OVER_BOTH} == set(lines.KINDS)


def test_what_is_held_survives_kill_9_of_gateway_and_matcher(exchange: Exchange) -> None:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    engine.add_policy("late", "reorder", on="answers", wait_ms=60_000)
    endpoint = engine.create_endpoint("fix", "fix44")
    with FixClient(endpoint, reconnect=True, ReconnectInterval=0, SenderCompID="TRADER", TargetCompID="EX") as trader:
        trader.send("NewOrderSingle", {"ClOrdID": "1", "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100,
                                       "OrdType": "LIMIT", "Price": "10.5"})  # fmt: skip
        while not exchange.orders("aapl"):
            Event().wait(0.002)  # nobody is told that it is there
        for part in ("gateway-1", "matcher"):
            exchange.kill(part)
            exchange.restart(part)
        exchange.desk("main", "x").enter("t", "aapl", "sell", 30, "10.5")
        reports = [trader.next("ExecutionReport", timeout=20) for _ in range(2)]
        assert [(each.meaning("OrdStatus"), each["CumQty"]) for each in reports] == [
            ("PARTIALLY_FILLED", "30"),
            ("NEW", "0"),
        ]


def test_latencies_out_of_a_file(exchange: Exchange, tmp_path: Path) -> None:
    engine = exchange.create_engine("main")
    file = tmp_path / "latencies.txt"
    file.write_text("1.5\n2, 3\n\n4\n")
    engine.add_policy("late", "delay", latencies=file)
    assert exchange.list("policies")[0]["options"] == "latencies=1.5,2,3,4"
    with pytest.raises(VerbError, match="cannot read"):
        engine.add_policy("later", "delay", latencies=tmp_path / "none")
