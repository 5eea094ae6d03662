"""The verbs about clients' sessions, as methods: who may log on, FIX sessions, and sessions held in the hand.

Invariant: each method is one control verb, sent once; only ``session`` asks nobody. Those that wait keep other threads
waiting for as long as ``timeout_ms`` says: the same ones of Endpoint (openoutcry.handles) and of Session
(openoutcry.sessions) ask in slices, as long as one likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openoutcry import records
from openoutcry.exchange_verbs import Verbs
from openoutcry.handles import Endpoint, name_of
from openoutcry.participants import FixSession, User

if TYPE_CHECKING:
    from openoutcry.sessions import Session


class SessionVerbs(Verbs):
    """Verbs about users, FIX sessions, and sessions held in the hand (managed mode)."""

    # ------------------------------------------------------------------------------------- who may log on
    def create_session(self, endpoint: str | Endpoint, **settings: str | int | bool) -> FixSession:
        """Set up a FIX session; settings: openoutcry.fix.settings.SESSION_SETTINGS, as SenderCompID="ISLD" (ours)."""
        facts = self.call("create_session", endpoint, **settings)
        return FixSession(self._exchange, facts["name"], facts["endpoint"])

    def delete_session(self, endpoint: str | Endpoint, session: str | FixSession) -> None:
        """Forget a FIX session: log its client out, cancel its orders."""
        self.call("delete_session", endpoint, session)

    def set_session_property(
        self, endpoint: str | Endpoint, session: str | FixSession, name: str, value: str | int | bool
    ) -> None:
        """Change a setting of a FIX session."""
        self.call("set_session_property", endpoint, session, name, value)

    def reset_session(self, endpoint: str | Endpoint, session: str | FixSession) -> None:
        """Set both sequence numbers of a FIX session to 1; a client that is logged on is disconnected."""
        self.call("reset_session", endpoint, session)

    def set_sequence(
        self, endpoint: str | Endpoint, session: str | FixSession, next_out: int | None = None,
        next_in: int | None = None,
    ) -> None:  # fmt: skip
        """Set the sequence numbers of a FIX session whose client is not logged on."""
        self.call("set_sequence", endpoint, session, next_out, next_in)

    def logout_session(self, endpoint: str | Endpoint, session: str | FixSession, reason: str = "") -> None:
        """Log the client of a FIX session out; it may log on again."""
        self.call("logout_session", endpoint, session, reason)

    def create_user(
        self, name: str, password: str, endpoint: str | Endpoint | None = None, account: str | None = None,
        firm: str | None = None,
    ) -> User:  # fmt: skip
        """Let a user log in; endpoints for which there is no user accept any login."""
        self.call("create_user", name, password, endpoint, account, firm)
        return User(self._exchange, name, None if endpoint is None else name_of(endpoint), account or name, firm or "")

    def delete_user(self, name: str | User) -> None:
        """Forget a user."""
        self.call("delete_user", name)

    # ------------------------------------------------------------------------------------- held in the hand
    def session(self, endpoint: str | Endpoint, name: str | FixSession) -> Session:
        """A client's session, to be held in the hand: its user, or both ends of a FIX session."""
        from openoutcry.sessions import Session

        return Session(self._exchange, name_of(endpoint), name_of(name))

    def accept_session(self, endpoint: str | Endpoint, connection: int | None = None, timeout_ms: int = 0) -> Session:
        """Let a client log on whom auto_accept=false holds; the one that waits longest, if no connection is given.

        ``Endpoint.accept_session`` waits as long as one likes.
        """
        from openoutcry.sessions import Session

        found = self.call("accept_session", endpoint, connection, timeout_ms)
        return Session(self._exchange, name_of(endpoint), found["session"], found["session_number"], found["since"])

    def reject_session(
        self, endpoint: str | Endpoint, connection: int | None = None, timeout_ms: int = 0, reason: str = ""
    ) -> records.Record:
        """Refuse a client whom auto_accept=false holds; the one that waits longest, if no connection is given.

        ``Endpoint.reject_session`` waits as long as one likes.
        """
        found: records.Record = self.call("reject_session", endpoint, connection, timeout_ms, reason)
        return found

    def next_message(
        self, endpoint: str | Endpoint, session: str, timeout_ms: int = 0, native: bool = False
    ) -> records.Record | None:
        """The oldest message that auto_receive=false holds and nobody has taken yet, None when there is none."""
        found: records.Record | None = self.call("next_message", endpoint, str(session), timeout_ms, native)
        return found

    def process_message(self, endpoint: str | Endpoint, session: str, message: int | None = None) -> records.Record:
        """Hand a held message to the engine: the oldest, or the one of that number."""
        found: records.Record = self.call("process_message", endpoint, str(session), message)
        return found

    def discard_message(self, endpoint: str | Endpoint, session: str, message: int | None = None) -> records.Record:
        """Throw a held message away: the oldest, or the one of that number."""
        found: records.Record = self.call("discard_message", endpoint, str(session), message)
        return found

    def send_session_message(
        self, endpoint: str | Endpoint, session: str, message: str | Mapping[str, Any] = "", raw: str | bytes = "",
        sequence: int = 0, checksum: int = 0, length: int = 0, native: bool = False,
    ) -> records.Record:  # fmt: skip
        """Send a client any message, also a broken one.

        message: a dictionary as openoutcry.messages has it, or its JSON. raw: bytes, or their hexadecimal text, sent as
        they are. sequence, checksum, length: added to the right one. native: message has the protocol's own names.
        """
        from openoutcry.sessions import text_of

        data = raw.hex() if isinstance(raw, bytes) else raw
        found: records.Record = self.call(
            "send_session_message", endpoint, str(session), text_of(message), data, sequence, checksum, length, native
        )
        return found

    def drop_session(self, endpoint: str | Endpoint, session: str, how: str = "clean") -> records.Record:
        """End a client's connection; how: one of openoutcry.verbs.HOW_TO_DROP."""
        found: records.Record = self.call("drop_session", endpoint, str(session), how)
        return found

    def wait_for(
        self, endpoint: str | Endpoint, kind: str, session: str | None = None, timeout_ms: int = 0, since: int = 0,
        native: bool = False,
    ) -> records.Record | None:  # fmt: skip
        """The next thing of that kind that happened at an endpoint, None when it has not happened.

        ``Endpoint.wait_for`` waits as long as one likes.
        """
        of = None if session is None else str(session)
        found: records.Record | None = self.call("wait_for", endpoint, kind, of, timeout_ms, since, native)
        return found
