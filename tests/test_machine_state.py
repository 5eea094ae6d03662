"""The machine's state as bytes: complete, canonical, and read with distrust; and no input makes the machine raise."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry import verbs
from openoutcry import wire as w
from openoutcry.errors import JournalError, WireError
from openoutcry.matcher.desk import all_desks
from openoutcry.matcher.inputs import apply_input
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.state import VERSION
from tests.features import Script
from tests.machine_world import World, enter, market, replace, replayed

SCRIPT = """
from tests.features import Script
from tests.machine_world import enter, market, replace
from openoutcry import wire as w
world = market(("X", "Y"), gateways=2)
for n in range(400):
    token, side = b"%d" % n, 1 + n % 2
    world.send("gateway-1", enter(1 + n % 2, token, side, 1 + n % 70, 100 + n % 7 - 3 * (side == 1)))
    if n % 3 == 0:
        world.send("gateway-1", replace(1 + n % 2, token, b"r" + token, 50, 99 + n % 3, tif=w.GOOD_FOR_TIME, expire=9))
world.verb("create_user", "u", "hash")
world.timer()
events = world.take_all()
for other in Script(7).play(300):
    events["public"] += other.take("public")
print(other.machine.state_hash())
print(world.machine.state_hash(), hash("x"), sum(map(len, events.values())), repr(events).encode().hex()[-4000:])
"""


def busy() -> World:
    """A world with something of everything in it."""
    world = market(("X", "Y"), gateways=2)
    world.hello("marketdata", w.ROLE_MARKETDATA)
    world.verb("create_user", "carol", "hash", "orders", "desk")
    world.verb("set_book_property", "book-Y", "tick_size", "0.01")
    world.verb("set_engine_property", "main", "max_open_orders", 7)
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", True)
    world.verb("halt", "book-Y")
    world.verb("create_endpoint", "pending", "main", "ouch42", "gateway-9", port=77)
    world.send("gateway-1", enter(1, b"a", w.SELL, 100), enter(2, b"b", w.BUY, 30))
    world.send("gateway-1", enter(2, b"c", w.SELL_SHORT, 5, 101), enter(1, b"bad", quantity=0))
    world.send("gateway-1", enter(1, b"d", tif=w.GOOD_FOR_TIME, expire=5, price=90), enter(1, b"e", price=90))
    world.send("gateway-1", enter(1, b"z", price=80), enter(1, b"y", price=81))  # named against their order of arrival
    world.send("gateway-1", replace(1, b"a", b"f", 90, 102), (w.CANCEL, 1, b"e", 50), (w.LOGOFF, 2, 2))
    world.send("gateway-2", (w.BOUND, "orders-2", "127.0.0.1", 0, "in use"))
    return world


def go_on(machine: Machine, world: World) -> dict[str, list[Any]]:
    """The same inputs for any machine, touching all that there is."""
    world.machine = machine
    world.take_all()
    world.send("gateway-1", enter(2, b"x", w.BUY, 500, 102, tif=w.IOC), (w.CANCEL, 1, b"e", 20), enter(1, b"bad"))
    world.now += 6 * 10**9
    world.timer()
    world.hello("gateway-9")
    world.send("gateway-9", (w.BOUND, "pending", "127.0.0.1", 77, ""))
    world.hello("gateway-1", generation=2)
    for verb, name in (("resume", "book-Y"), ("close", "main"), ("end_of_day", "main"), ("start_of_day", "main")):
        world.send("control", (w.VERB, 900, verb, (name,)))
    world.send("gateway-1", (w.LOGON, "orders", "alice", 1, ""))
    return {name: list(stream.events) for name, stream in machine.streams.items()}


def test_a_loaded_machine_is_the_same_and_goes_on_the_same() -> None:
    world = busy()
    original = world.machine
    loaded = Machine.load(original.dump())
    assert loaded.dump() == original.dump()
    assert loaded.next_timer_ns == original.next_timer_ns > 0
    now = world.now
    first = go_on(original, world)
    world.now = now
    assert go_on(loaded, world) == first
    assert loaded.state_hash() == original.state_hash()
    assert sum(map(len, first.values())) > 20


def test_events_not_packed_yet_are_counted_in_the_stream_and_packing_changes_nothing() -> None:
    world = busy()
    before = world.machine.state_hash()
    assert any(stream.events for stream in world.machine.streams.values())
    loaded = Machine.load(world.machine.dump())
    world.take_all()
    assert world.machine.state_hash() == before
    ends = {name: stream.end for name, stream in world.machine.streams.items()}
    assert {name: stream.end for name, stream in loaded.streams.items()} == ends
    assert not any(stream.events for stream in loaded.streams.values())


def test_whatever_changes_shows_in_the_hash() -> None:
    world = busy()
    hashes = {world.machine.state_hash()}
    world.timer()
    hashes.add(world.machine.state_hash())
    world.send("gateway-1", (w.CANCEL, 1, b"e", 49))
    hashes.add(world.machine.state_hash())
    world.send("gateway-1", (w.REFUSE, 1, b"zz", 1, "", b""))
    hashes.add(world.machine.state_hash())
    assert len(hashes) == 4


def test_dead_orders_and_lazy_leftovers_do_not_show_in_the_state() -> None:
    """A book in which many orders were cancelled equals one that was loaded and so never held them."""
    world = market()
    for number in range(200):
        world.send("gateway-1", enter(1, b"%d" % number, price=90 + number % 5, tif=w.GOOD_FOR_TIME, expire=9))
    for number in range(0, 200, 3):
        world.send("gateway-1", (w.CANCEL, 1, b"%d" % number, 0))
    loaded = Machine.load(world.machine.dump())
    world.send("gateway-1", enter(2, b"s", w.SELL, 5_000, 90))
    original_events = [list(s.events) for s in world.machine.streams.values()]
    for stream in loaded.streams.values():
        stream.events.clear()
    loaded.apply(
        "gateway-1", loaded.peers["gateway-1"].last_command + 1, [enter(2, b"s", w.SELL, 5_000, 90)], world.now
    )
    assert [e for s in original_events for e in s][-50:] == [e for s in loaded.streams.values() for e in s.events][-50:]
    assert loaded.dump() == world.machine.dump()


@pytest.mark.parametrize("data", [
    b"", b"\xc1", b"garbage", msgpack.packb(("something else", VERSION)), msgpack.packb(7),
    msgpack.packb(("open outcry machine", VERSION, 1, 2)), msgpack.packb({"a": 1}),
])  # fmt: skip
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(JournalError):
        Machine.load(data)


def test_a_state_of_another_version_is_refused_by_name() -> None:
    with pytest.raises(JournalError, match="version 99"):
        Machine.load(msgpack.packb(("open outcry machine", 99, 1)))


def test_a_truncated_state_is_refused_at_every_length() -> None:
    data = busy().machine.dump()
    for length in range(0, len(data), 7):
        with pytest.raises(JournalError):
            Machine.load(data[:length])


def test_the_state_and_the_events_do_not_depend_on_the_hash_seed() -> None:
    def run(seed: str) -> list[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, cwd=Path(__file__).parent.parent, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    first, second = run("1"), run("2")
    assert first[2] != second[2], "the seeds were in force"
    assert first[:2] + first[3:] == second[:2] + second[3:]


# ------------------------------------------------------------------------------------------------- everything at once
def copy_of(machine: Machine) -> Machine:
    """The machine as a snapshot would bring it back."""
    loaded = Machine.load(machine.dump())
    assert loaded.dump() == machine.dump()
    return loaded


@pytest.mark.parametrize("seed", range(10))
def test_a_machine_that_is_loaded_at_any_time_goes_on_the_same(seed: int) -> None:
    """Every kind of order, phase, limit and operation; one machine is loaded again and again, the other never."""
    script, chance = Script(seed), random.Random(seed)
    original = script.world.machine
    copy, given = copy_of(original), len(script.world.inputs)
    for world in script.play(200):
        for what, arguments in world.inputs[given:]:
            getattr(copy, what)(*arguments)
        given = len(world.inputs)
        told = {name: list(stream.events) for name, stream in copy.streams.items()}
        assert told.pop("control") is not None  # `Script` has taken those of the original
        assert told == {name: original.streams[name].events for name in told}
        for machine in (copy, original):
            for stream in machine.streams.values():
                stream.end += len(stream.events)
                stream.events.clear()
        assert copy.dump() == original.dump()
        assert copy.next_timer_ns == original.next_timer_ns
        if chance.random() < 0.1:
            copy = copy_of(original)


def test_a_journal_replayed_gives_the_same_machine() -> None:
    script = Script(1)
    for _ in script.play(400):
        pass
    assert replayed(script.world).state_hash() == script.world.machine.state_hash()


def test_the_scripts_use_everything() -> None:
    """Else they prove little: every private and public event there is comes of some of them, and every verb is used."""
    private: set[int] = set()
    public: set[int] = set()
    for seed in range(60):
        for world in Script(seed).play(200):
            public |= {event[0] for event in world.take("public")}
            for gateway in ("gateway-1", "gateway-2"):
                private |= {event[0] for event in world.take(gateway)}
        for desk in all_desks(world.machine):
            private |= {event[0] for event in desk.events}
    elsewhere = {w.ENDPOINT_SET, w.ENDPOINT_DELETED, w.USER_SET, w.USER_DELETED, w.LOGON_REFUSED, w.RESULT}
    elsewhere |= {w.WITHHELD, w.SPOKEN}  # tests/test_bots_lines.py
    assert set(w.PRIVATE_EVENTS) - private <= elsewhere
    assert set(w.PUBLIC_EVENTS) == public


# ------------------------------------------------------------------------------------------------- any input
NAMES = ("main", "e2", "book-X", "b2", "orders", "gateway-1", "X", "Y", "alice", "lot_size", "ouch42", "")
names = st.sampled_from(NAMES)
values = st.one_of(names, st.integers(-1, 10**6), st.booleans(), st.none(), st.text(max_size=5))
calls = st.builds(
    lambda request, verb, arguments: (w.VERB, request, verb, tuple(arguments)),
    st.integers(1, 9), st.sampled_from([*verbs.VERBS, "fly"]), st.lists(values, max_size=6),
)  # fmt: skip


@st.composite
def any_command(draw: st.DrawFn) -> Any:
    """Any command that passes the bus, small names and numbers preferred."""
    kind = draw(st.sampled_from([*w.COMMANDS]))
    if kind == w.VERB:
        return draw(calls)
    return (kind, *(draw(any_field(field)) for field in w.COMMANDS[kind][1]))


def any_field(field: w.Field) -> st.SearchStrategy[Any]:
    if field.type is int:
        small = st.integers(field.low, min(field.high, field.low + 4))
        return st.one_of(small, st.integers(field.low, field.high))
    if field.type is bytes:
        return st.binary(min_size=field.low, max_size=min(3, field.high))
    if field.name == "terms":
        return st.lists(st.sampled_from([*w.ORDER_TERMS]), max_size=3, unique=True).flatmap(
            lambda terms: st.tuples(
                *(st.tuples(st.just(term), any_field(w.ORDER_TERMS[term])) for term in sorted(terms))
            )
        )
    if field.name == "quotes":
        sides = (w.QUANTITY, w.PRICE, w.QUANTITY, w.PRICE)
        entry = st.tuples(st.sampled_from("XY"), *(any_field(side) for side in sides))
        return st.lists(entry, max_size=2).map(tuple)
    return st.sampled_from([name for name in NAMES if len(name) >= field.low])


def passes(command: Any) -> bool:
    try:
        w.check_command(command)
    except WireError:
        return False
    return True


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["control", "gateway-1", "marketdata"]), any_command()), max_size=30))
def test_no_command_that_passes_the_bus_makes_the_machine_raise(script: list[tuple[str, Any]]) -> None:
    world = market()
    world.hello("marketdata", w.ROLE_MARKETDATA)
    for peer, command in script:
        if passes(command):
            world.send(peer, command)
            world.take_all()  # checks every event against the tables of the bus
    assert Machine.load(world.machine.dump()).dump() == world.machine.dump()


def test_a_journal_of_another_version_is_refused_by_name() -> None:
    old = w.pack((w.CMD, 1, 1, 1, 0, ((w.CANCEL, 1, b"t", 0),)))
    with pytest.raises(JournalError, match="version 1, this side speaks 3"):
        apply_input(Machine(), "gateway-1", old, 5)
