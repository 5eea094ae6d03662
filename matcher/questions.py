"""What a QUERY is answered with, and with how much of it: questions to the matcher, and those that pass through it.

Rule 1. A question changes nothing, so it is in no journal, and its answer is of the state as it is between two turns.
Rule 2. No answer is longer than a frame takes. Of rows that are too many those that fit come, with how many are left
        out; beside other answers it is all or nothing. Anything else that is too long is the error ``limit``.
Rule 3. Whatever is asked, and however, there is an answer and no exception: what is wrong is ``[code, field, text]``.

What is asked of the loop is here: ``ping peers statistics clock``. What is asked of the exchange is in
openoutcry.matcher.queries; who carries questions and answers is openoutcry.matcher.sequencer.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from openoutcry import jsontext, rows, wire
from openoutcry.errors import VerbError
from openoutcry.matcher import clock

if TYPE_CHECKING:
    from openoutcry.matcher.connection import Connection
    from openoutcry.matcher.sequencer import Sequencer

SEVERAL: Final = "several"  # what is asked when questions come together; it counts as wire.SEVERAL_MAX of them


def reply(loop: Sequencer, asker: Connection, message: tuple[Any, ...]) -> tuple[bytes, bytes] | None:
    """Who gets which frame for a QUERY or a REPLY; None when nobody does."""
    kind, number, to, _, *rest = message
    sender = asker.identity.decode()
    if to == "matcher" and kind == wire.QUERY:
        ok, body = _answer(loop, rest[0], rest[1])
        return asker.identity, wire.frame(wire.REPLY, number, sender, to, ok, body)
    if to.encode() in loop.connections:
        return to.encode(), wire.frame(kind, number, to, sender, *rest)
    if kind == wire.QUERY:
        body = json.dumps(f"{to} is not connected")
        return asker.identity, wire.frame(wire.REPLY, number, sender, to, 0, body)
    return None


def _answer(loop: Sequencer, what: str, argument: str) -> tuple[int, str]:
    try:
        asked = jsontext.parsed(argument) if argument else {}
    except (ValueError, RecursionError):
        asked = None
    return _several(loop, asked) if what == SEVERAL else _judge(loop, what, asked, True)


def _judge(loop: Sequencer, what: Any, asked: Any, alone: bool = False) -> tuple[int, str]:
    """One question. alone: no other has come with it (rule 2)."""
    try:
        if not isinstance(what, str) or not isinstance(asked, dict):
            raise VerbError("bad_argument", "argument", "the argument of a query is a JSON object")
        found = value(loop, what, asked)
        if not alone and what in rows.VERBS and (left := rows.left_out(found)):
            raise VerbError("limit", "", f"there are {left} rows more than come at once: ask for them alone")
        body = jsontext.text(found)
    except VerbError as error:
        return 0, json.dumps([error.code, error.field, error.text])
    if len(body) > wire.TEXT_MAX and alone and what in rows.VERBS and (some := rows.fitting(found, wire.TEXT_MAX)):
        body = jsontext.text(some)
    if len(body) > wire.TEXT_MAX:
        text = f"the answer has {len(body)} characters, at most {wire.TEXT_MAX}"
        text += "; alone, or with a count or skip, it has rows that fit" if what in rows.VERBS and not alone else ""
        return 0, json.dumps(["limit", "", text])
    return 1, body


def _several(loop: Sequencer, asked: Any) -> tuple[int, str]:
    """Questions that came together: ``[ok, body]`` for each of the first, for as many as there is room."""
    questions = asked.get("questions") if isinstance(asked, dict) else None
    if not isinstance(questions, list) or not all(isinstance(q, list) and len(q) == 2 for q in questions):
        return 0, json.dumps(["bad_argument", "questions", "questions are a list of [what, argument]"])
    texts: list[str] = []
    room = wire.TEXT_MAX - 2
    for what, argument in questions[: wire.SEVERAL_MAX]:
        ok, body = _judge(loop, what, argument)
        if len(body) + 5 > room:
            if texts:
                break
            ok, body = 0, json.dumps(["limit", "", f"the answer has {len(body)} characters, which is too many"])
        texts.append(f"[{ok},{body}]")
        room -= len(body) + 5
    return 1, f"[{','.join(texts)}]"


# ------------------------------------------------------------------------------------------------- what is known here
def value(loop: Sequencer, what: str, argument: dict[str, Any]) -> Any:
    """What a question asks for, made of JSON types. Raises VerbError."""
    if what == "ping":
        return {"pid": os.getpid(), "turns": loop.counters["turns"], "sequence": loop.machine.sequence}
    if what == "peers":
        return _peers(loop)
    if what == "statistics":
        return _statistics(loop)
    if what == "clock":
        return clock.row(loop.machine.clock, loop.now_ns())
    return loop.machine.query(what, argument)


def _peers(loop: Sequencer) -> list[dict[str, Any]]:
    """The peers that have said HELLO in this life."""
    return [
        {"name": c.identity.decode(), "role": wire.ROLES[loop.machine.peers[c.identity.decode()].role],
         "generation": c.generation, "last_command": c.last_command, "sent": c.sent, "acked": c.acked,
         "end": loop.machine.streams[c.stream].end}
        for c in loop.connections.values() if c.generation
    ]  # fmt: skip


def _statistics(loop: Sequencer) -> dict[str, Any]:
    """Counters of the loop, the journal and the machine."""
    return {
        **loop.counters,
        "epoch": loop.machine.epoch,
        "sequence": loop.machine.sequence,
        "record": loop.record,
        "streams": {name: stream.end for name, stream in loop.machine.streams.items()},
        "journal": loop.journal.statistics(),
        "machine": loop.machine.query("statistics", {}),
    }
