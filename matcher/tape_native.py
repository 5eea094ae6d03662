"""The tape of the compiled matcher: see tape.py, whose place it takes in the compiled package. Never run interpreted.

Invariant: the events are those whose bytes are in ``_out`` (`_packed` of them), and then the tuples in ``_late``. A
hot event is written to ``_out``; any other waits in ``_late`` as it is, so that the general path can look back at what
it has just said (openoutcry.matcher.submit); it is packed when a hot event, or the frame, needs it to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, final

import msgpack
from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64, u8

from openoutcry import wire

Event = tuple[Any, ...]
NATIVE: Final = True

# The first byte of a msgpack array of so many places, and of the numbers and bytes in it.
ARRAY_5: Final = 0x95
ARRAY_6: Final = 0x96
ARRAY_8: Final = 0x98
ARRAY_9: Final = 0x99
ARRAY_11: Final = 0x9B
UINT_8: Final = 0xCC
UINT_16: Final = 0xCD
UINT_32: Final = 0xCE
UINT_64: Final = 0xCF
BYTES: Final = 0xC4  # up to 255 of them
BYTES_16: Final = 0xC5  # up to 65,535


def _number(out: BytesWriter, value: i64) -> None:
    """A number that is not negative, in as few bytes as there can be."""
    if value < 0x80:
        out.append(u8(value))
    elif value < 0x10000:
        if value < 0x100:
            out.append(UINT_8)
            out.append(u8(value))
        else:
            out.append(UINT_16)
            write_i16_be(out, i16(value))
    elif value < 0x100000000:
        out.append(UINT_32)
        write_i32_be(out, i32(value))
    else:
        out.append(UINT_64)
        write_i64_be(out, value)


def _bytes(out: BytesWriter, value: bytes) -> None:
    size: i64 = len(value)
    if size < 0x100:
        out.append(BYTES)
        out.append(u8(size))
    else:  # a token or client data, so never more than wire.CLIENT_DATA_MAX
        out.append(BYTES_16)
        write_i16_be(out, i16(size))
    out.write(value)


@final
class Tape:
    """See the module. The methods are those of tape.py."""

    def __init__(self, events: Iterable[Event] = (), loose: bool = False) -> None:
        self._out = BytesWriter()
        self._packed: i64 = 0
        self._late: list[Event] = list(events)
        self._loose = loose
        self._slow = loose or len(self._late) > 0  # a hot event cannot simply be written

    # --------------------------------------------------------------------------------------------- hot events
    # A side, a state, a liquidity and a reason are below 128 (openoutcry.wire), and so one byte.
    def accepted(self, event: tuple[int, int, bytes, int, int, int, int, int, bytes]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_9)
        out.append(u8(event[0]))
        _number(out, event[1])
        _bytes(out, event[2])
        _number(out, event[3])
        out.append(u8(event[4]))
        _number(out, event[5])
        _number(out, event[6])
        out.append(u8(event[7]))
        _bytes(out, event[8])
        self._packed += 1

    def replaced(self, event: tuple[int, int, bytes, bytes, int, int, int, int, int, bytes, bytes]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_11)
        out.append(u8(event[0]))
        _number(out, event[1])
        _bytes(out, event[2])
        _bytes(out, event[3])
        _number(out, event[4])
        out.append(u8(event[5]))
        _number(out, event[6])
        _number(out, event[7])
        out.append(u8(event[8]))
        _bytes(out, event[9])
        _bytes(out, event[10])
        self._packed += 1

    def executed(self, event: tuple[int, int, bytes, int, int, int, int, int, int]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_9)
        out.append(u8(event[0]))
        _number(out, event[1])
        _bytes(out, event[2])
        _number(out, event[3])
        _number(out, event[4])
        out.append(u8(event[5]))
        _number(out, event[6])
        _number(out, event[7])
        _number(out, event[8])
        self._packed += 1

    def canceled(self, event: tuple[int, int, bytes, int, int, int]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_6)
        out.append(u8(event[0]))
        _number(out, event[1])
        _bytes(out, event[2])
        _number(out, event[3])
        out.append(u8(event[4]))
        _number(out, event[5])
        self._packed += 1

    def added(self, event: tuple[int, int, int, int, int, int]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_6)
        out.append(u8(event[0]))
        _number(out, event[1])
        _number(out, event[2])
        _number(out, event[3])  # of ADDED the side, of ORDER_REPLACED the new number
        _number(out, event[4])
        _number(out, event[5])
        self._packed += 1

    def traded(self, event: tuple[int, int, int, int, int, int, int, int]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_8)
        out.append(u8(event[0]))
        _number(out, event[1])
        _number(out, event[2])
        _number(out, event[3])
        _number(out, event[4])
        _number(out, event[5])
        out.append(u8(event[6]))
        _number(out, event[7])
        self._packed += 1

    def reduced(self, event: tuple[int, int, int, int, int]) -> None:
        if self._slow and not self._make_way():
            self._late.append(event)
            return
        out = self._out
        out.append(ARRAY_5)
        out.append(u8(event[0]))
        _number(out, event[1])
        _number(out, event[2])
        _number(out, event[3])
        _number(out, event[4])
        self._packed += 1

    def _make_way(self) -> bool:
        """Pack what waits, so that a hot event can be written after it; False when this tape is a list."""
        if self._loose:
            return False
        self._pack()
        return True

    # --------------------------------------------------------------------------------------------- frames
    def frame(self, epoch: int, first_event: int, time_ns: int) -> bytes:
        self._pack()
        # The frame without its last field, the array of the events: that has one place more, and comes after it.
        head = wire.frame(wire.EV, epoch, first_event, time_ns)
        front = BytesWriter()
        front.append(u8(head[0] + 1))
        front.write(head[1:])
        count = self._packed
        if count < 16:
            front.append(u8(0x90 + count))
        elif count < 0x10000:
            front.append(0xDC)
            write_i16_be(front, i16(count))
        else:
            front.append(0xDD)
            write_i32_be(front, i32(count))
        return front.getvalue() + self._out.getvalue()

    def part(self, first: int, last: int) -> Tape:
        return Tape(self._list()[first:last])

    def _pack(self) -> None:
        if self._late:
            for event in self._late:
                self._out.write(wire.pack(event))
            self._packed += len(self._late)
            self._late = []
        self._slow = self._loose

    # --------------------------------------------------------------------------------------------- as a list
    def _list(self) -> list[Event]:
        """All events as tuples: those that were bytes are so no longer."""
        if self._packed:
            count = int(self._packed)
            data = b"\xdd" + count.to_bytes(4, "big") + self._out.getvalue()  # as one array
            found: list[Event] = list(msgpack.unpackb(data, use_list=False, raw=False))
            self._late[0:0] = found
            self._out.truncate(0)
            self._packed = 0
            self._slow = True
        return self._late

    def append(self, event: Event) -> None:
        self._late.append(event)
        self._slow = True

    def extend(self, events: Iterable[Event]) -> None:
        self._late.extend(events)
        self._slow = True

    def insert(self, index: int, event: Event) -> None:
        at = index - self._packed
        if index < 0 or at < 0:
            self._list().insert(index, event)
        else:
            self._late.insert(at, event)
        self._slow = True

    def clear(self) -> None:
        self._out.truncate(0)
        self._packed = 0
        self._late = []
        self._slow = self._loose

    def __len__(self) -> int:
        return self._packed + len(self._late)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._list())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int):
            at = index - self._packed
            if index < 0 and -index <= len(self._late):
                return self._late[index]
            if index >= 0 and at >= 0:
                return self._late[at]
        return self._list()[index]

    def __setitem__(self, index: Any, event: Any) -> None:
        at = index - self._packed if isinstance(index, int) and index >= 0 else -1
        if at >= 0:
            self._late[at] = event
        elif isinstance(index, int) and index < 0 and -index <= len(self._late):
            self._late[index] = event
        else:
            self._list()[index] = event

    def __delitem__(self, index: Any) -> None:
        del self._list()[index]

    def __contains__(self, event: object) -> bool:
        return event in self._list()

    def __eq__(self, other: object) -> bool:
        return self._list() == (other._list() if isinstance(other, Tape) else other)

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'Tape'")

    def __repr__(self) -> str:
        return repr(self._list())
