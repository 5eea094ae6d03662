"""The steps of a plan: what it can need before it goes on, and with what it is resumed.

A plan is a generator that the desk (openoutcry.control.desk) carries forward: it yields one of these, and ends with the
JSON text of a reply, or with a VerbError. A step never blocks anybody: the plan rests until there is an answer, or no
more time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from openoutcry.errors import VerbError


class Question(NamedTuple):
    """A QUERY for a process: its name, what, and the argument."""

    to: str
    what: str
    argument: dict[str, Any]


class Answer(NamedTuple):
    """A process's REPLY: ``ok`` and its parsed JSON body."""

    ok: bool
    body: Any


class Ask(NamedTuple):
    """Yielded by a plan: ask these and wait at most ``patience_ns``; resumed with an Answer or None for each.

    patience_ns: None for as long as the request may take. relay: the body of an answer that is ok stays JSON text, for
    a plan that hands it on as it is.
    """

    questions: tuple[Question, ...]
    patience_ns: int | None = None
    relay: bool = False


class Submit(NamedTuple):
    """Yielded by a plan: journal this verb; resumed with its value as JSON text, or VerbError."""

    verb: str
    arguments: tuple[Any, ...]


class SubmitAll(NamedTuple):
    """Yielded by a plan: journal these verbs, in this order; resumed with a JSON text or a VerbError for each."""

    submits: tuple[Submit, ...]


class Left(NamedTuple):
    """Yielded by a plan: resumed at once, with whether there is time for another step."""


class Once(NamedTuple):
    """Yielded by a plan: resumed at once, with a key for what must not be done twice; the reply is then remembered.

    It is the same when the request is sent again, also to a later life of the service.
    """


class Work(NamedTuple):
    """Yielded by a plan: run this in a worker thread; resumed with what it returns."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Pause(NamedTuple):
    """Yielded by a plan: go on after this long; resumed with None."""

    ns: int


Step = Ask | Submit | SubmitAll | Work | Pause | Left | Once
Plan = Generator[Step, Any, str]


def unavailable(what: str, in_doubt: bool = False) -> VerbError:
    """The error for silence. `in_doubt`: it was sent, and may still be carried out."""
    text = f"{what} did not answer in time"
    text += "; the verb was sent and may still be carried out" if in_doubt else "; nothing was changed"
    return VerbError("unavailable", "", text + ". See `openoutcry status`")
