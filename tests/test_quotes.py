"""Two-sided quotes: openoutcry.matcher.quotes, rule by rule, with whole lists of events.

Session 1 "alice" makes the market, 2 "bob" and 3 "carol" trade with her. Books X and Y have the numbers 1 and 2.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher import quotes
from openoutcry.matcher.orders import OPEN, PRICE, SIDE, TERMS
from tests.machine_world import CENT, World, enter, market, submit
from tests.rooms_world import fed, send

ACCEPTED, EXECUTED, CANCELED, STATUS = w.ACCEPTED, w.EXECUTED, w.CANCELED, w.QUOTE_STATUS
TOOK, GAVE = w.REMOVED_LIQUIDITY, w.ADDED_LIQUIDITY
BID, ASK = b"Q1.X.B", b"Q1.X.A"


@pytest.fixture
def world() -> World:
    return market(("X", "Y"), users=("alice", "bob", "carol"))


def quote(token: bytes, *entries: tuple[str, int, int, int, int], session: int = 1, indicative: int = 0) -> Any:
    """A QUOTE; entries: symbol, bid quantity, bid price, ask quantity, ask price, in cents."""
    found = tuple((symbol, bq, bp * CENT, aq, ap * CENT) for symbol, bq, bp, aq, ap in entries)
    return (w.QUOTE, session, token, indicative, b"data", found)


def status(
    token: bytes, side: int, order: int, leaves: int, price: int, reason: int = 0, text: str = "", symbol: str = "X"
) -> Any:
    return (STATUS, 1, token, symbol, side, order, leaves, price * CENT, reason, text)


# ------------------------------------------------------------------------------------------------- in and out
def test_a_mass_quote_is_orders_on_both_sides_of_many_books(world: World) -> None:
    private, public = send(world, quote(b"q", ("X", 100, 99, 90, 101), ("Y", 80, 49, 0, 0)))
    assert private == [
        status(b"q", w.BUY, 1, 100, 99),
        status(b"q", w.SELL, 2, 90, 101),
        status(b"q", w.BUY, 3, 80, 49, symbol="Y"),
        status(b"q", w.SELL, 0, 0, 0, symbol="Y"),
    ]
    assert public == [
        (w.ADDED, 1, 1, w.BUY, 100, 99 * CENT),
        (w.ADDED, 1, 2, w.SELL, 90, 101 * CENT),
        (w.ADDED, 2, 3, w.BUY, 80, 49 * CENT),
    ]
    assert list(world.machine.sessions[1].live) == [BID, ASK, b"Q1.Y.B"]


def test_its_executions_are_told_as_of_any_order(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    private, public = send(world, enter(2, b"t", w.BUY, 30, 101))
    assert private[1:] == [
        (EXECUTED, 2, b"t", 30, 101 * CENT, TOOK, 1, 0, 1),
        (EXECUTED, 1, ASK, 30, 101 * CENT, GAVE, 1, 60, 2),
    ]
    assert public == [(w.TRADED, 1, 2, 30, 101 * CENT, 1, w.BUY, 60)]
    private, _ = send(world, (w.CANCEL, 1, BID, 0))
    assert private == [(CANCELED, 1, BID, 100, w.CANCEL_USER, 0)]


def test_1_a_repeated_quote_is_ignored(world: World) -> None:
    command = quote(b"q", ("X", 100, 99, 90, 101))
    send(world, command, enter(2, b"t", w.BUY, 30, 101))
    assert send(world, command) == ([], []), "what has executed is not filled up again"
    assert send(world, enter(1, b"q")) == ([], []), "and its token is used up"
    assert send(world, quote(b"empty")) == ([], [])


def test_2_the_same_price_with_no_more_quantity_keeps_its_place(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)), enter(2, b"b", w.BUY, 10, 99), enter(2, b"a", w.SELL, 10, 101))
    private, public = send(world, quote(b"r", ("X", 100, 99, 40, 101)))
    assert private == [status(b"r", w.BUY, 1, 100, 99), status(b"r", w.SELL, 2, 40, 101)]
    assert public == [(w.REDUCED, 1, 2, 50, 40)]
    _, public = send(world, enter(3, b"t", w.BUY, 45, 101))
    assert [event[2:4] for event in public] == [(2, 40), (4, 5)]


def test_2_any_other_change_is_a_new_place(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)), enter(2, b"b", w.BUY, 10, 99), enter(2, b"a", w.SELL, 10, 101))
    private, public = send(world, quote(b"r", ("X", 101, 99, 90, 102)))
    assert private == [status(b"r", w.BUY, 5, 101, 99), status(b"r", w.SELL, 6, 90, 102)]
    assert public == [(w.ORDER_REPLACED, 1, 1, 5, 101, 99 * CENT), (w.ORDER_REPLACED, 1, 2, 6, 90, 102 * CENT)]
    assert list(world.machine.sessions[1].live) == [BID, ASK]


def test_2_quantity_0_takes_a_side_out(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    private, public = send(world, quote(b"r", ("X", 0, 0, 90, 101)))
    assert private == [status(b"r", w.BUY, 0, 0, 0), status(b"r", w.SELL, 2, 90, 101)]
    assert public == [(w.REDUCED, 1, 1, 100, 0)]
    private, public = send(world, quote(b"s", ("X", 0, 7, 0, 3)))
    assert private == [status(b"s", w.BUY, 0, 0, 0), status(b"s", w.SELL, 0, 0, 0)]
    assert public == [(w.REDUCED, 1, 2, 90, 0)]
    assert world.machine.books["book-X"].plain
    private, _ = send(world, quote(b"t", ("X", 10, 98, 10, 100)))
    assert private == [status(b"t", w.BUY, 3, 10, 98), status(b"t", w.SELL, 4, 10, 100)]


def test_a_quote_that_crosses_the_market_trades(world: World) -> None:
    send(world, enter(2, b"a", w.SELL, 30, 100))
    private, public = send(world, quote(b"q", ("X", 50, 100, 50, 102)))
    assert private == [
        status(b"q", w.BUY, 2, 50, 100),
        (EXECUTED, 1, BID, 30, 100 * CENT, TOOK, 1, 20, 2),
        (EXECUTED, 2, b"a", 30, 100 * CENT, GAVE, 1, 0, 1),
        status(b"q", w.SELL, 3, 50, 102),
    ]
    assert public[:2] == [(w.TRADED, 1, 1, 30, 100 * CENT, 1, w.BUY, 0), (w.ADDED, 1, 2, w.BUY, 20, 100 * CENT)]


def test_a_side_that_moves_into_the_market_is_reduced_before_it_trades(world: World) -> None:
    send(world, quote(b"q", ("X", 50, 99, 50, 102)), enter(2, b"a", w.SELL, 50, 101))
    private, public = send(world, quote(b"r", ("X", 50, 101, 50, 102)))
    assert [event[0] for event in private] == [STATUS, EXECUTED, EXECUTED, STATUS]
    assert public == [(w.REDUCED, 1, 1, 50, 0), (w.TRADED, 1, 3, 50, 101 * CENT, 1, w.BUY, 0)]


# ------------------------------------------------------------------------------------------------- judging
@pytest.mark.parametrize(("entry", "sides"), [
    (("Z", 1, 10, 1, 11), ((0, 10, w.REJECT_SYMBOL), (0, 11, w.REJECT_SYMBOL))),
    (("X", 1, 11, 1, 11), ((0, 11, w.REJECT_QUOTE), (0, 11, w.REJECT_QUOTE))),
    (("X", 1, 12, 0, 11), ((1, 12, 0), (0, 0, 0))),
    (("X", 10**9, 10, 1, 11), ((0, 10, w.REJECT_QUANTITY), (1, 11, 0))),
    (("X", 1, 10, 1, 10**8), ((1, 10, 0), (0, 10**8, w.REJECT_PRICE))),
    (("X", 1, 0, 1, 11), ((0, 0, w.REJECT_PRICE), (1, 11, 0))),
])  # fmt: skip
def test_3_each_side_is_judged_and_a_bad_one_does_not_spoil_the_others(world: World, entry: Any, sides: Any) -> None:
    private, _ = send(world, quote(b"q", entry, ("Y", 5, 20, 5, 30)))
    assert [(event[6], event[7] // CENT, event[8]) for event in private[:2]] == list(sides)
    assert private[2:] == [
        status(b"q", w.BUY, private[2][5], 5, 20, symbol="Y"), status(b"q", w.SELL, private[3][5], 5, 30, symbol="Y"),
    ]  # fmt: skip


def test_3_a_refused_side_is_taken_out(world: World) -> None:
    world.verb("set_book_property", "book-X", "lot_size", 10)
    world.take_all()
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    private, public = send(world, quote(b"r", ("X", 100, 99, 95, 102)))
    assert private[0] == status(b"r", w.BUY, 1, 100, 99)
    assert private[1][:9] == status(b"r", w.SELL, 0, 0, 102, w.REJECT_QUANTITY)[:9]
    assert public == [(w.REDUCED, 1, 2, 90, 0)]
    private, public = send(world, quote(b"s", ("X", 100, 99, 90, 99)))
    text = "bid_price is not below ask_price"
    assert private == [
        status(b"s", w.BUY, 0, 0, 99, w.REJECT_QUOTE, text), status(b"s", w.SELL, 0, 0, 99, w.REJECT_QUOTE, text),
    ]  # fmt: skip
    assert public == [(w.REDUCED, 1, 1, 100, 0)]


def test_3_the_limit_of_open_orders_counts_sides(world: World) -> None:
    world.verb("set_engine_property", "main", "max_open_orders", 1)
    private, _ = send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    assert [event[8] for event in private] == [0, w.REJECT_LIMIT]
    private, _ = send(world, quote(b"r", ("X", 100, 98, 0, 0)))
    assert private[0] == status(b"r", w.BUY, 2, 100, 98), "an update takes no more room"


def test_3_risk_limits_hold_for_quotes(world: World) -> None:
    world.verb("set_limit", "main", "session", "1", "max_quantity", 50)
    world.take_all()
    private, _ = send(world, quote(b"q", ("X", 51, 99, 50, 101)))
    assert [event[8] for event in private] == [w.REJECT_MAX_QUANTITY, 0]


def test_3_a_halt_refuses_quotes_and_takes_them_out(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    world.verb("halt", "book-X")
    world.take_all()
    private, public = send(world, quote(b"r", ("X", 100, 98, 0, 0)))
    assert private == [status(b"r", w.BUY, 0, 0, 98, w.REJECT_HALTED, "halted"), status(b"r", w.SELL, 0, 0, 0)]
    assert public == [(w.REDUCED, 1, 1, 100, 0), (w.REDUCED, 1, 2, 90, 0)]


def test_3_shortly_before_an_auction_a_quote_stays_as_it_is(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    world.take_all()
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    world.verb("set_phase", "main", "pre_open_no_cancel")
    world.take_all()
    late = w.REJECT_TOO_LATE, w.REJECT_REASONS[w.REJECT_TOO_LATE]
    private, public = send(world, quote(b"r", ("X", 0, 0, 90, 102), ("Y", 10, 1, 10, 2)))
    assert private[:2] == [status(b"r", w.BUY, 1, 100, 99, *late), status(b"r", w.SELL, 2, 90, 101, *late)]
    assert [event[6] for event in private[2:]] == [10, 10], "new ones are welcome"
    assert [event[1] for event in public if event[0] != w.INDICATIVE] == [2, 2]


def test_quotes_take_part_in_auctions(world: World) -> None:
    world.verb("set_phase", "main", "pre_open")
    world.take_all()
    send(world, quote(b"q", ("X", 100, 99, 90, 101)), enter(2, b"t", w.BUY, 30, 101))
    world.verb("set_phase", "main", "open")
    executed = [event for event in world.take() if event[0] == EXECUTED]
    assert (EXECUTED, 1, ASK, 30, 101 * CENT, w.CROSS_LIQUIDITY + w.CROSS_OPENING, 1, 60, 0) in executed


# ------------------------------------------------------------------------------------------------- own sides
@pytest.mark.parametrize(("bid", "ask", "order"), [
    (101, 103, [w.SELL, w.BUY]), (105, 106, [w.SELL, w.BUY]), (90, 95, [w.BUY, w.SELL]), (95, 99, [w.BUY, w.SELL]),
    (98, 102, [w.BUY, w.SELL]), (100, 101, [w.BUY, w.SELL]),
])  # fmt: skip
def test_4_a_quote_that_moves_never_meets_itself(world: World, bid: int, ask: int, order: list[int]) -> None:
    send(world, quote(b"q", ("X", 100, 99, 100, 101)))
    private, public = send(world, quote(b"r", ("X", 50, bid, 60, ask)))
    assert [event[4] for event in private] == order
    assert all(event[0] == w.ORDER_REPLACED for event in public if event[0] != w.REDUCED)
    assert world.machine.numbers.match == 0


def test_4_a_bid_that_takes_the_place_of_the_ask_does_not_meet_it(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 100, 101)))
    private, public = send(world, quote(b"r", ("X", 50, 102, 0, 0)))
    assert private == [status(b"r", w.SELL, 0, 0, 0), status(b"r", w.BUY, 3, 50, 102)]
    assert public == [(w.REDUCED, 1, 2, 100, 0), (w.ORDER_REPLACED, 1, 1, 3, 50, 102 * CENT)]


# ------------------------------------------------------------------------------------------------- tokens
def test_the_sides_tokens_are_used_up_so_no_order_of_the_client_has_them(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    assert send(world, enter(1, BID), enter(1, ASK), quote(ASK)) == ([], [])
    send(world, quote(b"r", ("X", 0, 0, 0, 0)))
    assert send(world, enter(1, BID)) == ([], []), "also while the side is out"


def test_tokens_that_the_client_uses_itself_are_left_to_it(world: World) -> None:
    send(world, enter(1, ASK, w.BUY, 10, 50), enter(1, b"Q2.X.B", w.BUY, 10, 50))
    private, _ = send(world, quote(b"q", ("X", 100, 99, 90, 101)), quote(b"r", ("X", 90, 99, 90, 101)))
    assert [event[5] for event in private] == [3, 4, 3, 4]
    assert list(world.machine.sessions[1].live) == [ASK, b"Q2.X.B", b"Q3.X.B", b"Q3.X.A"]


def test_a_new_day_begins_with_new_tokens(world: World) -> None:
    send(world, enter(1, ASK), quote(b"q", ("X", 100, 99, 90, 101)))
    for verb in ("end_of_day", "start_of_day", "open"):
        world.verb(verb, "main")
    world.log_on("orders", "alice", 9)
    world.take_all()
    send(world, enter(1, b"Q2.X.B", w.BUY, 10, 50))
    private, _ = send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    assert [event[5] for event in private] == [5, 6]
    assert list(world.machine.sessions[1].live) == [b"Q2.X.B", BID, ASK]


def test_without_room_for_tokens_a_quote_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "TOKENS_MAX", 2)
    private, _ = send(world, quote(b"q", ("X", 100, 99, 90, 101)), enter(1, b"t"))
    assert [event[8] for event in private[:2]] == [w.REJECT_LIMIT, w.REJECT_LIMIT]
    private, _ = send(world, quote(b"r", ("X", 100, 99, 90, 101)))
    assert private[0][:4] == (w.REJECTED, 1, b"r", w.REJECT_LIMIT)


def test_a_side_that_the_client_replaces_is_an_order_from_then_on(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    send(world, (w.REPLACE, 1, BID, b"mine", 50, 98 * CENT, w.LIMIT, w.DAY, 0, 0, 0, b""))
    private, _ = send(world, quote(b"r", ("X", 10, 97, 90, 101)))
    assert [event[5] for event in private] == [4, 2]
    assert list(world.machine.sessions[1].live) == [ASK, b"mine", BID]


def test_every_session_has_its_own_quote(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)), quote(b"q", ("X", 10, 99, 10, 101), session=2))
    _, public = send(world, quote(b"r", ("X", 0, 0, 0, 0)))
    assert [event[2] for event in public] == [1, 2]
    assert list(world.machine.sessions[2].live) == [BID, ASK]


# ------------------------------------------------------------------------------------------------- what ends them
def test_a_mass_cancel_takes_quotes_with_it(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    private, _ = send(world, (w.MASS_CANCEL, 1, b"m", 1, "", 0, 0, w.PRICE_MAX))
    assert private == [
        (CANCELED, 1, BID, 100, w.CANCEL_MASS, 0),
        (CANCELED, 1, ASK, 90, w.CANCEL_MASS, 0),
        (w.MASS_CANCELED, 1, b"m", 2),
    ]


def test_quotes_end_with_the_day(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101)))
    world.verb("close", "main")
    assert world.take() == [(CANCELED, 1, BID, 100, w.CANCEL_CLOSED, 0), (CANCELED, 1, ASK, 90, w.CANCEL_CLOSED, 0)]


# ------------------------------------------------------------------------------------------------- indicative
def test_5_an_indicative_quote_is_shown_and_cannot_be_traded_with(world: World) -> None:
    private, public = send(world, quote(b"q", ("X", 100, 99, 90, 101), indicative=1))
    assert private == [status(b"q", w.BUY, 0, 100, 99), status(b"q", w.SELL, 0, 90, 101)]
    assert public == [(w.QUOTED, 1, 1, 100, 99 * CENT, 90, 101 * CENT)]
    assert world.machine.books["book-X"].plain
    _, public = send(world, quote(b"r", ("X", 5, 98, 0, 0), session=2, indicative=1), enter(3, b"t", w.BUY, 10, 105))
    assert public == [(w.QUOTED, 1, 2, 5, 98 * CENT, 0, 0), (w.ADDED, 1, 1, w.BUY, 10, 105 * CENT)]
    private, public = send(world, quote(b"s", ("X", 100, 99, 90, 101), indicative=1))
    assert (len(private), public) == (2, []), "nothing new for the public"


def test_5_firm_and_indicative_quotes_take_each_others_place(world: World) -> None:
    send(world, quote(b"q", ("X", 100, 99, 90, 101), indicative=1))
    private, public = send(world, quote(b"r", ("X", 50, 98, 0, 0)))
    assert private == [status(b"r", w.BUY, 1, 50, 98), status(b"r", w.SELL, 0, 0, 0)]
    assert public == [(w.QUOTED, 1, 1, 0, 0, 0, 0), (w.ADDED, 1, 1, w.BUY, 50, 98 * CENT)]
    private, public = send(world, quote(b"s", ("X", 0, 0, 60, 101), indicative=1))
    assert private == [status(b"s", w.BUY, 0, 0, 0), status(b"s", w.SELL, 0, 60, 101)]
    assert public == [(w.REDUCED, 1, 1, 50, 0), (w.QUOTED, 1, 1, 0, 0, 60, 101 * CENT)]


def test_5_what_is_wrong_with_an_indicative_side_is_not_shown(world: World) -> None:
    private, public = send(world, quote(b"q", ("X", 10**9, 99, 90, 101), ("Y", 1, 2, 1, 1), indicative=1))
    assert [event[8] for event in private] == [w.REJECT_QUANTITY, 0, w.REJECT_QUOTE, w.REJECT_QUOTE]
    assert public == [(w.QUOTED, 1, 1, 0, 0, 90, 101 * CENT)]
    world.verb("halt", "book-X")
    world.take_all()
    private, public = send(world, quote(b"r", ("X", 10, 99, 90, 101), indicative=1))
    assert [event[8] for event in private] == [w.REJECT_HALTED] * 2
    assert public == [(w.QUOTED, 1, 1, 0, 0, 0, 0)]


def test_5_indicative_quotes_can_be_hidden_for_a_book_and_for_a_session(world: World) -> None:
    send(world, quote(b"q", ("X", 1, 99, 1, 101), ("Y", 1, 99, 0, 0), indicative=1))
    send(world, quote(b"q", ("X", 2, 99, 2, 101), session=2, indicative=1))
    quotes.hide_of(world.machine.sessions[1])
    quotes.hide_of(world.machine.sessions[3])
    assert world.take("public") == [(w.QUOTED, 1, 1, 0, 0, 0, 0), (w.QUOTED, 2, 1, 0, 0, 0, 0)]
    quotes.hide_all(world.machine.books["book-X"])
    assert world.take("public") == [(w.QUOTED, 1, 2, 0, 0, 0, 0)]


@pytest.mark.parametrize("end", ["close", "end_of_day", "disconnect", "delete_endpoint"])
def test_5_indicative_quotes_end_where_firm_ones_do(world: World, end: str) -> None:
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", True)
    world.take_all()
    send(world, quote(b"q", ("X", 1, 99, 1, 101), indicative=1))
    if end == "disconnect":
        world.send("gateway-1", (w.LOGOFF, 1, 1))
    else:
        world.verb(end, "orders" if end == "delete_endpoint" else "main")
    assert [event for event in world.take("public") if event[0] == w.QUOTED] == [(w.QUOTED, 1, 1, 0, 0, 0, 0)]


# ------------------------------------------------------------------------------------------------- many
def test_the_largest_mass_quote_there_is(world: World) -> None:
    symbols = [f"S{number}" for number in range(w.QUOTES_MAX)]
    for symbol in symbols:
        world.verb("create_book", symbol, "main", symbol)
    world.take_all()
    private, public = send(world, quote(b"q", *((symbol, 10, 99, 10, 101) for symbol in symbols)))
    assert (len(private), len(public)) == (2 * w.QUOTES_MAX, 2 * w.QUOTES_MAX)
    private, public = send(world, quote(b"r", *((symbol, 10, 98, 10, 101) for symbol in symbols)))
    assert all(event[0] == w.ORDER_REPLACED for event in public) and len(public) == w.QUOTES_MAX
    fed(world, "apply", "gateway-1", world.machine.peers["gateway-1"].last_command + 1, (quote(b"s"),))


ENTRY = st.tuples(st.just("X"), st.integers(0, 3), st.integers(1, 9), st.integers(0, 3), st.integers(1, 9))
COMMANDS = st.one_of(
    st.tuples(st.just("quote"), st.integers(1, 2), st.lists(ENTRY, min_size=1, max_size=2), st.booleans()),
    st.tuples(st.just("enter"), st.sampled_from((w.BUY, w.SELL)), st.integers(1, 3), st.integers(1, 9)),
    st.tuples(st.just("cancel"), st.integers(1, 2), st.sampled_from((BID, ASK))),
)


@settings(max_examples=100)
@given(st.lists(COMMANDS, max_size=20))
def test_whatever_is_quoted_the_status_says_what_is_there(commands: list[Any]) -> None:
    """After each quote, what the last QUOTE_STATUS of a side said, less what was executed since, is in the book."""
    world = market(users=("alice", "bob", "carol"))
    for number, (what, *args) in enumerate(commands):
        token = b"%d" % number
        if what == "quote":
            session, entries, indicative = args
            private, _ = send(world, quote(token, *entries, session=session, indicative=int(indicative)))
            said: dict[int, list[int]] = {}
            for event in private:
                if event[0] == STATUS:
                    said[event[4]] = [0, event[7]] if indicative else [event[6], event[7]]
                elif event[1] == session:
                    said[w.BUY if event[2] == BID else w.SELL][0] -= event[3]
            check_sides(world, session, said)
        elif what == "enter":
            send(world, submit(3, token, args[0], args[1], args[2]))
        else:
            send(world, (w.CANCEL, args[0], args[1], 0))


def check_sides(world: World, session: int, said: dict[int, list[int]]) -> None:
    live = [order for order in world.machine.sessions[session].live.values() if order[TERMS] is not None]
    found = {order[SIDE]: [order[OPEN], order[PRICE]] for order in live}
    assert found == {side: what for side, what in said.items() if what[0]}
    book = world.machine.books["book-X"]
    assert book.bids.best < book.asks.best
