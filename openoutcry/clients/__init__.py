"""Clients of an exchange, for tests, tools and live trading.

``openoutcry.clients.ouch`` has ``OuchClient`` (blocking) and ``AsyncOuchClient`` (asyncio), ``openoutcry.clients.fix``
has ``FixClient`` (blocking) and ``FixInitiator`` (asyncio). All are thin shells around the sans-I/O protocol modules
that the gateway uses, so that nothing is parsed in two places. The four can be imported from here as well; nothing is
loaded before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from openoutcry.clients.fix import FixClient, FixInitiator
    from openoutcry.clients.ouch import AsyncOuchClient, OuchClient

_HOMES: Final = {
    **dict.fromkeys(("AsyncOuchClient", "OuchClient"), "openoutcry.clients.ouch"),
    **dict.fromkeys(("FixClient", "FixInitiator"), "openoutcry.clients.fix"),
}

__all__ = ["AsyncOuchClient", "FixClient", "FixInitiator", "OuchClient"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
