"""Every verb with every bad argument, against a real exchange: a typed error, nothing changed, the service goes on.

Two walks. What is wrong by itself (missing, unknown, of the wrong type, out of range) is made for every argument of
every verb from the table, and refused by the control service: not even the journal hears of it. What is wrong in the
present state (unknown, taken, in use, done twice) stands in CASES, which has something for every verb.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from openoutcry import Exchange, verbs, wire
from openoutcry.bus import Directory
from openoutcry.clients.control import ControlClient
from openoutcry.control import desk, messages
from openoutcry.errors import VerbError
from openoutcry.matcher.inputs import apply_input, collect_frames, decode_inputs
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.scan import Scan
from tests.test_verbs import WRONG, beyond, good

SESSION = "FIX.4.4:EXCHANGE->CLIENT"
ROWS = list(verbs.VERBS.values())


def build(ex: Exchange) -> None:
    """Something of everything, so that there is what can be taken, in use, or done already."""
    for name, kind in (("main", "matching"), ("lab", "manual"), ("empty", "matching"), ("mirror", "echo")):
        ex.create_engine(name, kind)
    for name, engine in (("aapl", "main"), ("msft", "main"), ("labs", "lab")):
        ex.create_book(name, engine, name.upper())
    ex.create_endpoint("orders", "main", "ouch42")
    ex.create_endpoint("fix", "main", "fix44")
    ex.create_session("fix", SenderCompID="EXCHANGE", TargetCompID="CLIENT")
    ex.create_user("ann", "secret", "orders")
    ex.add_policy("empty", "half", "auto-fill", "percent=50")
    ex.set_limit("main", "firm", "ACME", "max_quantity", 500)
    ex.set_fee("main", "ACME", "0.01")
    ex.enter_order("traded", "aapl", "buy", 10, "10.00", "other")
    ex.enter_order("sold", "aapl", "sell", 10, "10.00")
    ex.enter_order("buy", "aapl", "buy", 100, "9.00")
    ex.enter_order("buy2", "aapl", "buy", 100, "9.00")
    ex.enter_order("sell", "aapl", "sell", 100, "11.00")
    ex.create_order("draft", "aapl")
    ex.create_order("entered", "aapl").set(side="buy", quantity=5, price="8.00").submit()
    ex.create_quote("quote", "msft", "maker")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange() as ex:
        build(ex)
        yield ex


@pytest.fixture(scope="module")
def door(exchange: Exchange) -> Iterator[Door]:
    with Door(exchange) as made:
        yield made


class Door:
    """The control service as it is seen without a client that checks anything."""

    def __init__(self, ex: Exchange) -> None:
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(Directory(ex.directory).address("control"))
        self._number = 0

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def ask(self, *requests: tuple[str, tuple[Any, ...], dict[str, Any]]) -> list[messages.Reply]:
        """The replies to some requests, all of them on their way at the same time."""
        found: dict[int, messages.Reply] = {}
        numbers = []
        for verb, arguments, named in requests:
            self._number += 1
            numbers.append(self._number)
            self._socket.send_multipart([b"", messages.encode_request(self._number, verb, arguments, named)])
        for _ in requests:
            assert self._socket.poll(10_000), "the control service does not answer"
            reply = messages.decode_reply(self._socket.recv_multipart()[-1])
            found[reply.id] = reply
        return [found[number] for number in numbers]

    def state(self) -> str:
        (reply,) = self.ask(("state_hash", (), {}))
        assert not reply.error
        return reply.value


def complete(row: verbs.Verb, **changed: Any) -> dict[str, Any]:
    return {p.name: good(p) for p in row.parameters} | changed


# ------------------------------------------------------------------------------------------------- wrong by itself
def wrong_requests(row: verbs.Verb) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """(the argument at fault, positional arguments, named ones) for everything that can be wrong with a call."""
    whole = complete(row)
    for p in row.parameters:
        if p.required:
            yield p.name, (), {name: value for name, value in whole.items() if name != p.name}
        for value in [*WRONG[p.type], *beyond(p)]:
            if sendable(value) and not (value is None and p.default is None):
                yield p.name, (), whole | {p.name: value}
        yield p.name, tuple(whole.values())[: row.parameters.index(p) + 1], {p.name: good(p)}  # given twice
    yield "colour", (), whole | {"colour": "red"}
    yield "", (*whole.values(), "extra"), {}


def sendable(value: Any) -> bool:
    """Whether a msgpack message can hold it: the clients of other languages are no better than ours."""
    return not (type(value) is int and not -(2**63) <= value < 2**64)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_wrong_by_itself_is_refused_by_field_and_changes_nothing(row: verbs.Verb, door: Door) -> None:
    before = door.state()
    wrong = list(wrong_requests(row))
    for first in range(0, len(wrong), desk.CLIENT_PENDING_MAX):
        part = wrong[first : first + desk.CLIENT_PENDING_MAX]
        replies = door.ask(*((row.name, arguments, named) for _, arguments, named in part))
        assert [reply.error[:2] for reply in replies] == [("bad_argument", field) for field, _, _ in part]
        assert all(row.name in reply.error[2] for reply in replies)
    assert door.state() == before


def test_a_verb_that_is_none_is_refused(door: Door) -> None:
    before = door.state()
    names = ["frobnicate", "Create_Engine", "create_engine ", "__class__", "call", "a" * 64]
    replies = door.ask(*((name, (), {}) for name in names))
    assert [reply.error[:2] for reply in replies] == [("unknown_verb", "verb")] * len(names)
    assert door.state() == before


# ------------------------------------------------------------------------------------------------- wrong just now
Case = tuple[str, tuple[Any, ...], dict[str, Any], str, str]


def case(verb: str, *arguments: Any, code: str, field: str, **named: Any) -> Case:
    return verb, arguments, named, code, field


def nobody(verb: str, field: str, *arguments: Any, **named: Any) -> Case:
    return case(verb, *arguments, code="unknown_name", field=field, **named)


CASES: list[Case] = [
    # engines and books
    case("create_engine", "main", code="exists", field="name"),
    case("create_engine", "new", "frobnicate", code="bad_argument", field="kind"),
    nobody("delete_engine", "name", "nobody"),
    case("delete_engine", "main", code="in_use", field="name"),
    nobody("set_engine_property", "engine", "nobody", "seed", 5),
    case("set_engine_property", "main", "colour", 5, code="bad_argument", field="name"),
    case("set_engine_property", "main", "seed", -1, code="bad_argument", field="value"),
    nobody("start_engine", "engine", "nobody"),
    case("start_engine", "main", code="wrong_state", field="engine"),
    nobody("stop_engine", "engine", "nobody"),
    nobody("add_policy", "engine", "nobody", "p", "halt"),
    case("add_policy", "empty", "half", "halt", code="exists", field="name"),
    case("add_policy", "empty", "p", "frobnicate", code="bad_argument", field="kind"),
    case("add_policy", "empty", "p", "auto-fill", "percent=500", code="bad_argument", field="options"),
    case("add_policy", "mirror", "p", "auto-fill", code="wrong_state", field="engine"),
    nobody("delete_policy", "engine", "nobody", "half"),
    nobody("delete_policy", "name", "empty", "nobody"),
    case("create_book", "aapl", "main", "NEW", code="exists", field="name"),
    case("create_book", "new", "main", "AAPL", code="exists", field="symbol"),
    case("create_book", "new", "mirror", "NEW", code="wrong_state", field="engine"),
    nobody("create_book", "engine", "new", "nobody", "NEW"),
    nobody("delete_book", "name", "nobody"),
    nobody("set_book_property", "book", "nobody", "tick_size", "0.01"),
    case("set_book_property", "aapl", "colour", 5, code="bad_argument", field="name"),
    case("set_book_property", "aapl", "tick_size", "-1", code="bad_argument", field="value"),
    case("set_book_property", "aapl", "tick_table", "nonsense", code="bad_argument", field="value"),
    nobody("set_price", "book", "nobody", "10"),
    # endpoints, users, sessions
    case("create_endpoint", "orders", "main", "ouch42", code="exists", field="name"),
    nobody("create_endpoint", "engine", "new", "nobody", "ouch42"),
    case("create_endpoint", "new", "main", "smoke-signals", code="bad_argument", field="protocol"),
    nobody("delete_endpoint", "name", "nobody"),
    case("delete_endpoint", "orders", code="in_use", field="name"),
    nobody("set_protocol_property", "endpoint", "nobody", "heartbeat_ms", 500),
    case("set_protocol_property", "orders", "colour", 5, code="bad_argument", field="name"),
    case("set_protocol_property", "orders", "heartbeat_ms", 0, code="bad_argument", field="value"),
    nobody("set_endpoint_engine", "endpoint", "nobody", "main"),
    nobody("set_endpoint_engine", "engine", "orders", "nobody"),
    nobody("set_endpoint_protocol", "endpoint", "nobody", "ouch42"),
    case("set_endpoint_protocol", "orders", "smoke-signals", code="bad_argument", field="protocol"),
    case("load_engine", "mine", "os:path", code="bad_argument", field="path"),
    case("load_engine", "matching", "os:path", code="exists", field="name"),
    case("load_protocol", "mine", "os:path", code="bad_argument", field="path"),
    case("load_protocol", "ouch42", "os:path", code="exists", field="name"),
    nobody("create_session", "endpoint", "nobody", SenderCompID="A", TargetCompID="B"),
    case("create_session", "orders", code="bad_argument", field="endpoint", SenderCompID="A", TargetCompID="B"),
    case("create_session", "fix", code="exists", field="TargetCompID", SenderCompID="EXCHANGE", TargetCompID="CLIENT"),
    case("create_session", "fix", code="bad_argument", field="BeginString", BeginString="FIX.4.2", SenderCompID="A",
         TargetCompID="B"),
    case("create_session", "fix", code="bad_argument", field="StartTime", SenderCompID="A", TargetCompID="B",
         StartTime="25:00:00"),
    nobody("create_user", "endpoint", "new", "secret", "nobody"),
    case("create_user", "ANN", "secret", code="exists", field="name"),
    nobody("delete_user", "name", "nobody"),
    *(nobody(verb, "endpoint", "nobody", SESSION, *more)
      for verb, more in (("delete_session", ()), ("set_session_property", ("HeartBtInt", 5)), ("reset_session", ()),
                         ("set_sequence", (5,)), ("logout_session", ()))),
    *(nobody(verb, "session", "fix", "FIX.4.4:NO->BODY", *more)
      for verb, more in (("delete_session", ()), ("set_session_property", ("HeartBtInt", 5)), ("reset_session", ()),
                         ("set_sequence", (5,)), ("logout_session", ()))),
    case("set_session_property", "fix", SESSION, "Colour", 5, code="bad_argument", field="name"),
    case("set_session_property", "fix", SESSION, "HeartBtInt", -1, code="bad_argument", field="value"),
    case("set_session_property", "fix", SESSION, "TargetCompID", "X", code="bad_argument", field="name"),
    case("set_sequence", "fix", SESSION, code="bad_argument", field="next_out"),
    case("logout_session", "fix", SESSION, code="wrong_state", field="session"),
    # the trading day, the clock
    *(nobody(verb, "engine", "nobody")
      for verb in ("start_of_day", "open", "close", "end_of_day", "halt_market", "resume_market")),
    case("start_of_day", "main", code="wrong_state", field="engine"),
    case("open", "main", code="wrong_state", field="engine"),
    case("resume_market", "main", code="wrong_state", field="engine"),
    nobody("set_phase", "engine", "nobody", "open"),
    nobody("set_phase", "book", "main", "open", "nobody"),
    case("set_phase", "main", "open", "labs", code="bad_argument", field="book"),
    case("set_phase", "main", "ended", code="bad_argument", field="phase"),
    nobody("set_timetable", "engine", "nobody", ""),
    nobody("set_timetable", "book", "main", "", "nobody"),
    case("set_timetable", "main", "25:00 open", code="bad_argument", field="timetable"),
    nobody("halt", "book", "nobody"),
    nobody("resume", "book", "nobody"),
    case("resume", "aapl", code="wrong_state", field="book"),
    case("start_clock", code="wrong_state", field=""),
    # risk and fees
    nobody("set_limit", "engine", "nobody", "firm", "ACME", "max_quantity", 5),
    nobody("set_limit", "name", "main", "book", "nobody", "max_quantity", 5),
    case("set_limit", "main", "session", "ann", "max_quantity", 5, code="bad_argument", field="name"),
    case("set_limit", "main", "firm", "ACME", "max_quantity", 0, code="bad_argument", field="value"),
    nobody("clear_limit", "engine", "nobody", "firm", "ACME", "max_quantity"),
    nobody("clear_limit", "rule", "main", "firm", "ACME", "max_notional"),
    nobody("kill_switch", "engine", "nobody", "firm", "ACME"),
    nobody("kill_switch", "name", "main", "book", "nobody"),
    nobody("revive", "engine", "nobody", "firm", "ACME"),
    case("revive", "main", "firm", "ACME", code="wrong_state", field="name"),
    nobody("set_fee", "engine", "nobody", "ACME"),
    nobody("clear_fee", "engine", "nobody", "ACME"),
    nobody("clear_fee", "firm", "main", "nobody"),
    # orders and quotes
    nobody("set_desk", "engine", "nobody", "desk"),
    nobody("enter_order", "book", "new", "nobody", "buy", 100, "10"),
    case("enter_order", "buy", "aapl", "buy", 100, "10", code="exists", field="order_id"),
    nobody("amend_order", "order_id", "nobody", 50),
    nobody("amend_order", "desk", "buy", 50, desk="nobody"),
    nobody("amend_order", "engine", "buy", 50, engine="nobody"),
    case("amend_order", "buy", 50, new_id="sell", code="exists", field="new_id"),
    nobody("cancel_order", "order_id", "nobody"),
    nobody("cancel_order", "desk", "buy", "nobody"),
    nobody("cancel_order", "engine", "buy", engine="nobody"),
    case("cancel_order", "buy", quantity=100, code="wrong_state", field="quantity"),
    case("mass_cancel", "main", code="bad_argument", field=""),
    nobody("mass_cancel", "engine", "nobody", desk="desk"),
    nobody("mass_cancel", "desk", "main", desk="nobody"),
    nobody("mass_cancel", "session", "main", session=77_777),
    nobody("mass_cancel", "book", "main", book="nobody"),
    nobody("quote", "book", "maker", "nobody", 1, "10", 1, "11"),
    case("mass_quote", "maker", "nonsense", code="bad_argument", field="quotes"),
    nobody("mass_quote", "engine", "maker", "MSFT 1@10/1@11", "nobody"),
    case("create_order", "draft", "aapl", code="exists", field="order_id"),
    case("create_order", "buy", "aapl", code="exists", field="order_id"),
    nobody("create_order", "book", "new", "nobody"),
    nobody("set_order_property", "order_id", "nobody", "side", "buy"),
    case("set_order_property", "draft", "colour", 5, code="bad_argument", field="name"),
    case("set_order_property", "draft", "quantity", -5, code="bad_argument", field="value"),
    case("set_order_property", "entered", "quantity", 5, code="wrong_state", field="order_id"),
    nobody("submit_order", "order_id", "nobody"),
    case("submit_order", "draft", code="wrong_state", field="order_id"),
    case("submit_order", "entered", code="wrong_state", field="order_id"),
    nobody("delete_order", "order_id", "nobody"),
    case("create_quote", "quote", "msft", "maker", code="exists", field="quote_id"),
    case("create_quote", "another", "msft", "maker", code="exists", field="book"),
    nobody("create_quote", "book", "new", "nobody", "maker"),
    nobody("set_quote_property", "quote_id", "nobody", "bid_price", "10", "maker"),
    case("set_quote_property", "quote", "colour", 5, "maker", code="bad_argument", field="name"),
    case("set_quote_property", "quote", "bid_price", "x", "maker", code="bad_argument", field="value"),
    nobody("submit_quote", "quote_id", "nobody", "maker"),
    nobody("delete_quote", "quote_id", "nobody", "maker"),
    nobody("match_orders", "book", "nobody", "buy", "sell"),
    nobody("match_orders", "order_a", "aapl", "nobody", "sell"),
    nobody("match_orders", "order_b", "aapl", "buy", "nobody"),
    case("match_orders", "aapl", "buy", "buy2", code="bad_argument", field="order_b"),
    case("match_orders", "aapl", "buy", "sell", 1_000, "10", code="bad_argument", field="quantity"),
    case("match_orders", "aapl", "buy", "sell", code="bad_argument", field="price"),
    # by hand
    *(nobody(verb, "engine", "nobody") for verb in ("accept_request", "reject_request", "fill_request")),
    *(case(verb, "main", code="wrong_state", field="engine")
      for verb in ("accept_request", "reject_request", "fill_request")),
    *(nobody(verb, "request", "lab", request=7) for verb in ("accept_request", "reject_request", "fill_request")),
    nobody("fill_order", "order", 77_777),
    nobody("pull_order", "order", 77_777),
    case("fill_order", 3, 1_000, code="bad_argument", field="quantity"),
    case("pull_order", 3, 1_000, code="bad_argument", field="leaves"),
    nobody("break_trade", "match", 77_777),
    nobody("correct_trade", "match", 77_777, "10"),
    case("correct_trade", 1, "10.00", code="wrong_state", field="price"),
    # looking
    *(nobody("describe", "name", "nobody", kind) for kind in verbs.DESCRIBED),
    nobody("describe", "of", "buy", "order", "nobody"),
    nobody("describe", "of", "half", "policy", "nobody"),
    nobody("describe", "of", "desk", "desk", "nobody"),
    *(nobody(verb, "book", "nobody") for verb in ("depth", "indicative", "orders", "trades")),
    nobody("orders", "desk", "aapl", "nobody"),
    nobody("order_events", "desk", "nobody"),
    nobody("order_events", "engine", "desk", engine="nobody"),
    nobody("order_status", "order_id", "nobody"),
    nobody("order_status", "desk", "buy", "nobody"),
    nobody("order_status", "engine", "buy", engine="nobody"),
    nobody("requests", "engine", "nobody"),
    nobody("positions", "engine", "nobody"),
    # sessions held in the hand
    *(nobody(verb, "endpoint", "nobody", *more)
      for verb, more in (("accept_session", ()), ("reject_session", ()), ("next_message", ("ANN",)),
                         ("process_message", ("ANN",)), ("discard_message", ("ANN",)), ("drop_session", ("ANN",)),
                         ("send_session_message", ("ANN", "", "00")), ("wait_for", ("logon",)))),
    *(nobody(verb, "session", "orders", "NOBODY", *more)
      for verb, more in (("next_message", ()), ("process_message", ()), ("discard_message", ()), ("drop_session", ()),
                         ("send_session_message", ("", "00")))),
]  # fmt: skip

# With arguments that are in order by themselves nothing can be wrong with these.
ALWAYS_POSSIBLE = {"list", "clock", "status", "statistics", "state_hash", "fees_paid", "advance_clock", "stop_clock"}
# Arguments that name something there is, or ought to be.
REFERENCES = ("engine", "book", "endpoint", "session", "order_a", "order_b", "request", "order", "match")
# ... except where there need be none.
MAY_COME = {("wait_for", "session")}


def named_case(one: Case) -> str:
    verb, arguments, named, code, field = one
    return f"{verb}-{code}-{field}-{len(arguments) + len(named)}"


def picture(control: ControlClient) -> list[Any]:
    """Everything that can be seen of an exchange, but for what counts the questions."""
    with control.batch(raises=False) as batch:
        for kind in verbs.LISTS:
            if kind != "connections":
                batch.list(kind)
        for book in ("aapl", "msft", "labs"):
            batch.describe(book)
            batch.orders(book)
            batch.trades(book)
            batch.depth(book)
        for engine in ("main", "lab", "empty", "mirror"):
            batch.describe(engine, "engine")
        for name in ("desk", "other", "maker"):
            batch.order_events(name)
    return [str(outcome.error) if outcome.error else outcome.value for outcome in batch.results]


@pytest.fixture(scope="module")
def control(exchange: Exchange) -> Iterator[ControlClient]:
    with ControlClient(exchange.directory) as client:
        yield client


@pytest.mark.parametrize("one", CASES, ids=named_case)
def test_what_is_wrong_just_now_is_refused_by_field_and_changes_nothing(one: Case, control: ControlClient) -> None:
    verb, arguments, named, code, field = one
    before = picture(control)
    with pytest.raises(VerbError) as caught:
        control.call(verb, *arguments, **named)
    assert (caught.value.code, caught.value.field) == (code, field), caught.value.text
    assert caught.value.text
    assert picture(control) == before


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_verb_has_its_cases(row: verbs.Verb) -> None:
    """Also of names: each argument that refers to something is tried with something that there is not."""
    known = {(code, field) for verb, _, _, code, field in CASES if verb == row.name}
    assert bool(known) is (row.name not in ALWAYS_POSSIBLE)
    for p in row.parameters:
        if p.name in REFERENCES and (row.name, p.name) not in MAY_COME:
            assert ("unknown_name", p.name) in known, p.name


# ------------------------------------------------------------------------------------------------- in the journal
class Told:
    """What the control service is told by a replay: the frames of its stream."""

    def __init__(self) -> None:
        self.results: dict[int, tuple[Any, ...]] = {}

    def append(self, name: str, first_event: int, count: int, frame: bytes) -> None:
        if name == "control":
            self.results |= {e[1]: e for e in wire.decode_frame(frame)[-1] if e[0] == wire.RESULT}


def essence(machine: Machine) -> Any:
    """The state without what counts the inputs: sequence, time, counters, streams, commands of the peers."""
    numbers, *rest = msgpack.unpackb(machine.dump(), use_list=False, strict_map_key=False)[2:]
    return numbers[3:], rest[3:]


def replayed(directory: Path) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...], bool]]:
    """Every verb of a journal, command by command: (the command, its error, whether the state is another)."""
    machine, told = Machine(), Told()
    for turn in Scan(directory / "journal"):
        for name, data in decode_inputs(turn.payload):
            message = wire.decode_frame(data) if name else ()
            if not name or message[0] != wire.CMD:
                apply_input(machine, name, data, turn.time_ns)
                continue
            for place, command in enumerate(message[4]):
                before = essence(machine)
                machine.apply(name, message[2] + place, (command,), turn.time_ns)
                collect_frames(machine, told)
                if command[0] == wire.VERB and command[1] in told.results:
                    yield command, told.results[command[1]][2], essence(machine) != before


def test_what_was_refused_has_left_nothing_in_the_state_and_a_batch_refuses_the_same(tmp_path: Path) -> None:
    with Exchange(directory=tmp_path) as ex:
        build(ex)
        with ex.batch(raises=False) as batch:
            for verb, arguments, named, _, _ in CASES:
                batch.call(verb, *arguments, **named)
        errors = [(outcome.error.code, outcome.error.field) if outcome.error else () for outcome in batch.results]
    assert errors == [(code, field) for _, _, _, code, field in CASES]
    found = list(replayed(tmp_path))
    refused = [(command[2:], changed) for command, error, changed in found if error]
    assert len(refused) > 50
    assert [command for command, changed in refused if changed] == []
