"""The sequencer with its real machine, journal, streams and snapshots, over a transport that a seed makes lose, repeat
and forget, and with lives that end at any turn. Only the ZeroMQ socket is replaced, by two queues."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zmq

from openoutcry import bus, verbs, wire
from openoutcry.bus import Directory, Link
from openoutcry.errors import JournalError
from openoutcry.matcher.audit import audit
from openoutcry.matcher.disk import Disk
from openoutcry.matcher.sequencer import Sequencer
from openoutcry.matcher.service import Storage
from openoutcry.process import Settings

MS = 1_000_000


class Wires:
    """A ROUTER socket of two queues. With `loss`, that share of the messages disappears in each direction."""

    def __init__(self, random: Random, loss: float = 0.0) -> None:
        self.random, self.loss = random, loss
        self.inbox: deque[list[bytes]] = deque()
        self.outbox: dict[bytes, deque[bytes]] = defaultdict(deque)
        self.parts: list[bytes] = []  # of the message being received
        self.sending: list[bytes] = []  # of the message being sent
        self.asked = self.sent = 0  # how often whether a message is there; how many left

    def getsockopt(self, option: int) -> int:
        if option == zmq.RCVMORE:
            return int(bool(self.parts))
        self.asked += 1
        return int(zmq.POLLOUT) | (int(zmq.POLLIN) if self.inbox else 0)

    def recv(self, flags: int) -> bytes:
        if not self.parts:
            self.parts = list(self.inbox.popleft())
        return self.parts.pop(0)

    def send(self, part: bytes, flags: int) -> None:
        self.sending.append(part)
        if not flags & zmq.SNDMORE:
            identity, *frames = self.sending
            self.sending = []
            self.sent += 1
            if self.random.random() >= self.loss:
                self.outbox[identity].extend(frames)

    def put(self, identity: bytes, frames: list[bytes]) -> None:
        for data in frames:
            if self.random.random() >= self.loss:
                self.inbox.append([identity, data])


class Life:
    """One life of the matcher in a directory."""

    def __init__(self, directory: Directory, wires: Wires, **settings: Any) -> None:
        self.storage = Storage(directory, Settings(**{"durability": "none", "segment_bytes": 65_536, **settings}))
        self.machine = self.storage.recover()
        self.sequencer = Sequencer(self.machine, self.storage.journal, self.storage.logs, wires)  # type: ignore[arg-type]  # Wires, not ZeroMQ
        self.sequencer.begin()

    def turn(self) -> None:
        self.sequencer.turn()
        self.storage.keep_up(self.machine)
        self.storage.snapshots.wait()

    def end(self) -> None:
        """As kill -9 leaves it: nothing is flushed."""
        self.storage.snapshots.close()
        self.storage.journal.close()


class Peer:
    """A peer that keeps all its events."""

    def __init__(self, name: str, role: int = wire.ROLE_GATEWAY) -> None:
        self.link = Link(name, role, 1)
        self.name = name.encode()
        self.events: list[Any] = []

    def step(self, wires: Wires, now: int) -> None:
        inbox = wires.outbox[self.name]
        while inbox:
            taken = self.link.receive(inbox.popleft(), now)
            if taken is not None and len(taken) == 3:
                self.take(taken[1], taken[2])
        wires.put(self.name, self.link.frames(now))

    def take(self, time_ns: int, events: list[Any]) -> None:
        self.events.extend(events)


def verb(number: int, name: str, *arguments: Any) -> tuple[Any, ...]:
    return (wire.VERB, number, name, verbs.check(name, arguments))


def enter(session: int, number: int, random: Random) -> tuple[Any, ...]:
    price = (10_000 + random.randrange(-5, 6)) * 1_000_000
    side, tif = random.choice((wire.BUY, wire.SELL)), random.choice((wire.DAY, wire.IOC))
    return (
        wire.ENTER,
        session,
        b"T%d" % number,
        "X",
        side,
        random.randrange(1, 100),
        price,
        wire.LIMIT,
        tif,
        0,
        0,
        b"",
    )


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    yield Directory(tmp_path / "d").create()


def set_up(life: Life, wires: Wires, control: Peer, gateway: Peer, feed: Peer) -> int:
    """Engine, book, endpoint, one session; returns the session's number."""
    for command in (verb(1, "create_engine", "e"), verb(2, "create_book", "b", "e", "X"),
                    verb(3, "create_endpoint", "p", "e", "ouch42")):  # fmt: skip
        control.link.submit(command)
    gateway.link.submit((wire.BOUND, "p", "127.0.0.1", 5, ""))
    gateway.link.submit((wire.LOGON, "p", "U", 1, ""))
    now = 0
    while not any(event[0] == wire.LOGGED_ON for event in gateway.events):
        now += 20 * MS
        assert now < 60_000 * MS
        for peer in (control, feed, gateway):
            if peer is not gateway or any(e[:2] == (wire.RESULT, 2) for e in control.events):
                peer.step(wires, now)
        life.turn()
    return next(int(event[1]) for event in gateway.events if event[0] == wire.LOGGED_ON)


