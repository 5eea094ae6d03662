"""Plugins in the machine: what may be loaded, what an engine of one's own is given and can do, and what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openoutcry import plugins
from openoutcry import wire as w
from openoutcry.errors import ClusterError, ProtocolError
from openoutcry.gateway import plugin, protocols
from openoutcry.matcher import pluginengine, pluginload, policies
from openoutcry.matcher.inputs import apply_input, loaded_input
from openoutcry.matcher.machine import Machine
from openoutcry.plugins import ENGINES, POLICIES, PROTOCOLS, PluginError
from tests.machine_world import START_NS, Message, World, enter, market, replayed

COUNTING = "tests.plugin_parts:Counting"
FIX = "FIX.4.4:OO->C1"


def order(symbol: str = "X", **fields: Any) -> dict[str, Any]:
    return {"MsgType": "NewOrderSingle", "ClOrdID": "a", "Symbol": symbol, "Side": "1", "OrderQty": 100, **fields}


def said(session: int, fields: dict[str, Any], number: int = 0) -> Message:
    """A client's message, as a gateway passes it on."""
    return (w.ECHO, session, b"%d %b" % (number, json.dumps(fields).encode()))


def told(events: list[Message]) -> list[tuple[int, dict[str, Any]]]:
    """Who was told what by a plugin."""
    return [(event[1], json.loads(event[2])) for event in events if event[0] == w.ECHOED]


def names(events: list[Message]) -> list[tuple[int, str, str]]:
    return [(number, fields["ExecType"], fields["ClOrdID"]) for number, fields in told(events)]


def load(world: World, group: str, name: str, path: str, error: str = "") -> None:
    """What the sequencer does before a verb that needs a plugin."""
    world.feed("loaded", group, name, path, error)


def counting(users: tuple[str, ...] = ("alice", "bob")) -> World:
    """An engine of kind counting, with an endpoint where users are logged on."""
    world = World()
    world.hello("gateway-1")
    load(world, ENGINES, "counting", COUNTING)
    world.verb("load_engine", "counting", COUNTING)
    world.verb("create_engine", "main", "counting")
    world.verb("create_endpoint", "orders", "main", "ouch42")
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 4001, ""))
    for connection, user in enumerate(users, 1):
        world.log_on("orders", user, connection)
    world.take_all()
    return world


def state(world: World) -> dict[str, Any]:
    engine = world.machine.engines["main"].plugin
    assert engine is not None
    found: dict[str, Any] = engine.plugin.state
    return found


# ------------------------------------------------------------------------------------------------- permission
@pytest.mark.parametrize(("setting", "path", "may"), [
    ("", "tests.parts:A", False),
    ("tests", "tests.parts:A", True),
    ("tests.*", "tests.parts:A", True),
    ("tests.parts", "tests.parts:A", True),
    ("tests.parts", "tests:A", False),
    ("test", "tests.parts:A", False),
    ("other, tests", "tests:A", True),
    (",", "tests:A", False),
])  # fmt: skip
def test_a_module_may_be_loaded_if_the_setting_names_it_or_one_above(setting: str, path: str, may: bool) -> None:
    assert plugins.allowed(setting, path) is may


@pytest.mark.parametrize(("verb", "arguments", "found"), [
    ("load_engine", ("c", COUNTING), (ENGINES, "c", COUNTING, "")),
    ("load_engine", ("c", "os:system"), "nothing of 'os' may be loaded"),
    ("load_engine", ("c", "tests.plugin_parts"), "must be package.module:attribute"),
    ("load_engine", ("c", "tests.plugin_parts:a b"), "must be package.module:attribute"),
    ("load_engine", ("c", "tests.nowhere:A"), "No module named 'tests.nowhere'"),
    ("load_engine", ("c", "tests.plugin_parts:Nothing"), "has no attribute 'Nothing'"),
    ("load_engine", ("c", "tests.plugin_parts:NO_PLUGIN"), "no class derived from openoutcry.plugins.Engine"),
    ("load_engine", ("c", "tests.plugin_parts:Even"), "no class derived from openoutcry.plugins.Engine"),
    ("load_protocol", ("o", "tests.plugin_parts:ouch_too"), (PROTOCOLS, "o", "tests.plugin_parts:ouch_too", "")),
    ("load_protocol", ("o", "tests.plugin_parts:NO_PLUGIN"), "no function that makes a Dialect"),
    ("load_protocol", ("fixed", "tests.plugin_parts:ouch_too"), "built in"),
    ("add_policy", ("main", "p", "tests.plugin_parts.Even", ""),
     (POLICIES, "tests.plugin_parts.Even", "tests.plugin_parts:Even", "")),
    ("add_policy", ("main", "p", "tests.plugin_parts.Counting", ""), "no class derived from openoutcry.matcher"),
    ("add_policy", ("main", "p", "os.system", ""), "nothing of 'os' may be loaded"),
    ("add_policy", ("main", "p", "auto-fill", ""), None),
    ("add_policy", ("main", "p", "unheard-of", ""), None),
    ("create_engine", ("main", "matching"), None),
    ("create_engine", ("main", "unheard-of"), None),
    ("create_engine", (), None),
    ("create_engine", ("main", 7), None),
    ("load_engine", ("c",), "must be package.module:attribute"),
    ("load_engine", ("echo", COUNTING), None),
    ("create_endpoint", ("orders", "main", "ouch42"), None),
    ("state_hash", (), None),
])  # fmt: skip
def test_the_sequencer_finds_out_what_a_verb_needs(verb: str, arguments: tuple[Any, ...], found: Any) -> None:
    looked = pluginload.look(Machine(), verb, arguments, "tests")
    if isinstance(found, str):
        assert looked is not None
        assert found in looked[3]
    else:
        assert looked == found


