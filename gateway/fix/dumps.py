"""What applications remember, written down now and then, so that a restart need not go through everything again.

An application is a function of its session's events. Its dump is in the store, with the number of the last event in it
(``facts.ORDERS``); ``facts.MARK`` is the event up to which all dumps together are complete, which is where a new life
of the gateway asks the matcher to begin. Nothing is written for a single order.

Invariant: the mark is never beyond an event that is missing in some session's dump. ``dirty`` of a session is the first
event that its dump does not have; a dump that is being made counts only once it is in the store.

Clients must not wait for a dump, so a large one is made by a forked child, which sees the application as it was at the
fork. It writes a file, which is then taken over into the store, and leaves by ``os._exit``.
"""

from __future__ import annotations

import gc
import os
import signal
import warnings
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from openoutcry.gateway.fix import facts
from openoutcry.process import die_with_parent

if TYPE_CHECKING:
    from openoutcry.gateway.fix.hosted import Hosted
    from openoutcry.gateway.fix.sessions import Sessions

DUMP_MESSAGES: Final = 100_000  # messages of a session between two dumps, at least: absorbed in some 0.3 s
DUMP_BYTES: Final = 20  # and one message more for each so many bytes of the last dump: dumps stay a small part of all
MARK_LAG: Final = 400_000  # events since a session's dump after which it is dumped again, however little it has said
MARK_STEP: Final = 10_000  # events by which the mark moves on at least; each step costs a record
CHILD_BYTES: Final = 200_000  # of a dump, as far as one can tell, from which on a child makes it: some 5 ms
MESSAGE_BYTES: Final = 110  # of a dump, for each message since the last, at most
CHILD_NS_MAX: Final = 60_000_000_000  # then a child is given up
PART_BYTES: Final = 16_000_000  # of a dump in one record of the store, which holds 64 MB
NICENESS: Final = 10  # of the child


class Child(NamedTuple):
    """One that makes a dump. dirty: of the session, before it."""

    pid: int
    hosted: Hosted
    event: int
    dirty: int
    began_ns: int


