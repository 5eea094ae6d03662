"""openoutcry.bus.Link: exactly once and in order, over a transport that loses, repeats and reorders, and a matcher
that dies. The other side is a model of the matcher's rules in thirty lines."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry import bus, wire
from openoutcry.errors import ClusterError, WireError

MS = 1_000_000


class ModelMatcher:
    """The matcher's half: takes commands once and in order, answers each with one event that names it."""

    def __init__(self) -> None:
        self.commands: list[Any] = []  # the journal
        self.events: list[Any] = []
        self.epoch = 1
        self.known = False
        self.sent = 0

    def receive(self, data: bytes) -> list[bytes]:
        message = wire.decode_frame(data)
        if message[0] == wire.HELLO:
            self.known = True
            self.sent = message[4]
            return [wire.frame(wire.WELCOME, self.epoch, len(self.commands), len(self.events)), *self._events()]
        if not self.known:
            return [wire.frame(wire.ERROR, wire.ERROR_HELLO, "who are you")]
        if message[0] == wire.CMD:
            return self._take(message[2], message[4])
        return [*self._events(), self._ack()]

    def _take(self, first: int, commands: tuple[Any, ...]) -> list[bytes]:
        if first > len(self.commands) + 1:
            return [wire.frame(wire.WELCOME, self.epoch, len(self.commands), len(self.events))]
        for command in commands[len(self.commands) + 1 - first :]:
            self.commands.append(command)
            self.events.append((wire.REJECTED, 1, command[2], wire.REJECT_FIELD, "", b""))
        return [*self._events(), self._ack()]

    def _ack(self) -> bytes:
        return wire.frame(wire.CMD_ACK, self.epoch, len(self.commands), self.sent)

    def _events(self) -> list[bytes]:
        new = self.events[self.sent :]
        first, self.sent = self.sent + 1, len(self.events)
        return [wire.frame(wire.EV, self.epoch, first, 5, new[:2000])] if new else []

    def restart(self) -> None:
        self.epoch += 1
        self.known = False


def command(number: int) -> tuple[Any, ...]:
    return (wire.CANCEL, 1, b"%d" % number, 0)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 10))
def test_every_command_and_event_arrives_once_and_in_order(seed: int, loss_percent: int, restarts: int) -> None:
    random = Random(seed)
    link, matcher = bus.Link("gw", wire.ROLE_GATEWAY, 1), ModelMatcher()
    got: list[Any] = []
    now, submitted = 1, 0
    restart_at = {random.randrange(1, 400) for _ in range(restarts)}
    for step in range(3_000):
        now += 10 * MS
        if step in restart_at:
            matcher.restart()
        if submitted < 500 and step < 1_000:
            for _ in range(random.randrange(0, 30)):
                submitted += 1
                link.submit(command(submitted))
        lossy = loss_percent if step < 1_500 else 0
        for data in link.frames(now):
            if random.randrange(100) < lossy:
                continue
            for answer in matcher.receive(data):
                for _ in range(1 + (random.randrange(100) < lossy)):
                    if random.randrange(100) >= lossy:
                        taken = link.receive(answer, now)
                        if taken:
                            got.extend(taken[2])
        if submitted >= 500 and step > 1_500 and not link.backlog and len(got) == submitted:
            break
    assert [c[2] for c in matcher.commands] == [b"%d" % n for n in range(1, submitted + 1)]
    assert [e[2] for e in got] == [b"%d" % n for n in range(1, submitted + 1)]
    assert link.backlog == 0


def welcomed(last_event: int = 0) -> bus.Link:
    link = bus.Link("gw", wire.ROLE_GATEWAY, 3, last_event)
    assert wire.decode_frame(link.frames(1)[0]) == (wire.HELLO, "gw", wire.ROLE_GATEWAY, 3, last_event)
    link.receive(wire.frame(wire.WELCOME, 1, 0, last_event), 1)
    return link


def test_hello_is_repeated_until_welcome() -> None:
    link = bus.Link("gw", wire.ROLE_GATEWAY, 1)
    assert len(link.frames(1)) == 1
    assert link.frames(2) == []
    assert len(link.frames(2 + bus.SILENCE_NS)) == 1


def test_no_more_than_the_window_is_on_the_way() -> None:
    link = welcomed()
    for number in range(bus.WINDOW + 100):
        link.submit(command(number))
    sent = [wire.decode_frame(data) for data in link.frames(2)]
    assert sum(len(message[4]) for message in sent) == bus.WINDOW
    assert all(len(message[4]) <= wire.COMMANDS_MAX for message in sent)
    assert link.frames(3) == []
    link.receive(wire.frame(wire.CMD_ACK, 1, bus.WINDOW, 0), 3)
    assert len(wire.decode_frame(link.frames(4)[0])[4]) == 100
    assert link.backlog == 100


def test_long_commands_are_spread_over_frames_that_the_matcher_takes() -> None:
    link = bus.Link("gateway-1", wire.ROLE_GATEWAY, 1)
    model = ModelMatcher()
    quotes = tuple((f"SYMBOL{number:010d}", 10**15, 10**17, 10**15, 10**17) for number in range(wire.QUOTES_MAX))
    commands = [(wire.QUOTE, 1, b"%d" % number, 0, b"", quotes) for number in range(wire.COMMANDS_MAX)]
    for answer in model.receive(link.frames(MS)[0]):
        link.receive(answer, MS)
    link.submit(*commands)
    frames = link.frames(2 * MS)
    assert len(frames) > 1
    assert max(map(len, frames)) <= wire.FRAME_MAX
    for frame in frames:
        model.receive(frame)
    assert model.commands == commands


