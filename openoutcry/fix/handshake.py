"""The Logon, from both sides: who is let in, from which numbers on, and in which version.

An acceptor judges a Logon in two steps. What is wrong in itself (CompIDs, time, fields) ends the connection without a
word. The host then says whether the peer is let in; nothing of the session changes before that, so a stranger can
neither reset the numbers nor learn them.
"""

from __future__ import annotations

from openoutcry.fix import logon
from openoutcry.fix.codec import Value
from openoutcry.fix.core import SECOND_NS, Core
from openoutcry.fix.events import Admin, LoggedOn, LogonRequested
from openoutcry.fix.gaps import QUEUE_BYTES_MAX, QUEUE_MAX
from openoutcry.fix.logon import Logon
from openoutcry.fix.message import Message
from openoutcry.fix.settings import APPL_VERSIONS
from openoutcry.fix.states import State
from openoutcry.fix.validate import validator_for


class Handshake(Core):
    """See the module; Session is what is used."""

    def connected(self, now_ns: int) -> None:
        """There is a connection. An initiator says Logon."""
        if self.state is not State.DISCONNECTED:
            return
        self._began_ns = self._received_ns = now_ns
        if not self._initiator:
            self._enter(State.LOGON_EXPECTED, now_ns)
            return
        if self.settings.RefreshOnLogon:
            self.store.refresh()
        if not self._new_period(now_ns):
            self._close("outside the session's time", now_ns)
            return
        if self.settings.ResetOnLogon:
            self._reset_numbers(now_ns)
        self._sent_reset = self._wants_reset()
        self._heartbeat_ns = self.settings.HeartBtInt * SECOND_NS
        self._enter(State.LOGON_SENT, now_ns)
        self._say_logon(self.settings.HeartBtInt, self._sent_reset, self.store.next_in, now_ns)

    def _wants_reset(self) -> bool:
        settings, store = self.settings, self.store
        resets: bool = settings.ResetOnLogon or settings.ResetOnLogout or settings.ResetOnDisconnect
        return self.level > 0 and resets and store.next_in == 1 and store.next_out == 1

    def _say_logon(self, heartbeat_s: int, reset: bool, expected: int, now_ns: int) -> None:
        more: list[tuple[int, Value]] = list(self.logon_fields)
        if reset:
            more.append((141, b"Y"))
        if self.settings.EnableNextExpectedMsgSeqNum and self.level >= 4:
            more.append((789, expected))
        if self.level == logon.FIXT:
            more.append((1137, APPL_VERSIONS[self.settings.version]))
        self._logon_number = self.store.next_out
        self._outbound.say_now(b"A", logon.write(heartbeat_s, more), now_ns)

    # ------------------------------------------------------------------------------------------- acceptor
    def _judge_logon(self, message: Message, now_ns: int) -> None:
        if self._initiator:
            self._close("a Logon, but nothing was asked", now_ns)
            return
        fault = self._logon_fault(message, now_ns)
        if not fault and not self.schedule.open_at(now_ns):
            fault = "a Logon outside the session's time"
        if fault:
            self._close(fault, now_ns)
            return
        self._logon = message
        self._enter(State.LOGON_JUDGED, now_ns)
        self.events.append(LogonRequested(message))

    def _logon_fault(self, message: Message, now_ns: int) -> str:
        if not self._right_ids(message):
            return "the Logon has other CompIDs"
        if not self._right_time(message, now_ns):
            return "the Logon's SendingTime is not near the present"
        said = logon.read(message, self.level)
        return said if isinstance(said, str) else ""

    def approve(self, now_ns: int) -> None:
        """The Logon that was asked about is good."""
        message, self._logon = self._logon, None
        if self.state is not State.LOGON_JUDGED or message is None:
            return
        said = logon.read(message, self.level)
        assert isinstance(said, Logon)
        if self.settings.RefreshOnLogon:
            self.store.refresh()
        self._new_period(now_ns)
        if said.reset or self.settings.ResetOnLogon:
            self._reset_numbers(now_ns)
        if said.number < self.store.next_in and not said.reset:
            self._end(self._too_low_text(said.number), now_ns)
            return
        if self._expects_too_much(said, now_ns):
            return
        self._take_version(said)
        self._heartbeat_ns = said.heartbeat_s * SECOND_NS
        in_sequence = said.reset or said.number == self.store.next_in
        self._say_logon(said.heartbeat_s, said.reset, self.store.next_in + in_sequence, now_ns)
        self._log_on(message, said, now_ns)
        held, self._held = self._held, []
        for each in held:
            self.receive(each, now_ns)

    def refuse(self, text: str, now_ns: int) -> None:
        """The Logon that was asked about, or its answer, is not good. Without a text the connection just ends."""
        if self.state not in (State.LOGON_JUDGED, State.LOGGED_ON):
            return
        self.counters["refused"] += 1
        if text:
            self._end(text, now_ns)
        else:
            self._close("the logon was refused", now_ns)

    def _hold(self, message: Message, now_ns: int) -> None:
        self._held.append(message)
        self._held_bytes += len(message.raw)
        if len(self._held) > QUEUE_MAX or self._held_bytes > QUEUE_BYTES_MAX:
            self._close("too many messages before the answer to the Logon", now_ns)

    # ------------------------------------------------------------------------------------------- initiator
    def _take_logon_answer(self, message: Message, now_ns: int) -> None:
        fault = self._logon_fault(message, now_ns)
        said = logon.read(message, self.level)
        if fault or isinstance(said, str):
            self._close(fault, now_ns)
            return
        unasked = said.reset and not self._sent_reset
        if unasked:
            self._reset_numbers(now_ns)
            self._say_logon(self.settings.HeartBtInt, True, 2, now_ns)
        self._sent_reset = unasked  # the peer's next Logon, if there is one, is the answer to that
        if said.number < self.store.next_in:
            self._end(self._too_low_text(said.number), now_ns)
            return
        if self._expects_too_much(said, now_ns):
            return
        self._take_version(said)
        self._log_on(message, said, now_ns)

    # ------------------------------------------------------------------------------------------- both
    def _log_on(self, message: Message, said: Logon, now_ns: int) -> None:
        self._on = True
        self.counters["logons"] += 1
        self._enter(State.LOGGED_ON, now_ns)
        self.events.append(LoggedOn(message))
        self._outbound.open(now_ns)
        if said.next_expected is not None and said.next_expected < self._logon_number:
            self._outbound.resend(said.next_expected, self.store.next_out, now_ns)
        if said.reset or said.number == self.store.next_in:
            self._advance(self.store.next_in + 1, now_ns)
        elif said.next_expected is not None and self.settings.EnableNextExpectedMsgSeqNum:
            self._gaps.put(said.number, message)
            self._gaps.ask(self.store.next_in, said.number - 1, now_ns)  # our own 789 asks for them,
            self._gaps.until = self._gaps.to  # all at once
        else:
            self._too_high(message, said.number, now_ns)

    def _expects_too_much(self, said: Logon, now_ns: int) -> bool:
        """End the session with a peer whose NextExpectedMsgSeqNum(789) is a number that we have not come to."""
        ours = self.store.next_out
        if said.next_expected is None or said.next_expected <= ours:
            return False
        self._end(f"NextExpectedMsgSeqNum too high, expecting {ours} but received {said.next_expected}", now_ns)
        return True

    def _take_logon_again(self, message: Message, now_ns: int) -> None:
        """In a session: with ResetSeqNumFlag a reset, else against the rules."""
        fault = self._logon_fault(message, now_ns)
        said = logon.read(message, self.level)
        if fault or isinstance(said, str) or not said.reset:
            self._close(fault or "a second Logon", now_ns)
            return
        if not self._sent_reset:
            self._reset_numbers(now_ns)
            self._say_logon(said.heartbeat_s, True, 2, now_ns)
        self._sent_reset = False
        self.events.append(Admin(message))
        self._advance(2, now_ns)
        self._outbound.open(now_ns)

    def _take_version(self, said: Logon) -> None:
        """FIXT: the peer says which version its application messages are of."""
        if self.level == logon.FIXT and said.version != self.settings.version:
            self.settings = self.settings.replaced(DefaultApplVerID=said.version)
            if self.validator is not None:
                self.validator = validator_for(self.settings)
