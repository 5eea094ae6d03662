"""Engines of somebody's own at the gateway: clients' messages become dictionaries, and dictionaries become messages.

``spoken`` is a protocol that is spoken with such an engine: the same session layer, and all application messages as
ECHO and ECHOED. For FIX there is openoutcry.gateway.fix.plugin.

Invariant: what is rendered is a function of the event and its time; whatever a client sends is passed on or counted,
unless it is the protocol that does wrong (openoutcry.gateway.fence).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from openoutcry import plugins, wire
from openoutcry.errors import ProtocolError, VerbError
from openoutcry.gateway.fence import Fault
from openoutcry.plugins import fault

if TYPE_CHECKING:
    from openoutcry.gateway.protocols import Dialect

Event = tuple[Any, ...]
LENGTH_MAX: Final = wire.ECHO_MAX


def is_plugin(kind: str) -> bool:
    """Whether a kind of engine is somebody's own."""
    return kind not in plugins.BUILT_IN


def packed(number: int, fields: Mapping[str, Any]) -> bytes:
    """The data of an ECHO. number: of the message in its session, 0 where there is none."""
    return b"%d %b" % (number, json.dumps(fields, separators=(",", ":")).encode())


def unpacked(event: Event) -> dict[str, Any]:
    """The message of an ECHOED."""
    found: dict[str, Any] = json.loads(event[2])
    return found


def spoken(dialect: Dialect) -> Dialect:
    """A protocol as it is spoken with an engine of somebody's own. Without words for dictionaries it says nothing."""
    return dialect._replace(commands=_commands(dialect.read), render=_render(dialect))


def _commands(read: Callable[[bytes], Mapping[str, Any]] | None) -> Callable[[int, Sequence[bytes], list[Any]], int]:
    def commands(session: int, payloads: Sequence[bytes], out: list[Any]) -> int:
        ignored = 0
        for payload in payloads:
            try:
                data = packed(0, read(payload)) if read is not None else b""
            except Fault:
                raise
            except (ProtocolError, VerbError):
                data = b""
            except (TypeError, ValueError, RecursionError) as error:
                raise Fault(f"what the protocol's read returned is no message: {fault(error)}") from None
            if data and len(data) <= LENGTH_MAX:
                out.append((wire.ECHO, session, data))
            else:
                ignored += 1
        return ignored

    return commands


def _render(dialect: Dialect) -> Callable[[Event, int], bytes]:
    def render(event: Event, stamp: int) -> bytes:
        if event[0] != wire.ECHOED:
            return dialect.render(event, stamp)
        if dialect.write is None:
            raise ProtocolError(f"{dialect.name} has no words for the messages of plugins")
        try:
            return dialect.write(unpacked(event), stamp)
        except VerbError as error:
            raise ProtocolError(f"{dialect.name} cannot say what the engine says: {error.text}") from None

    return render
