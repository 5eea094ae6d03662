"""One connection's Logon, from its arrival to the answer: which session, from where, who, and may he?

The questions in order: is there such a session, is it free, may this address use it (else: not a word); is the Logon
right in itself (the session layer's); user and password; approval; and the matcher, whether there is a trading day.

Invariant: until all have said yes, nothing of the session changes but its outgoing number, which a Logout uses up; and
an answer that comes when the connection has gone is nobody's.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from openoutcry import wire
from openoutcry.fix.message import Message, shape_of
from openoutcry.fix.messagelog import LOGON_SECRET_TAGS, SECRET_TAGS, redact
from openoutcry.gateway.client import ASKED
from openoutcry.gateway.fix import identity
from openoutcry.gateway.fix.approval import Applicant, approve

if TYPE_CHECKING:
    from openoutcry.gateway.fix.connection import FixConnection
    from openoutcry.gateway.fix.hosted import Hosted

WRONG_PASSWORD: Final = "invalid username or password"
TOO_MANY: Final = "there are too many sessions"
DAY_NOT_BEGUN: Final = "the trading day has not begun"
MATCHER_DAY_ENDED: Final = "the day has ended"  # as openoutcry.matcher.machine refuses a logon
ANYWHERE: Final = frozenset(SECRET_TAGS)
SECRETS: Final = ANYWHERE.union(LOGON_SECRET_TAGS)


def without_secrets(message: Message) -> Message:
    """A message to be kept or shown: no password is in it, nor in its bytes."""
    secrets = SECRETS if message.kind == b"A" else ANYWHERE
    if secrets.isdisjoint(message.shape.tags):
        return message
    kept = [(tag, value) for tag, value in message.pairs() if tag not in secrets]
    shape = shape_of(tuple(tag for tag, _ in kept))
    return Message(message.kind, shape, tuple(value for _, value in kept), redact(message.raw), message.checked)


class Admission:
    """See the module. ``logon``: the message, as its version has it."""

    __slots__ = ("_connection", "_dynamic", "_fields", "_hosted", "_password", "_user", "logon")

    def __init__(self, connection: FixConnection, message: Message) -> None:
        self._connection = connection
        self._user = (message.get(553) or b"").decode("latin-1").strip()
        self._password = (message.get(554) or b"").decode("utf-8", "replace")
        self._fields = tuple((tag, value) for tag, value in message.pairs() if tag not in SECRETS)
        self._dynamic = False
        self._hosted: Hosted | None = None
        self.logon = message

    def find(self) -> Hosted | str:
        """The session that the first message belongs to, or why there is none for it."""
        endpoint, fix = self._connection.endpoint, self._connection.hub.fix
        if self.logon.kind != b"A":
            return "it began with something else than a Logon"
        found = identity.find(endpoint.hub.state, endpoint.name, self.logon)
        if isinstance(found, str):
            return found
        if not identity.allowed(found.settings, self._connection.address):
            return f"{found.settings.name} is not allowed from this address"
        hosted = fix.get(endpoint.name, found.settings.name)
        if hosted is None:
            hosted = fix.make(endpoint.name, found.settings, found.who)
            if found.configured:
                fix.remember(hosted)
        elif hosted.connection is not None:
            hosted.counters["second_connections"] += 1
            return f"{hosted.name} is connected already"
        elif hosted.who != found.who and not hosted.take_version(found.settings, found.who):
            return f"{hosted.name} is another session of that name"
        self._hosted, self._dynamic = hosted, not found.configured
        self.logon = identity.without_user(self.logon)
        return hosted

    def ask(self) -> None:
        """The Logon is right in itself: who is it?"""
        assert self._hosted is not None
        connection, user, wanted = self._connection, self._user.upper(), self._hosted.settings.Username.upper()
        password, self._password = self._password, ""  # nobody needs it any more
        if wanted and user != wanted:
            self._judged(False)
        else:
            connection.hub.logins.check(
                connection.endpoint.name, user, password, connection.address, monotonic_ns(), self._judged
            )

    def _judged(self, right: bool) -> None:
        """The password has been checked: ask for approval, then the matcher."""
        connection, hosted = self._connection, self._hosted
        if connection.state != ASKED or hosted is None:
            return
        endpoint = connection.endpoint.name
        who = Applicant(endpoint, hosted.name, connection.address, self._user, self._dynamic, self._fields)
        answer = approve(hosted.settings.Approval, who) if right else WRONG_PASSWORD
        if answer is None and not connection.hub.fix.remember(hosted):
            answer = TOO_MANY
        if answer is not None:
            connection.refuse(answer)
            return
        user = self._user.upper()
        known = connection.hub.state.password_hash(hosted.endpoint, user) != ""
        account = connection.hub.state.users[user][3] if known else ""
        account = str(hosted.settings.Account or account or hosted.settings.TargetCompID)
        command = (endpoint, hosted.name, connection.number, account)
        connection.hub.log_on(connection, (wire.LOGON_AS, *command, user) if known else (wire.LOGON, *command))

    def refused(self, text: str) -> None:
        """The matcher does not log this connection on."""
        self._connection.refuse(DAY_NOT_BEGUN if text == MATCHER_DAY_ENDED else text)
