"""FIX sessions that are set up: the verbs about them, and what their gateway is told.

Rule 1. Their settings are state: what was given, by the session's name, which says both ends (``FIX.4.2:ISLD->TW42``).
        The gateway that hosts the endpoint is told with SESSION_SET, a new gateway before the endpoint itself.
Rule 2. The name of a session is what its client's session of openoutcry.matcher.sessions belongs to (``user``). One
        that logs on without having been set up, where there is a template or nothing, has the template's settings.
Rule 3. CancelOnDisconnect and Account win over what the endpoint and the Logon say.

Sequence numbers are the gateway's: a verb about them becomes SESSION_ORDERED. ``auto_receive`` is a property of every
session, of OUCH too, also before it has ever logged on; the gateway is told with the endpoint's announcement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.fix.settings import APPL_VERSIONS, BEGIN_STRINGS, SESSION_SETTINGS, SessionSettings
from openoutcry.matcher import configuration, gone, queries
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.sessions import FIX, Endpoint
from openoutcry.parameters import set_property
from openoutcry.verbs import SESSION_PROPERTIES
from openoutcry.wire import SESSION_DELETED, SESSION_ORDERED, SESSION_SET, USER_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from openoutcry.matcher.machine import Machine

FIX_SESSIONS_MAX: Final = 10_000  # that are set up, in all: every gateway holds its own with all their settings
HELD_SESSIONS_MAX: Final = 1_000  # with an auto_receive of their own at one endpoint: their names are in one event
FIXT: Final = "FIXT.1.1"

# The protocols of endpoints that take one version alone: fix42, fix50sp2 ...; `fix` takes all.
VERSIONS: Final = {FIX + version.lower().replace("fix", "").replace(".", ""): version for version in APPL_VERSIONS}
FIX_PROTOCOLS: Final = (FIX, *VERSIONS)

# What makes a session the one it is.
FIXED: Final = (
    "ConnectionType", "BeginString", "SenderCompID", "TargetCompID", "SenderSubID", "SenderLocationID", "TargetSubID",
    "TargetLocationID", "SessionQualifier", "Template",
)  # fmt: skip


def settings_of(endpoint: Endpoint, name: str) -> Mapping[str, Any]:
    """What was given for the session of that name: its own settings, else the template's, else nothing."""
    found = endpoint.fix_sessions.get(name)
    if found is not None or not endpoint.fix_sessions:
        return found or {}
    return next((given for given in endpoint.fix_sessions.values() if given.get("Template")), {})


def announce_all(endpoint: Endpoint, events: Any) -> None:
    """SESSION_SET of every session of an endpoint."""
    for name in endpoint.fix_sessions:
        events.append(_announcement(endpoint, name))


def _announcement(endpoint: Endpoint, name: str) -> tuple[Any, ...]:
    return (SESSION_SET, endpoint.name, name, tuple(sorted(endpoint.fix_sessions[name].items())))


def _tell(machine: Machine, endpoint: Endpoint, event: tuple[Any, ...]) -> None:
    if endpoint.gateway:
        machine.streams[endpoint.gateway].events.append(event)


# ------------------------------------------------------------------------------------------------- setting up
def create_session(machine: Machine, asker: Asker, endpoint: str, *values: Any) -> Any:
    """Set a session up. values: of SESSION_SETTINGS in their order, None for what is not given."""
    found = _fix_endpoint(machine, endpoint)
    given = SessionSettings(
        **{name: value for name, value in zip(SESSION_SETTINGS, values, strict=True) if value is not None}
    ).given
    _suit_protocol(found, given)
    name = _checked(found, given).name
    if name in found.fix_sessions:
        raise VerbError("exists", "TargetCompID", f"there is a session {name!r} at {endpoint!r} already")
    if len(name) > USER_MAX:
        raise VerbError("limit", "SenderCompID", f"the name {name!r} has {len(name)} characters, at most {USER_MAX}")
    if sum(len(each.fix_sessions) for each in machine.endpoints.values()) >= FIX_SESSIONS_MAX:
        raise VerbError("limit", "endpoint", f"there are {FIX_SESSIONS_MAX} FIX sessions, which is the limit")
    if given.get("Template") and any(each.get("Template") for each in found.fix_sessions.values()):
        raise VerbError("exists", "Template", f"endpoint {endpoint!r} has a template already")
    found.fix_sessions[name] = given
    _tell(machine, found, _announcement(found, name))
    return queries.fix_session_row(found, name)


def _fix_endpoint(machine: Machine, name: str) -> Endpoint:
    found = find(machine.endpoints, "endpoint", "endpoint", name)
    if not found.is_fix:
        raise VerbError("bad_argument", "endpoint", f"endpoint {name!r} speaks {found.protocol}, not FIX")
    return found


def _suit_protocol(endpoint: Endpoint, given: dict[str, Any]) -> None:
    """Fill in the version where the endpoint takes only one. Raises VerbError for another one."""
    version = VERSIONS.get(endpoint.protocol)
    if version is None:
        return
    begin, wanted = (version, {}) if version in BEGIN_STRINGS else (FIXT, {"DefaultApplVerID": version})
    for name, value in {"BeginString": begin, **wanted}.items():
        if given.setdefault(name, value) != value:
            text = (
                f"{name} is {given[name]!r}, it must be {value!r}: {endpoint.name!r} speaks {endpoint.protocol} alone"
            )
            raise VerbError("bad_argument", name, text)


def _checked(endpoint: Endpoint, given: Mapping[str, Any]) -> SessionSettings:
    """The settings as the gateway will read them. Raises VerbError when they do not go together."""
    settings = SessionSettings(**given)
    if settings.ConnectionType != "acceptor":
        text = f"ConnectionType is initiator, it must be acceptor: clients connect to endpoint {endpoint.name!r}"
        raise VerbError("bad_argument", "ConnectionType", text)
    if settings.SessionQualifier:
        raise VerbError("bad_argument", "SessionQualifier", "SessionQualifier is for initiators: no Logon says it")
    return settings


