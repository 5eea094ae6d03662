"""Peers, connections and sessions: who may say what, and what happens when somebody goes away."""

from __future__ import annotations

import pytest

from openoutcry import wire as w
from openoutcry.matcher import machine as machines
from tests.machine_world import World, enter, market


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
    world.send("gateway-2", (w.LOGON, "orders", "alice", 1))
    world.send("gateway-1", (w.LOGON, "none", "alice", 2), (w.LOGON, "orders", "ß" * 40, 3))
    monkeypatch.setattr(machines, "SESSIONS_MAX", 2)
    world.send("gateway-1", (w.LOGON, "orders", "carol", 4), (w.LOGON, "orders", "alice", 5))
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
    world.send("gateway-1", (w.LOGON, "orders", "alice", 1))
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
    world.send("marketdata", (w.VERB, 1, "create_engine", ("x",)), (w.LOGON, "orders", "u", 1), enter(1, b"a"))
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
