"""The exchange's clock in the sequencer and its machine: what happens when, in which records, and what survives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from openoutcry import wire
from openoutcry.bus import Directory
from openoutcry.matcher import advance, questions, sequencer
from openoutcry.matcher.audit import audit
from openoutcry.matcher.clock import TIME_MAX_NS
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.sequencer import Sequencer
from tests.machine_world import START_NS, World, enter, market
from tests.test_sequencer import Life, Peer, Wires, verb

MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND


class Watcher(Peer):
    """A peer that keeps the time of each event as well."""

    def __init__(self, name: str, role: int = wire.ROLE_GATEWAY) -> None:
        super().__init__(name, role)
        self.times: list[int] = []

    def take(self, time_ns: int, events: list[Any]) -> None:
        super().take(time_ns, events)
        self.times.extend([time_ns] * len(events))


class Bench:
    """A matcher in a directory, control and one gateway with a session, all in one thread."""

    def __init__(self, directory: Directory, **settings: Any) -> None:
        self.directory, self.settings = directory, settings
        self.wires = Wires(Random(0))
        self.life = Life(directory, self.wires, **settings)
        self.control, self.gateway = Watcher("control", wire.ROLE_CONTROL), Watcher("gw")
        self.now = self.requests = 0
        self.do("create_engine", "e")
        self.do("create_book", "b", "e", "X")
        self.submit("create_endpoint", "p", "e", "ouch42")
        self.settle()
        self.gateway.link.submit((wire.BOUND, "p", "127.0.0.1", 5, ""), (wire.LOGON, "p", "U", 1, ""))
        self.settle()

    def turn(self) -> None:
        self.now += 20 * MS
        for peer in (self.gateway, self.control):
            peer.step(self.wires, self.now)
        self.life.turn()

    def settle(self) -> None:
        """Until nobody has anything to say."""
        for _ in range(6):
            self.turn()

    def submit(self, name: str, *arguments: Any) -> int:
        self.requests += 1
        self.control.link.submit(verb(self.requests, name, *arguments))
        return self.requests

    def do(self, name: str, *arguments: Any) -> Any:
        """A verb's value, or the code and field of its error."""
        number = self.submit(name, *arguments)
        self.settle()
        return self.answer(number)

    def answer(self, number: int) -> Any:
        found = [event for event in self.control.events if event[:2] == (wire.RESULT, number)]
        if not found:
            return None
        ((_, _, error, text),) = found
        return error[:2] or json.loads(text)

    def enter(self, token: str, expire_ns: int) -> None:
        """An order that is good until a time."""
        self.gateway.link.submit(enter(1, token, tif=wire.GTD, expire=expire_ns))
        self.settle()

    def heard(self, kind: int) -> list[tuple[int, Any]]:
        """The gateway's events of that kind, with their times."""
        gateway = self.gateway
        return [(at, event) for at, event in zip(gateway.times, gateway.events, strict=True) if event[0] == kind]

    def crash(self) -> None:
        """kill -9, and a new life."""
        self.life.end()
        self.life = Life(self.directory, self.wires, **self.settings)
        self.now += 10 * SECOND  # the peers notice the silence

    def end(self) -> None:
        self.life.end()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    yield Directory(tmp_path / "d").create()


@pytest.fixture(params=["none", "sync"])
def bench(request: pytest.FixtureRequest, directory: Directory) -> Iterator[Bench]:
    made = Bench(directory, durability=request.param)
    yield made
    made.end()


def stopped(bench: Bench) -> int:
    """Stop the clock; the time at which it stands."""
    found = bench.do("stop_clock")
    assert found["stopped"] is True and found["offset_ns"] is None
    return int(found["time_ns"])


def test_what_is_due_on_the_way_happens_at_its_own_time_in_order(bench: Bench) -> None:
    t0 = stopped(bench)
    for token, hours in (("late", 3), ("second", 2), ("first", 1), ("after", 9)):
        bench.enter(token, t0 + hours * HOUR)
    found = bench.do("advance_clock", "8h", True)
    assert (found["time_ns"], found["moved_ns"], found["remaining_ns"]) == (t0 + 8 * HOUR, 8 * HOUR, 0)
    canceled = [(at, event[2], event[4]) for at, event in bench.heard(wire.CANCELED)]
    assert canceled == [
        (t0 + hours * HOUR, token, wire.CANCEL_TIMEOUT)
        for hours, token in ((1, b"first"), (2, b"second"), (3, b"late"))
    ]
    assert bench.heard(wire.CLOCK_SET) == [
        (t0, (wire.CLOCK_SET, 1, t0, 0, 0, 0)),
        (t0 + 8 * HOUR, (wire.CLOCK_SET, 1, t0 + 8 * HOUR, 0, 8 * HOUR, 1)),
    ]