def test_what_a_package_offers_needs_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_point", lambda group, name: COUNTING if group == ENGINES else None)
    assert pluginload.look(Machine(), "create_engine", ("main", "c"), "") == (ENGINES, "c", COUNTING, "")
    assert pluginload.look(Machine(), "create_endpoint", ("orders", "main", "c"), "") is None


# ------------------------------------------------------------------------------------------------- verbs
def test_an_engine_of_a_kind_that_was_loaded() -> None:
    world = World()
    assert world.verb("create_engine", "main", "counting") == ("bad_argument", "kind")
    load(world, ENGINES, "counting", COUNTING)
    assert world.verb("load_engine", "counting", COUNTING) == {"name": "counting", "path": COUNTING}
    assert world.verb("load_engine", "counting", COUNTING) == {"name": "counting", "path": COUNTING}
    assert world.verb("load_engine", "counting", "tests.plugin_parts:Unkept") == ("exists", "name")
    assert world.verb("load_engine", "echo", COUNTING) == ("exists", "name")
    row = world.verb("create_engine", "main", "counting")
    assert (row["kind"], row["failed"]) == ("counting", "")
    assert world.verb("create_book", "x", "main", "X") == ("wrong_state", "engine")
    assert world.verb("add_policy", "main", "p", "auto-fill") == ("wrong_state", "engine")


def test_what_cannot_be_loaded_is_an_error_of_the_verb_and_changes_nothing() -> None:
    world = World()
    load(world, ENGINES, "counting", "os:system", "nothing of 'os' may be loaded")
    assert world.verb("load_engine", "counting", "os:system") == ("bad_argument", "path")
    assert (world.machine.plugins, world.machine.looked) == ({}, {})
    load(world, ENGINES, "unmade", "tests.plugin_parts:Unmade")
    assert world.verb("create_engine", "main", "unmade") == ("bad_argument", "kind")
    assert world.machine.engines == {}


def test_kinds_and_protocols_can_be_listed() -> None:
    world = counting()
    kinds = world.machine.query("list", {"kind": "engine_kinds"})
    assert [(row["name"], row["from"]) for row in kinds][:3] == [
        ("matching", "built in"), ("manual", "built in"), ("echo", "built in"),
    ]  # fmt: skip
    assert {"name": "counting", "from": "loaded", "path": COUNTING} in kinds
    spoken = world.machine.query("list", {"kind": "protocols"})
    assert {"name": "ouch42", "from": "built in", "path": ""} in spoken


def test_engines_can_be_registered_by_the_process_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.plugin_parts import Counting

    monkeypatch.setattr(plugins, "_engines", {})
    plugins.register_engine("own", Counting)
    with pytest.raises(ValueError, match="already"):
        plugins.register_engine("own", Counting)
    with pytest.raises(ValueError, match="already"):
        plugins.register_engine("matching", Counting)
    assert World().verb("create_engine", "main", "own")["kind"] == "own"


def test_a_policy_can_be_loaded_by_its_dotted_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINDS", "_PARAMETERS", "_adopted"):
        monkeypatch.setattr(policies, name, dict(getattr(policies, name)))
    world = market()
    kind = "tests.plugin_parts.Even"
    assert world.verb("add_policy", "main", "even", kind) == ("bad_argument", "kind")
    load(world, POLICIES, kind, "tests.plugin_parts:Even")
    assert world.verb("add_policy", "main", "even", kind)["kind"] == kind
    world.send("gateway-1", enter(1, "a", quantity=3), enter(1, "b", quantity=4))
    assert [(event[0], event[2]) for event in world.take()] == [(w.REJECTED, b"a"), (w.ACCEPTED, b"b")]
    copy = Machine.load(world.machine.dump())
    assert copy.state_hash() == world.machine.state_hash()