def set_session_property(machine: Machine, asker: Asker, endpoint: str, session: str, name: str, value: Any) -> Any:
    """Change one setting; what makes a session the one it is cannot be changed."""
    if name in SESSION_PROPERTIES:
        return _set_auto_receive(machine, endpoint, session, name, value)
    found = _fix_endpoint(machine, endpoint)
    before = find(found.fix_sessions, "session", "FIX session", session)
    value = set_property(SESSION_SETTINGS, f"session {session}", name, value)
    if name in FIXED:
        text = f"{name} makes a session the one it is: use delete_session and create_session"
        raise VerbError("bad_argument", "name", text)
    given = {**before, name: value}
    try:
        _suit_protocol(found, given)
        _checked(found, given)
    except VerbError as error:
        raise VerbError(error.code, "value", error.text) from None
    found.fix_sessions[session] = given
    _tell(machine, found, _announcement(found, session))
    return queries.fix_session_row(found, session)


def _set_auto_receive(machine: Machine, endpoint: str, session: str, name: str, value: Any) -> Any:
    found = find(machine.endpoints, "endpoint", "endpoint", endpoint)
    if found.is_fix and found.fix_sessions and not any(each.get("Template") for each in found.fix_sessions.values()):
        _known(found, session)
    whose = session if found.is_fix else session.upper()
    if set_property(SESSION_PROPERTIES, f"session {session}", name, value):
        found.held_sessions.pop(whose, None)
    elif len(found.held_sessions) >= HELD_SESSIONS_MAX and whose not in found.held_sessions:
        text = f"{HELD_SESSIONS_MAX} sessions of {endpoint!r} have an {name} of their own, which is the limit"
        raise VerbError("limit", "session", text)
    else:
        found.held_sessions[whose] = None
    configuration.tell_gateway(machine, found)
    return {"endpoint": endpoint, "name": whose, name: whose not in found.held_sessions}


def delete_session(machine: Machine, asker: Asker, endpoint: str, session: str) -> Any:
    """Forget a session: cancel its orders, and have its client logged out."""
    found = _fix_endpoint(machine, endpoint)
    _known(found, session)
    client = found.sessions.get(session)
    if client is not None:
        configuration.refuse_while_ended(found.engine, f"session {session!r}", bool(client.live), "session")
        configuration.cancel_sessions(machine, [client])
        gone.forget_sessions(machine, [client])
        del found.sessions[session]
    found.fix_sessions.pop(session, None)
    if session in found.held_sessions:
        del found.held_sessions[session]
        configuration.tell_gateway(machine, found)
    _tell(machine, found, (SESSION_DELETED, endpoint, session))
    return {"endpoint": endpoint, "name": session}


def _known(endpoint: Endpoint, session: str) -> None:
    """Raises VerbError when nobody has set this session up, and nobody has ever logged on as it."""
    if session not in endpoint.fix_sessions and session not in endpoint.sessions:
        raise VerbError("unknown_name", "session", f"there is no FIX session {session!r} at {endpoint.name!r}")


# ------------------------------------------------------------------------------------------------- orders to gateways
def _order(
    machine: Machine, endpoint: Endpoint, session: str, action: str, next_out: int = 0, next_in: int = 0, text: str = ""
) -> Any:
    if not endpoint.gateway:
        raise VerbError("wrong_state", "endpoint", f"no gateway hosts endpoint {endpoint.name!r} yet")
    _tell(machine, endpoint, (SESSION_ORDERED, endpoint.name, session, action, next_out, next_in, text))
    return {"endpoint": endpoint.name, "name": session}


def _real(machine: Machine, endpoint: str, session: str) -> Endpoint:
    """The endpoint of a session that can have sequence numbers. Raises VerbError."""
    found = _fix_endpoint(machine, endpoint)
    _known(found, session)
    if found.fix_sessions.get(session, {}).get("Template"):
        text = f"{session!r} is a template: it has no sequence numbers, nor a client"
        raise VerbError("bad_argument", "session", text)
    return found


def reset_session(machine: Machine, asker: Asker, endpoint: str, session: str) -> Any:
    """Both sequence numbers are 1 again."""
    return _order(machine, _real(machine, endpoint, session), session, "reset")


def set_sequence(
    machine: Machine, asker: Asker, endpoint: str, session: str, next_out: int | None, next_in: int | None
) -> Any:
    """Set sequence numbers, while nobody counts on them."""
    found = _real(machine, endpoint, session)
    if next_out is None and next_in is None:
        raise VerbError("bad_argument", "next_out", "set_sequence needs next_out, next_in or both")
    if _logged_on(found, session):
        raise VerbError("wrong_state", "session", f"the client of {session!r} is logged on: use logout_session first")
    return _order(machine, found, session, "set", next_out or 0, next_in or 0)


def logout_session(machine: Machine, asker: Asker, endpoint: str, session: str, reason: str) -> Any:
    """Log the client out; it may log on again."""
    found = _real(machine, endpoint, session)
    if not _logged_on(found, session):
        raise VerbError("wrong_state", "session", f"the client of {session!r} is not logged on")
    return _order(machine, found, session, "logout", text=reason)


def _logged_on(endpoint: Endpoint, session: str) -> bool:
    client = endpoint.sessions.get(session)
    return client is not None and client.connection != 0


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "create_session": create_session,
    "delete_session": delete_session,
    "set_session_property": set_session_property,
    "reset_session": reset_session,
    "set_sequence": set_sequence,
    "logout_session": logout_session,
}
