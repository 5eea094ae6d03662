"""Who is logging on: the session that a Logon belongs to, and the settings it then has.

A session is known by its version and both ends, as ``WHO`` lists them; SubIDs and LocationIDs count where a session was
set up with them. A Logon for which no session was set up gets the endpoint's template, if it has one; an endpoint
for which nothing was set up at all accepts everybody.

Invariant: ``find`` looks at what the Logon says and at the configuration, and at nothing else; it changes nothing.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.fix.message import Message, shape_of
from openoutcry.fix.settings import APPL_VERSIONS, BEGIN_STRINGS, COMP_ID_MAX, SessionSettings

if TYPE_CHECKING:
    from openoutcry.gateway.state import State

WHO: Final = ("BeginString", "SenderCompID", "SenderSubID", "SenderLocationID", "TargetCompID", "TargetSubID",
              "TargetLocationID", "DefaultApplVerID")  # fmt: skip
# Where a message that we receive says these: its Target is our Sender.
_TAGS: Final = (56, 57, 143, 49, 50, 142)
VERSION_OF: Final = {code: version for version, code in APPL_VERSIONS.items()}
NO_USERS: Final = (b"FIX.4.0", b"FIX.4.1", b"FIX.4.2")  # versions whose Logon has no Username and Password
USER_TAGS: Final = frozenset((553, 554, 925))
FIXT_VERSIONS: Final = ("FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2")
PROTOCOLS: Final[dict[str, tuple[str, ...]]] = {  # versions of application messages that an endpoint's protocol speaks
    "fix": (*BEGIN_STRINGS[:-1], *FIXT_VERSIONS),
    "fix40": ("FIX.4.0",),
    "fix41": ("FIX.4.1",),
    "fix42": ("FIX.4.2",),
    "fix43": ("FIX.4.3",),
    "fix44": ("FIX.4.4",),
    "fix50": ("FIX.5.0",),
    "fix50sp1": ("FIX.5.0SP1",),
    "fix50sp2": ("FIX.5.0SP2",),
}

Who = tuple[str, ...]


class Found(NamedTuple):
    """The session of a Logon. configured: it was set up; else it is made from a template."""

    settings: SessionSettings
    who: Who
    configured: bool


def who_of(settings: SessionSettings) -> Who:
    """The values of WHO."""
    return tuple(getattr(settings, name) for name in WHO)


def find(state: State, endpoint: str, logon: Message) -> Found | str:
    """The session that a Logon belongs to, or why there is none."""
    begin = (logon.get(8) or b"").decode("latin-1")
    ends = [(logon.get(tag) or b"").decode("latin-1") for tag in _TAGS]
    version = begin
    if begin == "FIXT.1.1":
        version = VERSION_OF.get((logon.get(1137) or b"").decode("latin-1"), "")
    protocol = state.endpoints[endpoint][3]
    known = _known(state, endpoint)[0]
    for sub_ids in (True, False):
        sender, target = (tuple(ends[:3]), tuple(ends[3:])) if sub_ids else ((ends[0], "", ""), (ends[3], "", ""))
        settings: SessionSettings | None = known.get((begin, *sender, *target))
        if settings is not None:
            if version in PROTOCOLS.get(protocol, ()) and begin == "FIXT.1.1":
                settings = of_version(settings, version)
            if settings.version not in PROTOCOLS.get(protocol, ()):
                return f"{settings.name} is of {settings.version}, which protocol {protocol} does not speak"
            return Found(settings, who_of(settings), True)
    if version not in PROTOCOLS.get(protocol, ()):
        return f"{begin} {version} is not spoken here"
    if any(len(end) > COMP_ID_MAX for end in ends) or not (ends[0] and ends[3]):
        return "a CompID is missing or too long"
    template = template_of(state, endpoint)
    if template is None:
        return f"no session of {begin} between {ends[0]!r} and {ends[3]!r}, and no template"
    who = (begin, *ends, version if begin == "FIXT.1.1" else "FIX.5.0SP2")
    try:
        settings = made_from(template, who)
    except VerbError as error:
        return error.text
    if len(settings.name) > wire.USER_MAX:
        return f"the session's name has {len(settings.name)} characters, at most {wire.USER_MAX}"
    return Found(settings, who, False)


def without_user(logon: Message) -> Message:
    """A Logon as its version has it. Before 4.3 there was no Username, but clients are let say it all the same."""
    tags = logon.shape.tags
    if logon.values[0] not in NO_USERS or USER_TAGS.isdisjoint(tags):
        return logon
    kept = [(tag, value) for tag, value in logon.pairs() if tag not in USER_TAGS]
    values = tuple(value for _, value in kept)
    return Message(logon.kind, shape_of(tuple(tag for tag, _ in kept)), values, logon.raw, logon.checked)


def of_version(settings: SessionSettings, version: str) -> SessionSettings:
    """The same for another version of application messages over FIXT."""
    if settings.BeginString != "FIXT.1.1" or settings.version == version:
        return settings
    return settings.replaced(DefaultApplVerID=version)


def made_from(template: SessionSettings, who: Who) -> SessionSettings:
    """A template's settings for one session. Raises VerbError."""
    return template.replaced(Template=False, **dict(zip(WHO, who, strict=True)))


