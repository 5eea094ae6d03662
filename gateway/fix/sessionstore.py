"""One FIX session's sequence numbers and sent messages, in the gateway's own store.

The messages of a session are a stream of the store: message ``first + i`` is the stream's number 1 + i. One that may
not be asked for again (and so is filled as a gap) is there as a single ``-``, which holds its place. Numbers that begin
anew, or jump, begin a new stream.

Invariant: what ``add`` has taken is written by the delivery's next ``commit``, in one record with everything that was
taken in that turn, and nothing of it is sent before. ``next_in`` is written only up to what the matcher has
acknowledged (openoutcry.gateway.fix.sessions), so what was taken from a client and then lost in a crash is asked for
again.

This is a MessageStore (openoutcry.fix.store). A session that nobody has let in yet has number 0 and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from openoutcry.gateway.fix import facts
from openoutcry.gateway.store import Stream

if TYPE_CHECKING:
    from openoutcry.gateway.fix.hosted import Hosted
    from openoutcry.gateway.fix.sessions import Sessions

NOT_KEPT: Final = b"-"
GAP_MAX: Final = 4_096  # numbers left out that are filled in the stream; more begin a new one


class SessionStore:
    """See the module. number: of the session's facts, 0 while it has none. packets: not written yet."""

    __slots__ = (
        "_first", "_hosted", "_sessions", "_stream", "created_ns", "next_in", "next_out", "noted_in", "number",
        "packets", "resets",
    )  # fmt: skip

    def __init__(self, sessions: Sessions, hosted: Hosted, now_ns: int) -> None:
        self._sessions = sessions
        self._hosted = hosted
        self._stream: Stream | None = None
        self._first = 1  # MsgSeqNum of the stream's first message
        self.number = 0
        self.next_out = self.next_in = self.noted_in = 1
        self.created_ns = now_ns
        self.packets: list[bytes] = []
        self.resets = 0  # what was noted before a reset means nothing after it

    def load(self, number: int) -> None:
        """Go on with what the facts of session `number` say."""
        noted = self._sessions.state.facts
        self.number = number
        begun = noted.get((facts.STREAM, number))
        if begun is not None:
            _, _, name, self._first, self.created_ns = begun
            self._stream = self._sessions.store.stream(name)
            self.next_out = self._first + self._stream.next - 1
        self.next_in = self.noted_in = noted.get((facts.NEXT_IN, number), (0, 0, 1))[2]

    def adopt(self, number: int) -> None:
        """The session is let in: what it has said from now on is remembered under that number."""
        self.number = number
        self.noted_in = 0
        self._sessions.note((facts.SESSION, number, self._hosted.endpoint, self._hosted.name, self._hosted.who))
        self._begin(self.next_out)

    def retire(self) -> None:
        """The session is forgotten: what it still says is not remembered."""
        self.number = 0
        self._stream = None
        self.packets.clear()

    def _begin(self, first: int) -> None:
        """Begin a stream whose first message has number `first`."""
        sessions = self._sessions
        if self._stream is not None:
            self.flush()
            sessions.store.forget(self._stream.name.decode("ascii"))
        name = facts.stream_name(sessions.new_number())
        self._stream = sessions.store.stream(name)
        self._first = first
        sessions.note((facts.STREAM, self.number, name, first, self.created_ns))

    def flush(self) -> None:
        """Give what is not written yet to the next record."""
        if self.packets:
            if self._stream is not None:
                self._sessions.delivery.add_chunk(self._stream, len(self.packets), b"".join(self.packets))
            self.packets.clear()

    # --------------------------------------------------------------------------------------------- MessageStore
    def add(self, message: bytes, keep: bool) -> None:
        """See MessageStore."""
        self.next_out += 1
        if self.number:
            if not self._hosted.touched:
                self._hosted.touch()
            self.packets.append(message if keep else NOT_KEPT)

    def set_next_in(self, number: int) -> None:
        """See MessageStore."""
        self.next_in = number

    def set_next_out(self, number: int) -> None:
        """See MessageStore; what was kept under lower numbers is kept only where the gap is small."""
        ahead = number - self.next_out
        self.next_out = number
        if not self.number or not ahead:
            return
        if not self._hosted.touched:
            self._hosted.touch()
        if 0 < ahead <= GAP_MAX:
            self.packets += (NOT_KEPT,) * ahead
        else:
            self._begin(number)

    def order_next_in(self, number: int) -> None:
        """An operator says what is expected next."""
        self.next_in = self.noted_in = number
        self.resets += 1
        self._sessions.note((facts.NEXT_IN, self.number, number))

    def reset(self, now_ns: int) -> None:
        """See MessageStore."""
        self.next_out = self.next_in = 1
        self.created_ns = now_ns
        self.resets += 1
        if self.number:
            if not self._hosted.touched:
                self._hosted.touch()
            self._begin(1)
            self.noted_in = 1
            self._sessions.note((facts.NEXT_IN, self.number, 1))

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See MessageStore."""
        if self._hosted.touched:
            self._sessions.hub.commit()
        stream, number = self._stream, max(begin, self._first)
        while stream is not None and stream is self._stream and number <= end:
            piece = self._sessions.store.read(stream, number - self._first + 1)
            if piece is None:
                return
            number = self._first + piece.first - 1
            for message in split(piece.data):
                if number > end:
                    return
                if number >= begin and message is not None:
                    yield number, message
                number += 1

    def refresh(self) -> None:
        """See MessageStore; nobody else writes it."""

    def close(self) -> None:
        """See MessageStore; the store is the gateway's."""


def split(data: bytes) -> Iterator[bytes | None]:
    """The messages of a piece of the store, None for each that was not kept."""
    at, size = 0, len(data)
    while at < size:
        if data[at] == 45:  # NOT_KEPT
            at += 1
            yield None
        else:
            length = data.index(b"\x019=", at) + 3
            body = data.index(b"\x01", length)
            end = body + 1 + int(data[length:body]) + 7  # 10=nnn and its end
            yield data[at:end]
            at = end
