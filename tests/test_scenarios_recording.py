"""Recording what no well-behaved part would put into a journal: it is left out by name, never in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openoutcry import scenarios, wire
from openoutcry.errors import JournalError
from openoutcry.matcher.inputs import encode_inputs, epoch_input
from openoutcry.matcher.journal import Journal
from openoutcry.matcher.records import Turn
from openoutcry.scenarios.recording import Recorder

SECOND = 1_000_000_000


class Desk:
    """Writes turns as a sequencer would, with one gateway and one control service."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.number = 0
        self.last = {"gateway-1": 0, "control": 0}
        self.turn(epoch_input(1))
        self.turn(("gateway-1", wire.frame(wire.HELLO, "gateway-1", wire.ROLE_GATEWAY, 1, 0)))
        self.turn(("control", wire.frame(wire.HELLO, "control", wire.ROLE_CONTROL, 1, 0)))

    def turn(self, *inputs: tuple[str, bytes]) -> None:
        """One record."""
        self.number += 1
        payload = encode_inputs(list(inputs))
        self.recorder.turn(Turn(self.number, self.number, len(inputs), self.number * SECOND, 1, payload))

    def send(self, peer: str, *commands: tuple[Any, ...], again: int = 0) -> None:
        """Commands of a peer, the first `again` of which it has sent before."""
        first = self.last[peer] + 1 - again
        self.last[peer] = first + len(commands) - 1
        self.turn((peer, wire.frame(wire.CMD, 1, first, 0, commands)))

    def verb(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """A verb, complete or not."""
        return (wire.VERB, 1, name, arguments)

    def market(self) -> None:
        """With a session: number 1."""
        self.send("control", self.verb("create_engine", "main", "matching"))
        self.send("control", self.verb("create_book", "aapl", "main", "AAPL"))
        self.send("control", self.verb("create_endpoint", "orders", "main", "ouch42", None, "127.0.0.1", 0))
        self.send("gateway-1", (wire.BOUND, "orders", "127.0.0.1", 1_234, ""))
        self.send("gateway-1", (wire.LOGON, "orders", "alice", 1, ""))


@pytest.fixture
def desk() -> Desk:
    found = Desk()
    found.market()
    return found


ENTER = (wire.ENTER, 1, b"A1".ljust(14), "AAPL", wire.BUY, 5, 10 * wire.PRICE_SCALE, wire.LIMIT, wire.DAY, 0, 0,
         b"AAPL    \x00\x01\x86\x9e    YPN\x00\x00\x00\x00N ")  # fmt: skip


def test_verbs_that_are_not_in_order_are_left_out(desk: Desk) -> None:
    before = len(desk.recorder.scenario().steps)
    desk.send("control", desk.verb("dance"), desk.verb("create_engine"), desk.verb("create_engine", 5, "matching"))
    desk.send("control", desk.verb("set_engine_property"))
    found = desk.recorder.scenario()
    assert (len(found.steps), found.left_out) == (before, ["4 x verbs that are not in order"])


def test_what_was_sent_twice_is_recorded_once(desk: Desk) -> None:
    desk.send("gateway-1", ENTER)
    desk.send("gateway-1", ENTER, (wire.CANCEL, 1, b"A1".ljust(14), 0), again=1)
    found = desk.recorder.scenario()
    assert [str(step) for step in found.steps[3:]] == [
        "ALICE: connect", "ALICE: NewOrderSingle A1", "ALICE: OrderCancelRequest",
    ]  # fmt: skip
    assert [message.get("ExecType") for message in found.got("ALICE")] == [None, "0", "4"]


def test_commands_for_sessions_of_nobody_or_of_others_are_no_steps(desk: Desk) -> None:
    before = len(desk.recorder.scenario().steps)
    desk.send("control", ENTER)
    desk.send("gateway-1", (*ENTER[:1], 99, *ENTER[2:]), (wire.LOGOFF, 99, 1), (wire.LOGOFF, 1, 99))
    found = desk.recorder.scenario()
    assert (len(found.steps), found.left_out) == (before, [])


def test_an_order_of_which_the_gateway_would_make_another_command_is_noted(desk: Desk) -> None:
    odd = (*ENTER[:9], 0, 3, ENTER[11])  # a minimum quantity of which its client data say nothing
    desk.send("gateway-1", odd, (wire.ASK, 1, b"A1"))
    found = desk.recorder.scenario()
    assert found.steps[-1].note == "not all of it is in the journal"
    assert found.left_out == ["ALICE: NewOrderSingle: not all of it is in the journal"]


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "none")
    list(journal.recover())
    journal.append(1, 1, 1, 1, b"no inputs")
    with pytest.raises(JournalError, match="does not hold inputs"):
        scenarios.record(tmp_path)
