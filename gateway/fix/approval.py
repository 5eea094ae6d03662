"""Functions that say who may log on, registered by name; a session's setting Approval names one.

To add one, register it, or name it as an entry point of the group ``openoutcry.approvals`` in an installed package,
where every gateway finds it when a session first asks for it::

    register_approval("office-hours", lambda applicant: None if applicant.user else "a user name is needed")

Invariant: an approval answers at once, since it runs in the gateway's loop; what it raises refuses the logon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

APPROVALS_MAX: Final = 64  # names that can be registered
ENTRY_POINTS: Final = "openoutcry.approvals"  # group of entry points in which packages offer more


class Applicant(NamedTuple):
    """Who wants to log on. logon: its fields as (tag, value), without passwords. dynamic: made from a template."""

    endpoint: str
    session: str
    address: str
    user: str
    dynamic: bool
    logon: tuple[tuple[int, bytes], ...]


Approval = Callable[[Applicant], str | None]  # None: welcome; a text: the Logout's; "": closed on without a word

_approvals: dict[str, Approval] = {}


def register_approval(name: str, approval: Approval) -> None:
    """Let sessions name `approval`. Raises ValueError when there are too many."""
    if name not in _approvals and len(_approvals) >= APPROVALS_MAX:
        raise ValueError(f"{APPROVALS_MAX} approvals are registered already, {name!r} is one too many")
    _approvals[name] = approval


def approve(name: str, applicant: Applicant) -> str | None:
    """What the approval of that name says. One that nobody registered refuses."""
    if not name:
        return None
    approval = _approvals.get(name) or _installed(name)
    if approval is None:
        return f"there is no approval {name!r}"
    try:
        answer: Any = approval(applicant)
    except Exception as error:
        return f"approval {name!r} failed: {type(error).__name__}"
    return answer if answer is None or isinstance(answer, str) else f"approval {name!r} failed"


def _installed(name: str) -> Approval | None:
    from importlib.metadata import entry_points  # slow to import, and hardly ever needed

    for point in entry_points(group=ENTRY_POINTS, name=name):
        try:
            register_approval(name, point.load())
        except Exception:
            return None
        return _approvals[name]
    return None
