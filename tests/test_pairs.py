"""One-cancels-other pairs and brackets: openoutcry.matcher.pairs, rule by rule, with whole lists of events.

Session 1 "alice" has the pairs, 2 "bob" is the market; session 3 "carol" is another client.
"""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher.orders import TERMS, TIME_IN_FORCE
from openoutcry.matcher.pairs import SLACK, Members
from tests.machine_world import CENT, START_NS, World, amend, enter, market, submit
from tests.rooms_world import at, send

ACCEPTED, RESTATED, EXECUTED, CANCELED = w.ACCEPTED, w.RESTATED, w.EXECUTED, w.CANCELED
TOOK, GAVE = w.REMOVED_LIQUIDITY, w.ADDED_LIQUIDITY


@pytest.fixture
def world() -> World:
    return market(("X", "Y"), users=("alice", "bob", "carol"))


def canceled(token: bytes, quantity: int) -> Any:
    return (CANCELED, 1, token, quantity, w.CANCEL_PAIR, 0)


# ------------------------------------------------------------------------------------------------- pairs
def test_1_when_one_executes_in_part_the_others_are_cancelled_oldest_first(world: World) -> None:
    send(
        world,
        submit(1, b"far", w.SELL, 100, 120, pair=b"p"),
        submit(1, b"take", w.SELL, 100, 110, pair=b"p"),
        submit(1, b"stop", w.SELL, 100, order_type=w.STOP, stop_price=90, pair=b"p"),
        submit(1, b"elsewhere", w.BUY, 50, 10, symbol="Y", pair=b"p"),
        submit(1, b"other pair", w.SELL, 100, 130, pair=b"q"),
        submit(3, b"other session", w.SELL, 100, 130, pair=b"p"),
        enter(1, b"none", w.SELL, 100, 140),
    )
    private, public = send(world, enter(2, b"b", w.BUY, 40, 110))
    assert private[1:] == [
        (EXECUTED, 2, b"b", 40, 110 * CENT, TOOK, 1, 0, 1),
        (EXECUTED, 1, b"take", 40, 110 * CENT, GAVE, 1, 60, 2),
        canceled(b"far", 100),
        canceled(b"stop", 100),
        canceled(b"elsewhere", 50),
    ]
    assert public == [
        (w.TRADED, 1, 2, 40, 110 * CENT, 1, w.BUY, 60),
        (w.REDUCED, 1, 1, 100, 0),
        (w.REDUCED, 2, 4, 50, 0),
    ]
    private, _ = send(world, enter(2, b"c", w.BUY, 60, 110))
    assert private[1:] == [
        (EXECUTED, 2, b"c", 60, 110 * CENT, TOOK, 2, 0, 1),
        (EXECUTED, 1, b"take", 60, 110 * CENT, GAVE, 2, 0, 2),
    ]
    assert list(world.machine.sessions[1].live) == [b"other pair", b"none"]


def test_1_the_one_that_executed_first_is_the_one_that_stays(world: World) -> None:
    """The aggressor is not held up: it meets both, and what is left of the second goes when it is done."""
    send(world, *(submit(1, t, w.SELL, 100, p, pair=b"p") for t, p in ((b"y", 111), (b"x", 110), (b"z", 112))))
    private, public = send(world, enter(2, b"b", w.BUY, 150, 111))
    assert private[1:] == [
        (EXECUTED, 2, b"b", 100, 110 * CENT, TOOK, 1, 50, 1),
        (EXECUTED, 1, b"x", 100, 110 * CENT, GAVE, 1, 0, 2),
        (EXECUTED, 2, b"b", 50, 111 * CENT, TOOK, 2, 0, 1),
        (EXECUTED, 1, b"y", 50, 111 * CENT, GAVE, 2, 50, 2),
        canceled(b"y", 50),
        canceled(b"z", 100),
    ]
    assert public[2:] == [(w.REDUCED, 1, 1, 50, 0), (w.REDUCED, 1, 3, 100, 0)]


def test_1_an_aggressor_cancels_its_pair_too(world: World) -> None:
    send(world, submit(1, b"low", w.BUY, 100, 90, pair=b"p"), enter(2, b"a", w.SELL, 30, 100))
    private, _ = send(world, submit(1, b"now", w.BUY, 50, 100, tif=w.IOC, pair=b"p"))
    assert private[1:] == [
        (EXECUTED, 1, b"now", 30, 100 * CENT, TOOK, 1, 20, 2),
        (EXECUTED, 2, b"a", 30, 100 * CENT, GAVE, 1, 0, 1),
        (CANCELED, 1, b"now", 20, w.CANCEL_IOC, 0),
        canceled(b"low", 100),
    ]


