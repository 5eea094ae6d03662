"""An engine of one's own that does wrong: it has failed, the log says how, and the machine goes on as before.

What becomes of it is a function of the inputs: a replay gives the same, and a snapshot is taken only of what it holds.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry import wire as w
from openoutcry.matcher import answers, pluginload, policies
from openoutcry.matcher.machine import Machine
from openoutcry.plugins import ENGINES, POLICIES, PluginError, fault
from tests.machine_world import World, enter, market, replayed
from tests.plugin_faults import Unsayable
from tests.test_plugins import load, names, order, said, told
from tests.trader import read_stream

FAULTS = {
    "RAISE": "RuntimeError: of <tests.plugin_faults.Faulty object> and more",
    "EXIT": "SystemExit: so there",
    "MUTE": "Unsayable: its text cannot be had, that raises RuntimeError",
    "HALF": f"ValueError: {'?' * (256 - len('ValueError: '))}",
    "RECURSE": "RecursionError: maximum recursion depth exceeded",
    "STRING": "ValueError: a message is a dictionary with a MsgType, not str 'News'",
    "BYTES": "ValueError: a message is made of text, whole numbers, lists and dictionaries, not of bytes b'x'",
    "FLOAT": "ValueError: a message is made of text, whole numbers, lists and dictionaries, not of float 10.05",
    "KEYS": "ValueError: the names of fields are text",
    "DEEP": "ValueError: a message has at most 32 lists and dictionaries in one another",
    "LONE": "UnicodeEncodeError: ",
    "DIGITS": "ValueError: Exceeds the limit (4300 digits) for integer string conversion",
    "LONG": "ValueError: a message of 20043 bytes, at most 16384",
    "NOBODY": "AttributeError: 'str' object has no attribute 'number'",
    "MANY": "ValueError: more than 10000 messages, or 16000000 bytes, at once",
    "LARGE": "ValueError: more than 10000 messages, or 16000000 bytes, at once",
    "DEAF": "Endless: it sends on, although it has sent 10000 messages at once",
    "LATER": "ValueError: ms is '1', it must be a whole number of milliseconds, a year at most",
    "PAIRS": "ValueError: what is kept is made of None, text, numbers, lists and dictionaries: TypeError: unhashable",
    "OBJECT": "ValueError: what is kept is made of None, text, numbers, lists and dictionaries: TypeError: can not",
    "HEAVY": "ValueError: 100005 bytes are put off, at most 65536",
}  # fmt: skip


TALKATIVE = ("MANY", "LARGE", "DEAF")  # they say a lot before they have failed


def faulty(name: str = "Faulty") -> World:
    """An engine of that class, and an endpoint for OUCH where alice and bob are logged on."""
    world = World()
    world.hello("gateway-1")
    load(world, ENGINES, "faulty", f"tests.plugin_faults:{name}")
    world.verb("create_engine", "main", "faulty")
    world.verb("create_endpoint", "orders", "main", "ouch42")
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 4001, ""))
    world.log_on("orders", "alice", 1)
    world.log_on("orders", "bob", 2)
    world.take_all()
    return world


def failed(world: World) -> str:
    (row,) = world.machine.query("list", {"kind": "engines"})
    return str(row["failed"])


# ------------------------------------------------------------------------------------------------- failing
@pytest.mark.parametrize("symbol", FAULTS)
def test_whatever_an_engine_does_wrong_it_alone_has_failed(symbol: str, caplog: pytest.LogCaptureFixture) -> None:
    world = faulty()
    world.send("gateway-1", said(1, order("X", ClOrdID="a")), said(1, order(symbol, ClOrdID="b")))
    stream = world.machine.streams["gateway-1"]
    sent = told(list(stream.events))
    stream.end += len(stream.events)
    stream.events.clear()
    assert (sent[0][1]["ClOrdID"], sent[0][1]["ExecType"]) == ("a", "0")
    if symbol not in TALKATIVE:
        ((_, refused),) = sent[1:]
        assert (refused["ClOrdID"], refused["ExecType"], refused["Text"]) == ("b", "8", "engine main has failed")
    assert failed(world).startswith(FAULTS[symbol])
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert f"engine main of kind faulty has failed in message, and is given nothing any more: {failed(world)}" in line
    assert f"in do_{symbol.lower()}" in line
    world.send("gateway-1", said(2, order("X", ClOrdID="c")))
    world.send("gateway-1", (w.LOGOFF, 1, 1))
    assert names(world.take()) == [(2, "8", "c")]
    world.verb("create_engine", "other")
    assert replayed(world).state_hash() == world.machine.state_hash()
    assert Machine.load(world.machine.dump()).state_hash() == world.machine.state_hash()


def test_what_it_had_sent_before_it_failed_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    for symbol, most in (("MANY", 10_000), ("DEAF", 10_000), ("LARGE", 1_000)):
        world = faulty()
        world.send("gateway-1", said(1, order(symbol)))
        assert most // 2 < len(world.machine.streams["gateway-1"].events) <= most


def test_timers_that_put_off_another_one_to_be_due_at_once_end() -> None:
    world = faulty()
    world.send("gateway-1", said(1, order("CHAIN")))
    assert failed(world) == ""
    world.timer()
    assert failed(world) == "ValueError: 10000 timers have put off one more each, all to be due at once"
    assert world.machine.next_timer_ns == 0
    assert replayed(world).state_hash() == world.machine.state_hash()


def test_who_is_refused_by_an_engine_that_cannot_refuse_is_told_in_our_words() -> None:
    world = faulty("Handless")
    world.verb("stop_engine", "main")
    world.send("gateway-1", said(1, order(ClOrdID="a")), said(2, order(ClOrdID="b")))
    assert names(world.take()) == [(1, "8", "a"), (2, "8", "b")]
    assert failed(world) == "ValueError: a message is a dictionary with a MsgType, not str 'no'"
    world = faulty("Handless")
    world.send("gateway-1", said(1, order(ClOrdID="a")))
    assert failed(world) == ""  # what is gone may not be needed
    world.verb("stop_engine", "main")
    world.send("gateway-1", said(1, order(ClOrdID="b")))
    assert names(world.take()) == [(1, "8", "b")]


def test_one_that_ends_the_process_instead_of_being_made_cannot_be_made() -> None:
    world = World()
    load(world, ENGINES, "faulty", "tests.plugin_faults:Exits")
    assert world.verb("create_engine", "main", "faulty") == ("bad_argument", "kind")
    assert world.machine.engines == {}


def test_a_module_that_ends_the_process_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends_it_all.py").write_text("import sys\nsys.exit('now')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = pluginload.look(Machine(), "load_engine", ("x", "ends_it_all:X"), "ends_it_all")
    assert found == (ENGINES, "x", "ends_it_all:X", "ends_it_all:X cannot be loaded: SystemExit: now")


def test_a_fault_is_one_line_that_is_the_same_in_every_process() -> None:
    assert fault(ValueError(f"no {object()}\n at all")) == "ValueError: no <object object> at all"
    assert fault(Unsayable()) == "Unsayable: its text cannot be had, that raises RuntimeError"
    assert len(fault(KeyError("x" * 10_000))) == 256


# ------------------------------------------------------------------------------------------------- policies
ROUGH = "tests.plugin_faults.Rough"
POLICY_FAULTS = {
    "raise": "RuntimeError: of <tests.plugin_faults.Rough object>",
    "exit": "SystemExit: so there",
    "none": "ValueError: treats returned None, no Treatment",
    "code": "ValueError: a refusal is one of wire.REJECT_REASONS, and a text for people, not (4711, 'no such reason')",
    "text": "ValueError: a refusal is one of wire.REJECT_REASONS, and a text for people, not (",
    "word": "ValueError: a refusal is one of wire.REJECT_REASONS, and a text for people, not 'no'",
    "held": "ValueError: treats returned Treatment(refusal=None, held_ns=1000",
    "float": "ValueError: treats returned Treatment(refusal=None, held_ns=1.5",
    "behind": "ValueError: treats returned Treatment(refusal=None, held_ns=1, behind=-1",
    "copies": "ValueError: treats returned Treatment(refusal=None, held_ns=0, behind=0, copies='x'",
    "fill": "ValueError: quantity and price are whole numbers, not 1.5 and 10",
    "reason": "ValueError: reason is 4711, it must be one of wire.CANCEL_REASONS",
    "leaves": "ValueError: leaves is -1, it must be a whole number from 0 to",
    "later": "ValueError: ms is -1, it must be a whole number from 0 to",
    "data": "ValueError: data is 1000000000000000000000000000000, it must be a whole number from 0 to",
    "wake": "ValueError: ms is '1', it must be a whole number from 0 to",
}  # fmt: skip


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch) -> World:
    """A market that has the kind of policy loaded; it is forgotten afterwards."""
    for name in ("KINDS", "_PARAMETERS", "_adopted"):
        monkeypatch.setattr(policies, name, dict(getattr(policies, name)))
    world = market()
    load(world, POLICIES, ROUGH, "tests.plugin_faults:Rough")
    return world


def row_of(world: World) -> dict[str, Any]:
    (row,) = world.machine.query("list", {"kind": "policies"})
    return dict(row)


def check_same(world: World) -> None:
    """A replay, and a snapshot, are what the living machine is."""
    assert replayed(world).state_hash() == world.machine.state_hash()
    assert Machine.load(world.machine.dump()).state_hash() == world.machine.state_hash()


@pytest.mark.parametrize("how", POLICY_FAULTS)
def test_whatever_a_policy_does_wrong_it_alone_has_failed(
    rough: World, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    rough.verb("add_policy", "main", "odd", ROUGH, f"how={how}")
    rough.send("gateway-1", enter(1, "a"), enter(1, "b"))
    assert [event[0] for event in rough.take()] == [w.ACCEPTED, w.ACCEPTED]
    assert row_of(rough)["failed"].startswith(POLICY_FAULTS[how])
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith(f"policy odd of kind {ROUGH} on engine main has failed, and is not asked again: ")
    check_same(rough)


@pytest.mark.parametrize("how", ["due", "woken"])
def test_a_policy_that_wants_to_be_called_at_once_for_ever_has_failed(rough: World, how: str) -> None:
    rough.verb("add_policy", "main", "odd", ROUGH, f"how={how}")
    rough.send("gateway-1", enter(1, "a"))
    assert row_of(rough)["failed"] == ""
    rough.timer()
    assert row_of(rough)["failed"] == "ValueError: it wanted to be called again at once 10000 times in a row"
    assert rough.machine.next_timer_ns == 0
    rough.take_all()
    check_same(rough)


def test_what_a_policy_says_to_people_is_short_text(rough: World) -> None:
    rough.verb("add_policy", "main", "odd", ROUGH, "how=long")
    rough.send("gateway-1", enter(1, "a"))
    ((kind, _, _, _, text, _),) = rough.take()
    assert (kind, text) == (w.REJECTED, "?" * w.SHORT_TEXT_MAX)
    assert row_of(rough)["failed"] == ""


@pytest.mark.parametrize(("how", "words"), [
    ("unmade", "SystemExit: not made"),
    ("unjudged", "judged and told are sets of kinds of messages"),
])  # fmt: skip
def test_a_policy_that_cannot_be_made_is_an_error_of_the_verb(rough: World, how: str, words: str) -> None:
    rough.send("control", (w.VERB, 99, "add_policy", ("main", "odd", ROUGH, f"how={how}")))
    ((_, _, error, _),) = rough.take("control")
    assert error[:2] == ("bad_argument", "options")
    assert words in error[2]
    assert rough.machine.query("list", {"kind": "policies"}) == []


# ------------------------------------------------------------------------------------------------- keeping
def test_while_its_state_cannot_be_kept_there_is_no_snapshot_and_it_goes_on() -> None:
    world = faulty()
    pluginload.check_kept(world.machine)
    world.send("gateway-1", said(1, order("UNKEPT", ClOrdID="a")))
    with pytest.raises(PluginError, match="'main' of kind faulty cannot be kept in a snapshot: ValueError: what is"):
        pluginload.check_kept(world.machine)
    assert world.machine.state_hash() == replayed(world).state_hash()
    world.send("gateway-1", said(1, order("X", ClOrdID="b")))
    assert names(world.take()) == [(1, "0", "a"), (1, "0", "b")]
    assert failed(world) == ""
    engine = world.machine.engines["main"].plugin
    assert engine is not None
    del engine.plugin.state["unkept"]
    pluginload.check_kept(world.machine)


def test_an_exchange_whose_engine_cannot_be_kept_recovers_from_its_journal(tmp_path: Path) -> None:
    with Exchange(plugins="tests", directory=tmp_path, snapshot_every=5) as exchange:
        exchange.load_engine("faulty", "tests.plugin_faults:Faulty")
        endpoint = exchange.create_engine("main", "faulty").create_endpoint("orders", "ouch42")
        client = exchange.ouch_client(endpoint, "ALICE")
        client.wait_for("A", order_token=client.enter("UNKEPT", "B", 100, "10"))
        orders = 1
        while "no snapshot after record" not in exchange.log("matcher"):  # a child says so
            client.wait_for("A", order_token=client.enter("X", "B", 100, "10"))
            orders += 1
        assert "cannot be kept in a snapshot" in exchange.log("matcher")
        exchange.kill("matcher")
        exchange.restart("matcher")
        client.wait_for("A", order_token=client.enter("X", "B", 100, "10"))
        client.close()
        kinds = [message[:1] for message in read_stream(*endpoint.address, "ALICE", "")]
        assert kinds == [b"S", *[b"A"] * (orders + 1)]


def test_a_state_that_the_engine_does_not_take_back_is_made_again_out_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGETS", str(tmp_path / "flag"))
    with Exchange(plugins="tests", directory=tmp_path / "x", snapshot_every=5) as exchange:
        exchange.load_engine("forgets", "tests.plugin_faults:Forgets")
        client = exchange.ouch_client(exchange.create_engine("main", "forgets").create_endpoint("orders", "ouch42"))
        for _ in range(20):
            client.wait_for("A", order_token=client.enter("X", "B", 100, "10"))
        exchange.kill("matcher")
        (tmp_path / "flag").touch()
        exchange.restart("matcher")
        answer = client.wait_for("A", order_token=client.enter("X", "B", 100, "10"))
        assert answer.order_reference_number == 21


# ------------------------------------------------------------------------------------------------- once
def test_an_order_whose_token_has_come_before_happens_once_where_messages_have_no_numbers() -> None:
    world = faulty()
    world.send("gateway-1", said(1, order("X", ClOrdID="a")), said(1, order("X", ClOrdID="a")),
               said(2, order("X", ClOrdID="a")))  # fmt: skip
    assert names(world.take()) == [(1, "0", "a"), (2, "0", "a")]
    copy = Machine.load(world.machine.dump())
    for machine in (copy, world.machine):
        machine.apply("gateway-1", machine.peers["gateway-1"].last_command + 1, (said(1, order("X", ClOrdID="a")),), 9)
        assert list(machine.streams["gateway-1"].events) == []
    world.verb("end_of_day", "main")
    world.verb("start_of_day", "main")
    world.log_on("orders", "alice", 3)
    world.take_all()
    world.send("gateway-1", said(1, order("X", ClOrdID="a")))
    assert names(world.take()) == [(1, "0", "a")]


def test_the_same_while_its_messages_meet_policies() -> None:
    world = faulty()
    world.verb("add_policy", "main", "all", "drop", "count=1")
    world.send("gateway-1", *[said(1, order("X", ClOrdID=name)) for name in ("a", "a", "b", "b")])
    assert names(world.take()) == [(1, "0", "b")]


def test_cancels_have_no_token_of_their_own() -> None:
    world = faulty("Forgets")
    cancel = {**order(ClOrdID="a"), "MsgType": "OrderCancelRequest"}
    world.send("gateway-1", said(1, order(ClOrdID="a")), said(1, cancel), said(1, cancel))
    engine = world.machine.engines["main"].plugin
    assert engine is not None
    assert engine.plugin.state == {"seen": 3}


def test_a_session_that_has_used_up_its_tokens_is_refused_what_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "TOKENS_MAX", 2)
    for policy in ((), ("main", "none", "drop", "session=nobody")):
        world = faulty()
        if policy:
            world.verb("add_policy", *policy)
        world.send("gateway-1", *[said(1, order("X", ClOrdID=name)) for name in ("a", "b", "c", "b", "c")])
        found = world.take()
        assert names(found) == [(1, "0", "a"), (1, "0", "b"), (1, "8", "c"), (1, "8", "c")]
        assert "has used 2 today" in json.loads(found[2][2])["Text"]
