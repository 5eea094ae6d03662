"""The times in messages: when an event was, and what a step that names a day means on another one.

Rule. A message of a scenario does not say when it was sent or made (TransactTime): an event has its moment, ``at``, and
      a step its own. What it says about a time to come (ExpireTime, ExpireDate, a verb's `expire`) is meant as written
      when the scenario's beginning is, and moves with it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from openoutcry.fix.times import parse_stamp, stamp
from openoutcry.scenarios.model import SECOND_NS, Message, Step

DAY_NS: Final = 86_400 * SECOND_NS
TRANSACT_TIME: Final = "TransactTime"
EXPIRE_TIME: Final = "ExpireTime"
EXPIRE_DATE: Final = "ExpireDate"
_OF_DAY: Final = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")


def desk_message(row: Message) -> Message:
    """What a desk was told, as a message: its kind is its MsgType."""
    return {"MsgType": row["kind"], **{k: v for k, v in row.items() if k not in ("kind", "number", "session")}}


def without_time(message: Message) -> Message:
    """A message without its TransactTime."""
    message.pop(TRANSACT_TIME, None)
    return message


def moment_of(message: Message, start_ns: int, now: int) -> int:
    """When a message says that it was, in ns from the start, and no longer says it.

    `now` when it does not say, when that may be now as exactly as it is said, or when it cannot be.
    """
    text = message.pop(TRANSACT_TIME, None)
    if not isinstance(text, str):
        return now
    found = _OF_DAY.fullmatch(text)
    try:
        moment = parse_stamp(text.encode("ascii", "replace")) - start_ns if found is None else now
    except ValueError:
        return now
    if found is not None:
        # OUCH says the time of day alone: of the day that is nearest.
        difference = (_of_day(*found.groups("")) - (start_ns + now) + DAY_NS // 2) % DAY_NS - DAY_NS // 2
        moment = now + difference
    resolution = 10 ** max(0, 9 - len(text.partition(".")[2]))
    return moment if 0 <= moment <= now - resolution else now


def _of_day(hours: str, minutes: str, seconds: str, part: str) -> int:
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * SECOND_NS + int(part.ljust(9, "0"))


def shifted(step: Step, shift_ns: int) -> Step:
    """The step with its times to come as much later."""
    if not shift_ns:
        return step
    if step.message is not None:
        return replace(step, message=later(step.message, shift_ns))
    if step.arguments.get("time_in_force") == "gtd" and type(step.arguments.get("expire")) is int:
        return replace(step, arguments={**step.arguments, "expire": step.arguments["expire"] + shift_ns})
    return step


def later(message: Message, shift_ns: int) -> Message:
    """The message with its times to come as much later."""
    if not shift_ns or not (EXPIRE_TIME in message or EXPIRE_DATE in message):
        return message
    found: dict[str, Any] = dict(message)
    try:
        if EXPIRE_TIME in found:
            text = found[EXPIRE_TIME]
            digits = min(9, (len(text.partition(".")[2]) + 2) // 3 * 3)
            found[EXPIRE_TIME] = stamp(parse_stamp(text.encode()) + shift_ns, digits).decode()
        if EXPIRE_DATE in found:
            day = parse_stamp(f"{found[EXPIRE_DATE]}-00:00:00".encode())
            found[EXPIRE_DATE] = stamp(day + shift_ns // DAY_NS * DAY_NS, 0).decode()[:8]
    except (ValueError, AttributeError):
        return message  # it is no time: the exchange will say so
    return found
