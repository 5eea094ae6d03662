"""What a session tells its host, beside messages and bytes. See ``session``."""

from __future__ import annotations

from typing import NamedTuple

from openoutcry.fix.message import Message


class LogonRequested(NamedTuple):
    """Acceptor: `message` is a Logon that is right in itself; approve() or refuse(text) is the answer."""

    message: Message


class LoggedOn(NamedTuple):
    """Logged on, by this Logon of the peer's."""

    message: Message


class LoggedOut(NamedTuple):
    """The end of what LoggedOn began. text: the Logout's, or what happened."""

    text: str


class Admin(NamedTuple):
    """A message of the session layer that was taken."""

    message: Message


class Disconnect(NamedTuple):
    """Close the transport once everything is written, then call disconnected()."""

    reason: str
