"""Managed mode at the matcher: whose messages wait is state, and the gateway that hosts the endpoint is told."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.errors import VerbError
from openoutcry.matcher import fixsessions
from openoutcry.matcher.machine import Machine
from tests.machine_world import World, market, replayed

FIX_SESSION = "FIX.4.4:OO->C"


@pytest.fixture
def world() -> World:
    world = market()
    world.verb("create_endpoint", "fix", "main", "fix44", "gateway-1")
    world.send("gateway-1", (w.BOUND, "fix", "127.0.0.1", 4002, ""))
    world.take()
    return world


def told(world: World) -> dict[str, tuple[Any, Any]]:
    """Of each endpoint that the gateway was told about: auto_receive, and the sessions that are held."""
    found = {}
    for event in world.take():
        if event[0] == w.ENDPOINT_SET:
            properties = dict(event[6])
            found[event[1]] = (properties["auto_receive"], properties.get("held_sessions", ""))
    return found


def set_for(world: World, endpoint: str, session: str, value: Any, name: str = "auto_receive") -> Any:
    return world.verb("set_session_property", endpoint, session, name, value)


def test_an_engine_that_holds_messages_holds_those_of_all_its_endpoints(world: World) -> None:
    world.verb("set_engine_property", "main", "auto_receive", False)
    assert told(world) == {"orders": (False, ""), "fix": (False, "")}
    world.verb("set_protocol_property", "fix", "auto_receive", False)
    world.verb("set_engine_property", "main", "auto_receive", True)
    assert told(world) == {"orders": (True, ""), "fix": (False, "")}


def test_an_endpoint_is_told_of_the_sessions_that_are_held(world: World) -> None:
    assert set_for(world, "orders", "alice", False) == {"endpoint": "orders", "name": "ALICE", "auto_receive": False}
    set_for(world, "orders", "BOB", False)
    assert told(world)["orders"] == (True, "ALICE\nBOB")
    assert set_for(world, "orders", "Alice", True)["auto_receive"] is True
    assert told(world) == {"orders": (True, "BOB")}


def test_a_fix_session_is_held_by_its_name_if_it_can_ever_log_on(world: World) -> None:
    assert set_for(world, "fix", FIX_SESSION, False)["auto_receive"] is False
    world.verb("create_session", "fix", SenderCompID="OO", TargetCompID="C")
    assert set_for(world, "fix", "FIX.4.4:OO->D", False) == ("unknown_name", "session")
    world.verb("create_session", "fix", SenderCompID="OO", TargetCompID="T", Template=True)
    assert set_for(world, "fix", "FIX.4.4:OO->D", False)["auto_receive"] is False
    world.take()
    world.verb("delete_session", "fix", FIX_SESSION)
    assert told(world) == {"fix": (True, "FIX.4.4:OO->D")}


@pytest.mark.parametrize("value", ["perhaps", 7])
def test_a_wrong_value_changes_nothing(world: World, value: Any) -> None:
    before = world.machine.dump()
    with pytest.raises(VerbError):
        world.machine.query("describe", {"name": "nobody", "kind": "session"})
    assert set_for(world, "orders", "alice", value) == ("bad_argument", "value")
    assert set_for(world, "nowhere", "alice", False) == ("unknown_name", "endpoint")
    assert told(world) == {}
    assert Machine.load(before).endpoints["orders"].held_sessions == {}


def test_so_many_sessions_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixsessions, "HELD_SESSIONS_MAX", 2)
    for name in ("a", "b", "a"):
        set_for(world, "orders", name, False)
    assert set_for(world, "orders", "c", False) == ("limit", "session")


def test_what_is_held_is_in_the_snapshot_and_comes_of_the_journal_again(world: World) -> None:
    world.verb("set_engine_property", "main", "auto_receive", False)
    set_for(world, "orders", "alice", False)
    copy = Machine.load(world.machine.dump())
    assert copy.endpoints["orders"].held_sessions == {"ALICE": None}
    assert copy.endpoints["orders"].announcement() == world.machine.endpoints["orders"].announcement()
    assert copy.state_hash() == world.machine.state_hash()
    assert replayed(world).state_hash() == world.machine.state_hash()


def test_a_session_that_is_held_is_described_before_its_client_has_come(world: World) -> None:
    set_for(world, "orders", "dave", False)
    found = world.machine.query("describe", {"name": "dave", "kind": "session", "of": "orders"})
    assert {row["name"]: row["value"] for row in found["explained"]}["auto_receive"] is False


def test_who_hosts_an_endpoint_can_be_asked(world: World) -> None:
    assert world.machine.query("gateway_of", {"endpoint": "orders"}) == "gateway-1"
    with pytest.raises(VerbError, match="no endpoint 'nowhere'"):
        world.machine.query("gateway_of", {"endpoint": "nowhere"})
