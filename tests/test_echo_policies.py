"""Policies of echo engines, and such engines stopped: in the machine, and as clients of FIX and OUCH see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import pytest

from openoutcry import Exchange, echoes
from openoutcry import wire as w
from openoutcry.echoes import Echo
from openoutcry.handles import Endpoint, Engine
from openoutcry.matcher import policies, stage
from openoutcry.matcher.machine import Machine
from tests.both_world import wait_for
from tests.fix_wire import Host, Wire
from tests.machine_world import Message, World, enter, replace, replayed
from tests.meddling import meddle
from tests.scenario_world import Theatre, same_again
from tests.test_bots import followed

CAROL, DAVE, ALICE = 1, 2, 3  # the last over OUCH
MS_NS = 10**6
NAMES = {"D": b"D", "F": b"j", "G": b"j", "C": b"C"}  # what is sent, and what comes back


@pytest.fixture
def world() -> World:
    """An echo engine with carol and dave over FIX, and alice over OUCH."""
    world = World()
    world.hello("gateway-1")
    world.verb("create_engine", "main", "echo")
    for port, (name, protocol) in enumerate((("fix", "fix"), ("ouch", "ouch42")), 4001):
        world.verb("create_endpoint", name, "main", protocol)
        world.send("gateway-1", (w.BOUND, name, "127.0.0.1", port, ""))
    assert world.log_on("fix", "FIX.4.4:OO->CAROL", 1) == CAROL
    assert world.log_on("fix", "FIX.4.2:OO->DAVE", 2) == DAVE
    assert world.log_on("ouch", "alice", 3) == ALICE
    world.take_all()
    return world


def add(world: World, kind: str, options: str = "", name: str = "p") -> Any:
    return world.verb("add_policy", "main", name, kind, options)


def sent(
    number: int, name: str = "a", session: int = CAROL, kind: str = "D", symbol: str = "X", side: int = 1
) -> Message:
    """A client's message as its gateway passes it on: what an echo engine does not send back, as its refusal."""
    order = f"11={name}|38=100|40=2|44=10|54={side}|55={symbol}"
    text = order if kind in ("D", "C") else f"45={number}|58=no|372={kind}"
    rest = text.replace("|", "\x01").encode() + b"\x01"
    return (w.ECHO, session, Echo(NAMES[kind], rest, (), number, kind.encode()).packed())


def told(world: World) -> list[tuple[int, str]]:
    """Who is told what: a message that comes back as its number, a refusal as its MsgType, what OUCH says by its name.

    That a message has been dealt with is "!" and its number.
    """
    return [(event[1], short(event)) for event in world.take() if event[0] in (w.ECHOED, w.REJECTED)]


def short(event: Message) -> str:
    if event[0] == w.REJECTED:
        return f"rejected {event[2].decode()}: {event[4]}"
    if event[2][:1] == b"{":
        return str(json.loads(event[2])["MsgType"])
    echo = echoes.opened(event[2])
    assert echo is not None
    return f"{echo.number}" if echo.kind else f"!{echo.number}"


def heard(world: World, *commands: Message) -> list[tuple[int, str]]:
    world.send("gateway-1", *commands)
    found = told(world)
    same(world)
    return found


def carol(world: World, *commands: Message) -> list[str]:
    """What she is told, without what her gateway alone has to know."""
    return [text for session, text in heard(world, *commands) if session == CAROL and text[0] != "!"]


def wait(world: World, ms: float) -> list[str]:
    world.now += int(ms * MS_NS)
    world.timer()
    return [text for _, text in told(world)]


def same(world: World) -> None:
    """A snapshot, and a replay of all inputs, come to the same state."""
    dumped = world.machine.dump()
    assert Machine.load(dumped).dump() == dumped
    assert replayed(world).dump() == dumped


# ------------------------------------------------------------------------------------------------- what is read
def test_what_policies_need_of_a_message_is_read_from_its_fields() -> None:
    rest = b"212=10\x01213=\x0154=2\x0155=Z\x0111=a\x0138=100\x0154=1\x0155=X\x0196=no length\x0195=3\x0196=\x0155\x01"
    data = Echo(b"D", rest + b"78=1\x0155=Y\x01", ((115, b"x"),), 7, b"D").packed()
    assert echoes.fields_of(data) == {
        "MsgType": "NewOrderSingle", "ClOrdID": "a", "OrderQty": 100, "Side": "1", "Symbol": "X",
    }  # fmt: skip
    assert echoes.fields_of(Echo(b"j", b"372=F\x0155=X\x01", (), 7, b"F").packed()) == {"MsgType": "OrderCancelRequest"}
    assert echoes.fields_of(Echo(b"C", b"", (), 7, b"C").packed()) == {"MsgType": "Email"}


