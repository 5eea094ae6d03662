"""The settings of a FIX session: their standard names (those of QuickFIX, where it has them), types, defaults, meaning.

Invariant: this table is the only list of settings. The verb ``create_session``, ``FixInitiator``, the import of
settings files, ``SessionSettings`` and the manual are made from it or held against it. A ``SessionSettings`` is the
values of one session, all checked; times of day and dictionaries are judged by who uses them (``schedule``,
``dictionary``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from openoutcry.errors import VerbError
from openoutcry.parameters import Parameter, convert

COMP_ID_MAX: Final = 48  # characters in a CompID: both, with the version, make a session's name (wire.USER_MAX)
BEGIN_STRINGS: Final = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1")
APPL_VERSIONS: Final[dict[str, str]] = {  # DefaultApplVerID(1137)
    "FIX.4.0": "2", "FIX.4.1": "3", "FIX.4.2": "4", "FIX.4.3": "5", "FIX.4.4": "6", "FIX.5.0": "7", "FIX.5.0SP1": "8",
    "FIX.5.0SP2": "9",
}  # fmt: skip
APPL_VERSION_OF: Final[dict[str, str]] = {number: version for version, number in APPL_VERSIONS.items()}
NAMES: Final = ("SenderCompID", "SenderSubID", "SenderLocationID", "TargetCompID", "TargetSubID", "TargetLocationID",
                "SessionQualifier")  # fmt: skip
NAME_CHARACTERS: Final = re.compile(r"[!-~]([ -~]*[!-~])?|")  # a session's name is made of them; no blanks around
DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
PRECISIONS: Final[dict[str, int]] = {"seconds": 0, "millis": 3, "micros": 6, "nanos": 9}


def _text(name: str, meaning: str, default: str = "", high: int = 256) -> Parameter:
    return Parameter(name, "text", meaning, default, 0, high)


def _switch(name: str, meaning: str, default: bool) -> Parameter:
    return Parameter(name, "bool", meaning, default)


def _number(name: str, meaning: str, default: int, low: int, high: int) -> Parameter:
    return Parameter(name, "int", meaning, default, low, high)


def _one_of(name: str, meaning: str, choices: tuple[str, ...], default: str) -> Parameter:
    return Parameter(name, "choice", meaning, default, choices=choices)


_SECONDS_MAX: Final = 86_400

SESSION_SETTINGS: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        # who
        _one_of("ConnectionType", "which end this is", ("acceptor", "initiator"), "acceptor"),
        _one_of("BeginString", "version of the session", BEGIN_STRINGS, "FIX.4.4"),
        _text("SenderCompID", "our CompID", "", COMP_ID_MAX),
        _text("TargetCompID", "the counterparty's CompID", "", COMP_ID_MAX),
        _text("SenderSubID", "our SubID", "", COMP_ID_MAX),
        _text("SenderLocationID", "our LocationID", "", COMP_ID_MAX),
        _text("TargetSubID", "the counterparty's SubID", "", COMP_ID_MAX),
        _text("TargetLocationID", "the counterparty's LocationID", "", COMP_ID_MAX),
        _text("SessionQualifier", "tells apart sessions that are otherwise alike (initiator)", "", 16),
        _one_of("DefaultApplVerID", "FIXT: version of application messages", tuple(APPL_VERSIONS), "FIX.5.0SP2"),
        # when (times of day as HH:MM:SS, optionally with a zone of their own after a blank)
        _switch("NonStopSession", "the session never ends; no schedule then", False),
        _text("StartTime", "begin of the session, HH:MM:SS", "00:00:00", 64),
        _text("EndTime", "end of the session, HH:MM:SS; the same as StartTime: a whole day or week", "00:00:00", 64),
        _text("StartDay", "weekly session: day of StartTime", "", 9),
        _text("EndDay", "weekly session: day of EndTime", "", 9),
        _text("Weekdays", "daily session on these days only, as 'mon,tue,wed'", "", 64),
        _text("TimeZone", "zone of the times, as Europe/Berlin", "UTC", 64),
        # liveness
        _number("HeartBtInt", "s between heartbeats (an acceptor takes the initiator's)", 30, 1, _SECONDS_MAX),
        _number("LogonTimeout", "s to wait for a Logon", 10, 1, 600),
        _number("LogoutTimeout", "s to wait for the answer to a Logout", 2, 1, 600),
        _number("ReconnectInterval", "initiator: s between attempts, at first", 1, 0, 3_600),
        _number("ReconnectIntervalMax", "initiator: they grow up to this", 30, 0, 3_600),
        # sequence numbers
        _switch("ResetOnLogon", "begin at 1 with each Logon", False),
        _switch("ResetOnLogout", "begin at 1 after a Logout", False),
        _switch("ResetOnDisconnect", "begin at 1 after a connection ends", False),
        _switch("RefreshOnLogon", "read the store anew before a Logon", False),
        _switch("PersistMessages", "keep sent messages; if not, a resend is a gap fill", True),
        _number("MaxMessagesInResendRequest", "ask for so many at a time; 0: all that are missing", 0, 0, 1_000_000),
        _switch("SendRedundantResendRequests", "ask again for what has been asked for", False),
        _switch("EnableNextExpectedMsgSeqNum", "say and use NextExpectedMsgSeqNum(789) in the Logon (4.4+)", False),
        _switch("EnableLastMsgSeqNumProcessed", "say LastMsgSeqNumProcessed(369) in every message (4.2+)", False),
        # checks
        _switch("CheckCompID", "both CompIDs must be those of the session", True),
        _switch("CheckLatency", "SendingTime must be near the present", True),
        _number("MaxLatency", "s that SendingTime may be off", 120, 1, _SECONDS_MAX),
        _switch("ValidateFieldsOutOfOrder", "header, body and trailer fields in their places", True),
        _switch("ValidateFieldsHaveValues", "no field without a value", True),
        _switch("ValidateUserDefinedFields", "tags from 5000 on must be in the dictionary", True),
        _switch("AllowUnknownMsgFields", "fields that a message does not have are let through", False),
        _switch("ValidateLengthAndChecksum", "BodyLength and CheckSum must be right", True),
        _switch("RequiresOrigSendingTime", "a possible duplicate must have OrigSendingTime", True),
        _switch("UseDataDictionary", "check messages against the dictionary", True),
        _text("DataDictionary", "QuickFIX XML, by path or as shipped (FIX42.xml)", "", 1_024),
        _text("TransportDataDictionary", "FIXT: of the session layer (FIXT11.xml)", "", 1_024),
        _text("AppDataDictionary", "FIXT: of the application messages (FIX50SP2.xml)", "", 1_024),
        _one_of("TimestampPrecision", "of the time stamps we send (4.2+)", tuple(PRECISIONS), "millis"),
        # limits and the connection
        _number("MaxMessageSize", "bytes in one message", 65_536, 512, 1_000_000),
        _number("MaxMessagesPerSecond", "more are answered with a BusinessMessageReject; 0: any number", 0, 0,
                1_000_000),
        _text("AllowedRemoteAddresses", "addresses or networks that may log on, with commas; empty: all", "", 1_024),
        _switch("SocketUseSSL", "initiator: TLS", False),
        _text("SocketCertificateFile", "PEM file with our certificate (and key)", "", 1_024),
        _text("SocketKeyFile", "PEM file with our key", "", 1_024),
        _text("SocketCAFile", "PEM file with what the peer's certificate is verified against", "", 1_024),
        _text("SocketServerName", "initiator: name in the server's certificate, and SNI", "", 256),
        _text("SocketConnectHost", "initiator: host; SocketConnectHost1, 2, ... are given to FixInitiator as a list",
              "", 256),
        _number("SocketConnectPort", "initiator: port", 0, 0, 65_535),
        _text("Proxy", "initiator: http://, socks4:// or socks5:// URL", "", 1_024),
        # stores and logs
        _text("Store", "initiator: memory, a directory, or an SQL URL (sqlite:///FILE, postgresql://...)", "memory",
              1_024),
        _switch("FileStoreSync", "fsync after every message", False),
        _text("FileLogPath", "directory for logs of all messages, passwords blanked; empty: none", "", 1_024),
        # what the exchange does with it
        _text("Username", "the Logon's 553 must be this user's; empty: any user of the endpoint", "", 64),
        _text("Account", "account of the orders, unless they name one; empty: the counterparty's CompID", "", 64),
        _switch("CancelOnDisconnect", "cancel the orders when the connection ends", False),
        _one_of("DropCopy", "receive copies of execution reports: all, or those of DropCopyAccount",
                ("no", "all", "account"), "no"),
        _text("DropCopyAccount", "with DropCopy account: whose", "", 64),
        _switch("Template", "settings for sessions that were not set up: CompIDs are then taken from the Logon", False),
        _text("Approval", "template: registered function that says who may log on; empty: everybody", "", 64),
        _one_of("Profile", "jetblack: never sends what that engine cannot take (Reject, SequenceReset)",
                ("standard", "jetblack"), "standard"),
    )
}  # fmt: skip


class SessionSettings:
    """The settings of one session, each an attribute of its own name: ``settings.HeartBtInt``.

    ``given`` holds those that were given, as they are stored; the others have their defaults. Raises VerbError, which
    names the setting. ``ignored`` lists the names in a settings file that mean nothing here.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **given: Any) -> None:
        self.given: dict[str, Any] = {name: _stored(name, value) for name, value in given.items()}
        self.ignored: tuple[str, ...] = ()
        for name, parameter in SESSION_SETTINGS.items():
            setattr(self, name, self.given.get(name, parameter.default))
        self._check()

    def _check(self) -> None:
        for name in ("SenderCompID", "TargetCompID"):
            if not (getattr(self, name) or self.Template):
                raise VerbError("bad_argument", name, f"a session must have a {name}, unless it is a Template")
        for name in NAMES:
            if not NAME_CHARACTERS.fullmatch(getattr(self, name)):
                raise VerbError("bad_argument", name, f"{name} is {getattr(self, name)!r}, it must be printable ASCII")
        if self.DropCopy == "account" and not self.DropCopyAccount:
            raise VerbError("bad_argument", "DropCopyAccount", "DropCopy is account, so DropCopyAccount must say whose")

    def replaced(self, **changes: Any) -> SessionSettings:
        """The same with other values: a template becomes a session so."""
        return SessionSettings(**{**self.given, **changes})

    @property
    def name(self) -> str:
        """``FIX.4.2:ISLD->TW42``; with SubIDs and LocationIDs ``FIX.4.2:ISLD/SUB/LOC->TW42/SUB/LOC``."""
        ours = "/".join((self.SenderCompID, self.SenderSubID, self.SenderLocationID)).rstrip("/")
        theirs = "/".join((self.TargetCompID, self.TargetSubID, self.TargetLocationID)).rstrip("/")
        qualifier = f":{self.SessionQualifier}" if self.SessionQualifier else ""
        return f"{self.BeginString}:{ours}->{theirs}{qualifier}"

    @property
    def version(self) -> str:
        """The version of its application messages: ``FIX.4.2``, over FIXT ``FIX.5.0SP2``."""
        return str(self.DefaultApplVerID if self.BeginString == "FIXT.1.1" else self.BeginString)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionSettings) and all(
            getattr(self, name) == getattr(other, name) for name in SESSION_SETTINGS
        )

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in SESSION_SETTINGS))

    def __repr__(self) -> str:
        return f"SessionSettings({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"


