"""Clients' sessions in a test's hands (managed mode): log-ons, messages and connections, held and stepped one by one.

::

    endpoint.set_property("auto_accept", False)
    session = endpoint.accept_session()          # as soon as a client asks to log on
    session.auto_receive = False                 # from now on its messages wait
    message = session.next_message()             # {"MsgType": "NewOrderSingle", "ClOrdID": "A1", ...}
    message.process()                            # hand it to the engine; or message.discard()
    session.send({"MsgType": "ExecutionReport", ...}, sequence=1)
    session.drop("reset")

Invariant: nothing is held here but names, and how far ``wait_for`` has come: what waits, waits in the gateway, and any
other control client can go on with it. Whatever takes a ``timeout`` asks again and again, in slices that let other
threads in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from openoutcry.errors import ClusterError, OpenOutcryError, VerbError

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange
    from openoutcry.records import Record

SLICE_MS: Final = 250  # of one question: the exchange's other threads are kept waiting no longer than that
LOOK_AGAIN_S: Final = 0.002  # between two: the others get their turn
TIMEOUT_S: Final = 5.0

Client = TypeVar("Client")


def poll(ask: Callable[[int], Any], timeout: float) -> Any:
    """Ask, with the ms that the question may wait, until the answer is not None, or None after so many seconds."""
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        found = ask(max(0, min(SLICE_MS, int(left * 1_000))))
        if found is not None or left <= 0:
            return found
        time.sleep(LOOK_AGAIN_S)


def held(deed: Callable[[int], Any], timeout: float) -> Any:
    """What a deed returns that needs a client who waits to be let in. Raises ClusterError when nobody comes."""

    def attempt(ms: int) -> Any:
        try:
            return deed(ms)
        except VerbError as error:
            if (error.code, error.field) != ("wrong_state", "connection"):
                raise
            refused.append(error.text)
            return None

    refused: list[str] = []
    found = poll(attempt, timeout)
    if found is None:
        raise ClusterError(f"{refused[-1]}, after {timeout:g} s")
    return found


def accept_client(
    exchange: Exchange, endpoint: str, connect: Callable[[], Client], timeout: float
) -> tuple[Session, Client]:
    """``Endpoint.accept_client``."""
    with ThreadPoolExecutor(1, "client") as pool:
        coming = pool.submit(connect)
        try:
            session = held(lambda ms: exchange.accept_session(endpoint, None, ms), timeout)
        except OpenOutcryError:
            if coming.done() and (error := coming.exception()) is not None:
                raise error from None  # that is why nobody came
            raise
        return session, coming.result(timeout)


def wait_for(exchange: Exchange, endpoint: str, kind: str, session: str | None, timeout: float, since: int) -> Record:
    """``Endpoint.wait_for``."""
    found: Record | None = poll(lambda ms: exchange.wait_for(endpoint, kind, session, ms, since), timeout)
    if found is None:
        who = f"of {session!r} " if session is not None else ""
        text = f"no {kind} {who}at endpoint {endpoint!r} after {timeout:g} s"
        if kind[:1].isupper() or kind == "message":
            from openoutcry.gateway.managed_watch import FIRST_MAX

            text += f"; until somebody waits for one, or holds any, the first {FIRST_MAX} of a connection are noted"
        raise ClusterError(text)
    return found


class HeldMessage(dict[str, Any]):
    """A client's message that waits: a dictionary as openoutcry.messages has it.

    number: among all that happens at the gateway. sequence: its MsgSeqNum; 0 for OUCH. raw: as it was received.
    """

    def __init__(self, session: Session, row: Mapping[str, Any]) -> None:
        super().__init__({"MsgType": row["MsgType"], **row["message"]} if row["message"] else {})
        self.session = session
        self.number: int = row["number"]
        self.type: str = row["MsgType"]
        self.sequence: int = row.get("sequence", 0)
        self.raw = bytes.fromhex(row.get("raw", ""))

    def process(self) -> Record:
        """Hand it to the engine; returns when the engine has it, and its client has been answered."""
        return self.session.process(self.number)

    def discard(self) -> Record:
        """Throw it away: nothing comes of it, and nobody is told."""
        return self.session.discard(self.number)

    def native(self) -> dict[str, Any]:
        """The message with the protocol's own names: OUCH's, or tags."""
        from openoutcry import messages

        if self.raw.startswith(b"8=FIX"):
            return messages.from_fix(self.raw, native=True)
        return messages.from_ouch(self.raw, True, native=True)


class Session:
    """One client's session at an endpoint, logged on or not. name: its user, or both ends of a FIX session.

    number: the matcher's, 0 if it has not been asked. What ``wait_for`` returns moves it on: the next call is about
    what happened later. since: the number of the event after which it begins.
    """

    def __init__(self, exchange: Exchange, endpoint: str, name: str, number: int = 0, since: int = 0) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.name = name
        self.number = number
        self.since = since

    def __repr__(self) -> str:
        return f"Session({self.name!r} at {self.endpoint!r})"

    def __str__(self) -> str:
        return self.name or str(self.number)  # where anybody may log in, a user can be without a name

    @property
    def auto_receive(self) -> bool:
        """Whether its messages are taken as they come; set it to False to have them wait."""
        try:
            rows = self.exchange.describe(str(self), "session", self.endpoint)["explained"]
        except VerbError as error:
            if error.code != "unknown_name":
                raise
            return True  # its client has never come, and nobody has set it
        return bool(next(row["value"] for row in rows if row["name"] == "auto_receive"))

    @auto_receive.setter
    def auto_receive(self, value: bool) -> None:
        if not self.name:
            raise ClusterError("a session without a user's name can only be held by its endpoint's auto_receive")
        self.exchange.set_session_property(self.endpoint, str(self), "auto_receive", value)

    def describe(self) -> Record:
        """Everything about it, with its settings. Raises VerbError for one whose client has never come."""
        return self.exchange.describe(str(self), "session", self.endpoint)

    def next_message(self, timeout: float = TIMEOUT_S) -> HeldMessage:
        """The oldest message that waits and has not been returned yet; it still waits then.

        Raises ClusterError when there is none within so many seconds.
        """
        found = poll(lambda ms: self.exchange.next_message(self.endpoint, str(self), ms), timeout)
        if found is None:
            raise ClusterError(
                f"no message of {str(self)!r} waits at endpoint {self.endpoint!r} after {timeout:g} s; messages wait "
                "where auto_receive of the engine, the endpoint or the session is false"
            )
        return HeldMessage(self, found)

    def process(self, message: int | None = None) -> Record:
        """Hand a message to the engine, by default the oldest."""
        return self.exchange.process_message(self.endpoint, str(self), message)

    def discard(self, message: int | None = None) -> Record:
        """Throw a message away, by default the oldest."""
        return self.exchange.discard_message(self.endpoint, str(self), message)

    def send(
        self, message: Mapping[str, Any] | bytes, sequence: int = 0, checksum: int = 0, length: int = 0,
        native: bool = False,
    ) -> Record:  # fmt: skip
        """Send the client a message: fields as openoutcry.messages names them, or bytes as they are.

        sequence, checksum, length: added to the right one. native: fields as the protocol names them.
        """
        if isinstance(message, bytes):
            return self.exchange.send_session_message(self.endpoint, str(self), raw=message)
        return self.exchange.send_session_message(
            self.endpoint, str(self), message, "", sequence, checksum, length, native
        )

    def drop(self, how: str = "clean") -> Record:
        """End its client's connection: ``clean``, ``reset`` (TCP RST) or ``half-open``."""
        return self.exchange.drop_session(self.endpoint, str(self), how)

    def wait_for(self, kind: str, timeout: float = TIMEOUT_S) -> Record:
        """The next thing of that kind that happened to it: see ``Endpoint.wait_for``."""
        found = wait_for(self.exchange, self.endpoint, kind, str(self), timeout, self.since)
        self.since = found["number"]
        return found


def text_of(message: str | Mapping[str, Any]) -> str:
    """A message as the verb has it: JSON. Decimals are text."""
    return message if isinstance(message, str) else json.dumps(message, default=str) if message else ""
