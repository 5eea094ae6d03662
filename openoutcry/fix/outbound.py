"""The sending half of a session: numbering, keeping, writing, sending again.

Rule 1. A number is counted in the store before its message is written.
Rule 2. Messages are written in the order of their numbers. ``written`` is the number of the next one; all below were
        written on this connection, or before it and can be asked for.
Rule 3. While something is sent again nothing else is written (``live`` is False): new messages go to the store only.
        When all is caught up with they are read from there and written as originals, so there is no seam.
        The session's own messages (heartbeats and such) wait meanwhile without a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from openoutcry.fix.codec import Header, possible_duplicate, split_stored
from openoutcry.fix.rejects import LEVELS, Fields
from openoutcry.fix.resend import RESEND_BYTES, RESEND_MESSAGES, run
from openoutcry.fix.settings import PRECISIONS, SessionSettings
from openoutcry.fix.store import MessageStore
from openoutcry.fix.times import parse_stamp, stamp

FRESH_NS: Final = 10_000_000_000  # SendingTime of a message that is written for the first time is not older
DEFERRED_MAX: Final = 16  # of our own messages that wait for the end of a resend; beyond, the oldest is dropped


class Clock(Protocol):
    """ahead_ns: how much later the time is that a session is told than the one that its peer's clock shows."""

    ahead_ns: int


class SameClock:
    """There is one time."""

    ahead_ns = 0


