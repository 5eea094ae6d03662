"""Batch: verbs that are collected, sent together, and carried out in their order; the results come after.

::

    with control.batch() as batch:                       # ControlClient.batch, Exchange.batch
        batch.create_book("aapl", "main", "AAPL")
        batch.set_book_property("aapl", "tick_size", "0.01")
        depth = batch.depth("aapl")
    print(depth.value)                                   # known from here on

Nothing is sent before the block ends, and nothing at all when it ends with an exception. A verb that is refused does
not keep those after it from being carried out, unless the batch is made with ``stop=True``; the first error is raised
when all is done, unless with ``raises=False``. However many verbs there are, they go in requests of a size that the
service takes (openoutcry.control.batches), one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from openoutcry.control import messages
from openoutcry.errors import VerbError
from openoutcry.verbs import VERBS

CarryOut = Callable[[list[bytes], bool], Iterator[tuple[VerbError | None, Any]]]

_NOT_YET: Final = "{} has not been carried out: the results of a batch are there when its block has ended"
_LEFT_OUT: Final = "{} was left out: a verb before it was refused"


class Outcome:
    """What became of one verb of a batch."""

    __slots__ = ("_error", "_value", "settled", "verb")

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.settled = False
        self._error: VerbError | None = None
        self._value: Any = None

    def settle(self, error: VerbError | None, value: Any = None) -> None:
        """Take the outcome; the batch does."""
        self.settled = True
        self._error = error
        self._value = value

    @property
    def error(self) -> VerbError | None:
        """The error with which it was refused, was left out, or waits to be carried out; else None."""
        if not self.settled:
            return VerbError("wrong_state", "", _NOT_YET.format(self.verb))
        return self._error

    @property
    def value(self) -> Any:
        """What the verb returned. Raises VerbError when it was refused, or has not been carried out."""
        if (error := self.error) is not None:
            raise error
        return self._value

    def __repr__(self) -> str:
        return f"<{self.verb}: {self.error or repr(self._value)}>"


class Batch:
    """See the module. results: the outcomes, in the order of the verbs.

    carry_out: ControlClient.carry_out. plain: makes of an argument what is sent; shown: of a value what is returned.
    """

    def __init__(
        self, carry_out: CarryOut, stop: bool = False, raises: bool = True,
        plain: Callable[[Any], Any] | None = None, shown: Callable[[Any], Any] | None = None,
    ) -> None:  # fmt: skip
        self._carry_out = carry_out
        self._stop = stop
        self._raises = raises
        self._plain = plain
        self._shown = shown
        self._parts: list[bytes] = []
        self.results: list[Outcome] = []

    if TYPE_CHECKING:  # the methods are made from the table, below

        def __getattr__(self, verb: str) -> Callable[..., Outcome]: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.carry_out()

    def __len__(self) -> int:
        return len(self.results)

    def call(self, verb: str, /, *arguments: Any, **named: Any) -> Outcome:
        """Add one verb. Raises VerbError when an argument is of a kind that cannot be sent."""
        if self._plain is not None:
            arguments = tuple(map(self._plain, arguments))
            named = {name: self._plain(value) for name, value in named.items()}
        self._parts.append(messages.encode_part(verb, arguments, named))
        outcome = Outcome(verb)
        self.results.append(outcome)
        return outcome

    def carry_out(self) -> None:
        """Send what has been added since the last time; the end of the block does. Raises VerbError, ClusterError."""
        parts, self._parts = self._parts, []
        settled = self.results[len(self.results) - len(parts) :]
        rest = iter(settled)
        for error, value in self._carry_out(parts, self._stop):
            next(rest).settle(error, self._shown(value) if self._shown is not None else value)
        for outcome in rest:
            outcome.settle(VerbError("wrong_state", "", _LEFT_OUT.format(outcome.verb)))
        if self._raises:
            self._raise_first(settled)

    def _raise_first(self, settled: list[Outcome]) -> None:
        for place, outcome in enumerate(settled, 1):
            if (error := outcome.error) is not None:
                error.add_note(f"this was verb {place} of the {len(settled)} of a batch: {outcome.verb}")
                raise error


def _method(verb: str) -> Callable[..., Outcome]:
    def method(self: Batch, /, *arguments: Any, **named: Any) -> Outcome:
        return self.call(verb, *arguments, **named)

    method.__name__ = verb
    method.__doc__ = f"Add {verb}; its arguments are those of ControlClient.{verb}."
    return method


for _verb in VERBS:
    setattr(Batch, _verb, _method(_verb))
