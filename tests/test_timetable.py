"""Timetables: what a text means, and what the machine does by it, on time or late."""

from __future__ import annotations

import pytest

from openoutcry import wire as w
from openoutcry.errors import VerbError
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.timetable import DAY_NS, SECOND_NS, STEPS_MAX, Step, Timetable, parse
from tests.machine_world import START_NS, World, enter, market

TYPICAL = (
    "08:00 start_of_day, 09:00 pre_open, 09:28 pre_open_no_cancel, 09:29 opening_auction, 09:30 open, "
    "16:00:30 closing_auction, 16:05 post_close, 17:30 end_of_day"
)


# ------------------------------------------------------------------------------------------------- the text
def test_a_timetable_is_steps_in_seconds_of_the_day() -> None:
    assert parse(TYPICAL) == (
        Step(8 * 3600, "start_of_day"), Step(9 * 3600, "pre_open"), Step(9 * 3600 + 28 * 60, "pre_open_no_cancel"),
        Step(9 * 3600 + 29 * 60, "opening_auction"), Step(9 * 3600 + 30 * 60, "open"),
        Step(16 * 3600 + 30, "closing_auction"), Step(16 * 3600 + 300, "post_close"),
        Step(17 * 3600 + 1800, "end_of_day"),
    )  # fmt: skip
    assert parse("00:00 open,23:59:59  closed ") == (Step(0, "open"), Step(86_399, "closed"))
    assert parse("07:00 pre_open 13:30 open") == parse("07:00 pre_open, 13:30 open")
    assert parse("12:00 volatility_auction", of_book=True) == (Step(43_200, "volatility_auction"),)


@pytest.mark.parametrize("text", ["", " , "])
def test_an_empty_text_is_no_timetable(text: str) -> None:
    assert parse(text) == ()


@pytest.mark.parametrize(("text", "rule"), [
    ("9:00 open", "'9:00' is where a time of day must be: HH:MM or HH:MM:SS (UTC)"),
    ("24:00 open", "'24:00' is where a time of day must be"),
    ("09:60 open", "'09:60' is where a time of day must be"),
    ("09:00:60 open", "'09:00:60' is where a time of day must be"),
    ("open", "'open' is where a time of day must be"),
    ("09:00 open twice", "'twice' is where a time of day must be"),
    ("09:00", "09:00 : what begins then must be one of: open, closed, pre_open, "),
    ("09:00 close", "09:00 close: what begins then must be one of: open, closed, "),
    ("09:00 halted", "09:00 halted: what begins then must be one of: "),
    ("09:00 ended", "09:00 ended: what begins then must be one of: "),
    ("09:00 open, 09:00 closed", "09:00 closed is not after the step before it: times ascend within a day"),
    ("09:00 open, 08:59:59 closed", "08:59:59 closed is not after the step before it"),
])  # fmt: skip
def test_what_is_wrong_with_a_timetable_is_said(text: str, rule: str) -> None:
    with pytest.raises(VerbError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.field) == ("bad_argument", "timetable")
    assert rule in caught.value.text


def test_a_book_has_the_days_of_its_engine() -> None:
    with pytest.raises(VerbError, match="09:00 end_of_day: a book has the days of its engine"):
        parse("09:00 end_of_day", of_book=True)


def test_there_are_only_so_many_steps() -> None:
    texts = [f"{minute // 60:02}:{minute % 60:02} open" for minute in range(STEPS_MAX + 1)]
    assert len(parse(",".join(texts[:-1]))) == STEPS_MAX
    with pytest.raises(VerbError, match=f"{STEPS_MAX + 1} steps, at most {STEPS_MAX}"):
        parse(",".join(texts))


def test_the_next_step_is_the_first_after_a_time_today_or_tomorrow() -> None:
    timetable = Timetable(TYPICAL, parse(TYPICAL), 1)
    day = 19_675 * DAY_NS
    assert timetable.next_ns(day) == (day + 8 * 3600 * SECOND_NS, 0)
    assert timetable.next_ns(day + 8 * 3600 * SECOND_NS) == (day + 9 * 3600 * SECOND_NS, 1)
    assert timetable.next_ns(day + 9 * 3600 * SECOND_NS - 1) == (day + 9 * 3600 * SECOND_NS, 1)
    assert timetable.next_ns(day + DAY_NS - 1) == (day + DAY_NS + 8 * 3600 * SECOND_NS, 0)
    assert Timetable.of(timetable.dump()).steps == timetable.steps


# ------------------------------------------------------------------------------------------------- the machine
MIDNIGHT = START_NS - START_NS % DAY_NS


def at(world: World, time: str, day: int = 1) -> None:
    """Let a matcher come to its timers at this time of day; day 1 is the one after the machine's start."""
    step = parse(f"{time} open")[0]
    world.now = MIDNIGHT + day * DAY_NS + step.second * SECOND_NS
    world.timer()


