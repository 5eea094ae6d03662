"""set_endpoint_engine and set_endpoint_protocol in the machine: what may change, what stays, what is told to whom."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.matcher.machine import Machine
from tests.machine_world import World, enter, market


def bound(world: World, error: str = "") -> Any:
    """The gateway answers; returns what the verb that waited is answered with."""
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 0 if error else 4001, error))
    (answer,) = [event for event in world.take("control") if event[0] == w.RESULT]
    return answer[2][:2] if answer[2] else answer[3]


def two_engines() -> World:
    """As ``market``, and another engine with a book of its own."""
    world = market()
    world.verb("create_engine", "other")
    world.verb("create_book", "book-Y", "other", "Y")
    world.take_all()
    return world


def endpoint(world: World) -> dict[str, Any]:
    (row,) = world.machine.query("list", {"kind": "endpoints"})
    found: dict[str, Any] = row
    return found


# ------------------------------------------------------------------------------------------------- another engine
def test_sessions_go_on_with_the_other_engines_books() -> None:
    world = two_engines()
    assert world.verb("set_endpoint_engine", "orders", "other") is None
    (event,) = world.take()
    assert (event[0], event[1], event[2], event[7]) == (w.ENDPOINT_SET, "orders", "other", "matching")
    assert '"engine":"other"' in bound(world)
    world.send("gateway-1", enter(1, "a", symbol="X"), enter(1, "b", symbol="Y"))
    assert [(event[0], event[2]) for event in world.take()] == [(w.REJECTED, b"a"), (w.ACCEPTED, b"b")]
    assert world.verb("delete_engine", "main") == ("in_use", "name")  # its book
    assert Machine.load(world.machine.dump()).state_hash() == world.machine.state_hash()


@pytest.mark.parametrize("kind", ["matching", "manual"])
def test_what_is_under_way_must_end_first(kind: str) -> None:
    world = two_engines()
    world.verb("create_engine", "hand", kind)
    world.verb("create_book", "book-Z", "hand", "Z")
    world.verb("set_endpoint_engine", "orders", "hand")
    bound(world)
    world.send("gateway-1", enter(1, "a", symbol="Z"))
    assert world.verb("set_endpoint_engine", "orders", "other") == ("in_use", "endpoint")
    assert endpoint(world)["engine"] == "hand"
    if kind == "manual":
        world.verb("reject_request", "hand")
    else:
        world.send("gateway-1", (w.CANCEL, 1, b"a", 0))
    assert world.verb("set_endpoint_engine", "orders", "other") is None


def test_what_there_is_not_and_what_is_the_case_already() -> None:
    world = two_engines()
    assert world.verb("set_endpoint_engine", "nobody", "other") == ("unknown_name", "endpoint")
    assert world.verb("set_endpoint_engine", "orders", "nobody") == ("unknown_name", "engine")
    assert world.verb("set_endpoint_engine", "orders", "main") == ("wrong_state", "engine")
    world.verb("end_of_day", "other")
    assert world.verb("set_endpoint_engine", "orders", "other") == ("wrong_state", "engine")
    assert world.verb("set_endpoint_protocol", "orders", "ouch42") == ("wrong_state", "protocol")
    assert world.verb("set_endpoint_protocol", "orders", "unheard-of") == ("bad_argument", "protocol")


def test_while_it_changes_it_cannot_change_again() -> None:
    world = two_engines()
    assert world.verb("set_endpoint_engine", "orders", "other") is None
    assert world.verb("set_endpoint_engine", "orders", "main") == ("wrong_state", "endpoint")
    assert world.verb("set_endpoint_protocol", "orders", "fix") == ("wrong_state", "endpoint")
    bound(world)
    assert world.verb("set_endpoint_engine", "orders", "main") is None


def test_the_name_of_a_stream_is_never_used_again() -> None:
    world = two_engines()
    for _ in range(2):
        for verb in ("end_of_day", "start_of_day", "open"):
            world.verb(verb, "main")
        world.log_on("orders", "alice", 5)
    session = world.machine.sessions[1]
    assert session.stream_name == "0003000001"
    world.verb("set_endpoint_engine", "orders", "other")
    bound(world)
    for verb in ("end_of_day", "start_of_day", "open"):
        world.verb(verb, "other")
    world.log_on("orders", "alice", 6)
    assert (session.endpoint.engine.day, session.stream_name) == (2, "0004000001")


# ------------------------------------------------------------------------------------------------- another protocol
def test_another_protocol_forgets_the_sessions_and_keeps_the_port() -> None:
    world = two_engines()
    world.send("gateway-1", enter(1, "a"))
    world.take()
    assert world.verb("set_endpoint_protocol", "orders", "fix44") == ("in_use", "endpoint")
    world.send("gateway-1", (w.CANCEL, 1, b"a", 0))
    world.take()
    assert world.verb("set_endpoint_protocol", "orders", "fix44") is None
    deleted, made = world.take()
    assert deleted == (w.ENDPOINT_DELETED, "orders")
    assert (made[0], made[3], made[5]) == (w.ENDPOINT_SET, "fix44", 4001)
    assert '"protocol":"fix44"' in bound(world)
    assert world.machine.query("list", {"kind": "sessions"}) == []
    assert world.verb("create_session", "orders", Template=True)["name"]
    assert world.log_on("orders", "FIX.4.4:OO->C1", 9) == 3
    assert Machine.load(world.machine.dump()).state_hash() == world.machine.state_hash()


def test_a_gateway_that_cannot_speak_it_leaves_the_endpoint_where_it_was_with_the_error() -> None:
    world = two_engines()
    world.verb("set_endpoint_protocol", "orders", "fix44")
    assert bound(world, "no such thing here") == ("unavailable", "port")
    assert (endpoint(world)["protocol"], endpoint(world)["error"]) == ("fix44", "no such thing here")
    assert world.verb("set_endpoint_protocol", "orders", "ouch42") is None
    assert '"error":""' in bound(world)


def test_an_endpoint_without_a_gateway_changes_at_once() -> None:
    world = World()
    world.verb("create_engine", "main")
    world.verb("create_engine", "other")
    world.verb("create_endpoint", "orders", "main", "ouch42")
    assert world.verb("set_endpoint_engine", "orders", "other") == ("wrong_state", "endpoint")  # it is being opened
    world.hello("control", w.ROLE_CONTROL, 2)  # who had asked for it is gone
    assert world.verb("set_endpoint_engine", "orders", "other")["engine"] == "other"