def test_1_cancels_and_expiries_leave_the_others(world: World) -> None:
    send(
        world,
        submit(1, b"a", w.SELL, 100, 110, pair=b"p"),
        submit(1, b"b", w.SELL, 100, 111, pair=b"p", tif=w.GOOD_FOR_TIME, expire=1),
        submit(1, b"c", w.SELL, 100, 112, pair=b"p"),
    )
    send(world, (w.CANCEL, 1, b"a", 0))
    at(world, START_NS + 10**9)
    assert list(world.machine.sessions[1].live) == [b"c"]
    private, _ = send(world, submit(1, b"d", w.SELL, 10, 105, pair=b"p"), enter(2, b"x", w.BUY, 1, 105))
    assert private[4:] == [canceled(b"c", 100)], "a pair can be joined later"


def test_a_replacement_stays_in_its_pair_and_can_change_it(world: World) -> None:
    send(world, *(submit(1, token, w.SELL, 100, 110, pair=b"p") for token in (b"a", b"b", b"c")))
    send(world, (w.REPLACE, 1, b"a", b"a2", 100, 112 * CENT, w.LIMIT, w.DAY, 0, 0, 0, b""))
    send(world, amend(1, b"b", b"b2", 100, 111, pair=b"q"), amend(1, b"c", b"c2", 90, 110))
    private, _ = send(world, enter(2, b"x", w.BUY, 10, 110))
    assert private[3:] == [canceled(b"a2", 100)]
    assert list(world.machine.sessions[1].live) == [b"c2", b"b2"]


