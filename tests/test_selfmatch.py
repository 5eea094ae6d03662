"""Self-match prevention: every mode against every kind of waiting order, and whose orders are of one owner.

Sessions 1 "alice" and 3 "alice" at another endpoint have one account, 2 and 4 are "bob".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from openoutcry import wire as w
from openoutcry.matcher.selfmatch import EVERYTHING, GOES, NOTHING, PREVENTED
from tests.invariants import check
from tests.machine_world import CENT, World, enter, market, submit

Events = list[tuple[Any, ...]]
PRICE = 100 * CENT


@pytest.fixture
def world() -> World:
    return market(gateways=2)


def send(world: World, *commands: Any) -> tuple[Events, Events]:
    """Private and public events of the commands of any session."""
    for command in commands:
        world.send("gateway-1" if command[1] < 3 else "gateway-2", command)
        check(world.machine)
    return world.take() + world.take("gateway-2"), world.take("public")


class Kind(NamedTuple):
    """A way to wait. tradeable: what one match takes of 50; unseen: whether nobody knows of it."""

    terms: dict[str, Any]
    tradeable: int
    unseen: bool


KINDS = {
    "plain": Kind({}, 50, False),
    "iceberg": Kind({"display_quantity": 20}, 20, False),
    "hidden": Kind({"hidden": 1}, 50, True),
    "all or none": Kind({"all_or_none": 1}, 50, True),
    "minimum": Kind({"minimum": 20}, 50, True),
}
MODES = {mode: name for mode, name in w.SELF_MATCH_MODES.items() if mode}


def test_the_table_has_every_mode() -> None:
    assert set(GOES) == set(MODES)
    assert {part for row in GOES.values() for part in row} == {NOTHING, PREVENTED, EVERYTHING}


@pytest.mark.parametrize("size", [20, 50, 80])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_every_mode_against_every_kind_of_waiting_order(world: World, mode: int, name: str, size: int) -> None:
    kind = KINDS[name]
    send(world, submit(1, b"old", w.SELL, 50, 100, **kind.terms))
    private, public = send(world, submit(3, b"new", w.BUY, size, 100, self_match=mode))
    found = [event for event in private if event[0] == w.SELF_MATCH]
    passed_over = name == "all or none" and size < 50
    if passed_over:
        assert (found, [event[0] for event in public]) == ([], [w.ADDED])
        return
    added = w.ADDED_HIDDEN if kind.unseen else w.ADDED_LIQUIDITY
    prevented = min(size, kind.tradeable)
    old, new = (w.SELF_MATCH, 1, b"old"), (w.SELF_MATCH, 3, b"new")
    if mode == w.SELF_MATCH_NEWEST:
        assert found == [(*new, size, prevented, PRICE, w.REMOVED_LIQUIDITY, 0)]
        assert world.machine.sessions[1].live and not world.machine.sessions[3].live
        assert public == []
    elif mode == w.SELF_MATCH_OLDEST:
        assert found == [(*old, 50, prevented, PRICE, added, 0)]
        assert world.machine.sessions[3].live and not world.machine.sessions[1].live
        gone = [] if kind.unseen else [(w.REDUCED, 1, 1, kind.tradeable, 0)]
        assert public == [*gone, (w.ADDED, 1, 2, w.BUY, size, PRICE)]
    elif mode == w.SELF_MATCH_BOTH:
        assert sorted(found) == sorted(
            [(*new, size, prevented, PRICE, w.REMOVED_LIQUIDITY, 0), (*old, 50, prevented, PRICE, added, 0)]
        )
        assert not world.machine.sessions[1].live and not world.machine.sessions[3].live
        assert public == ([] if kind.unseen else [(w.REDUCED, 1, 1, kind.tradeable, 0)])
    else:
        of_new = [event for event in found if event[1] == 3]
        of_old = [event for event in found if event[1] == 1]
        total = min(size, 50)
        assert sum(event[3] for event in of_new) == sum(event[3] for event in of_old) == total
        assert of_new[-1][-1] == size - total and of_old[-1][-1] == 50 - total
        assert all(event[3] == event[4] for event in found)
        assert sum(event[3] for event in public if event[0] == w.REDUCED) == (0 if kind.unseen else total)
    assert world.machine.numbers.match == 0


def test_decrement_lets_an_iceberg_show_its_next_part(world: World) -> None:
    send(world, submit(1, b"old", w.SELL, 50, 100, display_quantity=20))
    private, public = send(world, submit(3, b"new", w.BUY, 30, 100, self_match=w.SELF_MATCH_DECREMENT))
    assert [event for event in private if event[1] == 1] == [
        (w.SELF_MATCH, 1, b"old", 20, 20, PRICE, w.ADDED_LIQUIDITY, 30),
        (w.RESTATED, 1, b"old", 3, PRICE, 20, 30, w.RESTATED_REPLENISHED),
        (w.SELF_MATCH, 1, b"old", 10, 10, PRICE, w.ADDED_LIQUIDITY, 20),
    ]
    assert public == [(w.REDUCED, 1, 1, 20, 0), (w.ADDED, 1, 3, w.SELL, 20, PRICE), (w.REDUCED, 1, 3, 10, 10)]


def test_what_goes_counts_as_used_up_of_the_chains_total(world: World) -> None:
    send(world, enter(1, b"old", w.SELL, 50, 100))
    send(world, submit(3, b"new", w.BUY, 30, 100, self_match=w.SELF_MATCH_DECREMENT))
    private, _ = send(world, (w.CANCEL, 1, b"old", 40))
    assert private == [(w.CANCELED, 1, b"old", 10, w.CANCEL_USER, 10)]


def test_others_trade_first_and_the_aggressor_goes_on_where_the_mode_lets_it(world: World) -> None:
    send(world, enter(2, b"a", w.SELL, 10, 99), enter(1, b"b", w.SELL, 10, 100), enter(2, b"c", w.SELL, 10, 100))
    private, public = send(world, submit(3, b"new", w.BUY, 30, 100, self_match=w.SELF_MATCH_OLDEST))
    assert [(event[0], event[2]) for event in private] == [
        (w.EXECUTED, b"a"), (w.SELF_MATCH, b"b"), (w.EXECUTED, b"c"),
        (w.ACCEPTED, b"new"), (w.EXECUTED, b"new"), (w.EXECUTED, b"new"),
    ]  # fmt: skip
    assert [event[0] for event in public] == [w.TRADED, w.REDUCED, w.TRADED, w.ADDED]


@pytest.mark.parametrize(
    ("by", "same", "other"),
    [("account", (1, 3), (1, 2)), ("session", (1, 1), (1, 3)), ("firm", (1, 2), (1, 3))],
)
def test_whose_orders_do_not_match_is_a_property_of_the_book(
    world: World, by: str, same: tuple[int, int], other: tuple[int, int]
) -> None:
    world.verb("set_book_property", "book-X", "self_match", "newest")
    world.verb("set_book_property", "book-X", "self_match_by", by)
    for session, firm in ((1, "F"), (2, "F"), (3, "G"), (4, "")):
        world.machine.sessions[session].firm = firm
    for number, ((one, two), kind) in enumerate(((same, w.SELF_MATCH), (other, w.EXECUTED))):
        tokens = b"a%d" % number, b"b%d" % number
        private, _ = send(world, enter(one, tokens[0], w.SELL, 10, 100), enter(two, tokens[1], w.BUY, 10, 100))
        assert kind in [event[0] for event in private]
        send(world, (w.CANCEL, one, tokens[0], 0))


def test_without_a_firm_nobody_is_of_the_same(world: World) -> None:
    world.verb("set_book_property", "book-X", "self_match", "newest")
    world.verb("set_book_property", "book-X", "self_match_by", "firm")
    private, _ = send(world, enter(1, b"a", w.SELL, 10, 100), enter(2, b"b", w.BUY, 10, 100))
    assert w.EXECUTED in [event[0] for event in private]


def test_an_orders_own_account_counts(world: World) -> None:
    world.verb("set_book_property", "book-X", "self_match", "newest")
    send(world, submit(1, b"a", w.SELL, 10, 100, account="fund"))
    private, _ = send(world, submit(2, b"b", w.BUY, 10, 100, account="fund"))
    assert w.SELF_MATCH in [event[0] for event in private]
    private, _ = send(world, enter(3, b"c", w.BUY, 10, 100))
    assert w.EXECUTED in [event[0] for event in private]


@pytest.mark.parametrize("own", [None, *w.SELF_MATCH_MODES])
@pytest.mark.parametrize("book", w.SELF_MATCH_MODES.values())
def test_the_newer_orders_own_mode_comes_before_the_books(world: World, own: int | None, book: str) -> None:
    world.verb("set_book_property", "book-X", "self_match", book)
    send(world, submit(1, b"old", w.SELL, 10, 100, self_match=w.SELF_MATCH_BOTH))  # of the older one it does not count
    terms = {} if own is None else {"self_match": own}
    private, _ = send(world, submit(3, b"new", w.BUY, 10, 100, **terms))
    mode = {name: mode for mode, name in w.SELF_MATCH_MODES.items()}[book] if own is None else own
    told = {event[2] for event in private if event[0] == w.SELF_MATCH}
    parts = GOES.get(mode, (NOTHING, NOTHING))
    assert told == {token for token, part in zip((b"new", b"old"), parts, strict=True) if part != NOTHING}


@pytest.mark.parametrize(
    ("mode", "executes"), [(w.SELF_MATCH_NEWEST, 0), (w.SELF_MATCH_OLDEST, 20), (w.SELF_MATCH_DECREMENT, 0)]
)
def test_fill_or_kill_knows_what_prevention_would_do(world: World, mode: int, executes: int) -> None:
    send(world, enter(2, b"a", w.SELL, 10, 100), enter(1, b"own", w.SELL, 10, 100), enter(2, b"b", w.SELL, 10, 100))
    private, _ = send(world, submit(3, b"new", w.BUY, 20, 100, self_match=mode, tif=w.FOK))
    assert sum(event[3] for event in private if event[:2] == (w.EXECUTED, 3)) == executes
    if not executes:
        assert private[-1] == (w.CANCELED, 3, b"new", 20, w.CANCEL_IOC, 0)


def test_it_does_not_act_in_auctions(world: World) -> None:
    world.verb("set_book_property", "book-X", "self_match", "both")
    world.verb("set_phase", "main", "pre_open", "book-X")
    send(world, enter(1, b"a", w.SELL, 10, 100), enter(3, b"b", w.BUY, 10, 100))
    world.verb("set_phase", "main", "open", "book-X")
    check(world.machine)
    assert world.machine.numbers.match == 1
