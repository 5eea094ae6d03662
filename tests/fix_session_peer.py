"""A FIX session without sockets, and the peer that talks to it: lines of text in, lines of text out.

``world.hear("35=D|34=2|11=a")`` has the session receive that message (BeginString, CompIDs and SendingTime are filled
in) and returns what it says to it, as text without the fields that are always the same; "CLOSE" where it wants the
connection closed. Logons are approved, unless `judge` says otherwise. Time is `now`, and passes only by ``wait``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openoutcry.fix.codec import Decoder, frame
from openoutcry.fix.events import Disconnect, LoggedOn, LoggedOut, LogonRequested
from openoutcry.fix.message import Message
from openoutcry.fix.session import Session
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.store import MemoryStore, MessageStore
from openoutcry.fix.times import stamp

SECOND = 1_000_000_000
MONDAY = 1_795_435_200 * SECOND  # 2026-11-23 12:00 UTC
LOGON = "35=A|34=1|98=0|108=30"
SAME = (8, 9, 10, 49, 52, 56)

Judge = Callable[[Session, Message, int], None]


def approve(session: Session, message: Message, now: int) -> None:
    """Let everybody in."""
    session.approve(now)


class World:
    """One session. settings: those that are not the usual ones; UseDataDictionary is N unless it is given."""

    def __init__(
        self, store: MessageStore | None = None, now: int = MONDAY, judge: Judge = approve, **settings: Any
    ) -> None:
        given = {"BeginString": "FIX.4.2", "SenderCompID": "ISLD", "TargetCompID": "TW", "UseDataDictionary": "N"}
        self.settings = SessionSettings(**{**given, **settings})
        self.now = now
        self.judge = judge
        self.store = store if store is not None else MemoryStore(now)
        self.session = Session(self.settings, self.store, now)
        self.taken: list[str] = []  # application messages, and what else the host was told
        self.closed = ""
        self._decoder = Decoder()

    # ------------------------------------------------------------------------------------------- the connection
    def connect(self) -> list[str]:
        """A new connection; returns what an initiator says."""
        if self.closed:
            self.lose()
        self.session.connected(self.now)
        return self.said()

    def lose(self) -> None:
        """The connection is gone."""
        self.session.disconnected(self.now)
        self.said()
        self.closed = ""
        self._decoder = Decoder()

    def logged_on(self, line: str = LOGON) -> World:
        """Connected, and logged on as simply as can be."""
        self.connect()
        self.hear(line)
        return self

    # ------------------------------------------------------------------------------------------- talk
    def bytes_of(self, line: str, sent: int | None = None) -> bytes:
        """A message of the peer's. Fields that are in the line are not filled in; 49=- leaves one out."""
        fields = [field for field in line.split("|") if field]
        tags = [field.partition("=")[0] for field in fields]
        usual = {
            "49": self.settings.TargetCompID,
            "52": stamp(self.now if sent is None else sent, 3).decode(),
            "56": self.settings.SenderCompID,
        }
        usual = {tag: f"{tag}={value}" for tag, value in usual.items() if tag not in tags}
        begin = next((f[2:] for f in fields if f.startswith("8=")), self.settings.BeginString)
        inner = [field for field in fields if not field.startswith("8=") and not field.endswith("=-")]
        place = 2 if tags[1:2] == ["34"] else 1
        text = "\x01".join([*inner[:place], *usual.values(), *inner[place:]])
        return frame(begin.encode(), text.encode("latin-1") + b"\x01")

    def messages(self, line: str, sent: int | None = None) -> list[Message]:
        """A line as the decoder gives it to the session."""
        return Decoder().feed(self.bytes_of(line, sent))

    def hear(self, *lines: str, sent: int | None = None) -> list[str]:
        """The session receives these; what it says to them."""
        for line in lines:
            for message in self.messages(line, sent):
                self.session.receive(message, self.now)
            self._events()
        return self.said()

    def wait(self, seconds: float) -> list[str]:
        """Time passes; what the session says, each with the seconds that have passed: ``6.0: 35=0|34=2``."""
        begin, found = self.now, []
        end = begin + int(seconds * SECOND)
        while self.session.deadline_ns <= end:
            self.now = max(self.now, self.session.deadline_ns)
            before = self.session.deadline_ns
            self.session.on_timer(self.now)
            found += [f"{(self.now - begin) / SECOND}: {line}" for line in self.said()]
            assert self.session.deadline_ns > before, "a deadline that does not move on"
        self.now = end
        return found

    def send(self, line: str) -> list[str]:
        """The host sends an application message: ``D|11=a``; what is written."""
        kind, *fields = line.split("|")
        self.session.send(kind.encode(), b"".join(field.encode() + b"\x01" for field in fields), self.now)
        return self.said()

    def said(self) -> list[str]:
        """What is written since the last time."""
        self._events()
        messages = self._decoder.feed(b"".join(self.session.out))
        self.session.out.clear()
        return [short(message) for message in messages] + (["CLOSE"] if self._takes_close() else [])

    # ------------------------------------------------------------------------------------------- the host
    def _events(self) -> None:
        while self.session.events:
            events = self.session.events[:]
            self.session.events.clear()
            for event in events:
                self._event(event)

    def _event(self, event: Any) -> None:
        if isinstance(event, LogonRequested):
            self.judge(self.session, event.message, self.now)
        elif isinstance(event, Disconnect):
            self.closed = event.reason or "closed"
            self._told = True
        elif isinstance(event, Message):
            self.taken.append(short(event))
        elif isinstance(event, LoggedOn):
            self.taken.append("logged on")
        elif isinstance(event, LoggedOut):
            self.taken.append(f"logged out: {event.text}")

    _told = False

    def _takes_close(self) -> bool:
        told, self._told = self._told, False
        return told

    def orders(self) -> list[str]:
        """The ClOrdIDs (11) of what was taken, in order."""
        return [field[3:] for line in self.taken for field in line.split("|") if field.startswith("11=")]

    @property
    def numbers(self) -> tuple[int, int]:
        """(next out, next in)."""
        return self.store.next_out, self.store.next_in


def short(message: Message) -> str:
    """A message as text, without the fields that are always the same; 122 without its value."""
    fields = [
        "122=T" if tag == 122 else f"{tag}={value.decode('latin-1')}"
        for tag, value in message.pairs()
        if tag not in SAME
    ]
    return "|".join(fields)