def _stored(name: str, value: Any) -> Any:
    if name == "DefaultApplVerID":
        value = APPL_VERSION_OF.get(value, value) if type(value) is str else value
    if name not in SESSION_SETTINGS:
        raise VerbError("bad_argument", name, f"a FIX session has no setting {name!r}")
    return convert(SESSION_SETTINGS[name], value, "a FIX session")


# ----------------------------------------------------------------------------------------------- settings files
OTHER_NAMES: Final[dict[str, str]] = {  # what other engines call some of them, in lower case
    "sendnextexpectedmsgseqnum": "EnableNextExpectedMsgSeqNum",
    "resendrequestchunksize": "MaxMessagesInResendRequest",
    "acceptortemplate": "Template",
    "validateincomingmessage": "UseDataDictionary",
    "filestorepath": "Store",
    "sslenable": "SocketUseSSL",
    "sslservername": "SocketServerName",
    "server_certificate_file": "SocketCertificateFile",
    "client_certificate_file": "SocketCertificateFile",
    "server_certificate_key_file": "SocketKeyFile",
    "client_certificate_key_file": "SocketKeyFile",
    "certificate_authorities_file": "SocketCAFile",
    **{name.lower(): name for name in SESSION_SETTINGS},
}
_PRECISION_NAMES: Final = tuple(PRECISIONS)
_SECTIONS: Final = ("DEFAULT", "SESSION")