def test_a_clock_that_stands_moves_by_nothing_but_advance_clock(bench: Bench) -> None:
    t0 = stopped(bench)
    bench.enter("soon", t0 + 1)
    bench.settle()
    assert bench.life.machine.time_ns == t0 and not bench.heard(wire.CANCELED)
    assert bench.do("advance_clock", "1ns")["time_ns"] == t0 + 1
    assert [at for at, _ in bench.heard(wire.CANCELED)] == [t0 + 1]


def test_a_clock_that_goes_is_moved_as_well_and_goes_on(bench: Bench) -> None:
    before = bench.life.machine.time_ns
    bench.enter("hour", before + HOUR)
    found = bench.do("advance_clock", "2h")
    assert (found["stopped"], found["offset_ns"], found["moved_ns"]) == (False, 2 * HOUR, 2 * HOUR)
    assert [at for at, _ in bench.heard(wire.CANCELED)] == [before + HOUR]
    assert bench.do("advance_clock", "1s")["offset_ns"] == 2 * HOUR + SECOND
    then = bench.life.machine.time_ns
    bench.do("create_book", "c", "e", "Y")
    assert bench.life.machine.time_ns > then > before + 2 * HOUR


def test_a_clock_that_is_started_goes_on_from_where_it_stands(bench: Bench) -> None:
    t0 = stopped(bench)
    found = bench.do("start_clock")
    assert found["time_ns"] == t0 and found["offset_ns"] < 0
    (_, first), (_, second) = bench.heard(wire.CLOCK_SET)
    assert (first[1:3], second[1:]) == ((1, t0), (0, t0, found["offset_ns"], 0, 0))
    bench.do("create_book", "c", "e", "Y")
    assert bench.life.machine.time_ns > t0


def test_verbs_that_make_no_sense_change_nothing(bench: Bench) -> None:
    def refused(code: str, field: str, *verb: Any) -> None:
        before = bench.life.machine.clock.dump()
        assert bench.do(*verb) == (code, field)
        assert bench.life.machine.clock.dump() == before

    refused("wrong_state", "", "start_clock")
    stopped(bench)
    refused("wrong_state", "", "stop_clock")
    for _ in range(80):
        if bench.life.machine.time_ns + 366 * 24 * HOUR > TIME_MAX_NS:
            break
        bench.do("advance_clock", "366d")
    refused("limit", "duration", "advance_clock", "366d")


