"""A QuickFIX session in a process of its own: it may take its time to stop, or crash while it does, and is killed.

    python fix_quickfix_peer.py initiator|acceptor SETTINGS-FILE

Standard output, a JSON object a line: {"logon": []}, {"logout": []}, {"app": [[tag, value], ...]}, {"admin": [...]}.
Standard input: {"send": MsgType, "fields": {tag: value}}, {"logout": true}; the end of it ends the process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import quickfix


class Teller(quickfix.Application):  # type: ignore[misc]  # it is found at run time
    """Says what happens to its session."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def tell(self, what: str, message: Any = None) -> None:
        text = "" if message is None else message.toString()
        pairs = [field.split("=", 1) for field in text.split("\x01")[:-1]]
        with self.lock:
            print(json.dumps({what: [[int(tag), value] for tag, value in pairs]}), flush=True)

    def onCreate(self, session: Any) -> None: ...

    def onLogon(self, session: Any) -> None:
        self.tell("logon")

    def onLogout(self, session: Any) -> None:
        self.tell("logout")

    def toAdmin(self, message: Any, session: Any) -> None: ...

    def toApp(self, message: Any, session: Any) -> None: ...

    def fromAdmin(self, message: Any, session: Any) -> None:
        self.tell("admin", message)

    def fromApp(self, message: Any, session: Any) -> None:
        self.tell("app", message)


def message_of(kind: str, fields: dict[str, str]) -> Any:
    message = quickfix.Message()
    message.getHeader().setField(quickfix.MsgType(kind))
    for tag, value in fields.items():
        message.setField(int(tag), value)
    return message


def main(end: str, path: str) -> None:
    settings = quickfix.SessionSettings(path)
    teller, store = Teller(), quickfix.FileStoreFactory(settings)
    with open(path) as file:
        given = dict(line.strip().split("=", 1) for line in file if "=" in line)
    session = quickfix.SessionID(given["BeginString"], given["SenderCompID"], given["TargetCompID"])
    host = (quickfix.SocketInitiator if end == "initiator" else quickfix.SocketAcceptor)(teller, store, settings)
    host.start()
    for line in sys.stdin:
        order = json.loads(line)
        if "send" in order:
            quickfix.Session.sendToTarget(message_of(order["send"], order["fields"]), session)
        else:
            quickfix.Session.lookupSession(session).logout()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
