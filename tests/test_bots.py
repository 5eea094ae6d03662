"""Policies: what each kind does, what it can be limited by, and that all of it is a function of the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from openoutcry import Exchange, parameters
from openoutcry import wire as w
from openoutcry.clients.fix import FixClient
from openoutcry.matcher import bots, installed, lines, policies
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import NUMBER, PRICE
from tests.anything import Anything
from tests.invariants import Fills, check
from tests.machine_world import CENT, World, change, enter, market, replace, replayed, submit
from tests.naive.pair import Watcher
from tests.test_anything import Follower


@pytest.fixture
def world() -> World:
    return market()


def add(world: World, kind: str, options: str = "", name: str = "p") -> Any:
    return world.verb("add_policy", "main", name, kind, options)


def told(world: World, *commands: Any) -> list[tuple[Any, ...]]:
    """What alice and bob are told because of commands, without their sessions and data."""
    world.send("gateway-1", *commands)
    return [short(event) for event in world.take()]


def short(event: tuple[Any, ...]) -> tuple[Any, ...]:
    kind, _, token, *rest = event
    if kind == w.EXECUTED:
        quantity, price, _, _, leaves, _ = rest
        return "executed", token, quantity, price // CENT, leaves
    if kind == w.CANCELED:
        return "canceled", token, rest[0], rest[1], rest[2]
    if kind == w.REJECTED:
        return "rejected", token, rest[0], rest[1]
    return w.PRIVATE_EVENTS[kind][0], token


def wait(world: World, ms: int) -> list[tuple[Any, ...]]:
    world.now += ms * 10**6
    world.timer()
    return [short(event) for event in world.take()]


def sound(world: World) -> None:
    check(world.machine)
    dumped = world.machine.dump()
    assert Machine.load(dumped).dump() == dumped


def followed(world: World, step: Callable[[], None], steps: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """Take steps, and give the events of each. The machine stays sound, no policy fails, and one that goes on from a
    dump halfway, and one that is given everything again, come to the same."""
    follower = None
    for number in range(steps):
        if number == steps // 2:
            follower = Follower(world)
        step()
        check(world.machine)
        assert not [row for row in world.machine.query("list", {"kind": "policies"}) if row["failed"]]
        events = world.take_all()
        if follower is not None:
            follower.check(world, events)
        yield events
    assert follower is not None and follower.machine.dump() == world.machine.dump()
    assert replayed(world).state_hash() == world.machine.state_hash()


# ------------------------------------------------------------------------------------------------- auto-fill
def test_orders_are_filled_whole_before_they_meet_anybody(world: World) -> None:
    world.send("gateway-1", enter(2, "s", w.SELL, 100, 90))
    add(world, "auto-fill")
    world.take_all()
    assert told(world, enter(1, "a", w.BUY, 100, 100)) == [("accepted", b"a"), ("executed", b"a", 100, 100, 0)]
    assert [event[0] for event in world.take("public")] == [w.TRADED_HIDDEN]
    sound(world)


def test_what_is_not_filled_goes_to_the_market(world: World) -> None:
    world.send("gateway-1", enter(2, "s", w.SELL, 30, 90))
    add(world, "auto-fill", "percent=25 price=0.95")
    world.take_all()
    assert told(world, enter(1, "a", w.BUY, 100, 100)) == [
        ("accepted", b"a"), ("executed", b"a", 25, 95, 75), ("executed", b"a", 30, 90, 45),
        ("executed", b"s", 30, 90, 0),
    ]  # fmt: skip
    assert world.machine.query("depth", {"book": "book-X"})["bids"] == [["1", 45, 1]]
    sound(world)


def test_orders_are_filled_in_slices_over_time(world: World) -> None:
    add(world, "auto-fill", "quantity=100 slices=3 interval_ms=500")
    assert told(world, enter(1, "a", w.BUY, 150)) == [("accepted", b"a"), ("executed", b"a", 33, 100, 117)]
    sound(world)
    assert wait(world, 499) == []
    assert wait(world, 1) == [("executed", b"a", 33, 100, 84)]
    assert wait(world, 500) == [("executed", b"a", 34, 100, 50)]
    assert wait(world, 5_000) == []
    sound(world)


def test_a_fill_comes_after_a_delay_and_not_to_an_order_that_is_gone(world: World) -> None:
    add(world, "auto-fill", "delay_ms=100")
    assert told(world, enter(1, "a"), enter(1, "b"), (w.CANCEL, 1, b"b", 0))[-1][0] == "canceled"
    assert wait(world, 100) == [("executed", b"a", 100, 100, 0)]


def test_an_order_that_takes_another_ones_place_gets_what_was_due(world: World) -> None:
    add(world, "auto-fill", "delay_ms=100")
    told(world, enter(1, "a"), replace(1, "a", "b", 50, 101), enter(2, "c"), change(2, "c", "d", 40))
    sound(world)
    assert wait(world, 100) == [("executed", b"b", 50, 101, 0), ("executed", b"d", 40, 100, 0)]


def test_immediate_market_and_hidden_orders_are_filled_too(world: World) -> None:
    add(world, "auto-fill", "percent=50")
    assert told(world, enter(1, "a", tif=w.IOC)) == [
        ("accepted", b"a"), ("executed", b"a", 50, 100, 50), ("canceled", b"a", 50, w.CANCEL_IOC, 0),
    ]  # fmt: skip
    assert told(world, enter(1, "m", order_type=w.MARKET))[1] == ("executed", b"m", 50, 100, 50), "at the last price"
    assert told(world, submit(1, "h", hidden=1)) == [("accepted", b"h"), ("executed", b"h", 50, 100, 50)]
    sound(world)


def test_an_order_without_any_price_is_not_filled(world: World) -> None:
    add(world, "auto-fill")
    assert told(world, enter(1, "m", order_type=w.MARKET)) == [
        ("accepted", b"m"), ("canceled", b"m", 100, w.CANCEL_IOC, 0),
    ]  # fmt: skip
    assert world.machine.query("list", {"kind": "policies"})[0]["acted"] == 0


def test_a_resting_iceberg_is_filled_through_all_its_parts(world: World) -> None:
    watcher = Watcher()
    add(world, "auto-fill", "delay_ms=10 percent=75")
    told(world, submit(1, "a", quantity=100, display_quantity=20))
    wait(world, 10)
    watcher.take(world.take("public"))
    assert [row[3] for row in watcher.orders.values()] == [5]
    sound(world)


# ------------------------------------------------------------------------------------------------- the other kinds
@pytest.mark.parametrize(("on", "refused"), [
    ("orders", {"enter"}), ("changes", {"replace"}), ("cancels", {"cancel"}), ("all", {"enter", "replace", "cancel"}),
])  # fmt: skip
def test_messages_are_refused(world: World, on: str, refused: set[str]) -> None:
    world.send("gateway-1", enter(1, "a"))
    world.take_all()
    add(world, "auto-reject", f"on={on} reason='max notional' text='no credit'")
    said = {
        "enter": told(world, enter(1, "b"))[0], "replace": told(world, replace(1, "a", "c"))[0],
        "cancel": told(world, (w.CANCEL, 1, b"a" if "replace" in refused else b"c", 0))[0],
    }  # fmt: skip
    for kind, first in said.items():
        assert (first[0] in ("rejected", "cancel_rejected")) == (kind in refused)
    if "enter" in refused:
        assert said["enter"] == ("rejected", b"b", w.REJECT_MAX_NOTIONAL, "no credit")
    sound(world)


def test_an_order_is_cancelled_after_a_while(world: World) -> None:
    add(world, "auto-cancel", "delay_ms=250 reason=halted")
    assert told(world, enter(1, "a")) == [("accepted", b"a")]
    assert wait(world, 249) == []
    assert wait(world, 1) == [("canceled", b"a", 100, w.CANCEL_HALTED, 0)]
    assert told(world, enter(2, "s", w.SELL, 100, 100), enter(1, "b")) and wait(world, 250) == []


def test_an_order_is_filled_in_part_and_then_cancelled(world: World) -> None:
    add(world, "partial-then-cancel", "percent=30 delay_ms=5")
    assert told(world, enter(1, "a")) == [("accepted", b"a"), ("executed", b"a", 30, 100, 70)]
    assert wait(world, 5) == [("canceled", b"a", 70, w.CANCEL_SUPERVISORY, 0)]
    sound(world)


def test_a_book_is_halted_after_so_many_orders(world: World) -> None:
    add(world, "halt", "orders=2 text=enough")
    world.take_all()
    assert told(world, enter(1, "a"), enter(1, "b", w.SELL, 100, 100), enter(1, "c")) == [
        ("accepted", b"a"), ("accepted", b"b"), ("executed", b"b", 100, 100, 0), ("executed", b"a", 100, 100, 0),
        ("rejected", b"c", w.REJECT_HALTED, "halted"),
    ]  # fmt: skip
    assert world.take("public")[-1] == (w.STATUS, 1, w.PHASE_HALTED, "halt: enough")
    world.verb("resume", "book-X")
    told(world, enter(1, "d"))
    assert world.machine.query("describe", {"name": "book-X"})["phase"] == "open"
    told(world, enter(1, "e"))
    assert world.machine.query("describe", {"name": "book-X"})["phase"] == "halted"


def test_messages_are_lost(world: World) -> None:
    add(world, "silent", "count=2")
    assert told(world, enter(1, "a"), enter(1, "b"), enter(1, "c")) == [("accepted", b"c")]
    assert told(world, enter(1, "a")) == [("accepted", b"a")], "its token is free, since it never came"


def test_messages_are_held_in_their_order(world: World) -> None:
    add(world, "delay", "delay_ms=20")
    add(world, "auto-fill", "percent=10", "fill")
    assert told(world, enter(1, "a")) == []
    assert wait(world, 10) == []
    assert told(world, (w.CANCEL, 1, b"a", 0), enter(1, "a")) == []
    sound(world)
    assert world.machine.query("requests", {}) == [], "they do not wait for a hand"
    assert wait(world, 10) == [("accepted", b"a"), ("executed", b"a", 10, 100, 90)]
    assert wait(world, 10) == [("canceled", b"a", 90, w.CANCEL_USER, 0)]
    told(world, enter(1, "z"))
    world.verb("end_of_day", "main")
    assert [short(event)[:3] for event in world.take()[:1]] == [("rejected", b"z", w.REJECT_CLOSED)]
    assert wait(world, 20) == []


def test_what_is_held_comes_through_although_its_policy_is_gone(world: World) -> None:
    add(world, "delay", "delay_ms=20")
    told(world, enter(1, "a"))
    world.verb("delete_policy", "main", "p")
    sound(world)
    assert wait(world, 20) == [("accepted", b"a")]
    assert world.machine.engines["main"].stage is None
    add(world, "delay", "delay_ms=20")
    told(world, enter(1, "b"))
    world.verb("delete_policy", "main", "p")
    world.verb("delete_endpoint", "orders")
    assert world.machine.engines["main"].stage is None
    sound(world)


def test_what_was_due_of_an_earlier_policy_does_not_touch_a_later_one(world: World) -> None:
    add(world, "auto-cancel", "delay_ms=10")
    told(world, enter(1, "a"))
    world.verb("delete_policy", "main", "p")
    add(world, "auto-cancel", "delay_ms=20")
    told(world, enter(1, "b"))
    assert wait(world, 10) == []
    assert wait(world, 10) == [("canceled", b"b", 100, w.CANCEL_SUPERVISORY, 0)]


def test_with_jitter_messages_overtake_each_other(world: World) -> None:
    add(world, "delay", "delay_ms=0 jitter_ms=50 on=orders")
    told(world, *(enter(1, str(number), quantity=1) for number in range(20)))
    came = [int(event[1]) for event in wait(world, 50)]
    assert sorted(came) == [int(token) for token in sorted(map(int, world.machine.sessions[1].tokens))]
    assert came != sorted(came)


# ------------------------------------------------------------------------------------------------- limits
@pytest.mark.parametrize(("options", "acted"), [
    ("book=book-X", {"a", "b", "c"}), ("book=book-Y", {"y"}), ("side=buy", {"a", "b", "y"}), ("side=sell", {"c"}),
    ("session=bob", {"b", "c"}), ("session=nobody", set()), ("count=2", {"a", "b"}), ("probability=0", set()),
    ("session=bob side=sell", {"c"}), ("probability=100 count=1 book=book-Y", {"y"}),
])  # fmt: skip
def test_every_limit(options: str, acted: set[str]) -> None:
    world = market(("X", "Y"))
    add(world, "auto-reject", options)
    said = told(world, enter(1, "a"), enter(2, "b"), enter(2, "c", w.SELL, 10, 200), enter(1, "y", symbol="Y"))
    assert {event[1].decode() for event in said if event[0] == "rejected"} == acted
    assert world.machine.query("list", {"kind": "policies"})[0]["acted"] == len(acted)


def test_chance_comes_from_the_engines_seed() -> None:
    def refused(seed: int) -> list[bool]:
        world = market()
        world.verb("set_engine_property", "main", "seed", seed)
        add(world, "auto-reject", "probability=40")
        return [told(world, enter(1, str(n), quantity=1))[0][0] == "rejected" for n in range(200)]

    assert refused(1) == refused(1) != refused(2)
    assert 60 < sum(refused(1)) < 100


def test_a_policy_that_is_added_again_draws_the_same_whatever_came_before(world: World) -> None:
    def refused(name: str, first: int) -> list[bool]:
        add(world, "auto-reject", "probability=40", name)
        said = [told(world, enter(1, str(n), quantity=1))[0][0] == "rejected" for n in range(first, first + 50)]
        world.verb("delete_policy", "main", name)
        return said

    first = refused("p", 0)
    add(world, "auto-cancel", "delay_ms=5 count=7", "between")
    assert refused("p", 100) == first != refused("q", 200)


def test_policies_act_in_the_order_in_which_they_were_added(world: World) -> None:
    add(world, "auto-fill", "quantity=10", "one")
    add(world, "auto-fill", "percent=50 price=2", "two")
    assert told(world, enter(1, "a")) == [
        ("accepted", b"a"), ("executed", b"a", 10, 100, 90), ("executed", b"a", 45, 200, 45),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["delay delay_ms=500", "reorder wait_ms=500", "duplicate delay_ms=500"])
def test_what_was_on_its_way_when_the_engine_was_stopped_is_refused_when_it_comes(world: World, kind: str) -> None:
    add(world, kind.split()[0], kind.split()[1])
    before = told(world, enter(1, "a"))
    world.verb("stop_engine", "main")
    after = wait(world, 500)
    if kind.startswith("duplicate"):
        assert (before, after) == ([("accepted", b"a")], [])  # it is known by then
    else:
        assert (before, after) == ([], [("rejected", b"a", w.REJECT_HALTED, "engine main is stopped")])
    world.verb("start_engine", "main")
    sound(world)


def test_policies_of_a_manual_engine_act_when_the_hand_accepts(world: World) -> None:
    world.verb("create_engine", "lab", "manual")
    world.verb("create_book", "book-L", "lab", "L")
    world.verb("add_policy", "lab", "p", "auto-fill", "percent=10")
    world.verb("add_policy", "lab", "no", "auto-reject", "side=sell")
    world.verb("enter_order", "a", "book-L", "buy", 100, "10", "alice")
    assert [row["kind"] for row in world.verb("enter_order", "b", "book-L", "sell", 100, "10", "alice")] == ["rejected"]
    events = world.verb("accept_request", "lab")["events"]
    assert [(event["kind"], event["quantity"]) for event in events] == [("accepted", 100), ("executed", 10)]
    sound(world)


# ------------------------------------------------------------------------------------------------- verbs
def test_an_engine_without_policies_is_as_it_was(world: World) -> None:
    assert add(world, "auto-fill", "delay_ms=10") == {
        "engine": "main", "name": "p", "kind": "auto-fill", "options": "delay_ms=10", "seen": 0, "acted": 0,
        "failed": "",
    }  # fmt: skip
    assert not world.machine.books["book-X"].plain
    told(world, enter(1, "a"))
    world.verb("delete_policy", "main", "p")
    assert world.machine.engines["main"].stage is None and not world.machine.engines["main"].careful
    assert world.machine.books["book-X"].plain
    assert wait(world, 10) == [], "what it was to do is off"
    sound(world)


@pytest.mark.parametrize(("arguments", "error"), [
    (("none", "p", "halt"), ("unknown_name", "engine")), (("main", "p", "fly"), ("bad_argument", "kind")),
    (("main", "p", "halt", "orders=0"), ("bad_argument", "options")),
    (("main", "p", "halt", "wings=2"), ("bad_argument", "options")),
    (("main", "p", "halt", "orders"), ("bad_argument", "options")),
    (("main", "p", "halt", "orders=1 orders=2"), ("bad_argument", "options")),
    (("main", "p", "halt", "text='open"), ("bad_argument", "options")),
    (("main", "p", "halt", "book=none"), ("unknown_name", "options")),
    (("main", "taken", "halt"), ("exists", "name")), (("echo", "p", "auto-fill"), ("wrong_state", "engine")),
])  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_and_nothing_is_left(world: World, arguments: Any, error: Any) -> None:
    world.verb("create_engine", "echo", "echo")
    add(world, "halt", name="taken")
    before = [row["name"] for row in world.machine.query("list", {"kind": "policies"})]
    assert world.verb("add_policy", *arguments) == error
    assert [row["name"] for row in world.machine.query("list", {"kind": "policies"})] == before
    assert world.verb("delete_policy", "main", "none") == ("unknown_name", "name")


def test_there_is_a_limit_of_policies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "POLICIES_MAX", 1)
    add(world, "halt", name="one")
    assert add(world, "halt", name="two") == ("limit", "name")


def wrong(p: parameters.Parameter) -> str:
    """A value that an option does not take."""
    return "x" * (p.high + 1) if p.type == "text" else "-/-"


@pytest.mark.parametrize("kind", [*bots.BOTS, *lines.KINDS, "market-maker"])
def test_every_option_of_every_kind_is_listed_and_judged(world: World, kind: str) -> None:
    listed = [row for row in world.machine.query("list", {"kind": "policy_kinds"}) if row["kind"] == kind]
    assert [row["option"] for row in listed] == list(policies.options_of(kind))
    for p in policies.options_of(kind).values():
        assert p.meaning and add(world, kind, f"{p.name}={wrong(p)}") == ("bad_argument", "options")


# ------------------------------------------------------------------------------------------------- one's own
class Chopper(policies.Policy):
    """Takes every order of more than so much down to it."""

    parameters = (parameters.Parameter("most", "int", "shares", 10, 1, 100),)

    def accepted(self, hands: policies.Hands, order: list[Any]) -> bool:
        hands.cancel(order, w.CANCEL_USER, self.options["most"])
        hands.later(order, 1, 7)
        return True

    def due(self, hands: policies.Hands, order: list[Any], data: tuple[int, ...]) -> None:
        hands.fill(order, data[0], order[PRICE] + hands.draw(1))


def test_a_kind_of_ones_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "KINDS", dict(policies.KINDS))
    monkeypatch.setattr(policies, "_PARAMETERS", dict(policies._PARAMETERS))
    policies.register_policy("chop", Chopper)
    add(world, "chop", "most=20")
    assert told(world, enter(1, "a")) == [("accepted", b"a"), ("canceled", b"a", 80, w.CANCEL_USER, 20)]
    assert wait(world, 1) == [("executed", b"a", 7, 100, 13)]
    sound(world)
    with pytest.raises(ValueError, match="already"):
        policies.register_policy("halt", Chopper)
    twice = type("Twice", (policies.Policy,), {"parameters": (policies.LIMITS[0],)})
    with pytest.raises(ValueError, match="twice"):
        policies.register_policy("twice", twice)


class Clumsy(policies.Policy):
    """Raises."""

    def accepted(self, hands: policies.Hands, order: list[Any]) -> bool:
        hands.fill(order, 1, 10**9)
        raise RuntimeError("oops")


def test_a_policy_that_raises_has_failed_and_the_exchange_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "KINDS", dict(policies.KINDS))
    monkeypatch.setattr(policies, "_PARAMETERS", dict(policies._PARAMETERS))
    policies.register_policy("clumsy", Clumsy)
    add(world, "clumsy")
    assert told(world, enter(1, "a")) == [("accepted", b"a"), ("executed", b"a", 1, 1_000, 99)]
    assert told(world, enter(1, "b")) == [("accepted", b"b")]
    (row,) = world.machine.query("list", {"kind": "policies"})
    assert (row["failed"], row["seen"], row["acted"]) == ("RuntimeError: oops", 1, 0)
    sound(world)


# ------------------------------------------------------------------------------------------------- any input
KINDS = (
    "auto-fill", "auto-fill percent=30", "auto-fill slices=3 interval_ms=700 delay_ms=300 percent=80",
    "auto-cancel delay_ms=1500", "partial-then-cancel delay_ms=400", "auto-reject", "auto-reject on=all",
    "halt orders=9", "silent probability=30", "delay", "delay jitter_ms=2000 on=cancels",
)  # fmt: skip


def intervene(world: World, random: Random, manual: bool) -> None:
    """A verb of the simulator, sensible or not."""
    live = [order[NUMBER] for session in world.machine.sessions.values() for order in session.live.values()]
    number = random.choice(live) if live else 1
    chance = random.random()
    if chance < 0.2:
        kind, _, options = random.choice(KINDS).partition(" ")
        options += random.choice(("", " count=3", " probability=50", " side=buy", " session=alice", " book=book-Y"))
        world.verb("add_policy", "main", f"p{random.randrange(4)}", kind, options)
    elif chance < 0.35:
        world.verb("delete_policy", "main", f"p{random.randrange(4)}")
    elif chance < 0.5:
        world.verb("fill_order", number, random.choice((None, 10, 25)), random.choice((None, "1.01")))
    elif chance < 0.6:
        world.verb("pull_order", number, random.choice((0, 0, 5)))
    elif chance < 0.65:
        pair = [str(random.choice(live)) for _ in range(2)] if live else ["1", "2"]
        world.verb("match_orders", random.choice(("book-X", "book-Y")), *pair, price=random.choice((None, "1")))
    elif chance < 0.7:
        world.verb(random.choice(("stop_engine", "start_engine")), "main")
        world.verb("start_engine", "main")
    elif manual:
        for _ in range(random.randrange(6)):
            world.verb(*random.choice((("accept_request", "main"),) * 5 + (
                ("reject_request", "main"), ("fill_request", "main", random.choice((None, 10)), "1"),
            )))  # fmt: skip


@pytest.mark.parametrize("manual", [False, True], ids=["matching", "manual"])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens(seed: int, manual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if manual:
        monkeypatch.setattr("tests.machine_world.KIND", "manual")
    world, anything, random = market(("X", "Y"), gateways=2), Anything(seed), Random(seed)
    watcher, fills = Watcher(), Fills()

    def step() -> None:
        if random.random() < 0.25:
            intervene(world, random, manual)
        else:
            anything.step(world)

    for events in followed(world, step, 250):
        fills.take(events["gateway-1"])
        fills.take(events["gateway-2"])
        watcher.take(events["public"])


# ------------------------------------------------------------------------------------------------- end to end
# Each kind with options, and what the orders of one client come to, as OUCH and as FIX say it.
OVER_BOTH: list[tuple[str, dict[str, Any], str, str]] = [
    ("auto-fill", {"percent": 40}, "AE", "NEW PARTIALLY_FILLED"),
    ("auto-fill", {"slices": 2, "interval_ms": 1}, "AEE", "NEW PARTIALLY_FILLED FILLED"),
    ("auto-reject", {"reason": "max position", "text": "not today"}, "J", "REJECTED"),
    ("auto-cancel", {"delay_ms": 1}, "AC", "NEW CANCELED"),
    ("partial-then-cancel", {"percent": 30, "delay_ms": 1}, "AEC", "NEW PARTIALLY_FILLED CANCELED"),
    ("halt", {"orders": 1}, "AJ", "NEW REJECTED"),
    ("silent", {"count": 1}, "A", "NEW"),
]


@pytest.mark.parametrize(("kind", "options", "ouch", "fix"), OVER_BOTH)
def test_every_kind_over_ouch_and_fix(
    exchange: Exchange, kind: str, options: dict[str, Any], ouch: str, fix: str
) -> None:
    engine = exchange.create_engine("main")
    book = engine.create_book("aapl", "AAPL")
    policy = engine.add_policy("p", kind, **options)
    orders = 2 if kind in ("halt", "silent") else 1
    client = exchange.ouch_client(engine.create_endpoint("orders"), "alice")
    for _ in range(orders):
        client.enter("AAPL", "B", 100, "10.00")
    assert [client.wait_for(letter).type for letter in ouch] == list(ouch)
    policy.delete()
    if kind == "halt":
        book.resume()
    engine.add_policy("p", kind, **options)
    with FixClient(engine.create_endpoint("fix", "fix44"), SenderCompID="TRADER", TargetCompID="EX") as trader:
        for number in range(orders):
            trader.send("NewOrderSingle", {"ClOrdID": str(number), "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100,
                                           "OrdType": "LIMIT", "Price": "10.5"})  # fmt: skip
        states = [trader.next("ExecutionReport").meaning("OrdStatus") for _ in fix.split()]
        assert states == fix.split()


def test_every_kind_is_tried_over_both_protocols() -> None:
    assert {kind for kind, *_ in OVER_BOTH} == set(bots.BOTS)