def test_the_data_of_an_earlier_version_is_read() -> None:
    assert echoes.opened(msgpack.packb((b"D", b"11=a\x01", ()))) == Echo(b"D", b"11=a\x01", (), 0, b"")


@pytest.mark.parametrize("data", [
    b"", b"8=FIX.4.2", b"{}", b"7 {}", b"\xc1", msgpack.packb([]), msgpack.packb([1] * 9),
    msgpack.packb(["D", b"", ()]),
    msgpack.packb((b"D", b"", (), "7", b"D")), msgpack.packb((b"D", None, ())),
])  # fmt: skip
def test_whatever_else_comes_is_no_message_and_does_no_harm(world: World, data: bytes) -> None:
    assert echoes.opened(data) is None
    assert (echoes.fields_of(data), echoes.is_settled(data)) == ({}, False)
    add(world, "auto-reject", "on=all count=1")
    add(world, "duplicate", "on=answers", "twice")
    world.send("gateway-1", (w.ECHO, CAROL, data), (w.ECHO, CAROL, data))
    refused, again, first, second = world.take()
    assert json.loads(refused[2])["MsgType"] == "BusinessMessageReject"
    assert refused == again
    assert [first, second] == [(w.ECHOED, CAROL, data)] * 2
    same(world)


@pytest.mark.parametrize("rest", [
    b"=", b"55", b"55=", b"95=999\x0196=x\x01", b"95=\xb2\x0196=x\x01", b"\x01=\x01=", b"38=x\x01",
])  # fmt: skip
def test_fields_that_are_none_are_not_there(rest: bytes) -> None:
    found = echoes.fields_of(Echo(b"D", rest, (), 7, b"D").packed())
    assert found.pop("MsgType") == "NewOrderSingle"
    assert found in ({}, {"OrderQty": "x"})


