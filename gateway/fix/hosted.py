"""One FIX session at its gateway: its settings, its session layer, its application, and who is connected for it.

Invariant: first stored, then sent. The application's messages are numbered and framed by ``emit``, and everything that
is to be written waits in ``fresh`` and ``session.out`` until the delivery has written the record it is in
(``sent_off``). Between two turns nothing waits.

The session layer is made anew for each connection, because a restart must not matter: what outlives it is in the
``SessionStore``. The application lives as long as the gateway, and comes back by its dump and the events after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from openoutcry.fix.messagelog import MessageLog
from openoutcry.fix.session import Session
from openoutcry.fix.settings import PRECISIONS, SessionSettings
from openoutcry.gateway.fix import facts
from openoutcry.gateway.fix.sessionstore import NOT_KEPT, SessionStore

if TYPE_CHECKING:
    from openoutcry.fix.message import Message
    from openoutcry.fix.rejects import Fields
    from openoutcry.gateway.fix.connection import FixConnection
    from openoutcry.gateway.fix.sessions import Sessions
    from openoutcry.gateway.managed_watch import Inbox

Event = tuple[Any, ...]


class Application(Protocol):
    """What messages mean: openoutcry.gateway.fix.application is the model."""

    def take(self, message: Message, out: list[Any], again: bool) -> None:
        """A client's message: append commands to `out`, or emit. again: it may have come before."""

    def event(self, event: Event, time_ns: int) -> None:
        """One event of this session: emit what it says."""

    def absorb(self, event: Event, time_ns: int) -> None:
        """One event of which the messages are sent already: only remember it."""

    def dump(self) -> list[bytes]:
        """What `load` needs to go on after the last event; it changes nothing."""

    def load(self, pieces: list[bytes]) -> None:
        """Go on where `dump` was called."""

    def logged_on(self) -> None:
        """The client is there."""

    def logged_off(self) -> None:
        """It has gone."""


class InTurn(Application, Protocol):
    """One whose answers are not to be overtaken by what the session layer says: it has `asked`, the answers it owes."""

    asked: int


