"""What a FIX session is told later, twice or never, because a policy of its engine says so.

Rule. What has happened is taken in when it happens, so CumQty and all else that reports say stays right, whatever
      becomes of the report: the messages that an event makes are kept as they are (WITHHELD), and emitted when SPOKEN
      says so. Drop copies are other sessions' and come as always.

What is kept is part of the application's ``Book``: a function of the events, and in its dumps.
"""

from __future__ import annotations

from openoutcry import wire
from openoutcry.gateway.fix.part import Event, Events, Part


class Withheld(Part):
    """See the module."""

    def events(self) -> Events:
        """See Part."""
        return {wire.WITHHELD: self._withhold, wire.SPOKEN: self._speak}

    def _withhold(self, event: Event, time_ns: int) -> None:
        """An event happens; what it makes the session say is kept."""
        _, _, number, packed = event
        app, kept = self._app, []

        def keep(kind: bytes, body: bytes, store: bool = True, extra: tuple[tuple[int, bytes], ...] = ()) -> None:
            kept.append((kind, body, store, extra))

        emit, app.emit = app.emit, keep
        try:
            app.event(wire.unpack(packed), time_ns)
        finally:
            app.emit = emit
        if number:
            self._book.kept[number] = kept

    def _speak(self, event: Event, time_ns: int) -> None:
        """What was kept is said now (times 1), and forgotten with the last time."""
        _, _, number, times, last = event
        if times:
            for message in self._book.kept.get(number, ()):
                self._app.emit(*message)
        if last:
            self._book.kept.pop(number, None)