# ------------------------------------------------------------------------------------------------- messages
def test_messages_come_to_the_engine_and_its_answers_go_to_any_of_its_clients() -> None:
    world = counting()
    world.send("gateway-1", said(1, order()), said(2, order("TELL", ClOrdID="b")))
    assert names(world.take()) == [(1, "0", "a"), (2, "0", "b"), (1, "0", "TOLD")]
    assert state(world)["orders"] == 2


def test_timers_come_when_they_are_due() -> None:
    world = counting()
    world.send("gateway-1", said(1, order("WAIT")))
    world.take()
    assert 0 < world.machine.next_timer_ns - START_NS <= 100_000_000
    world.now = world.machine.next_timer_ns
    world.timer()
    assert names(world.take()) == [(1, "F", "a")]
    assert world.machine.next_timer_ns == 0


def test_a_timer_of_an_engine_that_is_gone_does_nothing() -> None:
    world = counting()
    world.send("gateway-1", said(1, order("WAIT")))
    world.verb("delete_endpoint", "orders")
    world.verb("delete_engine", "main")
    world.verb("create_engine", "main", "counting")
    world.take_all()
    world.now = world.machine.next_timer_ns
    world.timer()
    assert world.take() == []
    assert state(world) == {"orders": 0, "seen": []}


def test_a_message_that_comes_again_happens_once() -> None:
    world = counting()
    again = (w.AGAIN, 1)
    world.send("gateway-1", said(1, order(), 5), again, said(1, order(), 5), again, said(1, order(ClOrdID="b"), 6))
    assert names(world.take()) == [(1, "0", "a"), (1, "0", "b")]
    world.send("gateway-1", said(1, order(ClOrdID="c"), 1))  # the numbers began anew
    assert names(world.take()) == [(1, "0", "c")]


def test_the_engine_hears_of_its_clients_and_of_the_day() -> None:
    world = counting(("alice",))
    world.send("gateway-1", (w.LOGOFF, 1, 1))
    world.verb("end_of_day", "main")
    world.verb("start_of_day", "main")
    world.log_on("orders", "alice", 2)
    world.hello("gateway-1", generation=2)
    assert state(world)["seen"] == ["+ALICE", "-ALICE", "end_of_day", "start_of_day", "+ALICE", "-ALICE"]


def test_who_has_no_session_today_is_not_told() -> None:
    world = counting()
    world.verb("end_of_day", "main")
    world.verb("start_of_day", "main")
    world.log_on("orders", "alice", 3)
    world.take_all()
    world.send("gateway-1", said(1, order("TELL")))
    assert names(world.take()) == [(1, "0", "a")]


# ------------------------------------------------------------------------------------------------- what goes wrong
def test_an_engine_that_raises_has_failed_and_the_exchange_goes_on() -> None:
    world = counting()
    world.send("gateway-1", said(1, order("RAISE", ClOrdID="a")), said(1, order(ClOrdID="b")))
    assert names(world.take()) == [(1, "8", "a"), (1, "8", "b")]
    (row,) = world.machine.query("list", {"kind": "engines"})
    assert row["failed"] == "RuntimeError: as it was asked to"
    assert Machine.load(world.machine.dump()).state_hash() == world.machine.state_hash()
    assert world.verb("create_engine", "other")["name"] == "other"


def test_what_a_gateway_should_not_say_is_ignored() -> None:
    world = counting()
    for data in (b"", b"7", b"x {}", b"7 {", b"\xff\xff"):
        world.send("gateway-1", (w.ECHO, 1, data))
    assert world.machine.counters["ignored_commands"] == 5
    assert state(world)["orders"] == 0


def test_what_cannot_be_kept_is_a_snapshot_that_is_not_taken() -> None:
    world = World()
    world.hello("gateway-1")
    load(world, ENGINES, "unkept", "tests.plugin_parts:Unkept")
    world.verb("create_engine", "main", "unkept")
    world.verb("create_endpoint", "orders", "main", "ouch42")
    world.log_on()
    world.send("gateway-1", said(1, order()))
    with pytest.raises(PluginError, match="cannot be kept in a snapshot: ValueError: what is kept is made of None"):
        pluginload.check_kept(world.machine)
    assert world.machine.query("list", {"kind": "engines"})[0]["failed"] == ""


