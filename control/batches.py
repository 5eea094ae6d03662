"""Batches: several verbs in one request, carried out in their order, each with an outcome of its own.

Rule 1. The outcomes are those of the same verbs one after another: a verb sees all that those before it did.
Rule 2. Neighbours of one kind go together: journaled verbs into one frame to the matcher, which takes it as one turn;
        questions to the matcher, many in one. Before another kind begins, the outcomes of the last are awaited.
Rule 3. One request is one key: sent again it is answered from memory, whole, and nothing of it runs twice.
Rule 4. Every verb has an outcome: what there is no time for was not begun, and says so; a value that has no room in the
        reply is left out, and says that the verb was carried out.

The reply's value is a list of ``[error, value]``: error [] or [code, field, text].
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from openoutcry import jsontext, wire
from openoutcry.control import plans
from openoutcry.control.messages import ERROR_TEXT_MAX, VALUE_MAX, Batch, Request
from openoutcry.control.steps import Answer, Ask, Left, Plan, Question, Step, Submit, SubmitAll, unavailable
from openoutcry.errors import VerbError

SHORT: Final = 1_024  # characters kept free for the outcome of each verb that is still to come
CUT_FIELD: Final = 64  # characters of an error's field, when there is no more room ...
CUT_TEXT: Final = 80  # ... and of its text: JSON can make six of each, which is still less than SHORT

Outcome = str | VerbError | None
Run = list[tuple[int, Submit | Question]]
Part = Generator[Step, Any, None]


def make_plan(request: Request | Batch, own: plans.Facts) -> Plan:
    """The plan for any request; `own` returns the control service's own statistics."""
    return plans.make_plan(request, own) if isinstance(request, Request) else _batch(request, own)


def _batch(batch: Batch, own: plans.Facts) -> Plan:
    outcomes: list[Outcome] = [None] * len(batch.requests)
    run: Run = []
    for place, request in enumerate(batch.requests):
        try:
            step = plans.direct(request.verb, plans.checked(request))
        except VerbError as error:
            outcomes[place] = error
        else:
            if run and type(step) is not type(run[0][1]):
                yield from _carry_out(run, outcomes)
                run = []
            if step is not None:
                run.append((place, step))
            elif (yield Left()):
                outcomes[place] = yield from _alone(request, own)
        if batch.stop:
            yield from _carry_out(run, outcomes)
            run = []
            if outcomes[place] is None:
                outcomes[place] = _not_begun()
            if isinstance(outcomes[place], VerbError):
                break
    yield from _carry_out(run, outcomes)
    return _reply(outcomes, batch.stop)


def _alone(request: Request, own: plans.Facts) -> Generator[Step, Any, Outcome]:
    """A verb with a plan of its own."""
    try:
        return (yield from plans.make_plan(request, own))
    except VerbError as error:
        return error


def _carry_out(run: Run, outcomes: list[Outcome]) -> Part:
    """Neighbours of one kind."""
    if not run or not (yield Left()):
        return
    steps = [step for _, step in run]
    places = [place for place, _ in run]
    if isinstance(steps[0], Submit):
        found: list[Outcome] = yield SubmitAll(tuple(step for step in steps if isinstance(step, Submit)))
        if any(
            isinstance(step, Submit) and step.verb in plans.AT_GATEWAYS and not isinstance(outcome, VerbError)
            for step, outcome in zip(steps, found, strict=True)
        ):
            yield from plans.reach_gateways()
    else:
        found = yield from _ask([step for step in steps if isinstance(step, Question)])
    for place, outcome in zip(places, found, strict=True):
        outcomes[place] = outcome


def _ask(questions: list[Question]) -> Generator[Step, Any, list[Outcome]]:
    """Questions to the matcher, many in one; it answers the first of them, as many as have room."""
    found: list[Outcome] = []
    while len(found) < len(questions) and (yield Left()):
        asked = questions[len(found) : len(found) + wire.SEVERAL_MAX]
        several = Question(plans.MATCHER, "several", {"questions": [[one.what, one.argument] for one in asked]})
        answers: list[Answer | None] = yield Ask((several,))
        try:
            rows = plans.body(answers[0])
        except VerbError as error:
            found += [error] * len(asked)
        else:
            found += [_value(Answer(bool(ok), body)) for ok, body in rows] or [unavailable(plans.MATCHER)]
    return found + [None] * (len(questions) - len(found))


def _value(answer: Answer) -> Outcome:
    try:
        return jsontext.text(plans.body(answer))
    except VerbError as error:
        return error


# ------------------------------------------------------------------------------------------------- the reply
def _reply(outcomes: list[Outcome], stop: bool) -> str:
    """All outcomes as one JSON text, which is short enough for a reply."""
    shown: list[str] = []
    room = VALUE_MAX - 2 - SHORT * len(outcomes)
    for outcome in outcomes:
        if outcome is None and stop:
            break  # those after the one that was refused
        text = _shown(outcome if outcome is not None else _not_begun())
        if len(text) > room + SHORT:
            text = _shown(_cut(outcome))
        room -= max(0, len(text) - SHORT)
        shown.append(text)
    return f"[{','.join(shown)}]"


def _shown(outcome: str | VerbError) -> str:
    if isinstance(outcome, str):
        return f"[[],{outcome}]"
    return jsontext.text([[outcome.code, outcome.field[:ERROR_TEXT_MAX], outcome.text[:ERROR_TEXT_MAX]], None])


def _cut(outcome: Outcome) -> VerbError:
    if isinstance(outcome, VerbError):
        return VerbError(outcome.code, outcome.field[:CUT_FIELD], outcome.text[:CUT_TEXT])
    size = len(outcome or "")
    return VerbError("limit", "", f"done, but its answer of {size} characters has no room in the batch's: ask alone")


def _not_begun() -> VerbError:
    return VerbError("unavailable", "", "not begun: the verbs before it took all the time that a request has")
