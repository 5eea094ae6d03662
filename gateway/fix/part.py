"""One part of what openoutcry.gateway.fix.application means: messages and events that are one module's business.

Invariant: a kind of message, and a kind of event, is the business of at most one part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openoutcry.fix.message import Message
    from openoutcry.gateway.fix.application import Application

Event = tuple[Any, ...]
Handlers = dict[bytes, Callable[["Message", list[Any], bool], None]]
Events = dict[int, Callable[[Event, int], None]]


class Part:
    """See the module."""

    def __init__(self, application: Application) -> None:
        self._app = application
        self._book = application.book

    def handlers(self) -> Handlers:
        """Messages, by MsgType; none unless the part says so."""
        return {}

    def events(self) -> Events:
        """Events, by kind; none unless the part says so."""
        return {}
