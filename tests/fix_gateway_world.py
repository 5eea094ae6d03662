"""A gateway with FIX endpoints in a test: a matcher played by hand, a tiny application, and clients on plain sockets.

The application says as little as one can: enough to see which commands came of which messages, which messages of which
events, and whether what it remembers has survived a crash.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openoutcry import bus, wire
from openoutcry.fix.codec import body
from openoutcry.gateway.fix import dumps
from openoutcry.gateway.fix.approval import Applicant, register_approval
from openoutcry.gateway.fix.sessions import APPLICATIONS
from tests.fix_wire import SOH, Pairs, framed, parsed, stamp, written
from tests.gateway_world import NAME, PATIENCE_S, UVLOOP, GatewayProcess, HandMatcher, connected_with

_CODE = (
    "import sys; from openoutcry import bus, process; from openoutcry.gateway.service import run; "
    "from tests.fix_gateway_world import register; register(); "
    "sys.exit(run(bus.Directory(sys.argv[1]), sys.argv[2], process.Settings.load()))"
)
ROOT = Path(__file__).parent.parent


class TinyApplication:
    """D becomes ENTER; ACCEPTED and EXECUTED become 8 with how many there were of it (37), which it remembers."""

    def __init__(self, number: int, settings: Any, validator: Any, emit: Any, services: Any) -> None:
        self.number, self.emit, self.services = number, emit, services
        self.seen: dict[bytes, int] = {}

    def take(self, message: Any, out: list[Any], again: bool) -> None:
        if message.kind == b"D":
            if again:
                out.append((wire.AGAIN, self.number))
            order = (self.number, message[11], "AAPL", wire.BUY, int(message[38]), 10**10)
            out.append((wire.ENTER, *order, wire.LIMIT, wire.DAY, 0, 0, b""))
        else:
            self.emit(b"B", body([(33, len(self.seen)), (58, message.kind)]))

    def event(self, event: tuple[Any, ...], time_ns: int) -> None:
        self.absorb(event, time_ns)
        if event[0] in (wire.ACCEPTED, wire.EXECUTED):
            new = event[0] == wire.ACCEPTED
            fields = [(11, event[2]), (37, self.seen[event[2]]), (38, event[5 if new else 3]), (39, 0 if new else 1)]
            self.emit(b"8", body(fields))

    def absorb(self, event: tuple[Any, ...], time_ns: int) -> None:
        if event[0] in (wire.ACCEPTED, wire.EXECUTED):
            self.seen[event[2]] = self.seen.get(event[2], 0) + 1

    def dump(self) -> list[bytes]:
        return [json.dumps([[token.decode(), count] for token, count in self.seen.items()]).encode(), b"second piece"]

    def load(self, pieces: list[bytes]) -> None:
        if pieces:
            assert pieces[1:] == [b"second piece"]
            self.seen = {token.encode(): count for token, count in json.loads(pieces[0])}

    def logged_on(self) -> None: ...

    def logged_off(self) -> None: ...


def approve_friends(applicant: Applicant) -> str | None:
    """Friends are welcome, strangers are told so, and the nameless hear nothing."""
    who = dict(applicant.logon)[49]
    assert applicant.dynamic and 554 not in dict(applicant.logon)
    return None if who.startswith(b"FRIEND") else "strangers are not welcome" if who == b"STRANGER" else ""


def register() -> None:
    """In the gateway's process. OFTEN: dumps and marks after a few events instead of many thousands."""
    APPLICATIONS["matching"] = TinyApplication
    register_approval("friends", approve_friends)
    if os.environ.get("OFTEN"):
        vars(dumps).update(DUMP_MESSAGES=20, DUMP_BYTES=10**9, MARK_STEP=5, MARK_LAG=50)
        vars(dumps).update(CHILD_BYTES=int(os.environ["OFTEN"]))