# ------------------------------------------------------------------------------------------------- what clients send
@pytest.mark.parametrize(("on", "refused"), [
    ("orders", "1"), ("changes", "2"), ("cancels", "3"), ("all", "1234"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["auto-reject", "silent", "drop"])
def test_what_is_acted_on_is_said_by_msg_type(world: World, kind: str, on: str, refused: str) -> None:
    add(world, kind, f"on={on}")
    every = [sent(number, kind=kind) for number, kind in enumerate("DGFC", 1)]
    answers = heard(world, *every)
    assert [text for _, text in answers if text[0] == "!"] == ["!1", "!2", "!3", "!4"], "each has been dealt with"
    assert [text for _, text in answers if text.isdigit()] == [each for each in "1234" if each not in refused]
    rejects = [text for _, text in answers if text[0] not in "!1234"]
    assert len(rejects) == (len(refused) if kind == "auto-reject" else 0)


def test_an_order_is_refused_by_an_execution_report_and_all_else_by_a_business_message_reject(world: World) -> None:
    add(world, "auto-reject", "on=all reason='max position' text='not today'")
    world.send("gateway-1", *(sent(number, kind=kind) for number, kind in enumerate("DFC", 1)))
    first, second, third = (json.loads(event[2]) for event in world.take() if event[2][:1] == b"{")
    assert first == {
        "MsgType": "ExecutionReport", "ClOrdID": "a", "Symbol": "X", "Side": "1", "OrderQty": 100, "OrdType": "2",
        "Price": "10", "OrderID": "NONE", "ExecID": first["ExecID"], "ExecType": "8", "OrdStatus": "8",
        "OrdRejReason": "3", "CumQty": 0, "LeavesQty": 0, "AvgPx": "0", "Text": "not today",
    }  # fmt: skip
    assert [second, third] == [
        {"MsgType": "BusinessMessageReject", "RefSeqNum": number, "RefMsgType": kind, "BusinessRejectReason": 0,
         "Text": "not today"}
        for number, kind in ((2, "F"), (3, "C"))
    ]  # fmt: skip
    same(world)


@pytest.mark.parametrize(("limit", "acts"), [
    ("book=X", "13"), ("book=Y", "2"), ("side=buy", "12"), ("side=sell", "3"), ("session=FIX.4.2:OO->DAVE", "2"),
    ("count=2", "12"), ("probability=0", ""), ("probability=100", "1234"),
])  # fmt: skip
def test_every_policy_can_be_limited_as_far_as_a_message_says_what_it_is_about(
    world: World, limit: str, acts: str
) -> None:
    add(world, "silent", f"on=all {limit}")
    answers = heard(world, sent(1), sent(2, session=DAVE, symbol="Y"), sent(3, side=5), sent(4, kind="F"))
    assert [text for _, text in answers if text[0] != "!"] == [each for each in "1234" if each not in acts]


@pytest.mark.parametrize(("options", "refused"), [
    ("", "23456"), ("orders=2", "3456"), ("orders=2 book=X", "46"), ("side=sell", "5"), ("count=2", "23"),
    ("session=FIX.4.2:OO->DAVE", "6"), ("probability=0", ""), ("orders=6", ""),
])  # fmt: skip
def test_a_halt_refuses_every_new_order_that_comes_after_so_many(world: World, options: str, refused: str) -> None:
    add(world, "halt", options + " text=enough")
    orders = [sent(1), sent(2), sent(3, symbol="Y", side=2), sent(4), sent(5, symbol="Y", side=2)]
    dave = "session" in options
    before = [sent(8, session=DAVE)] if dave else []
    world.send("gateway-1", *before, *orders, sent(6, session=DAVE), sent(7, kind="F"))
    events = world.take()
    said = {json.loads(event[2])["Text"] for event in events if event[2][:1] == b"{"}
    assert said == ({"enough"} if refused else set())
    back = [short(event) for event in events if short(event).isdigit()]
    assert back == [each for each in ("8123456" if dave else "123456") + "7" if each not in refused]
    same(world)
    world.verb("delete_policy", "main", "p")
    assert carol(world, sent(9)) == ["9"]


def test_messages_wait_and_go_back_once_while_others_overtake_them(world: World) -> None:
    add(world, "delay", "on=orders delay_ms=10")
    assert heard(world, sent(1), sent(2, kind="C")) == [(CAROL, "!1"), (CAROL, "2"), (CAROL, "!2")]
    assert heard(world, (w.AGAIN, CAROL), sent(1)) == [(CAROL, "!1")], "it is known"
    copy = Machine.load(world.machine.dump())
    begun = len(world.inputs)
    assert [wait(world, 9), wait(world, 1), wait(world, 1_000)] == [[], ["1"], []]
    for what, arguments in world.inputs[begun:]:
        getattr(copy, what)(*arguments)
    assert copy.dump() == world.machine.dump() == replayed(world).dump()


def test_what_waits_goes_on_when_its_policy_is_gone_and_then_costs_nothing(world: World) -> None:
    add(world, "delay", "delay_ms=10")
    heard(world, sent(1))
    world.verb("delete_policy", "main", "p")
    assert carol(world, sent(2)) == ["2"]
    assert wait(world, 10) == ["1"]
    assert world.machine.engines["main"].stage is None and not world.machine.engines["main"].careful
    assert heard(world, sent(3)) == [(CAROL, "3")], "what comes straight back has been dealt with"


def test_messages_come_back_twice(world: World) -> None:
    add(world, "duplicate", "on=orders copies=2 delay_ms=10")
    assert carol(world, sent(1), sent(2, kind="C")) == ["1", "2"]
    assert [wait(world, 10), wait(world, 10), wait(world, 10)] == [["1"], ["1"], []]


def test_messages_pass_one_that_is_held_back(world: World) -> None:
    add(world, "reorder", "by=2 on=orders")
    assert carol(world, sent(1), sent(9, session=DAVE), sent(2)) == ["2"]
    assert carol(world, sent(3)) == ["3", "1"]
    assert wait(world, 1_000) == ["9"]


def test_policies_stack_in_the_order_in_which_they_were_added(world: World) -> None:
    add(world, "delay", "delay_ms=10", "late")
    add(world, "auto-reject", "count=1", "no")
    add(world, "duplicate", "on=orders", "twice")
    assert carol(world, sent(1), sent(2)) == []
    assert wait(world, 10) == ["ExecutionReport", "2", "2"]


def test_what_waits_at_the_end_of_the_day_is_refused(world: World) -> None:
    add(world, "delay", "delay_ms=10")
    heard(world, sent(1))
    world.verb("end_of_day", "main")
    assert told(world) == [(CAROL, "ExecutionReport")]
    assert wait(world, 10) == []
    same(world)


def test_what_cannot_wait_any_more_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "REQUESTS_MAX", 1)
    add(world, "delay", "delay_ms=10")
    assert heard(world, sent(1), sent(2)) == [(CAROL, "!1"), (CAROL, "ExecutionReport"), (CAROL, "!2")]


def test_what_waits_goes_with_its_session(world: World) -> None:
    add(world, "delay", "delay_ms=10")
    heard(world, sent(1))
    world.verb("create_engine", "other", "echo")
    assert world.verb("set_endpoint_engine", "fix", "other") == ("in_use", "endpoint")
    assert world.verb("delete_endpoint", "fix")
    assert wait(world, 10) == []
    same(world)


# ------------------------------------------------------------------------------------------------- too many a second
def test_messages_beyond_a_rate_are_refused_or_wait_and_are_dealt_with_at_once(world: World) -> None:
    world.verb("set_limit", "main", "engine", "main", "messages_per_second", 1)
    world.send("gateway-1", sent(1), sent(2))
    back, refused, dealt_with = world.take()
    assert [short(back), short(refused), short(dealt_with)] == ["1", "ExecutionReport", "!2"]
    assert json.loads(refused[2])["Text"] == "messages_per_second is 1 for engine main: 1 in the last second"
    assert heard(world, sent(3, kind="F")) == [(CAROL, "3")], "cancels are let through"
    world.verb("set_limit", "main", "engine", "main", "throttle", "queue")
    assert heard(world, sent(4), sent(5)) == [(CAROL, "!4"), (CAROL, "!5")]
    assert [wait(world, 1_000), wait(world, 1_000)] == [["4"], ["5"]]
    same(world)


# ------------------------------------------------------------------------------------------------- what clients hear
def test_answers_are_lost_doubled_late_and_in_another_order(world: World) -> None:
    add(world, "drop", "on=answers count=1")
    assert heard(world, sent(1), sent(2)) == [(CAROL, "!1"), (CAROL, "2"), (CAROL, "!2")], "both are dealt with"
    world.verb("delete_policy", "main", "p")
    add(world, "duplicate", "on=answers delay_ms=5")
    assert carol(world, sent(3)) == ["3"]
    assert wait(world, 5) == ["3"]
    world.verb("delete_policy", "main", "p")
    add(world, "delay", "on=answers delay_ms=10")
    assert heard(world, sent(4)) == [(CAROL, "!4")]
    same(world)
    assert wait(world, 10) == ["4"]
    world.verb("delete_policy", "main", "p")
    add(world, "reorder", "on=answers")
    assert carol(world, sent(5), sent(6)) == ["6", "5"]


def test_answers_can_be_limited_by_what_they_say_and_refusals_are_answers_too(world: World) -> None:
    add(world, "drop", "on=answers book=X side=buy")
    add(world, "auto-reject", "book=Z", "no")
    orders = sent(1), sent(2, symbol="Y"), sent(3, side=2), sent(4, symbol="Z")
    assert carol(world, *orders) == ["2", "3", "ExecutionReport"]
    add(world, "drop", "on=answers book=Z", "z")
    assert carol(world, sent(5, symbol="Z")) == []


# ------------------------------------------------------------------------------------------------- OUCH
def rejected(world: World, *commands: Message) -> list[str]:
    return [text for session, text in heard(world, *commands) if session == ALICE]


UNSUPPORTED = "an echo engine takes no orders"


def ordered(name: str, **named: Any) -> Message:
    return enter(ALICE, name, **named)


def test_orders_over_ouch_are_refused_for_another_reason(world: World) -> None:
    add(world, "auto-reject", "reason='max position' text='not today' book=X side=buy count=1")
    said = rejected(world, ordered("y", symbol="Y"), ordered("s", side=w.SELL), ordered("a"), ordered("b"))
    assert said == [f"rejected y: {UNSUPPORTED}", f"rejected s: {UNSUPPORTED}", "rejected a: not today",
                    f"rejected b: {UNSUPPORTED}"]  # fmt: skip


def test_orders_over_ouch_are_lost_late_known_and_overtaken(world: World) -> None:
    add(world, "silent", "count=1")
    assert rejected(world, ordered("a"), ordered("a")) == [f"rejected a: {UNSUPPORTED}"]
    add(world, "delay", "delay_ms=10 count=1", "late")
    add(world, "duplicate", "on=orders", "twice")
    assert rejected(world, ordered("b"), ordered("c")) == [f"rejected c: {UNSUPPORTED}"], "the second one is known"
    assert wait(world, 10) == [f"rejected b: {UNSUPPORTED}"]
    for name in ("p", "late", "twice"):
        world.verb("delete_policy", "main", name)
    add(world, "reorder")
    assert rejected(world, ordered("d"), ordered("e")) == [f"rejected {name}: {UNSUPPORTED}" for name in "ed"]
    world.verb("delete_policy", "main", "p")
    add(world, "halt", "text=enough")
    assert rejected(world, ordered("f"), ordered("g")) == [f"rejected f: {UNSUPPORTED}", "rejected g: enough"]


def test_what_is_told_over_ouch_is_shaped_too(world: World) -> None:
    add(world, "drop", "on=answers book=X side=buy")
    said = rejected(world, ordered("a"), ordered("b", symbol="Y"), ordered("c", side=w.SELL))
    assert said == [f"rejected b: {UNSUPPORTED}", f"rejected c: {UNSUPPORTED}"]
    add(world, "duplicate", "on=answers", "twice")
    assert rejected(world, ordered("d", symbol="Y")) == [f"rejected d: {UNSUPPORTED}"] * 2


@pytest.mark.parametrize(("on", "acted"), [("orders", 1), ("changes", 1), ("cancels", 2), ("all", 4)])
def test_what_ouch_sends_is_orders_changes_and_cancels(world: World, on: str, acted: int) -> None:
    add(world, "delay", f"on={on}")
    heard(world, ordered("a"), replace(ALICE, "a", "b"), (w.CANCEL, ALICE, b"a", 0), (w.MODIFY, ALICE, b"a", w.BUY, 10))
    assert world.machine.query("list", {"kind": "policies"})[0]["acted"] == acted


# ------------------------------------------------------------------------------------------------- which policies
@pytest.mark.parametrize("kind", ["auto-fill", "auto-cancel", "partial-then-cancel", "market-maker"])
def test_a_policy_that_needs_orders_is_refused_and_it_is_said_what_would_be_right(world: World, kind: str) -> None:
    before = world.machine.engines["main"].careful, len(world.machine.sessions)
    assert add(world, kind) == ("wrong_state", "engine")
    assert (world.machine.engines["main"].careful, len(world.machine.sessions)) == before


def test_every_kind_that_can_be_there_needs_no_house(world: World) -> None:
    for kind in ("auto-reject", "halt", "silent", "drop", "delay", "duplicate", "reorder"):
        assert add(world, kind, name=kind)["kind"] == kind
    assert world.machine.desks == {}
    same(world)


class Emails(policies.Policy):
    """Refuses whatever is no order. ClOrdID RAISE: it raises."""

    dictionaries = True

    def judges(self, fields: dict[str, Any], told: bool) -> bool:
        if fields.get("ClOrdID") == "RAISE":
            raise RuntimeError("as it was asked to")
        return fields["MsgType"] != "NewOrderSingle" and not told

    def refuses(self, message: policies.Message) -> tuple[int, str]:
        return w.REJECT_FIELD, f"no {message.fields['MsgType']}"


def test_a_policy_of_ones_own_reads_dictionaries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINDS", "_PARAMETERS"):
        monkeypatch.setattr(policies, name, dict(getattr(policies, name)))
    policies.register_policy("emails", Emails)
    add(world, "emails")
    assert carol(world, sent(1), sent(2, kind="C")) == ["1", "BusinessMessageReject"]
    assert carol(world, sent(3, "RAISE"), sent(4, kind="C")) == ["3", "4"]
    assert world.machine.query("list", {"kind": "policies"})[0]["failed"] == "RuntimeError: as it was asked to"


def test_a_stopped_echo_engine_refuses_everything_until_it_is_started(world: World) -> None:
    assert world.verb("stop_engine", "main")["stopped"] is True
    assert heard(world, sent(1), sent(2, kind="F"), ordered("a")) == [
        (CAROL, "ExecutionReport"), (CAROL, "!1"), (CAROL, "BusinessMessageReject"), (CAROL, "!2"),
        (ALICE, "rejected a: engine main is stopped"),
    ]  # fmt: skip
    assert world.verb("start_engine", "main")["stopped"] is False
    assert world.machine.engines["main"].stage is None
    assert heard(world, sent(3)) == [(CAROL, "3")]


# ------------------------------------------------------------------------------------------------- everything at once
CLIENTS = (("fix", "FIX.4.4:OO->CAROL"), ("fix", "FIX.4.2:OO->DAVE"), ("ouch", "alice"))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_each_message_is_dealt_with_and_a_replay_comes_to_the_same(world: World, seed: int) -> None:
    random, number, owed = Random(seed), [0], dict.fromkeys((CAROL, DAVE), 0)
    world.hello("gateway-2")  # it has nothing to do
    world.take_all()

    def step() -> None:
        if meddle(world, random, CLIENTS):
            return
        if random.randrange(5) == 0:
            number[0] += 1
            world.send("gateway-1", random.choice((ordered(f"o{number[0]}"), (w.CANCEL, ALICE, b"o1", 0))))
        else:
            session = random.choice((CAROL, DAVE))
            number[0] += 1
            again = [(w.AGAIN, session)] if random.randrange(4) == 0 else []
            one = sent(number[0], session=session, kind=random.choice("DGFC"), symbol=random.choice("XY"))
            world.send("gateway-1", *again, one)
            owed[session] = number[0]

    for events in followed(world, step, 150):
        echoed = [(e[1], echoes.opened(e[2])) for e in events["gateway-1"] if e[0] == w.ECHOED]
        done = {(session, echo.number) for session, echo in echoed if echo is not None}
        assert all((session, last) in done for session, last in owed.items() if last)
        owed = dict.fromkeys(owed, 0)
    same(world)


# ------------------------------------------------------------------------------------------------- over sockets
@pytest.fixture
def exchange(exchange_factory: Callable[..., Exchange]) -> Exchange:
    return exchange_factory()


@pytest.fixture
def engine(exchange: Exchange) -> Engine:
    return exchange.create_engine("mirror", "echo")


@pytest.fixture
def fix(engine: Engine) -> Endpoint:
    return engine.create_endpoint("fix", "fix")


def order(name: str, symbol: str = "X") -> dict[str, Any]:
    return {"ClOrdID": name, "Symbol": symbol, "Side": "1", "OrderQty": 100, "OrdType": "2", "Price": "10"}


def acted(exchange: Exchange) -> int:
    """On how many messages the policy has acted."""
    return int(exchange.list("policies")[0]["acted"])


VERSIONS = ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0SP2"]


def text_of(version: str, name: str) -> str:
    handling = "21=1|" if version < "FIX.4.4" else ""
    return f"11={name}|{handling}38=100|40=2|44=10|54=1|55=X" + ("|60=20261120-10:00:00" if version > "FIX.4.1" else "")


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_are_refused_in_the_words_of_every_version(engine: Engine, fix: Endpoint, version: str) -> None:
    engine.add_policy("no", "auto-reject", on="all", text="not today", count=2)

    async def play() -> None:
        async with await Wire.open(Host(fix.port, version, "CAROL")) as wire:
            await wire.logon()
            email = "94=0|33=1|58=hello" if version < "FIX.4.1" else "164=t|94=0|147=s|33=1|58=hello"
            await wire.send(f"35=D|34=2|{text_of(version, 'a')}", f"35=C|34=3|{email}", "35=1|34=4|112=x")
            report, reject, heartbeat = [dict(await wire.read() or ()) for _ in range(3)]
            assert (report[35], report[11], report[39], report[58]) == ("8", "a", "8", "not today")
            kind = "3" if version in ("FIX.4.0", "FIX.4.1") else "j"
            assert (reject[35], reject[45], reject[58]) == (kind, "3", "not today")
            assert heartbeat[112] == "x"
            await wire.send(f"35=D|34=5|{text_of(version, 'b')}")
            assert dict(await wire.read() or ())[11] == "b"

    asyncio.run(play())


@pytest.mark.parametrize(("kind", "options"), [
    ("silent", {}), ("drop", {"on": "answers"}), ("delay", {"delay_ms": 600_000}), ("reorder", {"wait_ms": 600_000}),
    ("delay", {"on": "answers", "delay_ms": 600_000}),
])  # fmt: skip
def test_the_session_goes_on_while_a_message_waits_or_is_lost(
    engine: Engine, fix: Endpoint, kind: str, options: dict[str, Any]
) -> None:
    engine.add_policy("p", kind, count=1, **options)

    async def play() -> None:
        async with await Wire.open(Host(fix.port, "FIX.4.4", "CAROL")) as wire:
            await wire.logon()
            text = text_of("FIX.4.4", "a")
            await wire.send(f"35=D|34=2|{text}", "35=1|34=3|112=x", "35=5|34=4")
            await wire.expect("35=0|34=2|112=x", "35=5|34=3")
            await wire.expect_disconnect()

    asyncio.run(play())


def test_answers_that_are_late_come_with_numbers_of_their_own(
    exchange: Exchange, engine: Engine, fix: Endpoint
) -> None:
    exchange.stop_clock()
    engine.add_policy("late", "delay", on="orders", delay_ms=1_000)
    client = exchange.fix_client(fix)
    client.send("NewOrderSingle", order("a"))
    client.send("Email", {"EmailThreadID": "t", "EmailType": "0", "Subject": "s", "NoLinesOfText": [{"Text": "hello"}]})
    first = client.next("Email")
    exchange.advance_clock("1s")
    second = client.next("NewOrderSingle")
    assert (first.sequence, second.sequence, second["ClOrdID"], second["Price"]) == (2, 3, "a", "10")


@pytest.mark.parametrize("victim", ["matcher", "gateway-1"])
def test_kill_9_while_messages_wait_leaves_each_to_come_back_once(
    exchange: Exchange, engine: Engine, fix: Endpoint, victim: str
) -> None:
    exchange.stop_clock()
    engine.add_policy("late", "delay", delay_ms=1_000)
    client = exchange.fix_client(fix)
    for number in range(50):
        client.send("NewOrderSingle", order(f"o{number}"))
    wait_for(lambda: bool(acted(exchange)))
    exchange.kill(victim)
    exchange.restart(victim)
    client.reconnect()
    wait_for(lambda: acted(exchange) == 50)
    exchange.advance_clock("1s")
    came = [client.next("NewOrderSingle")["ClOrdID"] for _ in range(50)]
    assert sorted(came) == sorted(f"o{number}" for number in range(50))
    exchange.advance_clock("1h")
    assert exchange.list("policies")[0]["seen"] == 50


def test_what_policies_do_is_recorded_and_comes_again_in_a_replay(
    exchange: Exchange, engine: Engine, fix: Endpoint, tmp_path: Path
) -> None:
    with Theatre(exchange) as play:
        exchange.stop_clock()
        engine.add_policy("no", "auto-reject", count=1, text="not today")
        engine.add_policy("late", "delay", count=1, delay_ms=1_000)
        engine.add_policy("twice", "duplicate", side="sell", probability=50)
        carol = play.client("CAROL", "fix")
        for number in range(12):
            carol.order(f"C{number}", "sell" if number > 2 else "buy", 100, "10")
        exchange.advance_clock("1s")  # the very time: what comes back says none of its own
    came = same_again(play, tmp_path)
    names = [message["ClOrdID"] for message in came.got("CAROL")]
    assert names[0] == "C0" and names[-1] == "C1" and 12 < len(names) < 21


def test_orders_over_ouch_are_refused_as_policies_say(exchange: Exchange, engine: Engine) -> None:
    client = exchange.ouch_client(engine.create_endpoint("ouch", "ouch42"), "alice")
    engine.add_policy("no", "auto-reject", reason="max position", count=1)
    engine.add_policy("enough", "halt", session="alice")
    for reason in ("max position", "invalid field", "halted", "halted"):  # the second one says more than that
        client.buy("X", 100, "10").expect_rejected(reason)
    engine.stop()
    client.buy("X", 100, "10").expect_rejected("halted")


def test_a_quantity_of_any_length_is_read_without_an_error() -> None:
    for digits in (18, 19, 5_000):
        data = echoes.Echo(b"D", b"38=" + b"9" * digits + b"\x0155=X\x01", (), 2, b"D").packed()
        quantity: int | str = 10**18 - 1 if digits == 18 else "9" * digits
        assert echoes.fields_of(data) == {"MsgType": "NewOrderSingle", "OrderQty": quantity, "Symbol": "X"}
