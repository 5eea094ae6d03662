"""How an exchange of one's own carries out verbs: ``call``, ``batch``, and the verbs that look at any of its things.

Every verb of the table (openoutcry.verbs) is a method of Exchange, with the table's arguments in the table's order, and
hands them to ``call``. The methods are in the base classes of Exchange, by what they are about: here what holds for
everything, in openoutcry.exchange_market the market and its operators, in openoutcry.exchange_orders orders and trades,
in openoutcry.exchange_sessions clients' sessions. The life of the processes is in openoutcry.exchange.

Invariant: one verb at a time, whatever the threads. An error says as well which parts have died meanwhile.
"""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from openoutcry import parts, records
from openoutcry.errors import ClusterError, OpenOutcryError, VerbError
from openoutcry.handles import Handle, name_of

if TYPE_CHECKING:
    from openoutcry.clients.batch import Batch
    from openoutcry.clients.control import ControlClient
    from openoutcry.exchange import Exchange

FORKED: Final = "this exchange belongs to the process that this one was forked from; its TCP ports can be used here"

Price = str | int  # "10.05"; an int is whole units of the currency
Rows = records.Records


class Verbs:
    """What can be asked of any exchange. Exchange is the only one that is made: handles belong to it."""

    def __init__(self) -> None:
        self._parts: parts.Parts | None = None  # the processes, from the start on; they are there after the end, too
        self._control: ControlClient | None = None  # where verbs go, while they can go anywhere
        self._lock = threading.RLock()

    def _running(self) -> parts.Parts:
        if self._parts is None:
            raise ClusterError("this exchange has not been started")
        return self._parts

    def _obituaries(self) -> str:
        """What happened to parts that ended by themselves; "" when none did."""
        if self._parts is None:
            return ""
        try:
            return "\n".join(self._parts.obituary(part) for part in self._parts.died())
        except ClusterError as error:
            return str(error)

    @property
    def _exchange(self) -> Exchange:
        """What handles belong to: this, by its full type, which no base class of it can know."""
        return cast("Exchange", self)

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """Carry out any control verb; returns its value. Raises VerbError; ClusterError when control is silent."""
        plain = [name_of(a) if isinstance(a, Handle) else a for a in arguments]
        named = {key: name_of(a) if isinstance(a, Handle) else a for key, a in named.items()}
        with self._lock:
            control = self._service()
            try:
                return records.of(control.call(verb, *plain, **named))
            except OpenOutcryError as error:
                if died := self._obituaries():
                    error.add_note(died)
                raise

    def _service(self) -> ControlClient:
        """Where verbs go. Raises ClusterError."""
        if self._control is None:
            raise ClusterError("this exchange is not running: it has been stopped, or was never started")
        if self._running().owner != os.getpid():
            raise ClusterError(FORKED)
        return self._control

    def batch(self, stop: bool = False, raises: bool = True) -> Batch:
        """Collect verbs, to send them together when the ``with`` block ends; each answers with an Outcome.

        stop: leave out what comes after the first that is refused. raises: raise the first error at the end. See
        openoutcry.clients.batch.
        """
        from openoutcry.clients.batch import Batch

        return Batch(self._carry_out, stop, raises, lambda one: name_of(one) if isinstance(one, Handle) else one,
                     records.of)  # fmt: skip

    def _carry_out(self, parts: builtins.list[bytes], stop: bool) -> Iterator[tuple[VerbError | None, Any]]:
        with self._lock:
            control = self._service()
            try:
                yield from control.carry_out(parts, stop)
            except OpenOutcryError as error:
                if died := self._obituaries():
                    error.add_note(died)
                raise

    # ------------------------------------------------------------------------------------- looking
    def status(self) -> records.Record:
        """Whether everything is connected and moving, with processes and endpoints."""
        found: records.Record = self.call("status")
        return found

    def statistics(self) -> records.Record:
        """Counters of every part."""
        found: records.Record = self.call("statistics")
        return found

    def describe(self, name: str | Handle, kind: str = "book", of: str | Handle | None = None) -> records.Record:
        """Everything about one thing, with all its properties (``explained``): type, default, meaning, value.

        kind: one of openoutcry.verbs.DESCRIBED. of: the desk of an order or quote, the endpoint of a session, the
        engine of a policy or desk.
        """
        found: records.Record = self.call("describe", name, kind, of)
        return found

    def state_hash(self) -> records.Record:
        """Hash of the matcher's state and the sequence number it belongs to."""
        found: records.Record = self.call("state_hash")
        return found

    def list(self, kind: str, skip: int = 0) -> Any:
        """Everything of one kind: one of openoutcry.verbs.LISTS. The first ``skip`` rows are left out."""
        return self.call("list", kind, skip)
