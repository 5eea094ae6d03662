"""Session layers whose time is not their peer's, and the clocks of a gateway, without any socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from openoutcry import wire
from openoutcry.fix.codec import Decoder
from openoutcry.fix.session import Session
from openoutcry.fix.states import State
from openoutcry.fix.store import MemoryStore
from openoutcry.fix.times import parse_stamp, stamp
from openoutcry.gateway.clock import ExchangeClock
from openoutcry.gateway.fix.clock import Clock, MovedClock
from openoutcry.gateway.soupbintcp import ServerSession
from tests.fix_session_peer import MONDAY, SECOND, World

HOUR = 3_600 * SECOND


class Ahead:
    """The exchange's time is so much later than the peer's."""

    def __init__(self, ns: int) -> None:
        self.ahead_ns = ns


class MovedWorld(World):
    """A session whose time is some hours ahead of its peer's; `now` is the exchange's."""

    def __init__(self, hours: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.clock = Ahead(hours * HOUR)
        self.now = MONDAY + hours * HOUR
        self.store = MemoryStore(self.now)
        self.session = Session(self.settings, self.store, self.now, self.clock)

    def bytes_of(self, line: str, sent: int | None = None) -> bytes:
        return super().bytes_of(line, self.now - self.clock.ahead_ns if sent is None else sent)


def sending_times(session: Session) -> list[int]:
    """SendingTime of all that is to be written."""
    found = [parse_stamp(message[52]) for data in session.out for message in Decoder().feed(data)]
    session.out.clear()
    return found


@pytest.mark.parametrize("hours", [8, -8])
def test_sending_time_is_the_peers_time(hours: int) -> None:
    world = MovedWorld(hours).logged_on()
    world.session.on_timer(world.now + 30 * SECOND)
    assert sending_times(world.session) == [MONDAY + 30 * SECOND]


@pytest.mark.parametrize("hours", [8, -8])
def test_latency_is_judged_by_the_peers_time(hours: int) -> None:
    world = MovedWorld(hours).logged_on()
    assert world.hear("35=1|34=2|112=a") == ["35=0|34=2|112=a"]
    answers = world.hear("35=1|34=3|112=b", sent=world.now)
    assert [answer.split("|")[0] for answer in answers] == ["35=3", "35=5"]


def test_a_message_is_taken_the_short_way_when_the_clock_has_been_moved() -> None:
    """The times for which a second is right are moved with it."""
    world = MovedWorld(8)
    world.logged_on()
    for hours in (8, 100, 100):
        world.now += hours * HOUR - world.clock.ahead_ns
        world.clock.ahead_ns = hours * HOUR
        number = world.store.next_in
        assert world.hear(f"35=D|34={number}|11=a") == []
        assert world.store.next_in == number + 1


@pytest.mark.parametrize(("seconds", "possible_duplicate"), [(5, None), (20, b"Y")])
def test_how_long_a_message_has_waited_is_reckoned_in_the_peers_time(
    seconds: int, possible_duplicate: bytes | None
) -> None:
    """One that was put into the store, and not written at once."""
    world = MovedWorld(8)
    world.logged_on()
    world.store.add(world.session.frame(b"B", 2, b"148=x\x01", world.now), True)
    world.now += seconds * SECOND
    world.session.send(b"B", b"148=y\x01", world.now)
    sent = [message for data in world.session.out for message in Decoder().feed(data)]
    assert [(message[148], message.get(43)) for message in sent] == [(b"x", possible_duplicate), (b"y", None)]


def test_what_is_forgiven_does_not_count_as_silence() -> None:
    world = World().logged_on()
    world.session.forgive(HOUR)
    world.session.on_timer(MONDAY + HOUR)
    assert world.said() == ["35=0|34=2"]
    assert (
        world.session.state is State.LOGGED_ON
        and MONDAY + HOUR < world.session.deadline_ns <= MONDAY + HOUR + 30 * SECOND
    )
    world.session.on_timer(MONDAY + HOUR + 36 * SECOND)
    assert world.said() == ["35=1|34=3|112=TEST"]


def test_a_heartbeat_is_not_late_because_a_test_request_was_answered() -> None:
    world = World().logged_on()
    assert world.wait(36) == ["30.0: 35=0|34=2", "36.0: 35=1|34=3|112=TEST"]
    assert world.hear("35=0|34=2|112=TEST") == []
    assert world.wait(30) == ["30.0: 35=0|34=4"]


def test_a_logout_that_is_forgiven_still_waits_for_its_answer() -> None:
    world = World().logged_on()
    world.session.logout("bye", world.now)
    world.session.forgive(HOUR)
    world.session.on_timer(MONDAY + HOUR)
    assert world.session.state is State.LOGOUT_SENT


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_soup_session_forgives_silence_and_owes_its_heartbeat(logged_in: bool) -> None:
    session = ServerSession(0)
    if logged_in:
        session.receive(b"\0\x2fL" + b"ME    " + b" " * 20 + b"1".rjust(20), 0)
        session.accept_login("S", 1)
    session.forgive(HOUR)
    data, over, _ = session.on_timer(HOUR)
    assert (data, over) == (b"\0\x01H" if logged_in else b"", False)
    assert session.on_timer(HOUR + 30 * SECOND)[1] is True


# ------------------------------------------------------------------------------------------------- clocks
def clock_set(stopped: bool, time_ns: int, offset_ns: int = 0, moved_ns: int = 0) -> tuple[Any, ...]:
    event = (wire.CLOCK_SET, int(stopped), time_ns, offset_ns, moved_ns, 0)
    wire.check_events((event,), wire.PRIVATE_EVENTS)
    return event


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The host's time, the same for both of its clocks."""
    now = [MONDAY]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0] - MONDAY)
    yield now