def read_settings_file(text: str) -> list[SessionSettings]:
    """The sessions of a QuickFIX settings file: ``[DEFAULT]``, then a ``[SESSION]`` for each.

    Names in any case. Those that mean nothing here are in each session's ``ignored``. Raises VerbError, which names the
    line or the setting.
    """
    default: dict[str, str] = {}
    sessions: list[dict[str, str]] = []
    section: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if line.startswith("[") and line.endswith("]") and line[1:-1].strip().upper() in _SECTIONS:
            section = default if line[1:-1].strip().upper() == "DEFAULT" else {}
            if section is not default:
                sessions.append(section)
        elif equals and section is not None:
            section[name.strip()] = value.strip()
        else:
            raise VerbError(
                "bad_argument", "", f"line {number} of the settings: {line[:80]!r} is no setting or section"
            )
    return [_from_file({**default, **session}) for session in sessions]


def _from_file(found: dict[str, str]) -> SessionSettings:
    given: dict[str, Any] = {}
    ignored = []
    for name, value in found.items():
        known = OTHER_NAMES.get(name.lower())
        if name.lower() == "millisecondsintimestamp":
            given.setdefault("TimestampPrecision", "seconds" if value.upper() == "N" else "millis")
        elif known is None:
            ignored.append(name)
        else:
            given[known] = _file_value(known, value)
    settings = SessionSettings(**given)
    settings.ignored = tuple(ignored)
    return settings


def _file_value(name: str, value: str) -> str:
    """A value as it is written here."""
    if name == "TimestampPrecision":
        return _PRECISION_NAMES[-(-min(int(value), 9) // 3)] if value.isdecimal() else value.lower()
    if name in ("SenderCompID", "TargetCompID") and value == "*":  # a template's
        return ""
    return value.lower() if name == "ConnectionType" else value