class Dumps:
    """See the module."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._dirty: dict[Hosted, None] = {}
        self._child: Child | None = None
        self._file = sessions.store.path / "dump"
        self.counters = {"dumps": 0, "by_child": 0, "failed": 0}

    def begin(self) -> None:
        """Begin with what the store has."""
        self._give_up()
        self._dirty.clear()

    @property
    def mark(self) -> int:
        """The event up to which all dumps are complete."""
        return int(self._sessions.state.facts.get((facts.MARK, 0), (0, 0, 0))[2])

    def soil(self, hosted: Hosted, event: int) -> None:
        """An application has got an event that is in no dump."""
        if not hosted.dirty:
            hosted.dirty = event
            self._dirty[hosted] = None

    def forget(self, hosted: Hosted) -> None:
        """A session is deleted."""
        self._dirty.pop(hosted, None)

    # --------------------------------------------------------------------------------------------- reading
    def load(self, hosted: Hosted) -> list[bytes]:
        """The pieces of the newest dump."""
        noted = self._sessions.state.facts.get((facts.ORDERS, hosted.store.number))
        if noted is None:
            return []
        store = self._sessions.store
        stream, data, sequence = store.stream(noted[2]), b"", 1
        while (piece := store.read(stream, sequence)) is not None:
            data += piece.data
            sequence = piece.first + piece.messages
        return _taken_apart(data)

    # --------------------------------------------------------------------------------------------- writing
    def on_tick(self) -> None:
        """Make a dump, if one is due, and move the mark on."""
        if self._child is not None:
            self._look_after_child()
            return
        last = self._sessions.store.last_event
        if self._sessions.hub.link.last_event != last:  # events are being absorbed
            return
        due = next((one for one in self._dirty if _is_due(one, last)), None)
        if due is not None and _is_large(due) and self._fork(due, last):
            return
        if due is not None:
            self._store(due, last, _joined(due.pieces()))
        if due is not None or last - self.mark > MARK_STEP:
            self._move_mark(last)

    def _store(self, hosted: Hosted, event: int, data: bytes) -> None:
        """Put a dump into the next record, in place of the one before."""
        sessions, number = self._sessions, hosted.store.number
        self._dirty.pop(hosted, None)
        hosted.dirty = 0
        if not number:  # it was deleted meanwhile
            return
        hosted.dumped = (hosted.counters["messages_out"], len(data))
        old = sessions.state.facts.get((facts.ORDERS, number))
        if old is not None:
            sessions.store.forget(old[2])
        name = facts.stream_name(sessions.new_number())
        for at in range(0, len(data), PART_BYTES):
            sessions.delivery.add_chunk(sessions.store.stream(name), 1, data[at : at + PART_BYTES])
            if len(data) - at > PART_BYTES:  # nobody knows the stream before the fact below is written
                sessions.hub.commit()
        sessions.note((facts.ORDERS, number, name, event))
        self.counters["dumps"] += 1

    def _move_mark(self, last: int) -> None:
        mark = min((hosted.dirty - 1 for hosted in self._dirty), default=last)
        if mark - self.mark > MARK_STEP:
            self._sessions.note((facts.MARK, 0, mark))
            self._sessions.hub.commit()

    def close(self) -> None:
        """The gateway is stopped: dump everything, so that it starts quickly."""
        self._give_up()
        last = self._sessions.store.last_event
        if self._sessions.hub.link.last_event == last and self._dirty:
            for hosted in list(self._dirty):
                self._store(hosted, last, _joined(hosted.pieces()))
            self._sessions.note((facts.MARK, 0, last))
            self._sessions.hub.commit()

    # --------------------------------------------------------------------------------------------- by a child
    def _fork(self, hosted: Hosted, event: int) -> bool:
        """Let a child make it. False when there can be none."""
        parent = os.getpid()
        try:
            with warnings.catch_warnings():  # as in openoutcry.matcher.snapshot
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except OSError:
            self.counters["failed"] += 1
            return False
        if pid == 0:
            self._run_child(parent, hosted)
        self._child = Child(pid, hosted, event, hosted.dirty, monotonic_ns())
        return True

    def _run_child(self, parent: int, hosted: Hosted) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent()
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            gc.disable()  # a collection would touch, and so copy, every page that is shared with the parent
            os.nice(NICENESS)
            if os.getppid() == parent:
                self._file.write_bytes(_joined(hosted.pieces()))
                code = 0
        finally:
            os._exit(code)  # nothing may return into the parent's code

    def _look_after_child(self) -> None:
        child = self._child
        assert child is not None
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            if monotonic_ns() - child.began_ns > CHILD_NS_MAX:
                os.kill(child.pid, signal.SIGKILL)
            return
        self._child = None
        if os.waitstatus_to_exitcode(status) == 0:
            self._take_over(child)
        else:
            self.counters["failed"] += 1
            child.hosted.dumped = (child.hosted.counters["messages_out"], child.hosted.dumped[1])  # not at once again

    def _take_over(self, child: Child) -> None:
        """What the child has written is what the application was at that event; it has gone on since."""
        try:
            data = self._file.read_bytes()
            self._file.unlink()
        except OSError:
            self.counters["failed"] += 1
            return
        last = self._sessions.store.last_event
        self._store(child.hosted, child.event, data)
        if child.hosted.store.number and last > child.event:
            self.soil(child.hosted, child.event + 1)
        self.counters["by_child"] += 1
        self._move_mark(last)

    def _give_up(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)


def _is_due(hosted: Hosted, last: int) -> bool:
    """Whether a restart would have much to go through for this session."""
    messages, size = hosted.dumped
    said = hosted.counters["messages_out"] - messages
    return said > DUMP_MESSAGES + size // DUMP_BYTES or last - hosted.dirty > MARK_LAG


def _is_large(hosted: Hosted) -> bool:
    messages, size = hosted.dumped
    return size + MESSAGE_BYTES * (hosted.counters["messages_out"] - messages) > CHILD_BYTES


def _joined(pieces: list[bytes]) -> bytes:
    return b"".join(len(piece).to_bytes(4) + piece for piece in pieces)


def _taken_apart(data: bytes) -> list[bytes]:
    pieces, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4])
        pieces.append(data[at + 4 : end])
        at = end
    return pieces
