"""The exceptions of Open Outcry, one tree, split by whose fault it is.

OpenOutcryError
├── WireError            a peer sent bytes that are not a message of openoutcry.wire (the peer's fault)
│   └── ProtocolError    a client broke its session protocol: SoupBinTCP, OUCH (the client's fault)
├── VerbError            a control verb was refused: unknown, bad argument, wrong state (the caller's fault)
├── JournalError         the journal or a snapshot cannot be trusted, or cannot be written (the disk's)
├── ClusterError         a part did not start, stop or answer (the host's)
└── ClientError          a client of ours cannot go on: refused login, lost connection, time-out
    ├── LoginRejected    by the server
    └── LogonError       by us: a hook refuses the logon
"""

from __future__ import annotations


class OpenOutcryError(Exception):
    """Base of every error that Open Outcry raises on purpose."""


class WireError(OpenOutcryError):
    """Bytes or values that are not a message of the bus (openoutcry.wire)."""


class ProtocolError(WireError):
    """A client broke the rules of its session protocol; the connection is closed."""


class VerbError(OpenOutcryError):
    """A control verb was refused.

    code: one of openoutcry.verbs.ERROR_CODES (``unknown_verb``, ``bad_argument``, ``exists`` ...).
    field: the name of the argument at fault, "" when it is none of them.
    text: a sentence that names the field, the value and the rule.
    """

    def __init__(self, code: str, field: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if not field else f"{code} ({field}): {text}")
        self.code = code
        self.field = field
        self.text = text


class JournalError(OpenOutcryError):
    """The journal, a stream or a snapshot is damaged, or the disk refused a write or a sync."""


class ClusterError(OpenOutcryError):
    """A process of the cluster did not start, stop or answer in time."""


class ClientError(OpenOutcryError):
    """A client session cannot go on."""


class LoginRejected(ClientError):
    """The server refused the login; ``reason`` is the protocol's own code."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or f"login rejected, reason {reason!r}")
        self.reason = reason


class LogonError(ClientError):
    """Raised in a FIX hook (on_logon, an approval) to refuse the logon; the counterparty is told the text."""
