"""One FIX session and its connection on an asyncio loop: what the session wants is done, what it says is passed on.

A ``Host`` owns the Session, the Link that it speaks through, the timer that wakes it and the log of its messages. What
is to be made of it all (connecting, hooks) is the subclass's, ``FixInitiator``.

Invariant: what the session wants written is written in the same turn of the loop, and before the connection is closed;
its events are passed on in order. Nothing that a peer sends raises out of here; an error of the store ends it all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from openoutcry.clients.fixinbox import Inbox
from openoutcry.clients.fixlink import Link
from openoutcry.errors import ClientError, JournalError, OpenOutcryError
from openoutcry.fix.codec import Decoder
from openoutcry.fix.message import Message
from openoutcry.fix.messagelog import MessageLog, redact
from openoutcry.fix.session import Disconnect, Session
from openoutcry.fix.settings import SessionSettings

log = logging.getLogger("openoutcry.clients.fix")

TICK_MIN_S: Final = 0.001
TICK_MAX_S: Final = 60.0  # clocks are set: a deadline is looked at this often


class Host(ABC):
    """See the module; it is a fixlink.Owner."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.session: Session | None = None
        self.counters = {"connections": 0, "failures": 0, "logons": 0, "hook_errors": 0, "garbled": 0}
        self._inbox = Inbox(self._tell, self._told)
        self._log: MessageLog | None = None
        self._link: Link | None = None
        self._error: OpenOutcryError | None = None  # what has ended it
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._pumping = False
        self._written = False  # in this turn of the loop
        self._garbled = 0  # of this connection, those that have been noted

    # ------------------------------------------------------------------------------------------- for the subclass
    @abstractmethod
    def _made(self) -> None:
        """There is a connection."""

    @abstractmethod
    def _lost(self, reason: str) -> None:
        """It is gone."""

    @abstractmethod
    def _take(self, event: Any) -> None:
        """An event of the session has happened; ``_inbox.put`` it for the hooks."""

    @abstractmethod
    def _tell(self, event: Any) -> Any:
        """Call the hook of an event."""

    @abstractmethod
    def _told(self, event: Any, error: Exception | None) -> None:
        """A hook has been called."""

    def _known(self) -> Session:
        if self.session is None:
            raise ClientError("it has not been started")
        return self.session

    def _note(self, text: str) -> None:
        """For both logs."""
        log.debug("%s: %s", self.settings.name, text)
        if self._log is not None:
            self._log.event(text, time.time_ns())

    # ------------------------------------------------------------------------------------------- fixlink.Owner
    def link_made(self, link: Link) -> None:
        """See Owner."""
        self._link = link
        self._garbled = 0
        self.counters["connections"] += 1
        self._made()
        session = self._known()
        self._guarded(lambda: session.connected(time.time_ns()))

    def link_received(self, link: Link, messages: list[Message]) -> None:
        """See Owner."""
        session, now = self._known(), time.time_ns()
        if link.decoder.garbled != self._garbled:
            self._note_garbled(link.decoder)
        if self._log is not None:
            for message in messages:
                self._log.incoming(message.raw, now)

        def take() -> None:
            for message in messages:
                session.receive(message, now)
                if session.live and link.decoder.wants(message):
                    self._learn(link.decoder, message)

        self._guarded(take)

    def _learn(self, decoder: Decoder, message: Message) -> None:
        """The next messages of this shape are checked while they are decoded."""
        validator = self._known().validator
        pattern = validator.pattern(message) if validator is not None else None
        if pattern is not None:
            decoder.learn(message, pattern)

    def _note_garbled(self, decoder: Decoder) -> None:
        self.counters["garbled"] += decoder.garbled - self._garbled
        self._garbled = decoder.garbled
        self._note(f"garbled: {redact(decoder.last_garbled)!r}")

    def link_writable(self, link: Link) -> None:
        """See Owner."""
        self._pump()

    def link_lost(self, link: Link, reason: str) -> None:
        """See Owner."""
        self._link = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lost(reason)
        session = self._known()
        self._guarded(lambda: session.disconnected(time.time_ns()))

    # ------------------------------------------------------------------------------------------- one turn
    def _guarded(self, call: Callable[[], None]) -> None:
        """Let the session do something, and see to what comes of it."""
        session, link = self._known(), self._link
        try:
            call()
            more = link is not None and link.writable.is_set() and session.pump(time.time_ns())
        except JournalError as error:
            more = False
            self._fail(error)
        except Exception:
            more = False
            log.exception("%s: the connection is given up", self.settings.name)
            if link is not None:
                link.abort()
        if more and not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)
        self._turn(session)

    def _pump(self) -> None:
        """Go on with sending again, after others had their turn."""
        self._pumping = False
        if self._link is not None:
            self._guarded(_nothing)

    def _fail(self, error: OpenOutcryError) -> None:
        """Nothing can go on."""
        self._error = error
        if self._link is not None:
            self._link.abort()

    def _turn(self, session: Session) -> None:
        """Write what is to be written, pass on what has happened, set the timer."""
        self._write(session)
        if session.events:
            events = session.events[:]
            session.events.clear()  # what is done about them may make more
            for event in events:
                if isinstance(event, Disconnect) and self._link is not None:
                    self._note(f"closing the connection: {event.reason}")
                    self._write(session, last=True)
                    self._link.close()
                self._take(event)
            self._inbox.run()
            if self._inbox.full and self._link is not None:
                self._link.read(False)
        self._arm(session)

    def _write(self, session: Session, last: bool = False) -> None:
        """Write at once what is the first of this turn of the loop; what comes later in it goes together at its end.

        last: the connection is about to be closed.
        """
        if not session.out or (self._written and not last):
            return
        if self._link is not None:  # else it is in the store, and asked for
            self._link.write(session.out[0] if len(session.out) == 1 else b"".join(session.out))
            if self._log is not None:
                now = time.time_ns()
                for data in session.out:
                    self._log.outgoing(data, now)
            if not self._written:
                self._written = True
                asyncio.get_running_loop().call_soon(self._turn_ends)
        session.out.clear()

    def _turn_ends(self) -> None:
        self._written = False
        if self.session is not None:
            self._write(self.session)

    def _read_on(self) -> None:
        if self._link is not None and self._inbox.roomy:
            self._link.read(True)

    def _arm(self, session: Session) -> None:
        """The timer goes off at the deadline, or before: then it is set again."""
        if self._link is None or (self._timer is not None and self._timer_ns <= session.deadline_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = min(max((session.deadline_ns - time.time_ns()) / 1e9, TICK_MIN_S), TICK_MAX_S)
        self._timer_ns = session.deadline_ns
        self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        session = self._known()
        self._timer = None
        self._guarded(lambda: session.on_timer(time.time_ns()))


def _nothing() -> None:
    """Only what is left to send again."""