def settings_of(state: State, endpoint: str, name: str, who: Who) -> SessionSettings | None:
    """The settings of a session that is remembered; None when it can be nobody's any more."""
    event = state.fix_settings.get((endpoint, name))
    if event is not None:
        return of_version(_settings(event[3]), who[-1])
    template = template_of(state, endpoint) or EVERYBODY
    try:
        return made_from(template, who)
    except VerbError:
        return None


Known = tuple[dict[Who, SessionSettings], SessionSettings | None, int]  # by version and ends; template; LogonTimeout


def _known(state: State, endpoint: str) -> Known:
    """What was set up at an endpoint, worked out once after each change."""
    found = state.fix_known.get(endpoint)
    if found is None:
        every = [_settings(event[3]) for key, event in state.fix_settings.items() if key[0] == endpoint]
        template = next((settings for settings in every if settings.Template), None) if every else EVERYBODY
        by_ends = {who_of(settings)[:-1]: settings for settings in every if not settings.Template}
        timeout_s = max(settings.LogonTimeout for settings in every or [EVERYBODY])
        found = state.fix_known[endpoint] = (by_ends, template, timeout_s)
    return found


def template_of(state: State, endpoint: str) -> SessionSettings | None:
    """The template of an endpoint; the one for everybody when nothing was set up there."""
    return _known(state, endpoint)[1]


def logon_timeout_s(state: State, endpoint: str) -> int:
    """The longest LogonTimeout of an endpoint's sessions: whose a connection is shows only with its Logon."""
    return _known(state, endpoint)[2]


def receivers(state: State, endpoint: str) -> list[SessionSettings]:
    """The sessions that were set up to receive copies of reports."""
    return [settings for settings in _known(state, endpoint)[0].values() if settings.DropCopy != "no"]


def accepts_anybody(state: State, endpoint: str) -> bool:
    """Whether any CompIDs may log on."""
    return template_of(state, endpoint) is not None


@lru_cache(4_096)
def _settings(properties: tuple[tuple[str, Any], ...]) -> SessionSettings:
    return SessionSettings(**dict(properties))


EVERYBODY: Final = SessionSettings(Template=True)


# ------------------------------------------------------------------------------------------------- addresses
def allowed(settings: SessionSettings, address: str) -> bool:
    """Whether AllowedRemoteAddresses has that address."""
    if not settings.AllowedRemoteAddresses:
        return True
    try:
        known: Any = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    known = getattr(known, "ipv4_mapped", None) or known  # an IPv4 client of an IPv6 port
    return any(known in network for network in _networks(settings.AllowedRemoteAddresses))


@lru_cache(1_024)
def _networks(text: str) -> tuple[Any, ...]:
    found = []
    for part in text.split(","):
        try:
            found.append(ip_network(part.strip().replace("localhost", "127.0.0.1"), strict=False))
        except ValueError:
            continue  # what is no address allows nobody
    return tuple(found)
