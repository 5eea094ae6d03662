"""How FIX sessions come back: dumps and marks, what is absorbed, a matcher that has lost its end, a store made anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openoutcry import bus, wire
from openoutcry.gateway import store as store_module
from openoutcry.gateway.fix import facts
from openoutcry.gateway.fix.sessionstore import split
from openoutcry.gateway.state import State
from openoutcry.gateway.store import Store
from tests.fix_gateway_world import FixClient, FixGateway, accepted, another_life, connected, log_on, until
from tests.gateway_world import Client, HandMatcher, executed, number_of

World = tuple[HandMatcher, FixGateway]


@pytest.fixture(params=["child", "inline"])
def world(request: pytest.FixtureRequest, directory: bus.Directory, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A matcher and a gateway that dumps often, itself or by a child."""
    monkeypatch.setenv("OFTEN", "0" if request.param == "child" else "1000000")
    yield from connected(directory)


def report(number: int, token: str, count: int) -> str:
    return f"35=8|34={number}|11={token}|37={count}|38=100|39=0"


def test_after_a_dump_a_restart_asks_only_for_what_came_later_and_knows_the_same(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client, FixClient(port, "IDLE") as idle:
        log_on(matcher, client, 1)
        log_on(matcher, idle, 2)
        matcher.emit(accepted(2, "i"))  # an application with little to remember must not hold the others back for ever
        for count in range(1, 101):
            matcher.emit(accepted(1, "a"))
            client.expect(report(count + 1, "a", count))
        until(lambda: matcher.query("statistics")["fix"]["dumps"] >= 2, "dumps of both")
        found = matcher.query("statistics")["fix"]
        assert found["by_child"] == (found["dumps"] if os.environ["OFTEN"] == "0" else 0)
    gateway.kill()
    with another_life(directory):
        first = matcher.wait_for_life(2)
        assert 0 < first <= len(matcher.events)
        assert matcher.wait_for(wire.BOUND)[3] == port
        with FixClient(port, number=2) as client, FixClient(port, "IDLE", number=2) as idle:
            log_on(matcher, client, 1, first=False)
            log_on(matcher, idle, 2, first=False)
            matcher.emit(accepted(1, "a"), accepted(2, "i"))
            assert client.next().endswith("|11=a|37=101|38=100|39=0")
            assert idle.next().endswith("|11=i|37=2|38=100|39=0")
        found = matcher.query("statistics")["fix"]
        assert found["absorbed"] <= len(matcher.events) - first


def test_a_gateway_that_is_stopped_dumps_everything_and_starts_where_it_was(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    with FixClient(port) as client:
        log_on(matcher, client)
        matcher.emit(accepted(1, "a"))
        client.expect(report(2, "a", 1))
        last = len(matcher.events)
        assert gateway.stop()[0] == 0
        client.expect("35=5|34=3|58=the gateway is stopping")
    with another_life(directory):
        assert matcher.wait_for_life(2) == last
        matcher.wait_for(wire.BOUND)
        with FixClient(port, number=2) as client:
            log_on(matcher, client, first=False)
            matcher.emit(accepted(1, "a"))
            assert client.next().endswith("|11=a|37=2|38=100|39=0")


def test_other_protocols_of_the_same_gateway_get_nothing_twice_when_fix_asks_for_old_events_again(
    world: World, directory: bus.Directory
) -> None:  # fmt: skip
    matcher, gateway = world
    port = matcher.open_endpoint(protocol="fix")
    ouch = matcher.open_endpoint("ouch")
    with FixClient(port) as client, Client(ouch) as other:
        log_on(matcher, client, 1)
        other.login("U2")
        matcher.log_on(2, "0001000002")
        assert [packet[:2] for packet in other.packets(2)] == [b"A0", b"SS"]
        for number in range(1, 4):
            matcher.emit(executed(2, number), accepted(1, "a"))
            assert number_of(other.packet()) == number
            client.expect(report(number + 1, "a", number))
    gateway.kill()
    with another_life(directory):
        assert matcher.wait_for_life(2) == 0
        matcher.wait_for(wire.BOUND)
        with Client(ouch) as other:
            other.login("U2", sequence=1)
            matcher.log_on(2, "0001000002", first=False)
            matcher.emit(executed(2, 4))
            assert other.packet()[:1] == b"A" and other.packet()[:2] == b"SS"
            assert [number_of(other.packet()) for _ in range(4)] == [1, 2, 3, 4]


@pytest.mark.parametrize("dumped", [False, True])
def test_what_the_matcher_has_lost_never_was(world: World, directory: bus.Directory, dumped: bool) -> None:
    matcher, _ = world
    port = matcher.open_endpoint(protocol="fix")
    count = 60 if dumped else 3
    with FixClient(port) as client:
        log_on(matcher, client)
        for number in range(count):
            matcher.emit(accepted(1, "a"))
            client.expect(report(number + 2, "a", number + 1))
        kept = matcher.events[:-2]
        generation, last_command = matcher.generation, matcher.last_command
        matcher.close()
        matcher.__init__(directory, 2, kept)  # type: ignore[misc]  # the matcher's next life
        matcher.generation, matcher.last_command = generation, last_command
        matcher.wait_for_hello()
        assert client.next() == ""
    until(lambda: matcher.query("statistics")["store"]["last_event"] == len(kept), "all is known again")
    with FixClient(port, number=2) as client:
        client.log_on()
        matcher.log_on(1, "0001000001", first=False)
        client.expect(f"35=A|34={count}|98=0|108=30")
        matcher.emit(accepted(1, "a"))
        assert client.next().endswith(f"|11=a|37={count - 1}|38=100|39=0")


def test_resets_leave_dead_streams_which_compaction_drops_and_all_facts_outlive_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(store_module, "COMPACT_DEAD_MIN", 1_000)
    store = Store(tmp_path / "s")
    state = State(store)
    endpoint = (wire.ENDPOINT_SET, "fix", "main", "fix", "127.0.0.1", 0, (), "matching")
    begun = (wire.SESSION_STREAM, 7, "fix", "FIX.4.2:OO->A", "0001000007")
    for event in (endpoint, begun):
        state.apply(event)
    old, new, dump = (facts.stream_name(n) for n in (2, 3, 36**8 + 5))
    noted: list[tuple[Any, ...]] = [
        (facts.SESSION, 1, "fix", "FIX.4.2:OO->A", ("FIX.4.2", "OO", "", "", "A", "", "", "")),
        (facts.STREAM, 1, old, 1, 5),
        (facts.SESSION, 9, "fix", "FIX.4.2:OO->B", ("FIX.4.2", "OO", "", "", "B", "", "", "")),
    ]
    store.append(1, [(store.stream(old), 1, b"x" * 5_000)], [endpoint, begun, *noted])
    noted += [
        (facts.STREAM, 1, new, 1, 6), (facts.NEXT_IN, 1, 5), (facts.ORDERS, 1, dump, 2), (facts.MARK, 0, 2),
        (facts.COUNTER, 0, 10), (facts.GONE, 9),
    ]  # fmt: skip
    store.append(2, [(store.stream(new), 2, b"--"), (store.stream(dump), 1, b"dump")], noted[3:])
    for fact in noted:
        state.note(fact)
    store.close()
    for _ in range(2):  # the second time out of the compacted file
        again = Store(tmp_path / "s")
        found = State(again)
        found.load(again.config, again.facts)
        assert found.facts == state.facts == {(fact[0], fact[1]): fact for fact in (noted[0], *noted[3:-1])}
        assert found.sessions[7].numbered and found.sessions[7].stream is None
        assert again.statistics()["streams"] == 2
        piece = again.read(again.stream(new), 1)
        assert piece is not None and piece.data == b"--"
        if again.worth_compacting:
            again.compact(found.events())
            assert again.dead_bytes < 1_000
        again.close()


def test_streams_of_the_gateways_own_have_names_that_no_stream_of_the_matchers_has() -> None:
    assert [facts.stream_name(n) for n in (1, 35, 36, 36**9 - 1)] == [
        "F000000001", "F00000000Z", "F000000010", "FZZZZZZZZZ",
    ]  # fmt: skip


def test_stored_messages_are_taken_apart_also_with_separators_inside_of_them() -> None:
    inner = b"35=B\x0195=9\x0196=a\x0110=000\x01\x01"
    message = b"8=FIX.4.2\x019=%d\x01%b10=123\x01" % (len(inner), inner)
    assert list(split(b"-" + message + b"--" + message)) == [None, message, None, None, message]