@pytest.mark.parametrize(("message", "words"), [
    ("text", "a dictionary with a MsgType"),
    ({"ClOrdID": "a"}, "a dictionary with a MsgType"),
    ({"MsgType": "News", "Text": b"x"}, "text, whole numbers, lists"),
    ({"MsgType": "News", "Text": "x" * w.ECHO_MAX}, "at most 16384"),
])  # fmt: skip
def test_what_cannot_be_sent_is_a_value_error(message: Any, words: str) -> None:
    engine = counting().machine.engines["main"].plugin
    assert engine is not None
    with pytest.raises(ValueError, match=words):
        engine.send(1, message)


def test_an_engine_cannot_send_or_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pluginengine, "SENT_MAX", 3)
    monkeypatch.setattr(pluginengine, "TIMERS_MAX", 3)
    engine = counting().machine.engines["main"].plugin
    assert engine is not None
    for act in (lambda: engine.send(1, {"MsgType": "News"}), lambda: engine.later(1, None)):
        for _ in range(3):
            act()
        with pytest.raises(ValueError, match="3"):
            act()
    with pytest.raises(ValueError, match="milliseconds"):
        engine.later(-1, None)


# ------------------------------------------------------------------------------------------------- replay
def test_a_replay_and_a_snapshot_give_the_same_engine() -> None:
    world = counting()
    copy = None
    for number in range(40):
        world.now += 7_000_000
        world.send("gateway-1", said(1 + number % 2, order(("WAIT", "TELL", "X")[number % 3], ClOrdID=f"o{number}")))
        if world.machine.next_timer_ns <= world.now:
            world.timer()
        if number == 20:
            copy, begun = Machine.load(world.machine.dump()), len(world.inputs)
    assert copy is not None
    for what, arguments in world.inputs[begun:]:
        getattr(copy, what)(*arguments)
    assert copy.state_hash() == world.machine.state_hash() == replayed(world).state_hash()


def test_what_was_loaded_once_must_be_there_again() -> None:
    world = counting()
    data = world.machine.dump()
    machine = Machine()
    with pytest.raises(PluginError, match=r"tests\.nowhere"):
        apply_input(machine, *loaded_input(ENGINES, "counting", "tests.nowhere:Counting", ""), START_NS, None)
    with pytest.raises(PluginError, match=r"tests\.plugin_nowhere"):
        Machine.load(data.replace(b"tests.plugin_parts:Counting", b"tests.plugin_nowhere:Countin"[:27]))
    apply_input(
        machine, *loaded_input(ENGINES, "counting", "tests.nowhere:Counting", "it failed then too"), START_NS, None
    )
    assert machine.plugins == {}


# ------------------------------------------------------------------------------------------------- at the gateway
def test_what_is_no_message_is_ignored_and_counted_before_it_leaves() -> None:
    dialect = plugin.spoken(protocols.dialect("ouch42"))
    out: list[Any] = []
    cancel = b"X" + b"A1".ljust(14) + b"\0\0\0\0"
    assert dialect.commands(7, [b"", b"?", cancel[:-1], cancel, b"\xff" * 60], out) == 4
    assert out == [(w.ECHO, 7, b'0 {"MsgType":"OrderCancelRequest","OrigClOrdID":"A1"}')]
    wire_out = dialect.render((w.SYSTEM, 7, w.START_OF_DAY), 5)
    assert wire_out == protocols.dialect("ouch42").render((w.SYSTEM, 7, w.START_OF_DAY), 5)


def test_a_protocol_without_words_for_dictionaries_says_so() -> None:
    mute = plugin.spoken(protocols.dialect("ouch42")._replace(read=None, write=None))
    out: list[Any] = []
    assert (mute.commands(7, [b"anything"], out), out) == (1, [])
    with pytest.raises(ProtocolError, match="no words"):
        mute.render((w.ECHOED, 7, b'{"MsgType":"News"}'), 5)


def test_what_a_protocol_cannot_say_is_a_protocol_error() -> None:
    dialect = plugin.spoken(protocols.dialect("ouch42"))
    with pytest.raises(ProtocolError, match="MsgType is 'News'"):
        dialect.render((w.ECHOED, 7, b'{"MsgType":"News"}'), 5)


def test_protocols_are_imported_when_an_endpoint_speaks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_offered", "_factories", "_endpoints"):
        monkeypatch.setattr(protocols, name, dict(getattr(protocols, name)))
    protocols.offer("too", "tests.plugin_parts:ouch_too")
    protocols.offer("lost", "tests.nowhere:ouch_too")
    protocols.offer("raises", "tests.plugin_parts:raises")
    assert protocols.dialect("too").name == "ouch-too"
    for name, words in (("lost", "No module named"), ("raises", "as it was asked to"), ("other", "no protocol")):
        with pytest.raises(ClusterError, match=words):
            protocols.dialect(name)
