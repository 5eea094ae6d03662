"""Message stores: what a FIX session must remember when its process ends, and the store that is only memory.

A store holds the two sequence numbers of one session, the time at which they began at 1, and the messages that were
sent and may be asked for again::

    store = open_store("memory", settings.name, now_ns)              # gone with the process
    store = open_store("/var/lib/fix", settings.name, now_ns)        # a file: openoutcry.fix.filestore
    store = open_store("sqlite:////var/lib/fix.db", settings.name, now_ns)  # SQL: openoutcry.fix.sqlstore

Invariant: a number is counted before its message can leave (``add`` returns, then the session writes), so a number is
never used for two messages, whenever the process dies. What was kept comes back byte for byte, or not at all: a
number without a kept message is filled as a gap.

The gateway has a store of its own for all its sessions (openoutcry.gateway.fix); it speaks this protocol as well.
Errors are JournalError: a session that cannot count must not go on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, Protocol
from urllib.parse import quote

MEMORY_BYTES_MAX: Final = 256_000_000  # kept by a MemoryStore; beyond, the older half is dropped and filled as gaps
ENTRY_BYTES: Final = 120  # of bookkeeping per kept message, so that small messages count as what they take
NAME_BYTES_MAX: Final = 200  # of a file's name: 255 less what suffixes take
CHUNK: Final = 64  # messages that `read` looks up at once


class MessageStore(Protocol):
    """One session's memory; ``next_out``, ``next_in`` and ``created_ns`` are read directly."""

    next_out: int  # MsgSeqNum of the next message sent
    next_in: int  # MsgSeqNum expected next
    created_ns: int  # when the numbers began at 1, ns since 1970; schedules compare it

    def add(self, message: bytes, keep: bool) -> None:
        """Message number ``next_out`` has been made: count it, and keep it if it may be asked for again."""

    def set_next_in(self, number: int) -> None:
        """The message before `number` has been taken."""

    def set_next_out(self, number: int) -> None:
        """Go on with `number`; what was kept under it and above is forgotten."""

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """The kept messages among `begin` to `end`, ascending, read as they are taken."""

    def reset(self, now_ns: int) -> None:
        """Both numbers 1, nothing kept."""

    def refresh(self) -> None:
        """Read the numbers anew, where another process may have written them."""

    def close(self) -> None:
        """Nothing more is written; closing twice is fine."""


class MemoryStore:
    """A store that lives as long as its object."""

    __slots__ = ("_bytes", "_messages", "_numbers", "bytes_max", "created_ns", "next_in", "next_out")

    def __init__(self, now_ns: int, bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self._numbers: list[int] = []
        self._messages: list[bytes] = []
        self._bytes = 0
        self.next_out = 1
        self.next_in = 1
        self.created_ns = now_ns

    def add(self, message: bytes, keep: bool) -> None:
        """See MessageStore."""
        if keep:
            self._numbers.append(self.next_out)
            self._messages.append(message)
            self._bytes += len(message) + ENTRY_BYTES
            if self._bytes > self.bytes_max:
                self._drop(0, (len(self._numbers) + 1) // 2)
        self.next_out += 1

    def _drop(self, first: int, last: int) -> None:
        self._bytes -= sum(map(len, self._messages[first:last])) + ENTRY_BYTES * (last - first)
        del self._numbers[first:last], self._messages[first:last]

    def set_next_in(self, number: int) -> None:
        """See MessageStore."""
        self.next_in = number

    def set_next_out(self, number: int) -> None:
        """See MessageStore."""
        self._drop(bisect_left(self._numbers, number), len(self._numbers))
        self.next_out = number

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See MessageStore."""
        while True:
            at = bisect_left(self._numbers, begin)  # anew each time: much may have been dropped between two steps
            found = self._numbers[at : at + CHUNK]
            for number, message in zip(found, self._messages[at : at + CHUNK], strict=True):
                if number > end:
                    return
                yield number, message
            if not found:
                return
            begin = found[-1] + 1

    def reset(self, now_ns: int) -> None:
        """See MessageStore."""
        self._numbers.clear()
        self._messages.clear()
        self._bytes = 0
        self.next_out = self.next_in = 1
        self.created_ns = now_ns

    def refresh(self) -> None:
        """See MessageStore."""

    def close(self) -> None:
        """See MessageStore."""

    def statistics(self) -> dict[str, int]:
        """Numbers, and what is kept."""
        return {
            "next_out": self.next_out, "next_in": self.next_in, "kept": len(self._numbers), "bytes": self._bytes,
        }  # fmt: skip


def open_store(text: str, name: str, now_ns: int, sync: bool = False) -> MessageStore:
    """The store that the setting Store names: ``memory``, a directory, or an SQL URL.

    name: the session's (SessionSettings.name); one store serves one session. sync: on the disk before a message
    leaves. Raises JournalError when it cannot be opened, or is in use.
    """
    if text in ("", "memory"):
        return MemoryStore(now_ns)
    if "://" in text:
        from openoutcry.fix.sqlstore import SqlStore

        return SqlStore(text, name, now_ns, sync)
    from openoutcry.fix.filestore import FileStore

    return FileStore(text, name, now_ns, sync)


def file_name(name: str) -> str:
    """A session's name as part of a file's: ``FIX.4.2:A->B`` gives ``FIX.4.2+A=B``; no two names give the same."""
    parts = name.replace("->", "\0").replace(":", "\1").replace("/", "\2")
    quoted = quote(parts, safe="").replace("%00", "=").replace("%01", "+").replace("%02", ",")
    if len(quoted) <= NAME_BYTES_MAX:
        return quoted
    return quoted[: NAME_BYTES_MAX - 33] + "~" + sha256(name.encode()).hexdigest()[:32]