def statuses(world: World) -> list[tuple[int, str]]:
    """(book, phase) of each STATUS since the last time."""
    return [(event[1], w.PHASES[event[2]]) for event in world.take("public") if event[0] == w.STATUS]


def timed(text: str = TYPICAL, symbols: tuple[str, ...] = ("X",)) -> World:
    world = market(symbols)
    world.verb("set_timetable", "main", text)
    return world


def test_the_machine_takes_each_step_at_its_time_every_day() -> None:
    world = timed()
    world.verb("end_of_day", "main")
    world.take("public")
    for day in (1, 2, 3):
        for step in TYPICAL.split(", "):
            time, name = step.split()
            assert world.machine.next_timer_ns == MIDNIGHT + day * DAY_NS + parse(step)[0].second * SECOND_NS
            at(world, time, day)
            assert statuses(world) == [(1, {"start_of_day": "closed", "end_of_day": "ended"}.get(name, name))]
        assert world.machine.engines["main"].day == day + 1


def test_a_matcher_that_was_down_takes_every_step_in_order() -> None:
    world = timed("09:00 pre_open, 09:30 open, 16:00 closed")
    at(world, "08:00")
    world.verb("close", "main")
    world.take_all()
    at(world, "09:45", 2)
    assert statuses(world) == [(1, name) for name in ("pre_open", "open", "closed", "pre_open", "open")]
    at(world, "16:00", 2)
    assert statuses(world) == [(1, "closed")]


def test_what_falls_due_in_the_same_call_is_done_in_the_order_of_its_time() -> None:
    world = timed("09:00 pre_open, 09:30 open")
    at(world, "09:00")
    gtd = (9 * 3600 + 29 * 60) * SECOND_NS + MIDNIGHT + DAY_NS
    for token, expire in ((b"a", gtd), (b"b", gtd + 60 * SECOND_NS + 1)):
        world.send("gateway-1", enter(1, token, tif=w.GTD, expire=expire))
    world.send("gateway-1", enter(2, b"s", w.SELL, 200))
    world.take_all()
    at(world, "10:00")
    told = [(event[0], event[2]) for event in world.take()]
    assert told == [(w.CANCELED, b"a"), (w.EXECUTED, b"b"), (w.EXECUTED, b"s")]


def test_an_empty_text_takes_it_away_and_a_new_one_takes_its_place() -> None:
    world = timed("09:00 closed")
    world.verb("set_timetable", "main", "10:00 closed")
    at(world, "09:30")
    assert statuses(world) == []
    at(world, "10:00")
    assert statuses(world) == [(1, "closed")]
    world.verb("set_timetable", "main", "")
    assert world.machine.engines["main"].timetable is None
    at(world, "10:00", 3)
    assert statuses(world) == []


def test_a_timetable_that_is_wrong_changes_nothing() -> None:
    world = timed("09:00 closed")
    assert world.verb("set_timetable", "main", "09:00 shut") == ("bad_argument", "timetable")
    assert world.verb("set_timetable", "main", "09:00 end_of_day", "book-X") == ("bad_argument", "timetable")
    at(world, "09:00")
    assert statuses(world) == [(1, "closed")]


def test_a_step_that_the_state_does_not_allow_is_passed_over() -> None:
    world = timed("08:00 start_of_day, 09:00 open, 17:00 end_of_day")
    at(world, "08:00")
    assert statuses(world) == [], "the day had not ended"
    at(world, "16:00")
    world.verb("end_of_day", "main")
    world.take_all()
    at(world, "17:00")
    assert statuses(world) == [], "it has ended already"
    at(world, "23:00")
    world.verb("set_timetable", "main", "09:00 open")
    at(world, "09:00", 2)
    assert statuses(world) == [], "nothing opens while the day is ended"


def test_a_book_with_a_timetable_of_its_own_has_phases_of_its_own_but_the_engines_days() -> None:
    world = timed("09:00 pre_open, 10:00 open, 17:00 end_of_day", ("X", "Y"))
    world.verb("set_timetable", "main", "09:15 closed, 11:00 open", "book-Y")
    for time, expected in (
        ("09:00", [(1, "pre_open")]),
        ("09:15", [(2, "closed")]),
        ("10:00", [(1, "open")]),
        ("11:00", [(2, "open")]),
        ("17:00", [(1, "ended"), (2, "ended")]),
    ):
        at(world, time)
        assert statuses(world) == expected, time
    world.verb("start_of_day", "main")
    assert statuses(world) == [(1, "closed"), (2, "closed")]
    world.verb("set_timetable", "main", "", "book-Y")
    at(world, "10:00", 2)
    assert statuses(world) == [(1, "pre_open"), (2, "pre_open"), (1, "open"), (2, "open")], "as all others again"


