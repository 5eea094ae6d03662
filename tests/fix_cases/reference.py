"""The reference engine (quickfix, from Python) as the acceptor under test: so what the cases expect can be checked.

Run with a JSON list of sessions' settings as a line of standard input; prints its port and serves until standard input
ends. Sends NewOrderSingle, SecurityDefinition and Email back as the echo engine does; what else arrives is unsupported.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from typing import Any

import quickfix  # the test that runs this file asks first whether there is one

ECHOED = ("D", "d", "C")
DICTIONARIES = os.path.join(sys.prefix, "share", "quickfix")


class Echo(quickfix.Application):  # type: ignore[misc]  # no types are known of this module
    """Sends back what it takes; a possible resend of a ClOrdID that it has seen since logon is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[str]] = {}

    def onCreate(self, session: Any) -> None:
        self.seen[session.toString()] = set()

    def onLogon(self, session: Any) -> None:
        self.seen[session.toString()].clear()

    def onLogout(self, session: Any) -> None:
        pass

    def toAdmin(self, message: Any, session: Any) -> None:
        pass

    def fromAdmin(self, message: Any, session: Any) -> None:
        pass

    def toApp(self, message: Any, session: Any) -> None:
        pass

    def fromApp(self, message: Any, session: Any) -> None:
        header = message.getHeader()
        kind = header.getField(35)
        if kind not in ECHOED:
            raise quickfix.UnsupportedMessageType
        if kind == "D":
            again = header.isSetField(97) and header.getField(97) == "Y"
            order = message.getField(11)
            seen = self.seen[session.toString()]
            if again and order in seen:
                return
            seen.add(order)
        quickfix.Session.sendToTarget(quickfix.Message(message), session)


def settings_text(port: int, sessions: list[dict[str, str]], dictionaries: str) -> str:
    lines = ["[DEFAULT]", "ConnectionType=acceptor", f"SocketAcceptPort={port}", "SocketReuseAddress=Y"]
    lines += ["StartTime=00:00:00", "EndTime=00:00:00", "SocketNodelay=Y"]
    for session in sessions:
        lines.append("[SESSION]")
        for name, value in session.items():
            if value.endswith(".xml"):
                value = os.path.join(dictionaries, value)
            lines.append(f"{name}={value}")
    return "\n".join(lines) + "\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    sessions = json.loads(sys.stdin.readline())
    port = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(settings_text(port, sessions, os.environ.get("QUICKFIX_DICTIONARIES", DICTIONARIES)))
        file.flush()
        settings = quickfix.SessionSettings(file.name)
    application = Echo()
    log = quickfix.ScreenLogFactory(settings) if os.environ.get("QUICKFIX_LOG") else None
    parts = (application, quickfix.MemoryStoreFactory(), settings, *([log] if log else []))
    acceptor = quickfix.SocketAcceptor(*parts)
    acceptor.start()
    print(port, flush=True)
    sys.stdin.read()
    os._exit(0)  # stopping it properly waits for its sessions


if __name__ == "__main__":
    main()
