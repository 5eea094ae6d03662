"""What the journal holds: a turn's inputs, how each is applied to the machine, and what comes of it.

Invariant: the living matcher, its recovery and the audit apply inputs and number events through this one module, so
that they cannot differ. An input is the name of the peer that sent a frame, and the frame as it came (HELLO of a new
generation, or CMD); what no peer sent (timers, what completes a change of the clock, the epoch record of each life) is
kept under the empty name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgpack

from openoutcry import wire
from openoutcry.errors import JournalError, WireError
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.records import Turn
from openoutcry.matcher.tape import Tape

TIMER: Final = b"T"
ARRIVED: Final = b"A"
STARTED: Final = b"C"
_LOADED: Final = b"P"
_EPOCH: Final = b"E"

Input = tuple[str, bytes]


def epoch_input(epoch: int) -> Input:
    """The record with which a life of the matcher begins."""
    return "", b"%s%d" % (_EPOCH, epoch)


def started_input(host_ns: int) -> Input:
    """The clock goes on when the host's time is `host_ns`."""
    return "", b"%s%d" % (STARTED, host_ns)


def loaded_input(group: str, name: str, path: str, error: str) -> Input:
    """What was found out about a plugin (openoutcry.matcher.pluginload)."""
    packed: bytes = msgpack.packb((group, name, path, error))
    return "", _LOADED + packed


def encode_inputs(inputs: Sequence[Input]) -> bytes:
    """A turn's inputs as the journal keeps them."""
    packed: bytes = msgpack.packb(inputs)
    return packed


def decode_inputs(payload: bytes) -> list[Input]:
    """The reverse of ``encode_inputs``. Raises JournalError when the payload is of another format."""
    try:
        return [(name, data) for name, data in msgpack.unpackb(payload, use_list=False, raw=False)]
    except Exception as error:
        raise JournalError(f"a journal record does not hold inputs: {error}") from None


def apply_input(machine: Machine, name: str, data: bytes, time_ns: int, message: tuple[Any, ...] | None = None) -> None:
    """Apply one journaled input; `message` is `data` decoded, when the caller has that already."""
    if not name:
        if data == TIMER:
            machine.timer(time_ns)
        elif data == ARRIVED:
            machine.arrived(time_ns)
        elif data[:1] == STARTED:
            machine.started(int(data[1:]), time_ns)
        elif data[:1] == _LOADED:
            group, plugin, path, error = msgpack.unpackb(data[1:])
            machine.loaded(group, plugin, path, error, time_ns)
        elif data[:1] == _EPOCH:
            machine.begin_epoch(int(data[1:]), time_ns)
        else:
            raise JournalError(f"unknown input {data[:16]!r} in the journal")
        return
    if message is None:
        message = _decode(data)
    if message[0] == wire.CMD:
        machine.apply(name, message[2], message[4], time_ns)
    else:
        machine.hello(name, message[2], message[3], time_ns)


def _decode(data: bytes) -> tuple[Any, ...]:
    """A frame out of the journal. Raises JournalError: it was checked when it came, so another program wrote it."""
    try:
        return wire.decode_frame(data)
    except WireError as error:
        raise JournalError(
            f"the journal holds what this program does not read ({error}): start with an empty directory, or go on "
            "with the program that wrote it"
        ) from None


class FrameSink(Protocol):
    """Where a stream's frames go: its history (StreamLogs), or, in an audit, a hash of it."""

    def append(self, name: str, first_event: int, count: int, frame: bytes) -> None:
        """Take one frame."""


def collect_frames(machine: Machine, logs: FrameSink) -> None:
    """Number and pack the events that the last inputs made, and put the frames into their streams' history."""
    for name, stream in machine.streams.items():
        if stream.events:
            _pack(machine, logs, name, stream.end + 1, stream.events)
            stream.end += len(stream.events)
            stream.events.clear()


def _pack(machine: Machine, logs: FrameSink, name: str, first: int, events: Tape) -> None:
    if len(events) <= wire.EVENTS_MAX:
        data = events.frame(machine.epoch, first, machine.time_ns)
        if len(data) <= wire.FRAME_MAX:
            logs.append(name, first, len(events), data)
            return
    half = len(events) // 2
    _pack(machine, logs, name, first, events.part(0, half))
    _pack(machine, logs, name, first + half, events.part(half, len(events)))


def replay(machine: Machine, logs: FrameSink, turns: Iterable[Turn]) -> int:
    """Apply journaled turns; returns how many commands they held."""
    before = machine.sequence
    for turn in turns:
        for name, data in decode_inputs(turn.payload):
            apply_input(machine, name, data, turn.time_ns)
        collect_frames(machine, logs)
    return machine.sequence - before
