"""Open Outcry: an exchange built as components on a message bus.

``Exchange`` is an exchange of one's own for a test; the errors are one tree (openoutcry.errors). Nothing is imported
before it is asked for: the parts of an exchange start from this package, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from openoutcry.errors import (
        ClientError,
        ClusterError,
        JournalError,
        LoginRejected,
        LogonError,
        OpenOutcryError,
        ProtocolError,
        VerbError,
        WireError,
    )
    from openoutcry.exchange import Exchange
    from openoutcry.handles import Book, Endpoint, Engine, Policy
    from openoutcry.participants import Desk, DraftOrder, DraftQuote, FixSession, User

__version__ = "0.1.0"

_HOMES: Final = {
    **dict.fromkeys(("ClientError", "ClusterError", "JournalError", "LoginRejected", "LogonError",
                     "OpenOutcryError", "ProtocolError", "VerbError", "WireError"), "openoutcry.errors"),
    "Exchange": "openoutcry.exchange",
    **dict.fromkeys(("Book", "Endpoint", "Engine", "Policy"), "openoutcry.handles"),
    **dict.fromkeys(("Desk", "DraftOrder", "DraftQuote", "FixSession", "User"), "openoutcry.participants"),
}  # fmt: skip

__all__ = [
    "Book",
    "ClientError",
    "ClusterError",
    "Desk",
    "DraftOrder",
    "DraftQuote",
    "Endpoint",
    "Engine",
    "Exchange",
    "FixSession",
    "JournalError",
    "LoginRejected",
    "LogonError",
    "OpenOutcryError",
    "Policy",
    "ProtocolError",
    "User",
    "VerbError",
    "WireError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
