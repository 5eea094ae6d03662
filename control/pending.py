"""What is kept of a request under way (``Pending``), and of how much a client has under way (``Load``).

Invariant: NONE is never changed. Most requests have one step with one thing to wait for, so all of them share it for
what they have none of. What is done with a request, and when, is the desk's alone (openoutcry.control.desk).
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Final

from openoutcry.control.steps import Answer, Plan, Question
from openoutcry.errors import VerbError

Envelope = tuple[bytes, ...]
Command = tuple[Any, ...]
Key = tuple[Envelope, int, bytes]  # client, request id, the request itself when it is short, else a digest of it
NONE: Final[dict[int, Any]] = {}  # stays empty


class Load:
    """How many requests are under way, and how many verbs are in them: of one client, or of all."""

    __slots__ = ("requests", "verbs")

    def __init__(self) -> None:
        self.requests = self.verbs = 0


class Pending:
    """One request under way, and the step at which its plan is.

    client: what all of its client are. verbs: how many it is of. keys: how many it has had, for what is done once.
    Ask: questions by number; answers: those that have come; relay: they are the matcher's text as it is.
    Submit: outcomes by number, None for those that wait; waiting: how many these are; alone: there is one, whose error
    the plan gets raised; unsent: commands that the Link could not take yet.
    A step that needs one of the dictionaries or the list puts one of its own in its place.
    """

    __slots__ = (
        "alone", "answers", "asked_ns", "client", "deadline_ns", "future", "journaled", "key", "keys", "outcomes",
        "paused", "plan", "questions", "relay", "step_deadline_ns", "unsent", "verbs", "waiting",
    )  # fmt: skip

    def __init__(self, key: Key, client: Load, plan: Plan, deadline_ns: int, verbs: int) -> None:
        self.key = key
        self.client = client
        self.plan = plan
        self.deadline_ns = self.step_deadline_ns = deadline_ns
        self.verbs = verbs
        self.keys = self.waiting = self.asked_ns = 0
        self.journaled = self.paused = self.relay = False
        self.alone = True
        self.questions: dict[int, Question] = NONE
        self.answers: dict[int, Answer] = NONE
        self.outcomes: dict[int, str | VerbError | None] = NONE
        self.unsent: list[Command] = []
        self.future: Future[Any] | None = None