def test_the_gateways_clock_follows_the_exchanges(host: list[int]) -> None:
    clock = ExchangeClock()

    def times() -> tuple[int, int]:
        return clock.monotonic_ns(), clock.wall_ns() - MONDAY

    steps = [
        ((), 0, (0, 0)),
        ((), 5, (5, 5)),
        (clock_set(True, MONDAY + 5), 0, (5, 5)),
        ((), 100, (5, 5)),
        (clock_set(True, MONDAY + 1_005, moved_ns=1_000), 0, (1_005, 1_005)),
        (clock_set(False, MONDAY + 1_005, offset_ns=900), 0, (1_005, 1_005)),
        ((), 10, (1_015, 1_015)),
        (clock_set(False, MONDAY + 2_015, offset_ns=1_900, moved_ns=1_000), 1, (2_016, 2_016)),
    ]
    for event, passes, wanted in steps:
        host[0] += passes
        if event:
            clock.set(event)
        assert times() == wanted


def test_without_an_event_the_gateways_clock_is_the_hosts() -> None:
    clock = ExchangeClock()
    host = (clock.monotonic_ns, clock.wall_ns)
    assert host == (time.monotonic_ns, time.time_ns)
    clock.set(clock_set(True, MONDAY))
    clock.set(())
    assert (clock.monotonic_ns, clock.wall_ns) == host


def test_the_clock_of_fix_says_the_hosts_time_and_lives_by_the_exchanges() -> None:
    clock = Clock()
    before_ns = time.time_ns()
    assert before_ns <= clock.tick() == clock.now_ns == clock.host_ns and clock.ahead_ns == 0
    clock.follow(lambda: MONDAY)
    assert type(clock) is MovedClock and clock.tick() == MONDAY
    assert before_ns <= clock.host_ns <= time.time_ns()
    assert clock.stamp(9) == stamp(clock.host_ns, 9)
    host_ns = clock.host_ns
    clock.step(MONDAY - HOUR)
    assert (clock.now_ns, clock.host_ns) == (MONDAY - HOUR, host_ns)
    clock.follow(time.time_ns)
    assert type(clock) is Clock and clock.ahead_ns == 0