@pytest.mark.parametrize("seed", range(12))
def test_lives_end_and_messages_are_lost_but_every_order_happens_once(directory: Directory, seed: int) -> None:
    random = Random(seed)
    wires = Wires(random, loss=random.choice((0.0, 0.02, 0.1)))
    life = Life(directory, wires, snapshot_every=random.choice((100, 1_000_000)))
    gateway, control = Peer("gw"), Peer("control", wire.ROLE_CONTROL)
    feed = Peer("marketdata", wire.ROLE_MARKETDATA)
    session = set_up(life, wires, control, gateway, feed)
    now, sent, orders = 10**12, 0, 1_500
    while sent < orders or gateway.link.backlog or not caught_up(life, gateway, feed):
        now += 20 * MS
        assert now < 10**12 + 10**6 * MS, "no end"
        for _ in range(min(random.randrange(0, 40), orders - sent)):
            sent += 1
            gateway.link.submit(enter(session, sent, random))
        gateway.step(wires, now)
        feed.step(wires, now)
        if random.random() < 0.05:
            life.end()
            wires.inbox.clear()
            life = Life(directory, wires, snapshot_every=random.choice((100, 1_000_000)))
        life.turn()
    accepted = [event[2] for event in gateway.events if event[0] == wire.ACCEPTED]
    assert accepted == [b"T%d" % number for number in range(1, orders + 1)]
    fills = [event for event in gateway.events if event[0] == wire.EXECUTED]
    matches = [event[6] for event in fills]
    assert sorted(matches) == sorted(list(range(1, len(fills) // 2 + 1)) * 2)
    assert [event[5] for event in feed.events if event[0] == wire.TRADED] == list(range(1, len(fills) // 2 + 1))
    live_hash, ends = life.machine.state_hash(), {n: s.end for n, s in life.machine.streams.items() if s.end}
    stored = {name: b"".join(data for _, _, data in life.storage.logs.read(name, 0)) for name in ends}
    life.end()
    found = audit(directory.path)
    assert found["state_hash"] == live_hash
    assert {name: row["events"] for name, row in found["streams"].items()} == ends
    assert hashes(stored) == {name: row["hash"] for name, row in found["streams"].items()}


def caught_up(life: Life, *peers: Peer) -> bool:
    return all(
        peer.link.last_event == life.machine.streams[life.sequencer.connections[peer.name].stream].end
        for peer in peers
        if peer.name in life.sequencer.connections
    ) and all(peer.name in life.sequencer.connections for peer in peers)


def hashes(stored: dict[str, bytes]) -> dict[str, str]:
    from hashlib import blake2b

    return {name: blake2b(data, digest_size=16).hexdigest() for name, data in stored.items()}


@pytest.fixture
def wires() -> Wires:
    return Wires(Random(0))


@pytest.fixture
def life(directory: Directory, wires: Wires) -> Iterator[Life]:
    made = Life(directory, wires)
    yield made
    made.end()


def answers(life: Life, wires: Wires, identity: bytes, *frames: bytes) -> list[tuple[Any, ...]]:
    """Send frames, turn once, and decode what comes back."""
    for data in frames:
        wires.inbox.append([identity, data])
    life.turn()
    found = [wire.decode_frame(data) for data in wires.outbox[identity]]
    wires.outbox[identity].clear()
    return found


HELLO = wire.frame(wire.HELLO, "gw", wire.ROLE_GATEWAY, 2, 0)


def test_hello_is_welcomed_with_epoch_and_positions(life: Life, wires: Wires) -> None:
    assert answers(life, wires, b"gw", HELLO)[0] == (wire.WELCOME, 1, 0, 0)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xc1", wire.ERROR_MALFORMED),
        (wire.pack((wire.ACK, 9, 1, 0)), wire.ERROR_VERSION),
        (wire.frame(wire.ACK, 2, 0), wire.ERROR_HELLO),
        (wire.frame(wire.HELLO, "other", wire.ROLE_GATEWAY, 1, 0), wire.ERROR_REFUSED),
    ],
)
def test_what_is_wrong_is_answered_and_changes_nothing(life: Life, wires: Wires, frame: bytes, code: int) -> None:
    before = life.machine.state_hash()
    assert [answer[:2] for answer in answers(life, wires, b"gw", frame)] == [(wire.ERROR, code)]
    assert life.machine.state_hash() == before


def test_an_older_generation_is_fenced(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    old = wire.frame(wire.HELLO, "gw", wire.ROLE_GATEWAY, 1, 0)
    assert answers(life, wires, b"gw", old)[0][:2] == (wire.ERROR, wire.ERROR_FENCED)
    stale = wire.frame(wire.CMD, 1, 1, 0, [(wire.LOGON, "p", "U", 1, "")])
    assert answers(life, wires, b"gw", stale)[0][:2] == (wire.ERROR, wire.ERROR_FENCED)


def test_a_peer_does_not_change_its_role(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    other = wire.frame(wire.HELLO, "gw", wire.ROLE_CONTROL, 3, 0)
    assert answers(life, wires, b"gw", other)[0][:2] == (wire.ERROR, wire.ERROR_REFUSED)


def test_commands_out_of_order_are_sent_back_and_repeated_ones_dropped(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    logon = (wire.LOGON, "p", "U", 1, "")
    ahead = wire.frame(wire.CMD, 2, 5, 0, [logon])
    assert answers(life, wires, b"gw", ahead)[0] == (wire.WELCOME, 1, 0, 0)
    first = wire.frame(wire.CMD, 2, 1, 0, [logon, logon])
    assert answers(life, wires, b"gw", first)[-1][:3] == (wire.CMD_ACK, 1, 2)
    sequence = life.machine.sequence
    assert answers(life, wires, b"gw", first)[-1][:3] == (wire.CMD_ACK, 1, 2)
    assert life.machine.sequence == sequence


def test_questions_are_answered_and_passed_on(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    ask = wire.frame(wire.QUERY, 7, "matcher", "gw", "ping", "")
    (reply,) = [answer for answer in answers(life, wires, b"gw", ask) if answer[0] == wire.REPLY]
    assert reply[1] == 7 and json.loads(reply[5])["sequence"] == life.machine.sequence
    nobody = wire.frame(wire.QUERY, 8, "nobody", "gw", "ping", "")
    (reply,) = [answer for answer in answers(life, wires, b"gw", nobody) if answer[0] == wire.REPLY]
    assert reply[4] == 0
    answers(life, wires, b"ct", wire.frame(wire.HELLO, "ct", wire.ROLE_CONTROL, 1, 0))
    to_gateway = wire.frame(wire.QUERY, 9, "gw", "ct", "statistics", "")
    answers(life, wires, b"ct", to_gateway)
    assert wire.decode_frame(wires.outbox[b"gw"].popleft())[:5] == (wire.QUERY, 9, "gw", "ct", "statistics")


def test_a_question_that_comes_alone_is_answered_at_once_and_nothing_else_is_done(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    ask = wire.frame(wire.QUERY, 7, "matcher", "gw", "ping", "{}")
    wires.inbox.extend([[b"gw", ask]] * 2)
    wires.asked = wires.sent = 0
    life.sequencer.turn(True)
    assert (wires.asked, wires.sent, len(wires.inbox)) == (0, 1, 1)  # the other one is for the next turn
    wires.inbox.append([b"gw", wire.frame(wire.CMD, 2, 1, 0, [(wire.LOGON, "p", "U", 1, "")])])
    life.sequencer.turn(True)
    life.sequencer.turn(True)
    assert not wires.inbox and life.machine.peers["gw"].last_command == 1
    assert (wires.asked, wires.sent) == (1, 3)  # whether a command has more beside it; the events and CMD_ACK together


def test_a_question_between_commands_does_not_part_them(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    record = life.sequencer.record
    first, second = (wire.frame(wire.CMD, 2, number, 0, [(wire.LOGON, "p", "U", 1, "")]) for number in (1, 2))
    ask = wire.frame(wire.QUERY, 7, "matcher", "gw", "ping", "{}")
    found = answers(life, wires, b"gw", first, ask, second)
    assert [message[0] for message in found] == [wire.REPLY, wire.EV, wire.CMD_ACK]
    assert (life.sequencer.record, life.machine.peers["gw"].last_command) == (record + 1, 2)


@pytest.mark.parametrize("argument", ["[]", "{", '{"book":"nope"}', '{"book":1}'])
def test_a_bad_question_is_a_bad_answer(life: Life, wires: Wires, argument: str) -> None:
    answers(life, wires, b"gw", HELLO)
    ask = wire.frame(wire.QUERY, 7, "matcher", "gw", "depth", argument)
    (reply,) = [answer for answer in answers(life, wires, b"gw", ask) if answer[0] == wire.REPLY]
    assert reply[4] == 0 and len(json.loads(reply[5])) == 3


def several(life: Life, wires: Wires, argument: Any) -> tuple[int, Any]:
    ask = wire.frame(wire.QUERY, 7, "matcher", "gw", "several", json.dumps(argument))
    (reply,) = [answer for answer in answers(life, wires, b"gw", ask) if answer[0] == wire.REPLY]
    return reply[4], json.loads(reply[5])


def test_questions_that_come_together_are_answered_one_by_one(life: Life, wires: Wires) -> None:
    answers(life, wires, b"gw", HELLO)
    asked = [["list", {"kind": "engines"}], ["depth", {"book": "nope"}], ["frobnicate", {}], ["list", 5], [5, {}],
             ["several", {"questions": []}]]  # fmt: skip
    ok, rows = several(life, wires, {"questions": asked})
    assert (ok, rows[0]) == (1, [1, []])
    codes = [(ok, body[0]) for ok, body in rows[1:]]
    assert codes == [(0, "unknown_name"), (0, "unknown_verb"), (0, "bad_argument"), (0, "bad_argument"),
                     (0, "unknown_verb")]  # fmt: skip


@pytest.mark.parametrize("argument", [[], {}, {"questions": 5}, {"questions": [5]}, {"questions": [["list"]]}])
def test_questions_that_are_no_list_of_them_are_refused(life: Life, wires: Wires, argument: Any) -> None:
    answers(life, wires, b"gw", HELLO)
    ok, body = several(life, wires, argument)
    assert (ok, body[:2]) == (0, ["bad_argument", "questions"])


@pytest.mark.parametrize("room", [20, 150, 100_000])
def test_as_many_of_the_first_questions_are_answered_as_have_room(
    life: Life, wires: Wires, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    answers(life, wires, b"gw", HELLO)
    asked = [["list", {"kind": "policy_kinds"}], *[["ping", {}]] * 40]
    whole, _ = several(life, wires, {"questions": asked})
    monkeypatch.setattr(wire, "TEXT_MAX", room)
    ok, rows = several(life, wires, {"questions": asked})
    assert whole == ok == 1 and 1 <= len(rows) <= wire.SEVERAL_MAX
    assert len(json.dumps(rows, separators=(",", ":"))) <= max(room, 100)
    assert (rows[0][0] == 0 and rows[0][1][0] == "limit") is (room < 1_000)
    assert room < 100_000 or len(rows) == wire.SEVERAL_MAX


class FailingDisk(Disk):
    """A disk whose syncs fail from a certain moment on."""

    failing = False

    def sync(self, fd: int) -> None:
        if self.failing:
            raise OSError(5, "Input/output error")
        super().sync(fd)


def test_nothing_leaves_when_a_sync_fails(directory: Directory, wires: Wires) -> None:
    life = Life(directory, wires, durability="sync")
    answers(life, wires, b"gw", HELLO)
    disk = FailingDisk()
    life.storage.journal._disk = disk
    disk.failing = True
    wires.inbox.append([b"gw", wire.frame(wire.CMD, 2, 1, 0, [(wire.LOGON, "p", "U", 1, "")])])
    with pytest.raises(JournalError):
        life.turn()
    assert not wires.outbox[b"gw"]
    with pytest.raises(JournalError):
        life.sequencer.begin()
    life.end()


def test_random_frames_never_end_the_loop(life: Life, wires: Wires) -> None:
    random = Random(1)
    answers(life, wires, b"gw", HELLO)
    good = wire.frame(wire.CMD, 2, 1, 0, [(wire.LOGON, "p", "U", 1, "")])
    for _ in range(2_000):
        data = bytearray(good if random.random() < 0.7 else random.randbytes(random.randrange(60)))
        for _ in range(random.randrange(3)):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        wires.inbox.append([b"gw", bytes(data)] if random.random() < 0.95 else [b"gw", bytes(data), b""])
        life.turn()
    assert life.sequencer.counters["refused_frames"] > 500
    assert bus.Link("gw", wire.ROLE_GATEWAY, 9).frames(1)


def test_a_turn_takes_no_more_bytes_than_the_journal_takes_in_a_record(life: Life, wires: Wires) -> None:
    """Arguments of verbs are the largest commands; 256 such frames would not fit into one record."""
    answers(life, wires, b"gw", HELLO)
    big = (wire.VERB, 1, "create_book", ("x" * wire.SHORT_TEXT_MAX,) * 7)
    frames = [wire.frame(wire.CMD, 2, 1 + 512 * n, 0, [big] * 512) for n in range(20)]
    for data in frames:
        wires.inbox.append([b"gw", data])
    while wires.inbox:
        life.turn()
    assert life.machine.peers["gw"].last_command == 512 * 20
    assert life.sequencer.counters["turns"] >= 4


def test_a_frame_that_was_partly_known_counts_only_what_is_new(life: Life, wires: Wires) -> None:
    """The journal's sequence numbers are the machine's: what a record says it holds is what it did."""
    answers(life, wires, b"gw", HELLO)
    logon = (wire.LOGON, "p", "U", 1, "")
    answers(life, wires, b"gw", wire.frame(wire.CMD, 2, 1, 0, [logon] * 3))
    answers(life, wires, b"gw", wire.frame(wire.CMD, 2, 2, 0, [logon] * 4))
    assert life.machine.peers["gw"].last_command == 5
    assert life.storage.journal.last_sequence == life.machine.sequence
