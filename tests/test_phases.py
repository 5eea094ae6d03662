"""The table of the trading phases, cell by cell, and what its rows promise together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher import phases
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.orders import TERMS
from openoutcry.matcher.phases import NO, PENDING, YES, may_amend, may_cancel, may_enter
from openoutcry.matcher.terms import CALL, DARK, LIT, PARKED, TRIGGER, Terms
from tests.machine_world import World, enter, market, outcome

# What each phase takes, written a second time and in another way: by time in force, in the order of the phases below.
# "." is taken, "H" halted, "C" closed, "P" not in this phase.
COLUMNS = (
    w.PHASE_PRE_OPEN, w.PHASE_PRE_OPEN_NO_CANCEL, w.PHASE_OPENING_AUCTION, w.PHASE_OPEN, w.PHASE_VOLATILITY_AUCTION,
    w.PHASE_CLOSING_AUCTION, w.PHASE_POST_CLOSE, w.PHASE_HALTED, w.PHASE_CLOSED, w.PHASE_ENDED,
)  # fmt: skip
ENTRY = {
    w.DAY:              "......PHCC",
    w.GTC:              ".......HCC",
    w.AT_OPEN:          "...PPPPHCC",
    w.IOC:              "PPP.PPPHCC",
    w.FOK:              "PPP.PPPHCC",
    w.SYSTEM_HOURS:     "......PHCC",
    w.GTD:              ".......HCC",
    w.AT_CLOSE:         "......PHCC",
    w.GOOD_FOR_TIME:    "......PHCC",
    w.GOOD_FOR_AUCTION: "......PHCC",
}  # fmt: skip
REASONS = {".": 0, "H": w.REJECT_HALTED, "C": w.REJECT_CLOSED, "P": w.REJECT_PHASE}

# May an order be cancelled, of the call room and of any other place; may one be replaced, of any other place and of the
# call room.
LATE = w.REJECT_TOO_LATE
CHANGES: dict[int, tuple[str, str, int, int]] = {
    w.PHASE_PRE_OPEN: (YES, YES, 0, 0),
    w.PHASE_PRE_OPEN_NO_CANCEL: (PENDING, NO, LATE, LATE),
    w.PHASE_OPENING_AUCTION: (PENDING, NO, LATE, LATE),
    w.PHASE_OPEN: (YES, YES, 0, 0),
    w.PHASE_VOLATILITY_AUCTION: (YES, YES, 0, 0),
    w.PHASE_CLOSING_AUCTION: (PENDING, YES, 0, LATE),
    w.PHASE_POST_CLOSE: (YES, YES, w.REJECT_PHASE, w.REJECT_PHASE),
    w.PHASE_HALTED: (YES, YES, w.REJECT_HALTED, w.REJECT_HALTED),
    w.PHASE_CLOSED: (YES, YES, w.REJECT_CLOSED, w.REJECT_CLOSED),
    w.PHASE_ENDED: (NO, NO, w.REJECT_CLOSED, w.REJECT_CLOSED),
}


def waiting(where: int | None) -> list[Any]:
    """An order that waits there; None: a plain limit order."""
    order: list[Any] = [None] * (TERMS + 1)
    if where is not None:
        order[TERMS] = Terms()
        order[TERMS].where = where
    return order


def test_there_is_a_row_for_every_phase() -> None:
    assert set(phases.RULES) == set(w.PHASES) == set(COLUMNS) == set(CHANGES)
    assert set(ENTRY) == set(w.TIMES_IN_FORCE)


@pytest.mark.parametrize("phase", w.PHASES, ids=w.PHASES.get)
def test_entry_by_order_type_and_time_in_force(phase: int) -> None:
    for tif, cells in ENTRY.items():
        for order_type in w.ORDER_TYPES:
            expected = REASONS[cells[COLUMNS.index(phase)]]
            assert may_enter(phase, order_type, tif) == expected, (w.ORDER_TYPES[order_type], w.TIMES_IN_FORCE[tif])


@pytest.mark.parametrize("phase", w.PHASES, ids=w.PHASES.get)
def test_cancels_and_changes(phase: int) -> None:
    cancel_call, cancel_other, amend, amend_call = CHANGES[phase]
    assert may_cancel(phase, waiting(CALL)) == cancel_call
    assert may_amend(phase, waiting(CALL)) == amend_call
    for where in (None, LIT, DARK, TRIGGER, PARKED):
        assert may_cancel(phase, waiting(where)) == cancel_other, where
        assert may_amend(phase, waiting(where)) == amend, where
    assert may_amend(phase) == amend


def test_matching_is_continuous_in_one_phase_and_orders_are_collected_for_a_cross_in_five() -> None:
    of = {phase: rule.matching for phase, rule in phases.RULES.items()}
    assert [phase for phase, matching in of.items() if matching == phases.CONTINUOUS] == [w.PHASE_OPEN]
    assert {phase for phase, matching in of.items() if matching == phases.COLLECT} == {
        *phases.COLLECTING, w.PHASE_POST_CLOSE
    }  # fmt: skip
    assert {phase: phases.RULES[phase].cross for phase in phases.COLLECTING} == {
        w.PHASE_PRE_OPEN: w.CROSS_OPENING, w.PHASE_PRE_OPEN_NO_CANCEL: w.CROSS_OPENING,
        w.PHASE_OPENING_AUCTION: w.CROSS_OPENING, w.PHASE_CLOSING_AUCTION: w.CROSS_CLOSING,
        w.PHASE_VOLATILITY_AUCTION: w.CROSS_HALT,
    }  # fmt: skip


def test_what_a_phase_refuses_it_refuses_for_a_reason() -> None:
    for rule in phases.RULES.values():
        assert rule.refusal in w.REJECT_REASONS
        assert bool(rule.entry) == (rule.matching != phases.NOTHING) == bool(rule.types)


# ------------------------------------------------------------------------------------------------- the machine
def statuses(world: World) -> list[tuple[int, str, str]]:
    """(book, phase, why) of each STATUS since the last time."""
    return [(event[1], w.PHASES[event[2]], event[3]) for event in world.take("public") if event[0] == w.STATUS]


def test_every_phase_can_be_gone_to_from_every_other_but_ended() -> None:
    world = market(("X", "Y"))
    names = [name for name in w.PHASES.values() if name not in ("halted", "ended")]
    for before in names:
        for after in names:
            world.verb("set_phase", "main", before)
            world.take_all()
            world.verb("set_phase", "main", after)
            assert statuses(world) == [(1, after, "set_phase"), (2, after, "set_phase")]
            assert world.machine.engines["main"].phase == world.machine.books["book-X"].phase


@pytest.mark.parametrize(("phase", "error"), [
    ("halted", ("bad_argument", "phase")), ("ended", ("bad_argument", "phase")), ("nap", ("bad_argument", "phase")),
])  # fmt: skip
def test_phases_that_are_not_set(phase: str, error: tuple[str, str]) -> None:
    world = market()
    world.requests += 1
    world.send("control", (w.VERB, world.requests, "set_phase", ("main", phase, None)))
    assert outcome(world.take("control")[0], world.requests) == error
    world.verb("end_of_day", "main")
    assert world.verb("set_phase", "main", "open") == ("wrong_state", "phase")
    assert world.verb("set_phase", "main", "open", "book-X") == ("wrong_state", "phase")


def test_a_book_has_a_phase_of_its_own_until_the_engines_next_step() -> None:
    world = market(("X", "Y"))
    world.verb("set_phase", "main", "pre_open", "book-Y")
    assert statuses(world) == [(2, "pre_open", "set_phase")]
    world.send("gateway-1", enter(1, b"x", symbol="X"), enter(1, b"y", symbol="Y", tif=w.IOC))
    assert [(event[0], event[2]) for event in world.take()] == [(w.ACCEPTED, b"x"), (w.REJECTED, b"y")]
    world.verb("close", "main")
    assert statuses(world) == [(1, "closed", "close"), (2, "closed", "close")]


def test_a_halt_shows_in_every_phase_but_closed_and_ended_and_outlives_them() -> None:
    world = market()
    world.verb("halt", "book-X", "news pending")
    for verb, phase in (
        ("pre_open", "halted"), ("closing_auction", "halted"), ("post_close", "halted"), ("closed", "closed"),
        ("open", "halted"),
    ):  # fmt: skip
        world.verb("set_phase", "main", verb)
        assert statuses(world)[-1][:2] == (1, phase), verb
    world.verb("resume", "book-X")
    assert statuses(world) == [(1, "open", "resume")]


def test_a_halt_ends_with_an_auction_when_it_is_asked_for_in_continuous_trading() -> None:
    world = market()
    world.verb("halt", "book-X")
    world.verb("resume", "book-X", True)
    assert statuses(world) == [(1, "halted", "halt"), (1, "volatility_auction", "resume")]
    world.send("gateway-1", enter(1, b"b", w.BUY), enter(2, b"s", w.SELL))
    world.now += 120 * 10**9
    world.timer()
    assert statuses(world) == [(1, "open", "auction_end")]
    assert [event[5] for event in world.take() if event[0] == w.EXECUTED] == [w.CROSS_LIQUIDITY + w.CROSS_HALT] * 2
    world.verb("set_phase", "main", "pre_open")
    world.verb("halt", "book-X")
    world.verb("resume", "book-X", True)
    assert statuses(world)[-1] == (1, "pre_open", "resume"), "an auction is being prepared as it is"


def test_an_auction_cannot_begin_in_a_halted_book() -> None:
    world = market()
    world.verb("halt", "book-X")
    assert world.verb("set_phase", "main", "volatility_auction", "book-X") == ("wrong_state", "book")
    world.verb("halt_market", "main")
    world.verb("resume", "book-X")
    assert world.verb("set_phase", "main", "volatility_auction", "book-X") == ("wrong_state", "book")


def test_a_market_is_halted_and_resumed_with_all_its_books_but_not_those_of_others() -> None:
    world = market(("X", "Y", "Z"))
    world.verb("create_engine", "other")
    world.verb("create_book", "elsewhere", "other", "X")
    world.verb("halt", "book-Y")
    world.take_all()
    world.verb("halt_market", "main", "level 1")
    assert statuses(world) == [(number, "halted", "halt_market: level 1") for number in (1, 2, 3)]
    assert world.verb("halt_market", "main") == ("wrong_state", "engine")
    world.send("gateway-1", enter(1, b"x"))
    assert world.take()[0][3] == w.REJECT_HALTED
    world.verb("resume_market", "main", True)
    assert statuses(world) == [
        (1, "volatility_auction", "resume_market"), (2, "halted", "resume_market"),
        (3, "volatility_auction", "resume_market"),
    ]  # fmt: skip
    assert world.verb("resume_market", "main") == ("wrong_state", "engine")
    world.verb("halt_market", "main")
    world.verb("resume_market", "main")
    assert [phase for _, phase, _ in statuses(world)] == ["halted"] * 3 + ["open", "halted", "open"]


def test_a_book_resumed_in_a_halted_market_stays_halted() -> None:
    world = market()
    world.verb("halt", "book-X")
    world.verb("halt_market", "main")
    world.verb("resume", "book-X", True)
    assert statuses(world)[-1] == (1, "halted", "resume")
    world.verb("resume_market", "main")
    assert statuses(world) == [(1, "open", "resume_market")]


@pytest.mark.parametrize("phase", [name for name in w.PHASES.values() if name not in ("halted", "ended")])
def test_what_ends_with_trading_and_with_the_day(phase: str) -> None:
    """DAY orders end when trading does, whatever the phase before; the others but GTC and GTD with the day."""
    world = market()
    lasting = [w.DAY, w.GTC, w.SYSTEM_HOURS, w.GTD, w.AT_CLOSE, w.GOOD_FOR_TIME, w.GOOD_FOR_AUCTION]
    for tif in lasting:
        expire = {w.GTD: world.now + 10**15, w.GOOD_FOR_TIME: 86_399}.get(tif, 0)
        world.send("gateway-1", enter(1, w.TIMES_IN_FORCE[tif], tif=tif, expire=expire))
    world.verb("set_phase", "main", phase)
    world.take_all()
    after = phase in ("closed", "post_close")
    world.verb("close", "main")
    gone = [event[2:5] for event in world.take() if event[0] == w.CANCELED]
    assert (b"day", 100, w.CANCEL_CLOSED) in gone or after
    world.verb("end_of_day", "main")
    assert sorted(world.machine.sessions[1].live) == [b"gtc", b"gtd"]
    assert sorted(world.machine.sessions[1].tokens) == [b"gtc", b"gtd"]


def test_a_machine_that_is_loaded_has_every_phase_that_it_had() -> None:
    world = market(("X", "Y", "Z"))
    world.verb("set_phase", "main", "pre_open", "book-X")
    world.verb("set_phase", "main", "volatility_auction", "book-Y")
    world.verb("halt", "book-Z")
    world.verb("set_timetable", "main", "09:00 open", "book-Z")
    world.verb("set_timetable", "main", "09:00 open")
    for verb in (("halt_market", "main"), ("resume_market", "main")):
        again = Machine.load(world.machine.dump())
        assert again.dump() == world.machine.dump()
        assert [b.phase for b in again.books.values()] == [b.phase for b in world.machine.books.values()]
        assert [b.plain for b in again.books.values()] == [b.plain for b in world.machine.books.values()]
        world.verb(*verb)


SETTABLE = [name for name in w.PHASES.values() if name not in ("halted", "ended")]
BOOKS = st.sampled_from([None, "book-X", "book-Y"])
TEXTS = st.sampled_from(["", "22:13:25 pre_open 22:13:40 open", "22:13:30 closing_auction 22:13:45 post_close"])
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["open", "close", "end_of_day", "start_of_day", "halt_market"]), st.just("main")),
        st.tuples(st.just("resume_market"), st.just("main"), st.booleans()),
        st.tuples(st.just("set_phase"), st.just("main"), st.sampled_from(SETTABLE), BOOKS),
        st.tuples(st.just("halt"), st.just("book-X")),
        st.tuples(st.just("resume"), st.just("book-X"), st.booleans()),
        st.tuples(st.just("set_timetable"), st.just("main"), TEXTS, BOOKS),
        st.tuples(st.just("wait"), st.integers(1, 20)),
        st.tuples(st.just("enter"), st.integers(95, 105), st.sampled_from([w.DAY, w.GTC, w.GOOD_FOR_AUCTION])),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=200)
@given(DEEDS, st.sampled_from(["auction", "pause"]))
def test_whatever_is_done_phases_follow_from_the_state_and_open_books_are_not_crossed(
    deeds: list[tuple[Any, ...]], action: str
) -> None:
    world = market(("X", "Y"))
    band = {"dynamic_band": 200, "reference_price": "1", "band_action": action, "limit_state_ms": 2_000}
    for name, value in {**band, "pause_ms": 3_000, "volatility_auction_ms": 3_000, "random_end_ms": 5_000}.items():
        world.verb("set_book_property", "book-X", name, value)
    for number, deed in enumerate(deeds):
        if deed[0] == "wait":
            world.now += deed[1] * 10**9
            world.timer()
        elif deed[0] == "enter":
            side = (w.BUY, w.SELL)[number % 2]
            world.send("gateway-1", enter(1, f"t{number}", side, 10, deed[1], tif=deed[2]))
        else:
            world.verb(*deed)
        for book in world.machine.books.values():
            assert book.home is not None
            assert book.phase == book.home.phase_of(book)
            assert book.phase != w.PHASE_OPEN or book.bids.best < book.asks.best
    again = Machine.load(world.machine.dump())
    assert again.dump() == world.machine.dump()
    assert [book.phase for book in again.books.values()] == [book.phase for book in world.machine.books.values()]
