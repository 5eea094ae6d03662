"""Peers, connections and sessions: who may say what, and what happens when somebody goes away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import wire as w
from openoutcry.matcher import machine as machines
from openoutcry.matcher.machine import Machine
from tests.machine_world import Message, World, enter, market


@pytest.fixture
def world() -> World:
    return market()


def cancel_on_disconnect(world: World) -> None:
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", True)
    world.send("gateway-1", enter(1, b"a"), enter(2, b"b"), enter(1, b"c"))
    world.take_all()


GONE = [
    (w.CANCELED, 1, b"a", 100, w.CANCEL_DISCONNECT, 0),
    (w.CANCELED, 1, b"c", 100, w.CANCEL_DISCONNECT, 0),
]


# ------------------------------------------------------------------------------------------------- logon
def test_the_first_logon_of_a_day_begins_the_stream() -> None:
    world = market(users=())
    world.log_on(user="Alice ", connection=7)
    assert world.take() == [
        (w.SESSION_STREAM, 1, "orders", "ALICE", "0001000001"),
        (w.SYSTEM, 1, w.START_OF_DAY),
        (w.LOGGED_ON, 1, "orders", 7, "0001000001"),
    ]
    world.send("gateway-1", (w.LOGOFF, 1, 7))
    world.log_on(user="ALICE", connection=8)
    assert world.take() == [(w.LOGGED_ON, 1, "orders", 8, "0001000001")]


def test_sessions_are_pairs_of_endpoint_and_user(world: World) -> None:
    world.verb("create_endpoint", "more", "main", "ouch42")
    assert world.log_on("more", "alice") == 3
    assert world.log_on("orders", "") == 4
    assert world.log_on("orders", "carol") == 5


def test_the_newest_logon_wins_and_the_older_logoff_is_ignored(world: World) -> None:
    cancel_on_disconnect(world)
    world.log_on(connection=50)
    assert world.take() == [*GONE, (w.LOGGED_ON, 1, "orders", 50, "0001000001")]
    world.send("gateway-1", enter(1, b"d"), (w.LOGOFF, 1, 1))
    assert [event[0] for event in world.take()] == [w.ACCEPTED]
    assert world.machine.sessions[1].connection == 50


def test_without_cancel_on_disconnect_orders_outlive_connections(world: World) -> None:
    world.send("gateway-1", enter(1, b"a"), (w.LOGOFF, 1, 1))
    world.take()
    world.log_on(connection=2)
    world.send("gateway-1", enter(1, b"a"), (w.CANCEL, 1, b"a", 0))
    assert [event[0] for event in world.take()] == [w.LOGGED_ON, w.CANCELED]


def test_cancel_on_disconnect_cancels_oldest_first(world: World) -> None:
    cancel_on_disconnect(world)
    world.send("gateway-1", (w.LOGOFF, 1, 1))
    assert world.take() == GONE
    world.send("gateway-1", (w.LOGOFF, 1, 1))
    assert world.take() == []


def test_logons_that_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hello("gateway-2")
    world.take_all()
    world.send("gateway-2", (w.LOGON, "orders", "alice", 1, ""))
    world.send("gateway-1", (w.LOGON, "none", "alice", 2, ""), (w.LOGON, "orders", "ß" * 40, 3, ""))
    monkeypatch.setattr(machines, "SESSIONS_MAX", 2)
    world.send("gateway-1", (w.LOGON, "orders", "carol", 4, ""), (w.LOGON, "orders", "alice", 5, ""))
    assert world.take("gateway-2") == [(w.LOGON_REFUSED, "orders", 1, "no such endpoint here")]
    assert world.take() == [
        (w.LOGON_REFUSED, "none", 2, "no such endpoint here"),
        (w.LOGON_REFUSED, "orders", 3, "the user's name is too long"),
        (w.LOGON_REFUSED, "orders", 4, "there are no more session numbers"),
        (w.LOGGED_ON, 1, "orders", 5, "0001000001"),
    ]


def test_logoff_of_a_strange_session_is_ignored(world: World) -> None:
    cancel_on_disconnect(world)
    world.hello("gateway-2")
    world.send("gateway-2", (w.LOGOFF, 1, 1), (w.LOGOFF, 99, 1))
    assert world.machine.sessions[1].connection == 1


# ------------------------------------------------------------------------------------------------- hello
def test_a_new_generation_counts_from_one_and_has_lost_its_connections(world: World) -> None:
    cancel_on_disconnect(world)
    world.send("gateway-1", (w.LOGOFF, 2, 2))
    world.take()
    world.hello("gateway-1", generation=5)
    assert world.take() == GONE, "nothing else is told to a gateway that comes back"
    peer = world.machine.peers["gateway-1"]
    assert (peer.generation, peer.last_command) == (5, 0)
    assert world.machine.sessions[1].connection == 0
    world.send("gateway-1", (w.LOGON, "orders", "alice", 1, ""))
    assert world.take() == [(w.LOGGED_ON, 1, "orders", 1, "0001000001")]


@pytest.mark.parametrize(("name", "role", "generation"), [
    ("gateway-1", w.ROLE_GATEWAY, 1), ("gateway-1", w.ROLE_CONTROL, 9), ("public", w.ROLE_GATEWAY, 1),
])  # fmt: skip
def test_a_hello_that_breaks_a_rule_changes_nothing_but_the_count(
    world: World, name: str, role: int, generation: int
) -> None:
    world.hello(name, role, generation)
    assert list(world.machine.peers) == ["control", "gateway-1"]
    assert world.machine.peers["gateway-1"].generation == 1
    assert world.machine.query("statistics", {})["ignored_hellos"] == 1


def test_the_publishers_stream_is_the_public_one_and_it_may_ask_for_nothing(world: World) -> None:
    world.hello("marketdata", w.ROLE_MARKETDATA)
    assert world.machine.peers["marketdata"].stream is world.machine.streams["public"]
    world.send("marketdata", (w.VERB, 1, "create_engine", ("x",)), (w.LOGON, "orders", "u", 1, ""), enter(1, b"a"))
    assert world.take("public") == []
    assert world.machine.query("statistics", {})["ignored_commands"] == 3


def test_every_input_counts_in_the_sequence() -> None:
    world = World()
    assert world.machine.sequence == 2
    world.timer()
    world.hello("gateway-1")
    world.verb("create_engine", "e")
    assert (world.machine.sequence, world.machine.epoch) == (5, 1)
    assert world.machine.time_ns == world.now


def test_the_public_stream_is_there_from_the_start() -> None:
    assert list(machines.Machine().streams) == [machines.PUBLIC]


# ------------------------------------------------------------------------------------------------- days
def over_night(world: World, *commands: Message) -> list[Message]:
    """Enter these, and end the day; returns what the sessions were told of the end."""
    world.send("gateway-1", *commands)
    world.take_all()
    world.verb("end_of_day", "main")
    return world.take()


def test_orders_for_the_days_after_outlive_the_day_with_their_tokens(world: World) -> None:
    gtd = world.now + 10**15
    told = over_night(
        world, enter(1, b"day"), enter(1, b"gtc", tif=w.GTC), enter(1, b"gtd", tif=w.GTD, expire=gtd),
        enter(1, b"used", tif=w.IOC),
    )  # fmt: skip
    assert told == [
        (w.CANCELED, 1, b"day", 100, w.CANCEL_CLOSED, 0), (w.SYSTEM, 1, w.END_OF_DAY), (w.SYSTEM, 2, w.END_OF_DAY)
    ]  # fmt: skip
    world.verb("start_of_day", "main")
    assert world.take() == [
        (w.SESSION_STREAM, 1, "orders", "ALICE", "0002000001"), (w.SYSTEM, 1, w.START_OF_DAY)
    ], "a session with orders begins its stream without a connection, one without them when it logs on"  # fmt: skip
    world.verb("open", "main")
    world.send("gateway-1", enter(1, b"gtc"), enter(1, b"used"), enter(2, b"b"))
    assert [(event[0], event[2]) for event in world.take()] == [(w.ACCEPTED, b"used")], "2 has no stream yet"
    world.log_on(connection=9)
    world.log_on(user="bob", connection=10)
    assert world.take() == [
        (w.LOGGED_ON, 1, "orders", 9, "0002000001"),
        (w.SESSION_STREAM, 2, "orders", "BOB", "0002000002"), (w.SYSTEM, 2, w.START_OF_DAY),
        (w.LOGGED_ON, 2, "orders", 10, "0002000002"),
    ]  # fmt: skip
    world.send("gateway-1", enter(2, b"s", w.SELL, 100))
    assert [(event[0], event[2]) for event in world.take()][1:] == [(w.EXECUTED, b"s"), (w.EXECUTED, b"gtc")]


def test_what_expires_while_the_day_is_ended_is_cancelled_when_the_next_one_starts(world: World) -> None:
    start = world.now
    orders = [enter(1, token, tif=w.GTD, expire=start + after) for token, after in ((b"a", 7), (b"b", 5), (b"c", 90))]
    over_night(world, *orders)
    world.take_all()
    world.now = start + 8
    world.timer()
    assert world.take_all() == {"public": [], "control": [], "gateway-1": []}
    assert world.machine.next_timer_ns == start + 90
    again = Machine.load(world.machine.dump())
    again.timer(start + 9)
    world.machine.timer(start + 9)
    assert again.dump() == world.machine.dump()
    world.verb("start_of_day", "main")
    assert world.take()[1:] == [
        (w.SYSTEM, 1, w.START_OF_DAY),
        (w.CANCELED, 1, b"b", 100, w.CANCEL_TIMEOUT, 0),
        (w.CANCELED, 1, b"a", 100, w.CANCEL_TIMEOUT, 0),
    ], "the earliest deadline first"
    public = [(w.REDUCED, 1, 2), (w.REDUCED, 1, 1), (w.STATUS, 1, w.PHASE_CLOSED)]
    assert [event[:3] for event in world.take("public")] == public
    assert list(world.machine.sessions[1].live) == [b"c"]


def test_a_machine_that_is_loaded_while_the_day_is_ended_starts_the_next_one_the_same(world: World) -> None:
    over_night(world, enter(1, b"gtc", tif=w.GTC))
    twin = World()
    twin.machine, twin.now, twin.requests = Machine.load(world.machine.dump()), world.now, world.requests
    for one in (world, twin):
        one.take_all()
        one.verb("start_of_day", "main")
    assert twin.take_all() == world.take_all()
    assert twin.machine.dump() == world.machine.dump()


TIFS = st.sampled_from([w.DAY, w.GTC, w.GTD, w.AT_CLOSE])
LIFE = st.lists(
    st.one_of(
        st.tuples(st.just("verb"), st.sampled_from(["end_of_day", "start_of_day", "open", "close"])),
        st.tuples(st.just("phase"), st.sampled_from(["pre_open", "closing_auction", "post_close", "open"])),
        st.tuples(st.just("enter"), st.integers(1, 2), TIFS, st.integers(98, 102)),
        st.tuples(st.just("cancel"), st.integers(1, 2)),
        st.tuples(st.just("logon"), st.sampled_from(["alice", "bob"])),
        st.tuples(st.just("lost"), st.integers(1, 2)),
        st.tuples(st.just("wait"), st.integers(1, 60)),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=150)
@given(LIFE, st.booleans())
def test_nothing_is_in_a_stream_before_it_begins_or_after_it_ends(life: list[tuple[Any, ...]], cancel: bool) -> None:
    """Rule 3, over lives of two sessions; and nothing is live without a stream but for the day's return."""
    world = market()
    world.verb("set_protocol_property", "orders", "cancel_on_disconnect", cancel)
    open_streams = {1, 2}
    for number, what in enumerate(life):
        name = f"t{number}".encode()
        if what[0] == "verb":
            world.verb(what[1], "main")
        elif what[0] == "phase":
            world.verb("set_phase", "main", what[1])
        elif what[0] == "enter":
            expire = world.now + 20 * 10**9 if what[2] == w.GTD else 0
            side = (w.BUY, w.SELL)[number % 2]
            world.send("gateway-1", enter(what[1], name, side, 10, what[3], tif=what[2], expire=expire))
        elif what[0] == "cancel":
            for each in list(world.machine.sessions[what[1]].live)[:1]:
                world.send("gateway-1", (w.CANCEL, what[1], each, 0))
        elif what[0] == "logon":
            world.log_on(user=what[1], connection=100 + number)
        elif what[0] == "lost":
            world.send("gateway-1", (w.LOGOFF, what[1], world.machine.sessions[what[1]].connection or 1))
        else:
            world.now += what[1] * 10**9
            world.timer()
        for event in world.take():
            if event[0] == w.SESSION_STREAM:
                assert event[1] not in open_streams
                open_streams.add(event[1])
            elif event[0] not in (w.LOGON_REFUSED, w.ENDPOINT_SET):
                assert event[1] in open_streams, event
            if event[0] == w.SYSTEM and event[2] == w.END_OF_DAY:
                open_streams.discard(event[1])
        assert {s.number for s in world.machine.sessions.values() if s.owner is not None} == open_streams
    assert Machine.load(world.machine.dump()).dump() == world.machine.dump()


def test_orders_that_outlive_the_day_are_not_cancelled_while_nobody_can_be_told() -> None:
    world = market()
    world.send("gateway-1", enter(1, b"g", tif=w.GTC))
    world.verb("end_of_day", "main")
    world.take()
    assert world.verb("delete_book", "book-X") == ("wrong_state", "name")
    assert world.verb("delete_endpoint", "orders") == ("wrong_state", "name")
    assert not [event for event in world.take() if event[0] == w.CANCELED]
    world.verb("start_of_day", "main")
    assert world.verb("delete_book", "book-X") == {"name": "book-X"}
    assert [event[:3] for event in world.take() if event[0] == w.CANCELED] == [(w.CANCELED, 1, b"g")]
