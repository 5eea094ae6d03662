"""Sending again what was asked for: kept messages as possible duplicates, and gap fills for the others.

Invariant: every number of the range is accounted for exactly once, in ascending order, and nothing beyond it. Messages
are read as they are written, so a request for a million of them takes no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from openoutcry.fix.store import MessageStore

RESEND_MESSAGES: Final = 256  # written in one go; then the loop sees to the other sessions
RESEND_BYTES: Final = 256_000  # the same in bytes: about what a socket takes at once

Gap = Callable[[int, int], bytes]  # (number, new number) -> a SequenceReset that fills the gap; b"": say nothing
Again = Callable[[bytes], bytes]  # a kept message -> what is written


def run(store: MessageStore, begin: int, end: int, again: Again, gap: Gap) -> Iterator[bytes]:
    """What answers a request for `begin` to `end`, both included."""
    expected = begin
    for number, message in store.read(begin, end):
        if number > expected:
            yield gap(expected, number)
        yield again(message)
        expected = number + 1
    if expected <= end:
        yield gap(expected, end + 1)
