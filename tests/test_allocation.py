"""Allocation: each way to share an execution out, as a function and in a book."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import verbs
from openoutcry import wire as w
from openoutcry.matcher import allocation
from openoutcry.matcher.allocation import LeadMarketMakers, ProRata, Split, allocation_of, register_allocation
from openoutcry.matcher.configuration import defaults
from openoutcry.matcher.orders import TERMS
from openoutcry.matcher.terms import Terms
from tests.invariants import check
from tests.machine_world import CENT, World, enter, market, submit

Events = list[tuple[Any, ...]]


class Someone:
    """A session, as far as allocation looks at it."""

    def __init__(self, account: str) -> None:
        self.account = account


def makers(*sizes: int, accounts: str = "", top: int = -1) -> list[allocation.Maker]:
    """Orders that show these sizes, of accounts with one letter each; top: which bettered the market."""
    found = []
    for index, size in enumerate(sizes):
        terms = Terms()
        terms.top = int(index == top)
        order: list[Any] = [None] * (TERMS + 1)
        order[4], order[TERMS] = Someone(accounts[index] if accounts else "?"), terms
        found.append((order, size))
    return found


# ------------------------------------------------------------------------------------------------- as a function
@pytest.mark.parametrize(
    ("how", "quantity", "sizes", "named", "expected"),
    [
        (ProRata(1), 30, (10, 20, 30), {}, [5, 10, 15]),
        (ProRata(1), 10, (10, 10, 10), {}, [4, 3, 3]),  # what rounding leaves over goes by time
        (ProRata(1), 100, (10, 20, 30), {}, [10, 20, 30]),
        (ProRata(5), 20, (80, 10, 10), {}, [20, 0, 0]),  # 2 and 2 are less than 5: by time
        (ProRata(5), 20, (10, 80, 10), {}, [4, 16, 0]),
        (ProRata(1, top_max=10**9), 50, (20, 40, 40), {"top": 0}, [20, 15, 15]),
        (ProRata(1, top_max=5), 50, (20, 40, 40), {"top": 0}, [14, 18, 18]),
        (ProRata(1, top_max=10**9), 50, (20, 40, 40), {"top": 2}, [4, 6, 40]),
        (ProRata(1, top_max=10**9), 50, (20, 40, 40), {}, [10, 20, 20]),
        (Split(50, 1), 40, (10, 30, 30), {}, [10, 18, 12]),
        (Split(0, 1), 30, (10, 20, 30), {}, [5, 10, 15]),
        (Split(100, 1), 30, (10, 20, 30), {}, [10, 20, 0]),
        (Split(50, 10), 40, (40, 20, 20), {}, [40, 0, 0]),
        (LeadMarketMakers([("L", 40)]), 50, (40, 10, 20), {"accounts": "ALA"}, [40, 10, 0]),
        (LeadMarketMakers([("L", 40)]), 50, (40, 30, 20), {"accounts": "ALA"}, [30, 20, 0]),
        (LeadMarketMakers([("L", 40)]), 50, (40, 5, 30), {"accounts": "ALL"}, [30, 5, 15]),
        (LeadMarketMakers([("L", 40), ("M", 20)]), 50, (40, 30, 20), {"accounts": "AML"}, [20, 10, 20]),
        (LeadMarketMakers([]), 50, (40, 30), {}, [40, 10]),
    ],
)
def test_shares(how: Any, quantity: int, sizes: tuple[int, ...], named: Any, expected: list[int]) -> None:
    assert how.share(quantity, makers(*sizes, **named)) == expected


hows = st.one_of(
    st.builds(ProRata, st.integers(1, 20), st.sampled_from([0, 5, 10**9])),
    st.builds(Split, st.integers(0, 100), st.integers(1, 20)),
    st.just(LeadMarketMakers([("A", 30), ("B", 50)])),
)


@given(hows, st.integers(1, 500), st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(-1, 7))
def test_all_there_is_is_given_and_nobody_gets_more_than_it_shows(
    how: Any, quantity: int, sizes: list[int], top: int
) -> None:
    found = how.share(quantity, makers(*sizes, accounts="ABCABCAB", top=top))
    assert sum(found) == min(quantity, sum(sizes))
    assert all(0 <= part <= size for part, size in zip(found, sizes, strict=True))


# ------------------------------------------------------------------------------------------------- in a book
def shared(world: World, **properties: Any) -> World:
    for name, value in properties.items():
        assert isinstance(world.verb("set_book_property", "book-X", name, value), dict)
    world.take_all()
    return world


def send(world: World, *commands: Any) -> tuple[Events, Events]:
    world.send("gateway-1", *commands)
    check(world.machine)
    return world.take(), world.take("public")


def test_executions_come_in_time_order_and_the_lit_orders_of_a_price_share_alone() -> None:
    world = shared(market(), allocation="pro-rata")
    send(
        world, submit(1, b"h", w.SELL, 50, 100, hidden=1), enter(1, b"a", w.SELL, 10, 100),
        enter(1, b"b", w.SELL, 30, 100), enter(1, b"c", w.SELL, 99, 101),
    )  # fmt: skip
    private, public = send(world, enter(2, b"t", w.BUY, 20, 101))
    assert [event[2:4] for event in private if event[:2] == (w.EXECUTED, 1)] == [(b"a", 5), (b"b", 15)]
    assert [event[-1] for event in public] == [5, 15]
    private, _ = send(world, enter(2, b"u", w.BUY, 90, 101))
    assert [event[2:4] for event in private if event[:2] == (w.EXECUTED, 1)] == [
        (b"a", 5), (b"b", 15), (b"h", 50), (b"c", 20),
    ]  # fmt: skip


def test_icebergs_share_with_what_they_show_and_replenish_after_each_round() -> None:
    world = shared(market(), allocation="pro-rata")
    send(world, submit(1, b"i", w.SELL, 100, 100, display_quantity=10), enter(1, b"a", w.SELL, 30, 100))
    private, public = send(world, enter(2, b"t", w.BUY, 60, 100))
    assert [event[:4] for event in private if event[1] == 1] == [
        (w.EXECUTED, 1, b"i", 10), (w.EXECUTED, 1, b"a", 30), (w.RESTATED, 1, b"i", 4),
        (w.EXECUTED, 1, b"i", 10), (w.RESTATED, 1, b"i", 5), (w.EXECUTED, 1, b"i", 10), (w.RESTATED, 1, b"i", 6),
    ]  # fmt: skip
    assert public[-1] == (w.ADDED, 1, 6, w.SELL, 10, 100 * CENT)


def test_self_matches_are_prevented_before_anything_is_shared_out() -> None:
    world = shared(market(), allocation="pro-rata", self_match="oldest")
    send(world, enter(1, b"a", w.SELL, 40, 100), enter(2, b"own", w.SELL, 40, 100), enter(1, b"c", w.SELL, 40, 100))
    private, public = send(world, enter(2, b"t", w.BUY, 20, 100))
    assert [event[:3] for event in private[1:2]] == [(w.SELF_MATCH, 2, b"own")]
    assert [event[3] for event in private if event[:2] == (w.EXECUTED, 1)] == [10, 10]
    assert [event[0] for event in public] == [w.REDUCED, w.TRADED, w.TRADED]


def test_the_order_that_bettered_the_market_is_first_until_it_is_gone() -> None:
    world = shared(market(), allocation="top-pro-rata", top_max=20)
    send(world, enter(1, b"w", w.SELL, 99, 101))
    send(world, enter(1, b"a", w.SELL, 30, 100), enter(1, b"b", w.SELL, 30, 100), enter(1, b"c", w.SELL, 30, 100))
    private, _ = send(world, enter(2, b"t", w.BUY, 41, 100))
    assert [event[2:4] for event in private if event[:2] == (w.EXECUTED, 1)] == [(b"a", 23), (b"b", 9), (b"c", 9)]
    send(world, (w.CANCEL, 1, b"a", 0))
    private, _ = send(world, enter(2, b"u", w.BUY, 20, 100))
    assert [event[2:4] for event in private if event[:2] == (w.EXECUTED, 1)] == [(b"b", 10), (b"c", 10)]


def test_lead_market_makers_are_accounts() -> None:
    world = shared(market(), allocation="lead-market-maker", lead_market_makers="BOB=50")
    send(world, enter(1, b"a", w.SELL, 40, 100), enter(2, b"l", w.SELL, 40, 100))
    private, _ = send(world, submit(1, b"t", w.BUY, 20, 100, account="other"))
    assert [event[2:4] for event in private if event[0] == w.EXECUTED and event[2] != b"t"] == [(b"a", 10), (b"l", 10)]


@pytest.mark.parametrize("text", ["A", "A=", "=5", "A=101", "A=50 A=10", "A=60 B=50", "A=-1", "A=5%"])
def test_lead_market_makers_that_mean_nothing_are_refused(text: str) -> None:
    world = market()
    assert world.verb("set_book_property", "book-X", "lead_market_makers", text) == ("bad_argument", "value")
    assert world.machine.books["book-X"].properties["lead_market_makers"] == ""


def test_a_book_is_plain_again_without_allocation_when_the_orders_of_that_time_are_gone() -> None:
    world = shared(market(), allocation="split")
    book = world.machine.books["book-X"]
    send(world, enter(1, b"a", w.SELL, 40, 100))
    shared(world, allocation="fifo")
    assert not book.plain
    send(world, (w.CANCEL, 1, b"a", 0))
    assert book.plain


# ------------------------------------------------------------------------------------------------- one's own
class LastInFirstOut:
    """For the test below."""

    def share(self, quantity: int, makers: Any) -> list[int]:
        return allocation.by_time(quantity, [shown for _, shown in reversed(makers)])[::-1]


def test_a_kind_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "FACTORIES", dict(allocation.FACTORIES))
    monkeypatch.setitem(verbs.BOOK_PROPERTIES, "allocation", verbs.BOOK_PROPERTIES["allocation"])
    register_allocation("lifo", lambda properties: LastInFirstOut())
    world = shared(market(), allocation="lifo")
    send(world, enter(1, b"a", w.SELL, 10, 100), enter(1, b"b", w.SELL, 10, 100))
    private, _ = send(world, enter(2, b"t", w.BUY, 15, 100))
    assert [event[2:4] for event in private if event[:2] == (w.EXECUTED, 1)] == [(b"a", 5), (b"b", 10)]
    for name in ("fifo", "lifo", "split"):
        with pytest.raises(ValueError, match="already"):
            register_allocation(name, lambda properties: LastInFirstOut())


def test_every_choice_of_the_property_can_be_made() -> None:
    properties = defaults(verbs.BOOK_PROPERTIES)
    for name in verbs.BOOK_PROPERTIES["allocation"].choices:
        assert (allocation_of({**properties, "allocation": name}) is None) == (name == "fifo")