def test_a_book_with_a_timetable_stays_where_the_engine_left_it() -> None:
    world = timed("09:00 pre_open", ("X", "Y"))
    world.verb("set_timetable", "main", "10:00 open", "book-Y")
    world.verb("set_phase", "main", "closing_auction")
    at(world, "09:00")
    assert [book.phase for book in world.machine.books.values()] == [w.PHASE_PRE_OPEN, w.PHASE_CLOSING_AUCTION]
    again = Machine.load(world.machine.dump())
    assert [book.phase for book in again.books.values()] == [w.PHASE_PRE_OPEN, w.PHASE_CLOSING_AUCTION]


def test_entries_of_what_is_gone_mean_nothing() -> None:
    world = timed("09:00 closed", ("X", "Y"))
    world.verb("set_timetable", "main", "09:00 closed", "book-Y")
    world.verb("delete_book", "book-Y")
    world.verb("create_book", "book-Y", "main", "Y")
    world.verb("create_engine", "other")
    world.verb("set_timetable", "other", "09:00 closed")
    world.verb("delete_engine", "other")
    world.take_all()
    at(world, "09:00")
    assert statuses(world) == [(1, "closed"), (3, "closed")], "each by the engine's timetable, once"


def test_the_end_of_an_auction_is_random_by_book_and_the_same_in_every_machine() -> None:
    world = timed("09:00 pre_open, 09:30 open", ("X", "Y", "Z"))
    for name in ("book-X", "book-Y"):
        world.verb("set_book_property", name, "random_end_ms", 30_000)
    twin = World()
    twin.machine, twin.now = Machine.load(world.machine.dump()), world.now
    ends = []
    for one in (world, twin):
        one.take_all()
        at(one, "09:00")
        at(one, "09:30")
        statuses(one)
        found = []
        for _ in range(2):
            one.now = one.machine.next_timer_ns
            one.timer()
            found.append((one.now % DAY_NS, statuses(one)))
        ends.append(found)
    assert ends[0] == ends[1]
    (first, _), (second, _) = ends[0]
    assert sorted(book for _, told in ends[0] for book, _ in told) == [1, 2]
    half_past = (9 * 3600 + 1800) * SECOND_NS
    assert half_past < first < second <= half_past + 30 * SECOND_NS


def test_an_auction_that_lasts_longer_ends_at_once_when_the_engine_goes_on() -> None:
    world = timed("09:00 opening_auction, 09:30 open, 09:30:01 closing_auction")
    world.verb("set_book_property", "book-X", "random_end_ms", 86_400_000)
    for time, expected in (("09:00", "opening_auction"), ("09:30", None), ("09:30:01", "closing_auction")):
        at(world, time)
        assert statuses(world) == ([(1, expected)] if expected else [])
    at(world, "08:59", 3)
    assert (1, "open") not in statuses(world), "the random end of the opening auction is forgotten"


def test_an_auction_with_a_price_too_far_away_is_extended_before_the_phase_changes() -> None:
    world = timed("09:00 pre_open, 09:30 open")
    for name, value in (("reference_price", "1"), ("extension_band", 500), ("extension_ms", 60_000)):
        world.verb("set_book_property", "book-X", name, value)
    at(world, "09:00")
    world.send("gateway-1", enter(1, b"b", w.BUY, 10, 106), enter(2, b"s", w.SELL, 10, 106))
    statuses(world)
    at(world, "09:30")
    assert statuses(world) == [(1, "pre_open")]
    at(world, "09:30:59")
    assert statuses(world) == []
    at(world, "09:31")
    assert statuses(world) == [(1, "open")]


def test_an_operators_open_is_not_extended() -> None:
    world = timed("09:00 pre_open")
    for name, value in (("reference_price", "1"), ("extension_band", 500), ("random_end_ms", 1_000)):
        world.verb("set_book_property", "book-X", name, value)
    at(world, "09:00")
    world.send("gateway-1", enter(1, b"b", w.BUY, 10, 106), enter(2, b"s", w.SELL, 10, 106))
    statuses(world)
    world.verb("open", "main")
    assert statuses(world) == [(1, "open")]


def test_a_volatility_auction_outlasts_the_opening_of_others_but_not_the_close() -> None:
    world = timed("09:00 open, 09:05 closed")
    at(world, "08:59")
    world.verb("set_phase", "main", "volatility_auction", "book-X")
    assert statuses(world) == [(1, "volatility_auction")]
    world.verb("set_book_property", "book-X", "volatility_auction_ms", 86_400_000)
    world.verb("set_phase", "main", "volatility_auction", "book-X")
    at(world, "09:00")
    assert statuses(world) == [(1, "volatility_auction")]
    at(world, "09:05")
    assert statuses(world) == [(1, "closed")]