def test_an_auction_executes_pairs_too(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    world.take_all()
    send(world, submit(1, b"a", w.SELL, 10, 100, pair=b"p"), submit(1, b"b", w.SELL, 10, 200, pair=b"p"))
    send(world, enter(2, b"x", w.BUY, 5, 100))
    world.verb("set_phase", "main", "open")
    assert world.take()[2:] == [canceled(b"b", 10)]


def test_members_are_found_by_looking_at_those_that_have_come_since() -> None:
    """Ten thousand orders, and a pair of them asked for after each: every order is looked at once or so."""

    class Live(dict[bytes, Any]):
        looked = 0

        def values(self) -> Any:
            return self

        def __reversed__(self) -> Any:
            for token in reversed(list(dict.keys(self))[-10:]):
                Live.looked += 1
                yield self[token]

    class Terms:
        def __init__(self, pair: bytes) -> None:
            self.pair = pair

    class Session:
        live = Live()

    session = Session()
    members = Members(session)  # type: ignore[arg-type]  # all of a session that it looks at
    for number in range(1, 10_001):
        token = b"%d" % number
        session.live[token] = [1, 0, 0, number, session, token, 0, 0, 0, b"", None, None, Terms(b"%d" % (number // 2))]
        if number % 2:
            assert [order[3] for order in members.of(b"%d" % (number // 2))] == [n for n in (number - 1, number) if n]
    assert Live.looked <= 2 * 10_000
    for token in list(session.live)[:-1]:
        del session.live[token]
    members.of(b"none")
    assert members._count <= 2 * 1 + SLACK


# ------------------------------------------------------------------------------------------------- brackets
def child(token: bytes, number: int, side: int, quantity: int, price: int) -> Any:
    return (ACCEPTED, 1, token, number, side, quantity, price * CENT, w.LIVE, b"data")


def test_2_a_bracket_begins_when_its_parent_has_executed(world: World) -> None:
    send(world, submit(1, b"in", w.BUY, 100, 100, take_profit=110, stop_loss=95))
    private, _ = send(world, enter(2, b"s", w.SELL, 40, 100))
    assert [event[0] for event in private] == [ACCEPTED, EXECUTED, EXECUTED], "not yet"
    private, public = send(world, enter(2, b"t", w.SELL, 60, 100))
    assert private[1:] == [
        (EXECUTED, 2, b"t", 60, 100 * CENT, TOOK, 2, 0, 1),
        (EXECUTED, 1, b"in", 60, 100 * CENT, GAVE, 2, 0, 2),
        child(b"in.T", 4, w.SELL, 100, 110),
        child(b"in.S", 5, w.SELL, 100, 0),
    ]
    assert public == [(w.TRADED, 1, 1, 60, 100 * CENT, 2, w.SELL, 0), (w.ADDED, 1, 4, w.SELL, 100, 110 * CENT)]
    private, _ = send(world, enter(2, b"u", w.BUY, 30, 110))
    assert private[1:] == [
        (EXECUTED, 2, b"u", 30, 110 * CENT, TOOK, 3, 0, 1),
        (EXECUTED, 1, b"in.T", 30, 110 * CENT, GAVE, 3, 70, 2),
        canceled(b"in.S", 100),
    ]


def test_2_a_stop_that_is_reached_already_takes_the_profit_order_with_it(world: World) -> None:
    send(world, enter(2, b"a", w.SELL, 10, 95), enter(2, b"b", w.BUY, 10, 94))
    private, _ = send(world, submit(1, b"in", w.BUY, 10, 100, take_profit=110, stop_loss=97))
    assert private[3:] == [
        child(b"in.T", 4, w.SELL, 10, 110),
        child(b"in.S", 5, w.SELL, 10, 0),
        (RESTATED, 1, b"in.S", 6, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"in.S", 10, 94 * CENT, TOOK, 2, 0, 2),
        (EXECUTED, 2, b"b", 10, 94 * CENT, GAVE, 2, 0, 1),
        canceled(b"in.T", 10),
    ]


def test_2_a_short_entry_is_bracketed_by_buys(world: World) -> None:
    send(world, submit(1, b"in", w.SELL_SHORT, 10, 100, take_profit=90, stop_loss=105))
    private, _ = send(world, enter(2, b"b", w.BUY, 10, 100))
    assert private[3:] == [child(b"in.T", 3, w.BUY, 10, 90), child(b"in.S", 4, w.BUY, 10, 0)]
    send(world, enter(2, b"a", w.SELL, 10, 106), enter(2, b"p", w.SELL, 1, 105))
    private, _ = send(world, enter(3, b"q", w.BUY, 1, 105))
    assert private[3:] == [
        (RESTATED, 1, b"in.S", 8, 0, 0, 10, w.RESTATED_TRIGGERED),
        (EXECUTED, 1, b"in.S", 10, 106 * CENT, TOOK, 3, 0, 2),
        (EXECUTED, 2, b"a", 10, 106 * CENT, GAVE, 3, 0, 1),
        canceled(b"in.T", 10),
    ]


@pytest.mark.parametrize("end", ["cancel", "ioc", "expiry", "reduced"])
def test_2_what_has_executed_of_a_parent_is_bracketed_when_the_rest_goes(world: World, end: str) -> None:
    named: dict[str, Any] = {"ioc": {"tif": w.IOC}, "expiry": {"tif": w.GOOD_FOR_TIME, "expire": 1}}.get(end, {})
    send(world, enter(2, b"s", w.SELL, 40, 100))
    private, _ = send(world, submit(1, b"in", w.BUY, 100, 100, take_profit=110, **named))
    if end == "cancel":
        private, _ = send(world, (w.CANCEL, 1, b"in", 0))
    elif end == "expiry":
        private, _ = at(world, START_NS + 10**9)
    elif end == "reduced":
        private, _ = send(world, (w.CANCEL, 1, b"in", 50), (w.CANCEL, 1, b"in", 40))
    assert private[-2][:4] == (CANCELED, 1, b"in", 10 if end == "reduced" else 60)
    assert private[-1] == child(b"in.T", 3, w.SELL, 40, 110)


def test_2_without_an_execution_there_is_no_bracket(world: World) -> None:
    send(world, submit(1, b"in", w.BUY, 100, 100, take_profit=110), (w.CANCEL, 1, b"in", 0))
    assert world.machine.sessions[1].live == {}
    assert list(world.machine.sessions[1].tokens) == [b"in"]


def test_2_all_of_a_chain_of_replacements_counts(world: World) -> None:
    send(world, submit(1, b"in", w.BUY, 100, 100, take_profit=110, stop_loss=95), enter(2, b"s", w.SELL, 30, 100))
    send(world, amend(1, b"in", b"in2", 50, 101, take_profit=111))
    private, _ = send(world, enter(2, b"t", w.SELL, 20, 101))
    assert private[3:] == [child(b"in2.T", 5, w.SELL, 50, 111), child(b"in2.S", 6, w.SELL, 50, 0)]


def test_2_what_self_match_prevention_took_is_not_bracketed(world: World) -> None:
    world.verb("set_book_property", "book-X", "self_match", "decrement")
    world.take_all()
    send(world, enter(2, b"s", w.SELL, 10, 99), enter(1, b"own", w.SELL, 30, 100))
    private, _ = send(world, submit(1, b"in", w.BUY, 40, 100, take_profit=110))
    assert private[-1] == child(b"in.T", 4, w.SELL, 10, 110)


def test_3_children_last_as_long_as_their_parent_over_days_and_keep_its_terms(world: World) -> None:
    expire = START_NS + 10**12
    send(
        world,
        submit(1, b"gtc", w.BUY, 10, 100, take_profit=110, tif=w.GTC, account="FUND", keep=1, self_match=2),
        submit(1, b"gtd", w.BUY, 10, 100, take_profit=110, tif=w.GTD, expire=expire),
        submit(1, b"sys", w.BUY, 10, 100, take_profit=110, tif=w.SYSTEM_HOURS),
        enter(2, b"s", w.SELL, 30, 100),
    )
    live = world.machine.sessions[1].live
    assert [order[TIME_IN_FORCE] for order in live.values()] == [w.GTC, w.GTD, w.DAY]
    terms = live[b"gtc.T"][TERMS]
    assert (terms.account, terms.keep, terms.self_match, terms.pair) == ("FUND", 1, 2, b"gtc")
    private, _ = at(world, expire)
    assert private == [(CANCELED, 1, b"gtd.T", 10, w.CANCEL_TIMEOUT, 0)]


def test_3_a_childs_token_is_one_that_the_session_has_not_used(world: World) -> None:
    long = b"x" * w.TOKEN_MAX
    send(world, enter(1, b"in.T", w.BUY, 1, 1), enter(1, long[:-2] + b".T", w.BUY, 1, 1))
    send(world, submit(1, b"in", w.BUY, 10, 100, take_profit=110), submit(1, long, w.BUY, 10, 100, take_profit=110))
    private, _ = send(world, enter(2, b"s", w.SELL, 20, 100))
    accepted = [event for event in private if event[0] == ACCEPTED and event[1] == 1]
    assert accepted == [child(b"in.T6", 6, w.SELL, 10, 110), child(long[:-3] + b".T7", 7, w.SELL, 10, 110)]


def test_3_a_child_that_may_not_come_in_is_rejected(world: World) -> None:
    send(world, submit(1, b"in", w.BUY, 10, 100, take_profit=110, stop_loss=90), enter(1, b"more", w.BUY, 10, 50))
    world.verb("set_engine_property", "main", "max_open_orders", 2)
    private, _ = send(world, enter(2, b"s", w.SELL, 10, 100))
    assert private[3] == child(b"in.T", 4, w.SELL, 10, 110)
    assert private[4][:4] == (w.REJECTED, 1, b"in.S", w.REJECT_LIMIT)
    assert send(world, enter(1, b"in.S"))[0] == [], "the token is used up"


def test_4_whoever_takes_everything_out_gets_nothing_new(world: World) -> None:
    send(world, submit(1, b"in", w.BUY, 20, 100, take_profit=110), enter(2, b"s", w.SELL, 10, 100))
    private, _ = send(world, (w.MASS_CANCEL, 1, b"m", 1, "", 0, 0, w.PRICE_MAX))
    assert [event[0] for event in private] == [CANCELED, w.MASS_CANCELED]
    send(world, submit(1, b"in2", w.BUY, 20, 100, take_profit=110), enter(2, b"s2", w.SELL, 10, 100))
    world.verb("close", "main")
    assert [event[:3] for event in world.take()] == [(CANCELED, 1, b"in2")]


def test_a_bracket_entered_as_a_pair_is_a_pair_first(world: World) -> None:
    send(
        world,
        submit(1, b"a", w.BUY, 10, 100, take_profit=110, pair=b"p"),
        submit(1, b"b", w.BUY, 10, 99, take_profit=110, pair=b"p"),
    )
    private, _ = send(world, enter(2, b"s", w.SELL, 10, 100))
    assert private[3:] == [canceled(b"b", 10), child(b"a.T", 4, w.SELL, 10, 110)]
