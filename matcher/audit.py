"""The audit: replay a journal from its first record into a fresh machine, and say what came of it.

It reads and never writes, so it can be run beside a living matcher (it then sees what was journaled when it
started). Two audits of one journal print the same, on any machine; the state hash at a sequence number is the one
that the living matcher gives for that number (``openoutcry ctl state_hash``).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openoutcry import wire
from openoutcry.errors import JournalError
from openoutcry.matcher.inputs import decode_inputs, replay
from openoutcry.matcher.machine import Machine
from openoutcry.matcher.records import Turn, list_segments
from openoutcry.matcher.scan import Scan


class StreamHashes:
    """Takes the place of the streams' history: keeps a hash of every stream's frames instead of the frames."""

    def __init__(self) -> None:
        self.events: dict[str, int] = {}
        self._hashes: dict[str, Any] = {}

    def append(self, name: str, first_event: int, count: int, frame: bytes) -> None:
        """Count one frame in."""
        self._hashes.setdefault(name, blake2b(digest_size=16)).update(frame)
        self.events[name] = first_event + count - 1

    def digests(self) -> dict[str, dict[str, Any]]:
        """{stream: {"events": number of the last event, "hash": of all its frames, in order}}."""
        return {
            name: {"events": self.events[name], "hash": self._hashes[name].hexdigest()} for name in sorted(self.events)
        }


def audit(directory: Path) -> dict[str, Any]:
    """Replay the journal in ``directory/journal``; raises JournalError where it is damaged, or when there is none."""
    if not list_segments(directory / "journal"):
        raise JournalError(f"{directory / 'journal'} holds no journal: is {directory} the directory of an exchange?")
    machine, hashes, records = Machine(), StreamHashes(), 0
    for turn in Scan(directory / "journal"):
        replay(machine, hashes, [turn])
        records += 1
    return {"records": records, "sequence": machine.sequence, "epoch": machine.epoch, "time_ns": machine.time_ns,
            "state_hash": machine.state_hash(), "streams": hashes.digests()}  # fmt: skip


def describe(found: dict[str, Any]) -> str:
    """What ``audit`` found, for people."""
    lines = [
        f"{found['records']:,} records, {found['sequence']:,} inputs, {found['epoch']} lives of the matcher; intact",
        f"state hash {found['state_hash']}",
    ]
    for name, stream in found["streams"].items():
        lines.append(f"stream {name}: {stream['events']:,} events, hash {stream['hash']}")
    return "\n".join(lines)


def commands(directory: Path) -> Iterator[tuple[Turn, str, tuple[Any, ...]]]:
    """Every command of the journal in order: (its turn, the peer it came from, the command as in openoutcry.wire).

    Commands that a peer sent twice within overlapping frames appear once: what the matcher dropped is dropped here.
    """
    last: dict[str, int] = {}
    for turn in Scan(directory / "journal"):
        for name, data in decode_inputs(turn.payload):
            if not name:
                continue
            message = wire.decode_frame(data)
            if message[0] == wire.HELLO:
                last[name] = 0
                continue
            first, batch = message[2], message[4]
            for command in batch[max(0, last[name] + 1 - first) :]:
                yield turn, name, command
            last[name] = first + len(batch) - 1