class Outbound:
    """What one session writes. The host takes and clears ``out``."""

    __slots__ = (
        "_asked_again", "_burst", "_clock", "_deferred", "_digits", "_now", "_quiet", "_running", "_tell_processed",
        "header", "live", "out", "persist", "resent", "sent", "sent_ns", "store", "written",
    )  # fmt: skip

    def __init__(self, settings: SessionSettings, store: MessageStore, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self.header = Header(
            settings.BeginString, settings.SenderCompID, settings.TargetCompID, settings.SenderSubID,
            settings.SenderLocationID, settings.TargetSubID, settings.TargetLocationID,
        )  # fmt: skip
        level = LEVELS[settings.BeginString]
        self._digits = PRECISIONS[settings.TimestampPrecision] if level >= 2 else 0
        self._tell_processed = bool(settings.EnableLastMsgSeqNumProcessed) and level >= 2
        self._quiet = settings.Profile == "jetblack"  # no SequenceReset then
        self.persist = bool(settings.PersistMessages)
        self.out: list[bytes] = []
        self.live = False
        self.written = store.next_out
        self.sent_ns = 0
        self.sent = self.resent = 0
        self._running: Iterator[bytes] | None = None
        self._asked_again: tuple[int, int] | None = None
        self._deferred: list[tuple[bytes, bytes, Fields]] = []
        self._now = 0
        self._burst = 0  # bytes sent again since the host has taken `out`

    def frame(self, kind: bytes, number: int, body: bytes, now_ns: int, extra: Fields = ()) -> bytes:
        """The bytes of one message; what the settings want in every header is added."""
        if self._tell_processed:
            extra = (*extra, (369, b"%d" % (self.store.next_in - 1)))
        return self.header.message(kind, number, self._stamp(now_ns), body, extra)

    def _stamp(self, now_ns: int) -> bytes:
        return stamp(now_ns - self._clock.ahead_ns, self._digits)

    # ------------------------------------------------------------------------------------------- new messages
    def make(self, kind: bytes, body: bytes, now_ns: int, extra: Fields = (), keep: bool = True) -> int:
        """Number, keep and, if nothing is in its way, write a message; returns its number."""
        number = self.store.next_out
        if self.live and self.written < number:
            self.catch_up(now_ns)
        data = self.frame(kind, number, body, now_ns, extra)
        self.store.add(data, keep and self.persist)
        if self.live:
            self.written = number + 1
            self._write(data, now_ns)
        return number

    def say(self, kind: bytes, body: bytes, now_ns: int, extra: Fields = ()) -> None:
        """A message of the session's own, which is never sent again. It waits while something is sent again."""
        if self.live:
            self.catch_up(now_ns)
        if self._running is None:
            self.make(kind, body, now_ns, extra, False)
            return
        self.sent_ns = now_ns  # as good as sent: no second heartbeat is due because this one waits
        self._deferred.append((kind, body, extra))
        del self._deferred[:-DEFERRED_MAX]

    def say_now(self, kind: bytes, body: bytes, now_ns: int) -> None:
        """The first or the last message of a connection: written whatever there is."""
        number = self.store.next_out
        data = self.frame(kind, number, body, now_ns)
        self.store.add(data, False)
        self.written = number + 1
        self._write(data, now_ns)

    def skip(self, number: int) -> None:
        """The next message written is `number`, without a word about those before it: the peer shall miss them."""
        self.store.set_next_out(number)
        self.written = number

    def deliver(self, data: bytes, count: int, now_ns: int) -> None:
        """Write `count` joined messages, the newest of the store, as far as they have not been written.

        When others have come into the store since, the way to there was through all before them: then all is written.
        """
        if not self.live:
            return
        first = self.store.next_out - count
        if self.written < first:
            self.catch_up(now_ns)
            return
        if self.written > first:
            data = data[split_stored(data, min(self.written - first, count)) :]
        self.written = first + count
        if data:
            self.out.append(data)
            self.sent_ns = now_ns
            self.sent += count

    def _write(self, data: bytes, now_ns: int) -> None:
        self.out.append(data)
        self.sent_ns = now_ns
        self.sent += 1

    # ------------------------------------------------------------------------------------------- sending again
    def open(self, now_ns: int) -> None:
        """Logged on: from now on everything is written."""
        self.live = True
        self.catch_up(now_ns)

    def close(self) -> None:
        """The connection is over; what was not written is in the store."""
        self.live = False
        self._running = self._asked_again = None
        self._deferred.clear()

    def catch_up(self, now_ns: int) -> None:
        """Write what is in the store and has not been written."""
        if self.written < self.store.next_out and self._running is None:
            self.live = False
            self._running = iter(())
            self.pump(now_ns)

    def resend(self, begin: int, end: int, now_ns: int) -> None:
        """Send `begin` to `end` again, as far as they were written. Asked for meanwhile: once more, after that."""
        end = min(end, self.written - 1)
        if begin > end:
            return
        if self._running is not None:
            was = self._asked_again or (begin, end)
            self._asked_again = min(begin, was[0]), max(end, was[1])
            return
        self.live = False
        self._running = run(self.store, begin, end, self._again, self._gap)
        if not self.out:
            self._burst = 0
        if self._burst < RESEND_BYTES:
            self.pump(now_ns)  # else many requests came in one read: the host pumps when all of that is written

    def pump(self, now_ns: int) -> bool:
        """Write the next portion of what is being sent again; True while there is more."""
        if self._running is None:
            return False
        self._now = now_ns
        count = size = 0
        while count < RESEND_MESSAGES and size < RESEND_BYTES:
            message = next(self._running, None)
            if message is not None:
                count += 1
                size += len(message)
                self._burst += len(message)
                if message:
                    self._write(message, now_ns)
                    self.resent += 1
            elif not self._next_run():
                self._caught_up(now_ns)
                return self._running is not None
        return True

    def _next_run(self) -> bool:
        """Go on with what was asked for meanwhile, then with what was made meanwhile. False: there is nothing."""
        if self._asked_again is not None:
            begin, end = self._asked_again
            self._asked_again = None
            self._running = run(self.store, begin, end, self._again, self._gap)
            return True
        if self.written < self.store.next_out:
            begin, self.written = self.written, self.store.next_out
            self._running = run(self.store, begin, self.written - 1, self._first_time, self._gap)
            return True
        return False

    def _caught_up(self, now_ns: int) -> None:
        self._running = None
        self.live = True
        deferred, self._deferred = self._deferred, []
        for kind, body, extra in deferred:
            self.say(kind, body, now_ns, extra)

    def _again(self, message: bytes) -> bytes:
        return possible_duplicate(message, self._stamp(self._now))

    def _first_time(self, message: bytes) -> bytes:
        """As it is, unless it has waited so long that its SendingTime would be found wrong."""
        at = message.index(b"\x0152=") + 4
        sent_ns = parse_stamp(message[at : message.index(b"\x01", at)])
        if self._now - self._clock.ahead_ns - sent_ns > FRESH_NS:
            return self._again(message)
        return message

    def _gap(self, number: int, new: int) -> bytes:
        if self._quiet:
            return b""
        now = self._stamp(self._now)
        return self.header.message(b"4", number, now, b"36=%d\x01123=Y\x01" % new, ((43, b"Y"), (122, now)))