class Hosted:
    """See the module. who: values of identity.WHO. number: the matcher's of this session, 0 before its first logon."""

    __slots__ = (
        "_application", "_changed", "_clock", "_digits", "_header", "_persist", "_say_processed",
        "connection", "counters", "dirty", "dumped", "endpoint", "fresh", "in_turn", "inbox", "log", "name", "number",
        "session", "sessions", "settings", "store", "touched", "who",
    )  # fmt: skip

    def __init__(self, sessions: Sessions, endpoint: str, settings: SessionSettings, who: tuple[str, ...]) -> None:
        self.sessions = sessions
        self._clock = sessions.clock
        self.endpoint = endpoint
        self.settings: SessionSettings = settings
        self.name = settings.name
        self.who = who
        self.number = 0
        self.store = SessionStore(sessions, self, self._clock.tick())
        self.connection: FixConnection | None = None
        self.fresh: list[bytes] = []  # numbered, and not given to the session yet
        self.touched: bool = False  # the delivery knows that there is something to store or to send
        self.dirty = 0  # first event that is not in the application's dump, 0 for none
        self.log: MessageLog | None = None
        self.counters = {"messages_in": 0, "messages_out": 0, "logons": 0, "second_connections": 0, "throttled": 0,
                         "garbled": 0}  # fmt: skip
        self._application: Application | None = None
        self.in_turn: InTurn | None = None  # the application, when it is one of those
        self.inbox: Inbox | None = None  # messages that wait for a hand, once there were any
        self._changed = False
        self.dumped = (0, 0)  # messages out, and bytes, of the newest dump
        self.renew()

    def renew(self) -> None:
        """A session layer for the next connection, with the settings as they are now."""
        self.session: Session = Session(self.settings, self.store, self._clock.tick(), self._clock)
        self._header = self.session.header
        settings = self.settings
        early = settings.BeginString in ("FIX.4.0", "FIX.4.1")
        self._digits = 0 if early else PRECISIONS[settings.TimestampPrecision]
        self._say_processed = settings.EnableLastMsgSeqNumProcessed and not early
        self._persist = bool(settings.PersistMessages)
        self._open_log()

    def _open_log(self) -> None:
        if self.log is not None:
            self.log.close()
            self.log = None
        if self.settings.FileLogPath:
            try:
                self.log = MessageLog(self.settings.FileLogPath, self.name)
            except OSError as error:  # a session without a log is better than none
                self.sessions.warning("log", f"{self.name}: its messages cannot be logged: {error}")

    def configure(self, settings: SessionSettings) -> None:
        """Other settings, from the next connection on."""
        self.settings = settings
        self._changed = True
        if self.connection is None:
            self._apply()

    def _apply(self) -> None:
        self._changed = False
        self.renew()
        self.change_application()

    def take_version(self, settings: SessionSettings, who: tuple[str, ...]) -> bool:
        """A client over FIXT wants another version of application messages. False: it is another client."""
        if who[:-1] != self.who[:-1]:
            return False
        self.who = who
        self.configure(settings)
        if self.store.number:
            self.sessions.note((facts.SESSION, self.store.number, self.endpoint, self.name, who))
        return True

    def release(self) -> None:
        """Its connection is over."""
        self.connection = None
        self.session.out.clear()
        if self._changed:
            self._apply()

    # --------------------------------------------------------------------------------------------- application
    @property
    def application(self) -> Application:
        """Made when it is first needed, as its dump says."""
        found = self._application
        if found is None:
            found = self._application = self.sessions.make_application(self)
            self.in_turn = cast(InTurn, found) if hasattr(found, "asked") else None
            found.load(self.sessions.dumps.load(self))
        return found

    def change_application(self) -> None:
        """The settings that an application is made with have changed: a new one goes on where the old one was."""
        old, self._application = self._application, None
        if old is not None:
            self.sessions.copies.remove(cast(Any, old))
            self._application = new = self.sessions.make_application(self)
            self.in_turn = cast(InTurn, new) if hasattr(new, "asked") else None
            self.session.in_turn = self.in_turn is not None
            new.load(old.dump())
            if self.connection is not None:
                self.connection.answered()  # what waited for the old one need not wait any more

    def logged_off(self) -> None:
        """Its client has gone, and its subscriptions end with the connection, whatever application there is by now."""
        self.application.logged_off()
        if self.sessions.market_in_use is not None:
            self.sessions.market_in_use.forget(self)

    def make_ready(self) -> None:
        """It is to have an application although nobody has logged on."""
        if self._application is None:
            _ = self.application

    def retire(self) -> None:
        """It is deleted: what still happens to its orders goes to its client, if there is one, and to nobody else."""
        if self._application is not None:
            self.sessions.copies.remove(cast(Any, self._application))

    def emit(self, kind: bytes, body: bytes, keep: bool = True, extra: Fields = ()) -> None:
        """Number, frame and store one message of the application; it is sent when it is stored.

        keep: it may be asked for again. extra: more fields of the header, ascending by tag.
        """
        store = self.store
        number = store.next_out
        if self._say_processed:
            extra = (*extra, (369, b"%d" % (store.next_in - 1)))
        clock, digits = self._clock, self._digits
        message = self._header.message(kind, number, clock.stamps.get(digits) or clock.stamp(digits), body, extra)
        store.next_out = number + 1
        if not self.touched:
            self.touch()
        store.packets.append(message if keep and self._persist else NOT_KEPT)
        self.fresh.append(message)

    @property
    def taken(self) -> int:
        """The number of the first message that is not done with: what waits for a hand is asked for after a crash."""
        store = self.store
        if self.inbox is not None:
            for held in self.inbox.held.values():
                if held.mark[0] == store.resets:
                    return min(held.mark[1], store.next_in)
        return store.next_in

    def touch(self) -> None:
        """There is something to store or to send."""
        self.touched = True
        self.sessions.delivery.hosted.append(self)

    def pass_on(self, now_ns: int) -> None:
        """Give the session what the application has emitted, before it says anything itself."""
        fresh = self.fresh
        if fresh:
            count = len(fresh)
            self.counters["messages_out"] += count
            if self.connection is not None:
                self.connection.endpoint.messages_out += count
            self.session.deliver(b"".join(fresh) if count > 1 else fresh[0], count, now_ns)
            fresh.clear()

    def sent_off(self, now_ns: int) -> None:
        """All that was waiting is stored: write it."""
        self.touched = False
        if self.fresh:
            self.pass_on(now_ns)
        out = self.session.out
        if out:
            if self.connection is not None:
                self.connection.write(out)
            out.clear()
        if self.in_turn is not None and not self.in_turn.asked and self.connection is not None:
            self.connection.answered()

    # --------------------------------------------------------------------------------------------- dumps
    def pieces(self) -> list[bytes]:
        """The application's dump."""
        return [] if self._application is None else self._application.dump()

    @property
    def dump_event(self) -> int:
        """The last event in the newest dump."""
        noted = self.sessions.state.facts.get((facts.ORDERS, self.store.number))
        return noted[3] if noted is not None else 0

    def statistics(self) -> dict[str, Any]:
        """Where it stands."""
        connected = self.connection is not None
        return {"connected": connected, **self.counters, **self.session.statistics()}
