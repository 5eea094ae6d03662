"""The events of one stream in one turn, in their order, until they are packed into a frame.

A tape is a list of the tuples of openoutcry.wire, and everything that works on a list works on it. The hot events have
a method of their own beside ``append`` (``accepted``, ``executed``, ``added`` ...), because there are two tapes:

* this one, of the interpreted matcher: a list, all of whose methods for events are ``list.append``;
* the one of the compiled matcher (tape_native.py takes the place of this module there): its methods write the bytes of
  the frame at once, so that the hot events never exist as tuples; who looks at it gets them made from the bytes.

Rule. Both give the same frames and look the same from outside: tests/test_tape.py compares them with wire.frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire

Event = tuple[Any, ...]
NATIVE: Final = False  # whether this is the tape of the compiled matcher


class Tape(list[Event]):
    """See the module. loose: stays a list everywhere, as it is looked at more often than packed (desks)."""

    __slots__ = ()

    def __init__(self, events: Iterable[Event] = (), loose: bool = False) -> None:
        super().__init__(events)

    if TYPE_CHECKING:
        # In the places of wire.PRIVATE_EVENTS and wire.PUBLIC_EVENTS, the kind first. Numbers are not negative.
        def accepted(self, event: tuple[int, int, bytes, int, int, int, int, int, bytes]) -> None: ...
        def replaced(self, event: tuple[int, int, bytes, bytes, int, int, int, int, int, bytes, bytes]) -> None: ...
        def executed(self, event: tuple[int, int, bytes, int, int, int, int, int, int]) -> None: ...
        def canceled(self, event: tuple[int, int, bytes, int, int, int]) -> None: ...
        def added(self, event: tuple[int, int, int, int, int, int]) -> None: ...  # ORDER_REPLACED as well
        def traded(self, event: tuple[int, int, int, int, int, int, int, int]) -> None: ...
        def reduced(self, event: tuple[int, int, int, int, int]) -> None: ...
    else:
        accepted = replaced = executed = canceled = added = traded = reduced = list.append

    def frame(self, epoch: int, first_event: int, time_ns: int) -> bytes:
        """An EV frame with all events, the first of them numbered `first_event`."""
        return wire.frame(wire.EV, epoch, first_event, time_ns, self)

    def part(self, first: int, last: int) -> Tape:
        """A tape of its events from place `first` on and before `last`."""
        return Tape(self[first:last])