def test_what_follows_an_advance_in_one_message_happens_after_it(bench: Bench) -> None:
    """A batch of verbs is one frame; the peer sends again what the sequencer did not take."""
    t0 = stopped(bench)
    bench.enter("order", t0 + HOUR)
    wanted: list[tuple[Any, ...]] = [
        ("set_phase", "e", "closed", None), ("advance_clock", "30m"), ("create_book", "c", "e", "Y"),
        ("advance_clock", "1h"), ("start_clock",), ("stop_clock",), ("create_book", "d", "e", "Z"),
    ]  # fmt: skip
    numbers = [bench.submit(*each) for each in wanted]
    bench.settle()
    bench.settle()
    answers = [bench.answer(number) for number in numbers]
    results = [event[1] for event in bench.control.events if event[0] == wire.RESULT]
    assert results[-len(numbers) :] == numbers
    assert [answer["time_ns"] - t0 for answer in answers if "time_ns" in answer][:2] == [HOUR // 2, HOUR * 3 // 2]
    book_times = [at - t0 for at, event in zip(bench.control.times, bench.control.events, strict=True)
                  if event[:2] in ((wire.RESULT, numbers[0]), (wire.RESULT, numbers[2]))]  # fmt: skip
    assert book_times == [0, HOUR // 2]
    assert [at - t0 for at, _ in bench.heard(wire.CANCELED)] == [HOUR]


def test_a_long_way_is_gone_in_parts_so_that_others_do_not_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advance, "ADVANCE_NS_MAX", 0)
    t0 = stopped(bench)
    for hours in (1, 2):
        bench.enter(f"o{hours}", t0 + hours * HOUR)
    parts = [bench.do("advance_clock", "3h"), bench.do("advance_clock", "2h"), bench.do("advance_clock", "1h")]
    assert [(part["moved_ns"] // HOUR, part["remaining_ns"] // HOUR) for part in parts] == [(1, 2), (2, 0), (1, 0)]
    assert [event[4] for _, event in bench.heard(wire.CLOCK_SET)][1:] == [HOUR, 2 * HOUR, HOUR]


@pytest.mark.parametrize("dies_after", [0, 1, 2])
def test_a_matcher_that_dies_on_the_way_goes_on_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    t0 = stopped(bench)
    for hours in (1, 2, 3):
        bench.enter(f"o{hours}", t0 + hours * HOUR)
    number = bench.submit("advance_clock", "8h")
    real = Sequencer._step
    steps: list[int] = []

    class Killed(Exception):
        """At that moment the matcher is no more."""

    def step(self: Sequencer, one: Any, time_ns: int) -> None:
        if len(steps) == dies_after:
            raise Killed
        steps.append(time_ns)
        real(self, one, time_ns)

    monkeypatch.setattr(Sequencer, "_step", step)
    with pytest.raises(Killed):
        bench.settle()
    assert bench.answer(number) is None and not bench.heard(wire.CANCELED)
    monkeypatch.setattr(Sequencer, "_step", real)
    half_way = Machine.load(bench.life.machine.dump())
    assert half_way.dump() == bench.life.machine.dump()
    bench.crash()
    bench.settle()
    assert bench.answer(number)["time_ns"] == t0 + 8 * HOUR
    assert [at - t0 for at, _ in bench.heard(wire.CANCELED)] == [HOUR, 2 * HOUR, 3 * HOUR]


def test_a_matcher_that_dies_before_the_clock_has_started_starts_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    t0 = stopped(bench)
    number = bench.submit("start_clock")
    monkeypatch.setattr(advance, "complete", lambda *_: None)
    bench.settle()
    monkeypatch.undo()
    bench.crash()
    bench.settle()
    assert bench.answer(number)["time_ns"] == t0
    assert bench.life.machine.clock.dump()[:3] == (False, bench.life.machine.clock.offset_ns, None)


def test_a_new_life_has_the_clock_of_the_one_before(bench: Bench) -> None:
    t0 = stopped(bench)
    bench.do("advance_clock", "1h")
    bench.crash()
    bench.settle()
    assert bench.life.machine.time_ns == t0 + HOUR
    bench.do("start_clock")
    offset_ns = bench.life.machine.clock.offset_ns
    bench.crash()
    bench.settle()
    assert bench.life.machine.clock.offset_ns == offset_ns and bench.life.machine.time_ns > t0 + HOUR


def test_a_replay_of_the_journal_gives_the_same_machine_and_the_same_events(bench: Bench, directory: Directory) -> None:
    t0 = stopped(bench)
    bench.do("set_timetable", "e", "09:00 pre_open, 10:00 open, 17:00 closing_auction, 17:05 closed")
    for hours in (1, 30):
        bench.enter(f"o{hours}", t0 + hours * HOUR)
    bench.do("advance_clock", "50h", True)
    bench.do("start_clock")
    bench.do("advance_clock", "5m")
    live = bench.life.machine
    ends = {name: stream.end for name, stream in live.streams.items() if stream.end}
    found = audit(directory.path)
    assert (found["state_hash"], found["time_ns"]) == (live.state_hash(), live.time_ns)
    assert {name: row["events"] for name, row in found["streams"].items()} == ends
    copy = Machine.load(live.dump())
    assert (copy.dump(), copy.clock.dump()) == (live.dump(), live.clock.dump())


def test_a_gateway_that_comes_later_is_told_the_time_first(bench: Bench) -> None:
    t0 = stopped(bench)
    late = Watcher("gw2")
    for _ in range(6):
        late.step(bench.wires, bench.now)
        bench.turn()
    late.step(bench.wires, bench.now)
    assert late.events[0] == (wire.CLOCK_SET, 1, t0, 0, 0, 0)


def test_a_clock_that_nobody_touched_leaves_no_trace() -> None:
    world = market()
    assert world.machine.clock.dump() == () and not [e for e in world.take() if e[0] == wire.CLOCK_SET]


def test_nothing_else_about_the_clock_is_done_while_it_is_moved() -> None:
    world = World()
    assert world.verb("advance_clock", "1h") is None
    assert world.verb("stop_clock") == ("wrong_state", "")
    assert world.verb("advance_clock", "1h") == ("wrong_state", "")
    world.now = START_NS + HOUR
    world.feed("arrived")
    (answer,) = world.take("control")
    assert json.loads(answer[3]) == {
        "moved_ns": HOUR, "now": "2023-11-14T23:13:20.000000000Z", "offset_ns": HOUR, "remaining_ns": 0,
        "stopped": False, "time_ns": START_NS + HOUR,
    }  # fmt: skip


def test_the_question_answers_with_the_time_as_it_is(bench: Bench) -> None:
    t0 = stopped(bench)
    row = questions.value(bench.life.sequencer, "clock", {})
    assert (row["time_ns"], row["stopped"]) == (t0, True)
    bench.do("start_clock")
    first, second = (questions.value(bench.life.sequencer, "clock", {}) for _ in range(2))
    assert t0 < first["time_ns"] <= second["time_ns"] and not second["stopped"]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_done_to_it_time_never_goes_back_and_orders_expire_on_it(directory: Directory, seed: int) -> None:
    """Clocks stopped, started and moved, frames lost, and lives that end at any turn."""
    random = Random(seed)
    bench = Bench(directory, snapshot_every=random.choice((50, 10**6)))
    bench.wires.loss = random.choice((0.0, 0.05))
    expiries: dict[bytes, int] = {}
    for number in range(120):
        what = random.randrange(10)
        if what < 4:
            expire_ns = bench.life.machine.time_ns + random.choice((1, HOUR, 30 * HOUR)) + number
            expiries[b"o%d" % number] = expire_ns
            bench.gateway.link.submit(enter(1, f"o{number}", tif=wire.GTD, expire=expire_ns))
        elif what < 6:
            bench.submit("advance_clock", random.choice(("1ns", "30m", "40h")), random.random() < 0.5)
        elif what < 8:
            bench.submit(random.choice(("stop_clock", "start_clock")))
        elif what == 8:
            bench.crash()
        for _ in range(random.randrange(4)):
            bench.turn()
    bench.wires.loss = 0.0
    while bench.gateway.link.backlog or bench.control.link.backlog or not caught_up(bench):
        bench.turn()
        bench.now += SECOND
    assert bench.gateway.times == sorted(bench.gateway.times)
    accepted = {event[2] for _, event in bench.heard(wire.ACCEPTED)}
    gone = [(event[2], at) for at, event in bench.heard(wire.CANCELED)]
    reached_ns = bench.life.machine.time_ns
    assert len(gone) == len(dict(gone)) and {token for token, _ in gone} == {
        token for token in accepted if expiries[token] <= reached_ns
    }
    assert all(expiries[token] <= at for token, at in gone)
    live_hash = bench.life.machine.state_hash()
    bench.end()
    assert audit(directory.path)["state_hash"] == live_hash


def caught_up(bench: Bench) -> bool:
    streams = bench.life.machine.streams
    return (
        bench.gateway.link.last_event == streams["gw"].end and bench.control.link.last_event == streams["control"].end
    )


@pytest.mark.parametrize(("most", "expired"), [(64, [1, 2, 2]), (1, [1, 10, 10])])
def test_what_is_due_happens_at_its_own_time_also_when_the_loop_is_late(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, most: int, expired: list[int]
) -> None:
    """And before what comes then; of much that is late, the last as of now."""
    start = stopped(bench)
    for number, late in enumerate((2, 1, 2)):
        bench.enter(f"o{number}", start + late * MS)
    now = [start]
    monkeypatch.setattr(sequencer, "LATE_MAX", most)
    monkeypatch.setattr(bench.life.sequencer, "now_ns", lambda: now[0])
    bench.do("start_clock")
    bench.gateway.link.submit(enter(1, "new", wire.SELL))
    now[0] = start + 10 * MS
    bench.settle()
    assert [(event[2], at - start) for at, event in bench.heard(wire.CANCELED)] == [
        (name, at * MS) for name, at in zip((b"o1", b"o0", b"o2"), expired, strict=True)
    ]
    assert (bench.heard(wire.ACCEPTED)[-1][0], bench.heard(wire.EXECUTED)) == (start + 10 * MS, [])
    live = bench.life.machine.state_hash()
    assert audit(bench.directory.path)["state_hash"] == live