class FixGateway(GatewayProcess):
    """A gateway whose FIX sessions have the tiny application."""

    def __init__(self, directory: bus.Directory, uvloop: bool = UVLOOP) -> None:
        environment = os.environ | {"OPENOUTCRY_UVLOOP": "1" if uvloop else "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(directory.path), NAME],
            env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def kill(self) -> None:
        if self.process.stderr is not None and not self.process.stderr.closed:  # else it has been killed before
            super().kill()


class FixClient:
    """A client on a blocking socket, which counts its own messages and nothing else."""

    def __init__(
        self, port: int, ours: str = "CLIENT", begin: str = "FIX.4.2", theirs: str = "OO", number: int = 1,
        context: Any = None, server_name: str = "localhost",
    ) -> None:  # fmt: skip
        self.begin, self.ours, self.theirs = begin, ours, theirs
        self.number = number  # of the next message
        self._rest = b""
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=server_name)

    def __enter__(self) -> FixClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def message(self, text: str) -> bytes:
        """ "35=D|11=a": with its number unless the text has one."""
        kind, _, rest = text.partition("|")
        number = next((each[3:] for each in rest.split("|") if each.startswith("34=")), "")
        if not number:
            number, self.number = str(self.number), self.number + 1
        fields = [each for each in rest.split("|") if each and not each.startswith(("34=", "43=", "97=", "122="))]
        head = [each for each in rest.split("|") if each.startswith(("43=", "97=", "122="))]
        times = f"52={stamp()}"
        head = sorted([f"34={number}", f"49={self.ours}", times, f"56={self.theirs}", *head], key=_tag)
        return framed([f"8={self.begin}", kind, *head, *fields])

    def send(self, *texts: str) -> None:
        self.socket.sendall(b"".join(map(self.message, texts)))

    def read(self) -> Pairs | None:
        """The next message, None when the connection has ended."""
        while (end := self._end()) == 0:
            try:
                data = self.socket.recv(65_536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self._rest += data
        message, self._rest = self._rest[:end], self._rest[end:]
        return parsed(message)

    def _end(self) -> int:
        at = self._rest.find(b"\x0110=")
        return self._rest.find(SOH, at + 1) + 1 if at >= 0 else 0

    def next(self) -> str:
        """The next message without what every one has (8, 9, 10, 49, 52, 56) and without times; "" at the end."""
        pairs = self.read()
        if pairs is None:
            return ""
        shown = [(tag, "*" if tag == 122 else value) for tag, value in pairs if tag not in (8, 9, 10, 49, 52, 56)]
        return written(shown)

    def expect(self, *texts: str) -> None:
        """The next messages are these."""
        found = [self.next() for _ in texts]
        assert found == list(texts), f"\n arrived  {found}\n expected {list(texts)}"

    def log_on(self, more: str = "", heartbeat: int = 30) -> None:
        """Send a Logon."""
        self.send(f"35=A|98=0|108={heartbeat}{more}")

    def order(self, token: str, quantity: int = 100, more: str = "") -> None:
        self.send(order(token, quantity, more))


def order(token: str, quantity: int = 100, more: str = "") -> str:
    """A NewOrderSingle."""
    return f"35=D{more}|11={token}|21=1|38={quantity}|40=2|44=100|54=1|55=AAPL|60={stamp()}"


def _tag(field: str) -> int:
    return int(field.partition("=")[0])


def accepted(session: int, token: str, quantity: int = 100) -> tuple[Any, ...]:
    """An ACCEPTED event."""
    return (wire.ACCEPTED, session, token.encode(), 1, wire.BUY, quantity, 10**10, wire.LIVE, b"")


def executed(session: int, token: str, quantity: int) -> tuple[Any, ...]:
    """An EXECUTED event."""
    return (wire.EXECUTED, session, token.encode(), quantity, 10**10, 1, quantity, 0, 9)


def log_on(matcher: HandMatcher, client: FixClient, session: int = 1, first: bool = True, more: str = "") -> None:
    """Log a client on, from its Logon to the answer, whose number is not looked at."""
    client.log_on(more)
    matcher.log_on(session, f"0001{session:06d}", first)
    pairs = client.read()
    assert pairs is not None and dict(pairs)[35] == "A", pairs


def connected(directory: bus.Directory, uvloop: bool = UVLOOP) -> Iterator[tuple[HandMatcher, FixGateway]]:
    """A matcher by hand and a gateway that has said HELLO to it."""
    yield from connected_with(FixGateway, directory, uvloop)


@contextmanager
def another_life(directory: bus.Directory) -> Iterator[FixGateway]:
    """The gateway of that directory, started anew."""
    gateway = FixGateway(directory)
    try:
        yield gateway
    finally:
        gateway.kill()


def until(reached: Any, what: str, patience_s: float = PATIENCE_S) -> None:
    """Ask again and again until it is so."""
    deadline = time.monotonic() + patience_s
    while not reached():
        assert time.monotonic() < deadline, f"not reached: {what}"
        time.sleep(0.01)