def test_silence_with_work_outstanding_makes_it_say_hello_and_send_again() -> None:
    link = welcomed()
    link.submit(command(1))
    first = link.frames(2)
    later = 2 + 2 * bus.SILENCE_NS
    assert wire.decode_frame(link.frames(later)[0])[0] == wire.HELLO
    link.receive(wire.frame(wire.WELCOME, 2, 0, 0), later)
    assert link.frames(later) == first


def test_an_idle_link_says_ack_as_a_sign_of_life() -> None:
    link = welcomed()
    assert wire.decode_frame(link.frames(2 + bus.KEEPALIVE_NS)[0]) == (wire.ACK, 3, 0)


def test_a_gap_in_the_events_makes_it_say_hello_with_what_it_holds() -> None:
    link = welcomed(5)
    event = (wire.SYSTEM, 1, "S")
    assert link.receive(wire.frame(wire.EV, 1, 8, 9, [event]), 2) is None
    assert wire.decode_frame(link.frames(2)[0]) == (wire.HELLO, "gw", wire.ROLE_GATEWAY, 3, 5)


def test_a_matcher_that_lost_its_tail_rewinds_its_peers() -> None:
    rewound: list[int] = []
    link = bus.Link("gw", wire.ROLE_GATEWAY, 1, 9, rewound.append)
    link.frames(1)
    link.receive(wire.frame(wire.WELCOME, 1, 0, 4), 1)
    assert (rewound, link.last_event) == ([4], 4)


def test_a_matcher_that_lost_what_it_acknowledged_ends_this_life_of_the_peer() -> None:
    link = welcomed()
    link.submit(command(1))
    link.frames(2)
    link.receive(wire.frame(wire.CMD_ACK, 1, 1, 0), 2)
    with pytest.raises(bus.BusRefused, match="lost commands 1 to 1"):
        link.receive(wire.frame(wire.WELCOME, 2, 0, 0), 3)


@pytest.mark.parametrize("code", [wire.ERROR_VERSION, wire.ERROR_FENCED, wire.ERROR_REFUSED])
def test_being_turned_away_is_an_error(code: int) -> None:
    with pytest.raises(bus.BusRefused, match="go away"):
        welcomed().receive(wire.frame(wire.ERROR, code, "go away"), 2)


@pytest.mark.parametrize("data", [b"", b"\xc1", wire.frame(wire.ACK, 1, 0), wire.frame(wire.HELLO, "x", 1, 1, 0)])
def test_what_no_matcher_sends_is_a_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        welcomed().receive(data, 2)


def test_a_directory_belongs_to_its_owner_and_each_process_locks_its_name(tmp_path: Path) -> None:
    directory = bus.Directory(tmp_path / "x").create()
    assert (directory.path.stat().st_mode & 0o777) == 0o700
    fd = directory.lock("matcher")
    with pytest.raises(ClusterError, match="already running"):
        directory.lock("matcher")
    os.close(fd)
    os.close(directory.lock("matcher"))


def test_generations_count_up_and_announcements_are_private(tmp_path: Path) -> None:
    directory = bus.Directory(tmp_path / "x").create()
    assert [directory.generation("gw") for _ in range(3)] == [1, 2, 3]
    directory.announce("gw", port=5)
    assert directory.announced("gw") == {"name": "gw", "pid": os.getpid(), "port": 5}
    assert ((directory.path / "run" / "gw.json").stat().st_mode & 0o777) == 0o600
    assert directory.announced("nobody") == {}


def test_a_path_too_long_for_a_unix_socket_gets_a_short_one_of_its_own(tmp_path: Path) -> None:
    directory = bus.Directory(tmp_path / ("x" * 120))
    assert len(directory.address("supervisor.sock")) < 107
    assert directory.sockets == bus.Directory(tmp_path / ("x" * 120)).sockets


@pytest.mark.parametrize("parts", [[b"x"], [b""], [b"", b"x"], [b"", b"", b"x"], [b"a", b"b" * 3_000, b""]])
def test_what_a_router_gives_is_the_peers_name_and_all_parts_of_one_message(parts: list[bytes]) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.ROUTING_ID, b"me")
        router.bind("inproc://router")
        dealer.connect("inproc://router")
        for _ in range(3):
            dealer.send_multipart(parts)
        for _ in range(3):
            assert router.poll(5_000)
            assert bus.receive_routed(router) == [b"me", *parts]
        with pytest.raises(zmq.Again):
            bus.receive_routed(router)


@pytest.mark.parametrize("name", ["x" * 120, "\udce4"], ids=["long", "no text"])
def test_a_temporary_directory_that_cannot_hold_sockets_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    directory = bus.Directory(tmp_path / name / "exchange")
    assert directory.sockets.parent == Path("/tmp")
    assert len(directory.address("supervisor.sock").encode()) < 107
