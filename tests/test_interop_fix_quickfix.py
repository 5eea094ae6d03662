"""The engine by whose behaviour ours is measured: QuickFIX (C++, with its Python binding), at both ends of a session.

It reads our dictionaries, written as its XML. It is no requirement of the tests: it comes as sources only.
"""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from openoutcry import Exchange
from openoutcry.clients.fix import FixInitiator
from openoutcry.fix.dictionary import load
from openoutcry.fix.quickfix_xml import write_xml
from openoutcry.handles import Endpoint
from tests.fix_interop import OURS, VERSIONS, begin_string, cancel, change, fill, fitting, new_order

pytest.importorskip("quickfix", reason="quickfix has no wheel: it is compiled for some eight minutes")

PATIENCE_S = 60.0  # it takes its time: reading a large XML, connecting once a second

Fields = dict[int, str]


class Peer:
    """One QuickFIX session in a process of its own, and what its application was told."""

    def __init__(self, end: str, settings: Path) -> None:
        code = [sys.executable, str(Path(__file__).with_name("fix_quickfix_peer.py")), end, str(settings)]
        self.process = subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told: dict[str, queue.Queue[Fields]] = {}
        for what in ("logon", "logout", "app", "admin"):
            self.told[what] = queue.Queue()
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            [(what, pairs)] = json.loads(line).items()
            self.told[what].put(dict(pairs[::-1]))  # the first of each tag

    def kill(self) -> None:
        self.process.kill()
        self.thread.join()
        with self.process:  # which closes its pipes
            pass

    def wait(self, what: str) -> Fields:
        """The next thing of that kind that it is told."""
        return self.told[what].get(timeout=PATIENCE_S)

    def order(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def send(self, kind: str, fields: Fields) -> None:
        self.order(send=kind, fields=fields)

    def expect(self, kind: str, fields: dict[int, Any]) -> Fields:
        """The next application message, which is of that type and has those values."""
        return check(self.wait("app"), kind, fields)

    def expect_admin(self, kind: str, fields: dict[int, Any]) -> Fields:
        """The next message of the session layer of that type, which has those values."""
        while (message := self.wait("admin"))[35] != kind:
            pass
        return check(message, kind, fields)


def check(message: Fields, kind: str, fields: dict[int, Any]) -> Fields:
    found = {tag: message.get(tag, "-") for tag in (35, *fields)}
    assert found == {35: kind, **{tag: str(value) for tag, value in fields.items()}}, message
    return message


def settings_file(version: str, ours: str, theirs: str, place: Path, **more: Any) -> Path:
    """QuickFIX's settings of one session, with our dictionaries."""
    used = {"DataDictionary": version.replace(".", "")}
    if version != begin_string(version):
        used = {"AppDataDictionary": version.replace(".", ""), "TransportDataDictionary": "FIXT11"}
        more["DefaultApplVerID"] = version
    for key, name in used.items():
        more[key] = place / f"{name}.xml"
        more[key].write_text(write_xml(load(name)))
    given = {
        "BeginString": begin_string(version), "SenderCompID": ours, "TargetCompID": theirs, "HeartBtInt": 30,
        "StartTime": "00:00:00", "EndTime": "00:00:00", "UseDataDictionary": "Y", "ReconnectInterval": 1,
        "FileStorePath": place / ours, **more,
    }  # fmt: skip
    path = place / f"{ours}.cfg"
    path.write_text("[SESSION]\n" + "".join(f"{key}={value}\n" for key, value in given.items()))
    return path


@contextmanager
def client(endpoint: Endpoint, version: str, name: str, place: Path, **more: Any) -> Iterator[Peer]:
    """A QuickFIX initiator that is logged on to our gateway, until the block ends; then it logs out."""
    where = {"ConnectionType": "initiator", "SocketConnectHost": endpoint.host, "SocketConnectPort": endpoint.port}
    peer = Peer("initiator", settings_file(version, name, OURS, place, **where, **more))
    try:
        peer.wait("logon")
        yield peer
        peer.order(logout=True)
        peer.wait("logout")
    finally:
        peer.kill()


@pytest.fixture
def endpoint(exchange: Exchange) -> Endpoint:
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    return engine.create_endpoint("orders", "fix")


@pytest.mark.parametrize("version", VERSIONS)
def test_its_initiator_trades_at_our_gateway(endpoint: Endpoint, version: str, tmp_path: Path) -> None:
    with client(endpoint, version, "ALICE", tmp_path) as alice, client(endpoint, version, "BOB", tmp_path) as bob:
        alice.send("D", new_order(version, "a1", 1, 100, "150.25"))
        alice.expect("8", {11: "a1", 39: 0})
        bob.send("D", new_order(version, "b1", 2, 60, "150"))
        bob.expect("8", {11: "b1", 39: 0})
        bob.expect("8", {11: "b1", 32: 60, 31: "150.25", 14: 60} | fill(version, whole=True))
        alice.expect("8", {11: "a1", 32: 60, 31: "150.25", 14: 60} | fill(version, whole=False))
        alice.send("G", change(version, "a2", "a1", 1, 120, "149"))
        alice.expect("8", fitting(version, "8", {11: "a2", 41: "a1", 38: 120, 44: 149, 14: 60}))
        alice.send("F", cancel(version, "a3", "a2", 1, 120))
        alice.expect("8", fitting(version, "8", {11: "a3", 41: "a2", 39: 4}))
        alice.send("F", cancel(version, "a4", "a2", 1, 120))
        alice.expect("9", fitting(version, "9", {11: "a4", 41: "a2"}))


@pytest.mark.parametrize("version", VERSIONS)
def test_its_initiator_gets_again_what_it_missed(endpoint: Endpoint, version: str, tmp_path: Path) -> None:
    with client(endpoint, version, "ALICE", tmp_path) as alice:
        alice.send("D", new_order(version, "a1", 1, 100, "150.25"))
        alice.expect("8", {11: "a1", 39: 0})
    with client(endpoint, version, "BOB", tmp_path) as bob:
        bob.send("D", new_order(version, "b1", 2, 100, "150"))
        bob.expect("8", {11: "b1", 39: 0})
        bob.expect("8", {11: "b1", 14: 100})
    with client(endpoint, version, "ALICE", tmp_path) as alice:
        alice.expect("8", {11: "a1", 14: 100, 43: "Y"} | fill(version, whole=True))
        alice.send("D", new_order(version, "a2", 1, 1, "150"))
        alice.expect("8", {11: "a2", 39: 0, 43: "-"})


def test_its_initiator_understands_our_rejects(endpoint: Endpoint, tmp_path: Path) -> None:
    with client(endpoint, "FIX.4.4", "ALICE", tmp_path) as alice:
        alice.send("D", new_order("FIX.4.4", "a1", 1, 100, "150") | {9999: "1"})
        alice.expect_admin("3", {45: 2, 371: 9999, 372: "D", 373: 0, 58: "Invalid tag number"})
        alice.send("B", {148: "Headline", 33: "0"})
        alice.expect("j", {45: 3, 372: "B", 380: 3, 58: "Unsupported Message Type"})


def test_its_initiator_begins_at_one_again_when_it_asks_for_it(endpoint: Endpoint, tmp_path: Path) -> None:
    for name in ("a1", "a2"):
        with client(endpoint, "FIX.4.4", "ALICE", tmp_path, ResetOnLogon="Y") as alice:
            alice.send("D", new_order("FIX.4.4", name, 1, 100, "150"))
            alice.expect("8", {11: name, 34: 2})


# -- as the acceptor, for our client -----------------------------------------------------------------------------------


@contextmanager
def acceptor(version: str, place: Path) -> Iterator[tuple[Peer, int]]:
    """A QuickFIX acceptor with one session, ISLD to US, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = {"ConnectionType": "acceptor", "SocketAcceptPort": port, "SocketReuseAddress": "Y"}
    peer = Peer("acceptor", settings_file(version, "ISLD", "US", place, **where))
    try:
        yield peer, port
    finally:
        peer.kill()


@pytest.mark.parametrize("version", VERSIONS)
def test_its_acceptor_serves_our_client(version: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {"BeginString": begin_string(version), "SenderCompID": "US", "TargetCompID": "ISLD"}
    if version != begin_string(version):
        names["DefaultApplVerID"] = version
    report = {37: "1", 17: "1", 20: "0", 150: "0", 39: "0", 55: "AAPL", 54: "1", 38: "100", 151: "100", 14: "0",
              6: "0", 31: "0", 32: "0"}  # fmt: skip

    async def trade(peer: Peer, ours: FixInitiator, name: str, number: int) -> None:
        await ours.send("D", dict(new_order(version, name, 1, 100, "150.25").items()))
        await asyncio.to_thread(peer.expect, "D", {11: name, 44: "150.25"})
        peer.send("8", fitting(version, "8", {11: name, **report}))
        got = await ours.next("ExecutionReport", timeout=PATIENCE_S)
        assert (got["ClOrdID"], got.sequence, got.possible_duplicate) == (name, number, False)

    async def scenario() -> None:
        with acceptor(version, tmp_path) as (peer, port):
            async with FixInitiator(host="127.0.0.1", port=port, timeout=PATIENCE_S, **names) as ours:
                await asyncio.to_thread(peer.wait, "logon")
                await trade(peer, ours, "a1", 2)
                await ours.drop()
                await ours.logged_on()
                await asyncio.to_thread(peer.wait, "logon")
                await trade(peer, ours, "a2", 4)
                await ours.logout("good night")
                await asyncio.to_thread(peer.expect_admin, "5", {58: "good night"})

    asyncio.run(scenario())
