"""Policies of engines of one's own, and such engines stopped: in the machine, and as clients of OUCH and FIX see it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from openoutcry import Exchange, refusals, verbs
from openoutcry import wire as w
from openoutcry.errors import VerbError
from openoutcry.fix.dictionary import SHIPPED
from openoutcry.gateway.ouch42 import REJECT_LETTERS
from openoutcry.matcher import policies, stage, throttle
from openoutcry.matcher.machine import Machine
from openoutcry.messages import from_fix, to_fix, to_ouch
from openoutcry.plugins import ENGINES, POLICIES
from openoutcry.testkit import FixTrader, OuchTrader
from tests.both_world import Floor, kinds, wait_for
from tests.machine_world import Message, World, replayed
from tests.meddling import meddle
from tests.test_bots import followed
from tests.test_plugins import FIX, counting, load, order, said, state, told

ALICE, BOB, CAROL = 1, 2, 3  # the last over FIX
MS_NS = 10**6
CANCEL = {"MsgType": "OrderCancelRequest", "ClOrdID": "c", "OrigClOrdID": "a"}
CHANGE = {"MsgType": "OrderCancelReplaceRequest", "ClOrdID": "r", "OrigClOrdID": "a", "Side": "1", "OrderQty": 50}
ASK = {"MsgType": "QuoteRequest", "QuoteReqID": "q", "Symbol": "X"}


@pytest.fixture
def world() -> World:
    """An engine of kind counting, with alice and bob over OUCH and carol over FIX."""
    return peopled("tests.plugin_parts:Counting")


def peopled(path: str) -> World:
    world = counting() if path.endswith("Counting") else plugged(path)
    world.verb("create_endpoint", "fix", "main", "fix44")
    world.send("gateway-1", (w.BOUND, "fix", "127.0.0.1", 4002, ""))
    assert world.log_on("fix", FIX, 3) == CAROL
    world.take_all()
    return world


def plugged(path: str) -> World:
    """As ``counting``, with another engine."""
    world = World()
    world.hello("gateway-1")
    load(world, ENGINES, "plugged", path)
    world.verb("create_engine", "main", "plugged")
    world.verb("create_endpoint", "orders", "main", "ouch42")
    world.send("gateway-1", (w.BOUND, "orders", "127.0.0.1", 4001, ""))
    for connection, user in enumerate(("alice", "bob"), 1):
        world.log_on("orders", user, connection)
    return world


def add(world: World, kind: str, options: str = "", name: str = "p") -> Any:
    return world.verb("add_policy", "main", name, kind, options)


def heard(world: World, *commands: Message) -> list[tuple[int, str]]:
    """Who is told what, as a session and the message in short, because of commands."""
    world.send("gateway-1", *commands)
    found = [(number, short(fields)) for number, fields in told(world.take())]
    same(world)
    return found


def short(fields: dict[str, Any]) -> str:
    name = fields.get("ClOrdID", fields.get("OrigClOrdID", ""))
    return f"{name} {fields['ExecType']}" if "ExecType" in fields else f"{name} {fields['MsgType']}".strip()


def wait(world: World, ms: float) -> list[tuple[int, str]]:
    world.now += int(ms * MS_NS)
    world.timer()
    return [(number, short(fields)) for number, fields in told(world.take())]


def same(world: World) -> None:
    """A snapshot, and a replay of all inputs, come to the same state."""
    dumped = world.machine.dump()
    assert Machine.load(dumped).dump() == dumped
    assert replayed(world).dump() == dumped


def new(name: str, session: int = ALICE, number: int = 0, **fields: Any) -> Message:
    return said(session, order(**{"ClOrdID": name, **fields}), number)


# ------------------------------------------------------------------------------------------------- stopped engines
def test_a_stopped_engine_refuses_each_message_in_its_kind_until_it_is_started(world: World) -> None:
    assert world.verb("stop_engine", "main")["stopped"] is True
    assert world.verb("stop_engine", "main") == ("wrong_state", "engine")
    world.send("gateway-1", *(said(session, each, number)
                              for session in (ALICE, CAROL)
                              for number, each in enumerate((order(), CANCEL, CHANGE, ASK), 1)))  # fmt: skip
    answers = told(world.take())
    assert [(number, fields["MsgType"], fields.get("ClOrdID")) for number, fields in answers] == [
        (ALICE, "ExecutionReport", "a"), (ALICE, "OrderCancelReject", "c"), (ALICE, "ExecutionReport", "r"),
        (CAROL, "ExecutionReport", "a"), (CAROL, "OrderCancelReject", "c"), (CAROL, "OrderCancelReject", "r"),
        (CAROL, "BusinessMessageReject", None),
    ]  # fmt: skip
    assert {fields["Text"] for _, fields in answers} == {"engine main is stopped"}
    same(world)
    assert state(world)["orders"] == 0, "the engine has seen nothing"
    assert world.verb("start_engine", "main")["stopped"] is False
    assert world.machine.engines["main"].stage is None and not world.machine.engines["main"].careful
    assert heard(world, new("b")) == [(ALICE, "b 0")]


def test_timers_and_log_ons_of_a_stopped_engine_go_on(world: World) -> None:
    heard(world, new("a", Symbol="WAIT"))
    world.verb("stop_engine", "main")
    world.log_on("orders", "dave", 4)
    assert state(world)["seen"][-1] == "+DAVE"
    assert wait(world, 100) == [(ALICE, "a F")]


def test_an_engine_can_refuse_in_its_own_words_or_not_at_all() -> None:
    world = peopled("tests.plugin_parts:Polite")
    world.verb("stop_engine", "main")
    world.send("gateway-1", new("b", CAROL), said(CAROL, CANCEL))
    assert [fields["Text"] for _, fields in told(world.take())] == ["sorry: engine main is stopped"]
    assert state(world)["refused"] == [FIX, "b", "halted", "engine main is stopped"]
    same(world)


@pytest.mark.parametrize("account", ["RAISE", "WRONG"])
def test_an_engine_that_fails_to_refuse_has_failed_and_the_client_is_refused_all_the_same(account: str) -> None:
    world = peopled("tests.plugin_parts:Polite")
    world.verb("stop_engine", "main")
    assert heard(world, new("a", Account=account), new("b")) == [(ALICE, "a 8"), (ALICE, "b 8")]
    assert world.machine.query("list", {"kind": "engines"})[0]["failed"]
    world.verb("start_engine", "main")
    assert heard(world, new("c")) == [(ALICE, "c 8")]


def test_a_refusal_is_short_whatever_the_message_says(world: World) -> None:
    world.verb("stop_engine", "main")
    long = "\u00ff" * 2_000
    fields = {**order(), "ClOrdID": long, "Symbol": "\u00ff" * 128, "Account": "\u00ff" * 128}
    world.send("gateway-1", said(CAROL, fields))
    ((_, fields),) = told(world.take())
    assert "ClOrdID" not in fields and len(fields["Symbol"]) == 128
    assert world.machine.query("list", {"kind": "engines"})[0]["failed"] == ""


MESSAGES: tuple[dict[str, Any], ...] = (
    {**order(), "OrdType": "2", "Price": "10", "TimeInForce": "0"}, {**CANCEL, "Symbol": "X", "Side": "1"},
    {**CHANGE, "Symbol": "X"}, ASK, {"MsgType": "OrderMassCancelRequest", "ClOrdID": "m", "Side": "1"},
)  # fmt: skip


@pytest.mark.parametrize("version", [name for name in SHIPPED if name != "FIXT11"])
def test_every_refusal_can_be_said_in_every_version_of_fix(version: str) -> None:
    protocol = version.lower()
    for message in MESSAGES:
        for reason in w.REJECT_REASONS.values():
            answer = refusals.refusal(protocol, message, "7", reason, "no")
            if answer is not None:
                encoded = to_fix(answer, version, strict=False, time_ns=0)
                assert encoded.body.count(b"58=no\x01") == 1 and b"\x01150=F" not in encoded.body
    assert (refusals.refusal(protocol, ASK, "7", "halted", "no") is None) == (version in ("FIX40", "FIX41"))


def test_every_refusal_that_ouch_has_says_its_letter() -> None:
    for code, reason in w.REJECT_REASONS.items():
        for message, kind in ((MESSAGES[0], b"J"), (MESSAGES[1], b"I"), (MESSAGES[2], b"J")):
            answer = refusals.refusal("ouch42", message, "7", reason, "no")
            assert answer is not None
            payload = to_ouch(answer, inbound=False, strict=False, time_ns=0)
            assert payload[:1] == kind
            assert kind == b"I" or payload[-1:] == REJECT_LETTERS[code]
    assert refusals.refusal("ouch42", {"MsgType": "TradeNow", "OrigClOrdID": "a"}, "7", "halted", "no") is None


def test_the_type_of_a_message_that_is_refused_is_written_as_its_code() -> None:
    answer = refusals.refusal("fix44", ASK, "7", "halted", "no")
    assert answer is not None
    body = to_fix(answer, "FIX.4.4").body
    assert b"372=R\x01" in body and b"379=q\x01" in body and b"380=4\x01" in body
    assert from_fix(b"35=j\x01" + body, "FIX.4.4")["RefMsgType"] == "R"


# ------------------------------------------------------------------------------------------------- what clients send
def test_messages_are_refused_for_a_reason(world: World) -> None:
    add(world, "auto-reject", "reason='max position' text='not today' count=1")
    world.send("gateway-1", new("a", CAROL, 1), new("b", CAROL, 2))
    first, second = (fields for _, fields in told(world.take()))
    assert first == {
        "MsgType": "ExecutionReport", "ClOrdID": "a", "Symbol": "X", "Side": "1", "OrderQty": 100, "OrderID": "NONE",
        "ExecID": first["ExecID"], "ExecType": "8", "OrdStatus": "8", "OrdRejReason": "3", "CumQty": 0,
        "LeavesQty": 0, "AvgPx": "0", "Text": "not today",
    }  # fmt: skip
    assert second["ExecType"] == "0"
    same(world)


@pytest.mark.parametrize(("on", "refused"), [
    ("orders", ["a"]), ("changes", ["r"]), ("cancels", ["c"]), ("all", ["a", "r", "c", "q"]),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["auto-reject", "silent", "drop"])
def test_what_is_acted_on_is_said_by_msg_type(world: World, kind: str, on: str, refused: list[str]) -> None:
    add(world, kind, f"on={on}")
    every = {"a": order(), "r": CHANGE, "c": CANCEL, "q": ASK}
    world.send("gateway-1", *(said(CAROL, each) for each in every.values()))
    taken = [name for name in every if name not in refused]
    assert state(world)["orders"] == len(taken)
    answers = [fields for _, fields in told(world.take())]
    rejects = [fields for fields in answers if fields.get("ExecType") != "0"]
    assert (len(answers) - len(rejects), len(rejects)) == (len(taken), len(refused) if kind == "auto-reject" else 0)
    same(world)


@pytest.mark.parametrize(("limit", "acts"), [
    ("book=X", "ac"), ("book=Y", "b"), ("side=buy", "ab"), ("side=sell", "c"), ("session=alice", "ac"),
    ("session=bob", "b"), ("count=2", "ab"), ("probability=0", ""), ("probability=100", "abcd"),
])  # fmt: skip
def test_every_policy_can_be_limited_as_far_as_a_message_says_what_it_is_about(
    world: World, limit: str, acts: str
) -> None:
    add(world, "silent", f"on=all {limit}")
    cancel = said(CAROL, {**CANCEL, "ClOrdID": "d"})
    world.send("gateway-1", new("a"), new("b", BOB, Symbol="Y"), new("c", Side="5"), cancel)
    taken = [fields["ClOrdID"] for _, fields in told(world.take())]
    assert taken == [name for name in "abcd" if name not in acts]
    same(world)


@pytest.mark.parametrize(("options", "refused"), [
    ("", "bcd"), ("orders=2", "cd"), ("book=X", "b"), ("side=sell", "d"), ("session=bob", ""), ("count=1", "b"),
    ("probability=0", ""), ("orders=4", ""),
])  # fmt: skip
def test_a_halt_refuses_every_new_order_that_comes_after_so_many(world: World, options: str, refused: str) -> None:
    add(world, "halt", options)
    orders = new("a"), new("b"), new("c", Symbol="Y", Side="2"), new("d", Symbol="Y", Side="2")
    world.send("gateway-1", *orders, said(CAROL, CANCEL), said(CAROL, CHANGE))
    answers = [fields for _, fields in told(world.take())]
    assert [fields["ClOrdID"] for fields in answers if fields["ExecType"] == "8"] == list(refused)
    assert {fields["Text"] for fields in answers if fields["ExecType"] == "8"} == ({"halted"} if refused else set())
    assert state(world)["orders"] == 6 - len(refused)
    same(world)
    world.verb("delete_policy", "main", "p")
    assert heard(world, new("e")) == [(ALICE, "e 0")]


def test_messages_wait_and_are_handled_once(world: World) -> None:
    add(world, "delay", "on=orders delay_ms=10")
    assert heard(world, new("a", CAROL, 5), said(CAROL, CANCEL, 6)) == [(CAROL, "c 0")], "the cancel has overtaken it"
    copy = Machine.load(world.machine.dump())
    begun = len(world.inputs)
    assert heard(world, (w.AGAIN, CAROL), new("a", CAROL, 5)) == [], "it is known"
    assert wait(world, 9) == []
    assert wait(world, 1) == [(CAROL, "a 0")]
    assert wait(world, 1_000) == []
    for what, arguments in world.inputs[begun:]:
        getattr(copy, what)(*arguments)
    assert copy.dump() == world.machine.dump() == replayed(world).dump()


def test_what_waits_goes_on_when_its_policy_is_gone_and_then_costs_nothing(world: World) -> None:
    add(world, "delay", "delay_ms=10")
    heard(world, new("a"))
    world.verb("delete_policy", "main", "p")
    assert heard(world, new("b")) == [(ALICE, "b 0")]
    assert wait(world, 10) == [(ALICE, "a 0")]
    assert world.machine.engines["main"].stage is None and not world.machine.engines["main"].careful


def test_latencies_one_after_the_other(world: World) -> None:
    add(world, "delay", "latencies=1,5.25 model=in-turn")
    heard(world, new("a"), new("b"), new("c"))
    assert wait(world, 1) == [(ALICE, "a 0"), (ALICE, "c 0")]
    assert wait(world, 4.25) == [(ALICE, "b 0")]


def test_messages_come_twice_and_what_that_means_is_the_engines_own(world: World) -> None:
    add(world, "duplicate", "on=orders copies=2 delay_ms=10")
    assert heard(world, new("a", CAROL, 1)) == [(CAROL, "a 0")]
    assert [wait(world, 10), wait(world, 10), wait(world, 10)] == [[(CAROL, "a 0")], [(CAROL, "a 0")], []]
    assert state(world)["orders"] == 3


def test_messages_pass_one_that_is_held_back(world: World) -> None:
    add(world, "reorder", "by=2 on=orders")
    assert heard(world, new("a"), new("z", BOB), new("b")) == [(ALICE, "b 0")]
    assert heard(world, new("c")) == [(ALICE, "c 0"), (ALICE, "a 0")]
    assert wait(world, 1_000) == [(BOB, "z 0")]


def test_policies_stack_in_the_order_in_which_they_were_added(world: World) -> None:
    add(world, "delay", "delay_ms=10", "late")
    add(world, "auto-reject", "count=1", "no")
    add(world, "duplicate", "on=orders", "twice")
    assert heard(world, new("a"), new("b")) == []
    assert wait(world, 10) == [(ALICE, "a 8"), (ALICE, "b 0"), (ALICE, "b 0")]
    assert [(row["seen"], row["acted"]) for row in world.machine.query("list", {"kind": "policies"})] == [
        (2, 2), (1, 1), (1, 1),
    ]  # fmt: skip


def test_what_waits_at_the_end_of_the_day_is_refused(world: World) -> None:
    add(world, "delay", "delay_ms=10")
    heard(world, new("a"))
    world.verb("end_of_day", "main")
    assert [fields["Text"] for _, fields in told(world.take())] == ["the day has ended"]
    assert wait(world, 10) == []
    same(world)


def test_what_cannot_wait_any_more_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "REQUESTS_MAX", 1)
    add(world, "delay", "delay_ms=10")
    assert heard(world, new("a"), new("b")) == [(ALICE, "b 8")]


def test_what_waits_goes_with_its_session(world: World) -> None:
    add(world, "delay", "delay_ms=10")
    heard(world, new("a"))
    assert world.verb("delete_endpoint", "orders")
    assert wait(world, 10) == []
    same(world)


# ------------------------------------------------------------------------------------------------- too many a second
def test_messages_beyond_a_rate_are_refused_but_for_cancels(world: World) -> None:
    world.verb("set_limit", "main", "engine", "main", "messages_per_second", 2)
    world.send("gateway-1", *(new(name, CAROL, number) for number, name in enumerate("abc", 1)), said(CAROL, CANCEL, 4))
    first, second, third, cancel = (fields for _, fields in told(world.take()))
    assert [fields["ExecType"] for fields in (first, second, third, cancel)] == ["0", "0", "8", "0"]
    assert third["Text"] == "messages_per_second is 2 for engine main: 2 in the last second"
    same(world)
    world.now += 10**9
    assert heard(world, (w.AGAIN, CAROL), new("c", CAROL, 3), new("d", CAROL, 5)) == [(CAROL, "d 0")], "it was answered"


def test_messages_beyond_a_rate_wait_for_their_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "QUEUE_MAX", 2)
    for rule, value in (("messages_per_second", 1), ("throttle", "queue")):
        world.verb("set_limit", "main", "engine", "main", rule, value)
    cancel = {**CANCEL, "ClOrdID": "e"}
    assert heard(world, *(new(name) for name in "abcd"), said(ALICE, cancel)) == [
        (ALICE, "a 0"), (ALICE, "d 8"), (ALICE, "e OrderCancelReject"),
    ]  # fmt: skip
    assert [wait(world, 1_000), wait(world, 1_000), wait(world, 1_000)] == [[(ALICE, "b 0")], [(ALICE, "c 0")], []]
    same(world)


# ------------------------------------------------------------------------------------------------- what clients hear
@pytest.mark.parametrize("session", [ALICE, CAROL])
def test_answers_are_lost_doubled_and_late_while_all_happens(world: World, session: int) -> None:
    add(world, "drop", "on=answers count=1")
    assert heard(world, new("a", session), new("b", session)) == [(session, "b 0")]
    world.verb("delete_policy", "main", "p")
    add(world, "duplicate", "on=answers delay_ms=5")
    assert heard(world, new("c", session)) == [(session, "c 0")]
    assert wait(world, 5) == [(session, "c 0")]
    world.verb("delete_policy", "main", "p")
    add(world, "delay", "on=answers delay_ms=10")
    assert heard(world, new("d", session)) == []
    same(world)
    assert state(world)["orders"] == 4
    assert wait(world, 10) == [(session, "d 0")]
    world.verb("delete_policy", "main", "p")
    add(world, "reorder", "on=answers")
    assert heard(world, new("e", session), new("f", session)) == [(session, "f 0"), (session, "e 0")]


def test_fills_are_what_says_that_something_was_traded(world: World) -> None:
    add(world, "duplicate", "on=fills")
    assert heard(world, new("a", CAROL, Symbol="WAIT")) == [(CAROL, "a 0")]
    assert wait(world, 100) == [(CAROL, "a F"), (CAROL, "a F")]


def test_answers_can_be_limited_by_what_they_say(world: World) -> None:
    add(world, "drop", "on=answers book=X side=buy")
    assert heard(world, new("a"), new("b", Symbol="Y"), new("c", Side="2")) == [(ALICE, "b 0"), (ALICE, "c 0")]


def test_refusals_are_answers_too(world: World) -> None:
    world.verb("stop_engine", "main")
    add(world, "drop", "on=answers count=1")
    assert heard(world, new("a"), new("b")) == [(ALICE, "b 8")]


def test_answers_that_are_held_are_said_before_the_day_ends(world: World) -> None:
    add(world, "delay", "on=answers delay_ms=10")
    heard(world, new("a", CAROL))
    world.verb("end_of_day", "main")
    events = [event for event in world.take() if event[1] == CAROL]
    assert [event[0] for event in events] == [w.ECHOED, w.SYSTEM]


# ------------------------------------------------------------------------------------------------- which policies
@pytest.mark.parametrize("kind", ["auto-fill", "auto-cancel", "partial-then-cancel", "market-maker"])
def test_a_policy_that_needs_orders_is_refused(world: World, kind: str) -> None:
    before = world.machine.engines["main"].careful, len(world.machine.sessions)
    assert add(world, kind) == ("wrong_state", "engine")
    assert (world.machine.engines["main"].careful, len(world.machine.sessions)) == before


@pytest.mark.parametrize("kind", ["counting", "echo"])
@pytest.mark.parametrize(("verb", "arguments", "instead"), [
    ("set_limit", ("engine", "other", "max_quantity", 5), "has no orders in books for which max_quantity could hold"),
    ("kill_switch", ("engine", "other"), "use stop_engine, or a policy auto-reject"),
    ("halt_market", (), "use stop_engine, or a policy halt"),
    ("add_policy", ("p", "auto-fill"), "use an engine of kind matching or manual, or here one of: auto-reject, halt,"),
])  # fmt: skip
def test_what_would_do_nothing_without_books_is_refused_and_it_is_said_what_would_be_right(
    world: World, kind: str, verb: str, arguments: tuple[Any, ...], instead: str
) -> None:
    world.verb("create_engine", "other", kind)
    before = world.machine.dump()
    world.send("control", (w.VERB, 7, verb, verbs.check(verb, ("other", *arguments), {})))
    ((_, _, (code, field, text), _),) = [event for event in world.take("control") if event[1] == 7]
    assert (code, field) == ("wrong_state", "engine")
    assert instead in text
    assert world.machine.engines["other"].dump() == Machine.load(before).engines["other"].dump()


def test_every_kind_that_can_be_there_needs_no_house(world: World) -> None:
    for kind in ("auto-reject", "halt", "silent", "drop", "delay", "duplicate", "reorder"):
        assert add(world, kind, name=kind)["kind"] == kind
    assert world.machine.desks == {}
    same(world)


def test_a_policy_of_ones_own_says_that_it_reads_dictionaries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINDS", "_PARAMETERS", "_adopted"):
        monkeypatch.setattr(policies, name, dict(getattr(policies, name)))
    for name in ("Lots", "Even"):
        load(world, POLICIES, f"tests.plugin_parts.{name}", f"tests.plugin_parts:{name}")
    assert add(world, "tests.plugin_parts.Even") == ("wrong_state", "engine")
    add(world, "tests.plugin_parts.Lots")
    assert heard(world, new("a", OrderQty=150), new("b"), said(CAROL, CANCEL)) == [
        (ALICE, "a 8"), (ALICE, "b 0"), (CAROL, "c 0"),
    ]  # fmt: skip
    assert heard(world, new("c", Symbol="RAISE"), new("d", OrderQty=150)) == [(ALICE, "c 8"), (ALICE, "d 8")]
    assert world.machine.query("list", {"kind": "policies"})[0]["failed"] == "RuntimeError: as it was asked to"


# ------------------------------------------------------------------------------------------------- everything at once
CLIENTS = (("orders", "alice"), ("orders", "bob"), ("fix", FIX))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_a_replay_and_a_snapshot_come_to_the_same(world: World, seed: int) -> None:
    random, number = Random(seed), [0]
    world.hello("gateway-2")  # it has nothing to do
    world.take_all()

    def step() -> None:
        if meddle(world, random, CLIENTS):
            return
        session = random.choice((ALICE, BOB, CAROL))
        number[0] += 1
        each = random.choice((order("WAIT"), order("TELL", Side="2"), order(), CANCEL, CHANGE, ASK))
        again = [(w.AGAIN, session)] if random.randrange(4) == 0 else []
        world.send("gateway-1", *again, said(session, each, number[0] - random.randrange(3) * len(again)))

    for _ in followed(world, step, 150):
        pass
    same(world)
    assert world.machine.query("list", {"kind": "engines"})[0]["failed"] == ""


# ------------------------------------------------------------------------------------------------- over sockets
Client = OuchTrader | FixTrader


@pytest.fixture
def floor(exchange_factory: Callable[..., Exchange], protocol: str) -> Floor:
    floor = Floor(exchange_factory(plugins="tests"), protocol)
    floor.exchange.load_engine("counting", "tests.plugin_parts:Counting")
    return floor


def mine(floor: Floor) -> tuple[Any, Client]:
    engine = floor.exchange.create_engine("mine", "counting")
    return engine, floor.client("ANN", floor.endpoint("mine-port", engine=engine))


BOTH = pytest.mark.parametrize("protocol", ["ouch", "fix"])


@BOTH
def test_clients_of_a_stopped_engine_are_refused(floor: Floor) -> None:
    engine, client = mine(floor)
    order = client.buy("X", 100, "10").expect_accepted()
    engine.stop()
    client.buy("X", 100, "10").expect_rejected("stopped" if floor.is_fix else "halted")
    order.cancel().expect_cancel_rejected()
    engine.start()
    client.buy("X", 100, "10").expect_accepted()


@BOTH
def test_clients_meet_policies(floor: Floor) -> None:
    engine, client = mine(floor)
    policy = engine.add_policy("no", "auto-reject", book="Y", reason="max position", text="not today")
    client.buy("Y", 100, "10").expect_rejected("not today" if floor.is_fix else "max position")
    client.buy("X", 100, "10").expect_accepted()
    policy.delete()
    policy = engine.add_policy("lost", "silent", side="sell")
    lost = client.sell("X", 100, "10")
    client.buy("X", 100, "10").expect_accepted()
    assert lost.status == "sent"
    policy.delete()
    policy = engine.add_policy("enough", "halt", orders=2)
    orders = [client.buy("X", 100, "10") for _ in range(3)]
    orders[1].expect_accepted()
    orders[2].expect_rejected("halted")
    policy.delete()
    with pytest.raises(VerbError, match="needs orders in books") as raised:
        engine.add_policy("fill", "auto-fill")
    assert (raised.value.code, raised.value.field) == ("wrong_state", "engine")


@BOTH
def test_a_message_that_waits_survives_the_matcher_and_is_handled_once(floor: Floor) -> None:
    engine, client = mine(floor)
    floor.stop_clock()
    engine.add_policy("late", "delay", session="FIX.4.4:EXCHANGE->ANN" if floor.is_fix else "ANN", count=1)
    order = client.buy("X", 100, "10")
    wait_for(lambda: bool(floor.exchange.list("policies")[0]["acted"]))
    floor.exchange.kill("matcher")
    floor.exchange.restart("matcher")
    client.buy("X", 100, "10").expect_accepted()
    assert order.status == "sent"
    floor.exchange.advance_clock("1s")
    order.expect_accepted()
    floor.exchange.advance_clock("1h")
    client.buy("X", 100, "10").expect_accepted()
    assert kinds(order) == ["accepted"]


@pytest.mark.parametrize("protocol", ["fix"])
@pytest.mark.parametrize("victim", ["matcher", "gateway-1"])
def test_kill_9_while_orders_wait_leaves_each_of_them_done_once(floor: Floor, victim: str) -> None:
    engine, client = mine(floor)
    assert isinstance(client, FixTrader)
    floor.stop_clock()
    engine.add_policy("late", "delay", delay_ms=1_000)
    for number in range(100):
        client.send("NewOrderSingle", {"ClOrdID": f"o{number}", "Symbol": "X", "Side": "1", "OrderQty": 100,
                                       "OrdType": "2", "Price": "10", "HandlInst": "1"})  # fmt: skip
    wait_for(lambda: bool(floor.exchange.list("policies")[0]["acted"]))
    floor.exchange.kill(victim)
    floor.exchange.restart(victim)
    client.reconnect()
    wait_for(lambda: bool(floor.exchange.list("policies")[0]["acted"] == 100))
    floor.exchange.advance_clock("1s")
    reports = [client.next("ExecutionReport") for _ in range(100)]
    assert {report["ClOrdID"]: report["OrderID"] for report in reports} == {f"o{n}": str(n + 1) for n in range(100)}
    floor.exchange.advance_clock("1h")
    assert floor.exchange.list("policies")[0]["seen"] == 100


@BOTH
def test_fills_come_twice(floor: Floor) -> None:
    engine, client = mine(floor)
    engine.add_policy("twice", "duplicate", on="fills")
    order = client.buy("WAIT", 30, "10").expect_accepted()
    order.expect_filled(30)
    client.buy("X", 100, "10").expect_accepted()
    assert kinds(order) == ["accepted", "filled", "filled"]


@pytest.mark.parametrize("protocol", ["fix"])
def test_what_is_no_order_is_refused_with_a_business_message_reject(floor: Floor) -> None:
    engine, client = mine(floor)
    assert isinstance(client, FixTrader)
    engine.stop()
    client.send("QuoteRequest", {"QuoteReqID": "q", "NoRelatedSym": [{"Symbol": "X"}]})
    answer = client.next("BusinessMessageReject")
    assert (answer["RefMsgType"], answer["BusinessRejectReason"], answer["BusinessRejectRefID"], answer["Text"]) == (
        "R", "4", "q", "engine mine is stopped",
    )  # fmt: skip
    assert answer["RefSeqNum"] == "2"
