"""The control service over real sockets, with a scripted stand-in for the matcher."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from openoutcry import bus, verbs, wire
from openoutcry.clients.control import ControlClient
from openoutcry.control import desk, messages, plans
from openoutcry.errors import ClusterError, VerbError
from tests.control_world import CLOCK, StandIn, World, example_arguments, wait_until, well, world


@pytest.fixture
def control() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def matcher(control: World) -> Iterator[StandIn]:
    made = StandIn(control.directory)
    well(made)
    yield made
    made.close()


@pytest.fixture
def client(control: World) -> Iterator[ControlClient]:
    with ControlClient(control.directory) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs of half a second instead of five."""
    monkeypatch.setattr(desk, "ANSWER_NS", 500_000_000)
    monkeypatch.setattr(desk, "MARGIN_NS", 20_000_000)
    monkeypatch.setattr(plans, "PATIENCE_NS", 200_000_000)


def raw(control: World, *frames: bytes, wait_ms: int = 3_000) -> messages.Reply | None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(control.directory.address("control"))
        dealer.send_multipart(list(frames))
        return messages.decode_reply(dealer.recv_multipart()[-1]) if dealer.poll(wait_ms) else None


@pytest.mark.parametrize("row", [row for row in verbs.VERBS.values() if row.journaled], ids=lambda row: row.name)
def test_every_journaled_verb_reaches_the_matcher_with_all_its_arguments(
    row: verbs.Verb, matcher: StandIn, client: ControlClient
) -> None:
    matcher.on_verb = lambda command: ((), {"did": command[2]})
    arguments = example_arguments(row)
    if row.name == "create_endpoint":
        arguments[3] = "gateway-1"
    assert getattr(client, row.name)(*arguments) == {"did": row.name}
    ((_, _, verb, sent),) = matcher.verbs
    assert verb == row.name and len(sent) == len(row.parameters)
    if row.name != "create_user":
        assert sent == verbs.check(row.name, arguments)


def test_a_password_leaves_as_a_hash_and_is_in_no_log_and_no_reply(
    matcher: StandIn, client: ControlClient, control: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    from openoutcry.passwords import verify_password

    matcher.on_verb = lambda command: (("exists", "name", "taken"), None)
    with pytest.raises(VerbError) as caught:
        client.create_user("alice", "correct horse")
    hashed = matcher.verbs[0][3][1]
    assert "correct horse" not in hashed and verify_password("correct horse", hashed)
    assert "correct horse" not in caught.value.text + caplog.text
    assert "correct horse" not in json.dumps(client.statistics())


def test_the_service_answers_while_passwords_are_hashed(
    matcher: StandIn, control: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr("openoutcry.passwords.hash_password", lambda password: str(gate.wait(5)))
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(_create_user, control, f"user{i}") for i in range(4)]
        with ControlClient(control.directory) as client:
            assert client.create_engine("main") is None  # answered although every worker is busy
        gate.set()
        assert [future.result() for future in waiting] == [None] * 4


def _create_user(control: World, name: str) -> Any:
    with ControlClient(control.directory) as client:
        return client.create_user(name, "secret")


@pytest.mark.parametrize(
    ("arguments", "named", "field"),
    [(("a b",), {}, "name"), ((), {}, "name"), (("main",), {"colour": 1}, "colour"), (("main", "matching", 3), {}, "")],
)
def test_the_service_judges_arguments_itself(
    arguments: tuple[Any, ...], named: dict[str, Any], field: str, control: World, matcher: StandIn
) -> None:
    reply = raw(control, b"", messages.encode_request(9, "create_engine", arguments, named))
    assert reply is not None and reply.id == 9 and reply.error[:2] == ("bad_argument", field)
    assert not matcher.verbs


def test_after_a_verb_that_is_sent_alone_clients_are_not_asked_whether_there_is_more(
    matcher: StandIn, client: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_engine("main")
    asked: list[object] = []
    readable = bus.readable

    def counted(socket: zmq.Socket[bytes]) -> bool:
        if socket.getsockopt(zmq.TYPE) == zmq.ROUTER:  # the matcher may say something else while a verb is under way
            asked.append(socket)
        return readable(socket)

    monkeypatch.setattr(bus, "readable", counted)
    for _ in range(5):
        client.create_engine("main")
        client.list("engines")
    assert not asked


def test_requests_that_are_sent_together_are_all_taken_and_answered(control: World, matcher: StandIn) -> None:
    """Each by its number: questions may be answered before what was sent earlier is journaled."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(control.directory.address("control"))
        for number in range(1, 61):
            verb, argument = ("create_engine", f"e{number}") if number % 2 else ("list", "engines")
            dealer.send_multipart([b"", messages.encode_request(number, verb, (argument,), {})])
        found = {messages.decode_reply(dealer.recv_multipart()[-1]) for _ in range(60) if dealer.poll(5_000)}
    assert found == {messages.Reply(number, (), "null" if number % 2 else "[]") for number in range(1, 61)}


def test_an_argument_given_twice_by_name_is_refused(control: World) -> None:
    reply = raw(control, b"", msgpack.packb((wire.VERSION, 9, "halt", (), (("book", "a"), ("book", "b")))))
    assert reply is not None and reply.error[:2] == ("bad_argument", "book")


def test_an_unknown_verb_is_refused_and_the_verbs_are_listed(control: World, client: ControlClient) -> None:
    reply = raw(control, b"", messages.encode_request(9, "frobnicate", (), {}))
    assert reply is not None and reply.error[:2] == ("unknown_verb", "verb")
    with pytest.raises(VerbError, match="create_engine"):
        client.call("frobnicate")


def test_verbs_are_listed_without_a_matcher(client: ControlClient) -> None:
    assert [row["verb"] for row in client.list("verbs")] == list(verbs.VERBS)


def test_garbage_with_an_envelope_is_answered_and_without_one_is_dropped(
    control: World, matcher: StandIn, client: ControlClient
) -> None:
    reply = raw(control, b"", b"GET / HTTP/1.1\r\n\r\n")
    assert reply is not None and reply.error[0] == "malformed"
    assert raw(control, b"garbage", wait_ms=100) is None
    assert raw(control, b"", b"a", b"b", wait_ms=100) is None
    found = client.statistics()["control"]["requests"]
    assert (found["malformed"], found["dropped"]) == (1, 2)


def test_raw_bytes_on_the_socket_do_no_harm(control: World, matcher: StandIn, client: ControlClient) -> None:
    path = control.directory.address("control").removeprefix("ipc://")
    for data in (b"", os.urandom(5_000), b"\xff" + b"\xff" * 8 + b"\x7f", b"GET / HTTP/1.0\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(path)
            try:
                rude.sendall(data)
            except OSError:
                pass  # closed in our face
    assert client.create_engine("main") is None


def test_clients_that_ask_and_die_do_no_harm(control: World, matcher: StandIn, client: ControlClient) -> None:
    request = messages.encode_request(1, "status", (), {})
    for _ in range(20):
        raw(control, b"", request, wait_ms=0)
    assert client.create_engine("main") is None


def test_a_client_that_never_reads_does_not_hold_up_others(
    control: World, matcher: StandIn, client: ControlClient
) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as greedy:
        greedy.setsockopt(zmq.LINGER, 0)
        greedy.setsockopt(zmq.RCVHWM, 1)
        greedy.connect(control.directory.address("control"))
        for number in range(1, 400):
            greedy.send_multipart([b"", messages.encode_request(number, "list", ("verbs",), {})])
        assert client.create_engine("main") is None


def test_a_plain_req_socket_is_enough(control: World, matcher: StandIn) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as req:
        req.connect(control.directory.address("control"))
        req.send(messages.encode_request(1, "create_engine", ("main",), {}))
        assert req.poll(3_000)
        assert messages.decode_reply(req.recv()) == (1, (), "null")


def test_a_resent_request_runs_once(control: World, matcher: StandIn) -> None:
    matcher.on_verb = lambda command: ((), len(matcher.verbs))
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.connect(control.directory.address("control"))
        for _ in range(2):
            dealer.send_multipart([b"", messages.encode_request(1, "create_engine", ("main",), {})])
            assert dealer.poll(3_000)
            assert messages.decode_reply(dealer.recv_multipart()[-1]).value == "1"
    assert len(matcher.verbs) == 1


def test_without_a_matcher_the_answer_is_unavailable_and_in_time(
    short: None, control: World, client: ControlClient
) -> None:
    began = time.monotonic()
    with pytest.raises(VerbError, match="the matcher did not answer") as caught:
        client.create_engine("main")
    assert caught.value.code == "unavailable" and time.monotonic() - began < 2
    with pytest.raises(VerbError, match="the matcher did not answer"):
        client.depth("aapl")


def test_verbs_wait_for_a_matcher_that_starts_later(control: World, client: ControlClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.create_engine, "main")
        service = control.service
        assert service is not None
        wait_until(lambda: bool(service.desk.pending))
        matcher = StandIn(control.directory)
        try:
            assert waiting.result(5) is None and len(matcher.verbs) == 1
        finally:
            matcher.close()


def test_a_verb_outlives_a_matcher_restart(control: World, client: ControlClient) -> None:
    first = StandIn(control.directory)
    first.on_verb = lambda _: None
    first.journals = False
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.create_engine, "main")
        wait_until(lambda: first.verbs)
        first.close()
        second = StandIn(control.directory, epoch=2)  # it has not journaled the verb: the Link sends it again
        try:
            assert waiting.result(5) is None and [v[2] for v in second.verbs] == ["create_engine"]
        finally:
            second.close()


def test_after_a_restart_old_results_are_ignored_and_not_replayed_for_ever(
    control: World, matcher: StandIn, client: ControlClient
) -> None:
    for name in ("a", "b", "c"):
        client.create_engine(name)
    control.stop()
    assert (control.directory.path / "control" / "last_event").read_text() == "3"
    (control.directory.path / "control" / "last_event").write_text("1")
    control.start()
    assert client.create_engine("d") is None
    service = control.service
    assert service is not None and service.desk.counters["stale_results"] == 2


@pytest.mark.parametrize("stored", ["", "x", "-1", "9" * 40, "99"])
def test_a_damaged_or_future_last_event_is_harmless(
    stored: str, control: World, matcher: StandIn, client: ControlClient
) -> None:
    control.stop()
    (control.directory.path / "control").mkdir(exist_ok=True)
    (control.directory.path / "control" / "last_event").write_text(stored)
    control.start()
    assert client.create_engine("d") is None


def test_a_client_gives_up_and_says_what_to_check(control: World) -> None:
    control.stop()
    with (
        ControlClient(control.directory, timeout=0.2) as client,
        pytest.raises(ClusterError, match="openoutcry status"),
    ):
        client.status()


def test_a_client_rides_through_a_restart_of_the_service(
    control: World, matcher: StandIn, client: ControlClient
) -> None:
    assert client.create_engine("a") is None
    control.stop()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.create_engine, "b")
        control.start()
        assert waiting.result(8) is None


def test_a_client_that_is_answered_with_what_is_no_value_says_so() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as other:
        port = other.bind_to_random_port("tcp://127.0.0.1")
        with ThreadPoolExecutor(1) as pool, ControlClient(f"tcp://127.0.0.1:{port}", timeout=3) as client:
            waiting = pool.submit(client.state_hash)
            other.send_multipart([*other.recv_multipart()[:2], messages.encode_reply(1, (), '{"sequence"')])
            with pytest.raises(ClusterError, match="no value"):
                waiting.result()


def test_a_client_that_speaks_to_something_else_says_so(tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as other:
        port = other.bind_to_random_port("tcp://127.0.0.1")
        with ThreadPoolExecutor(1) as pool, ControlClient(f"tcp://127.0.0.1:{port}", timeout=3) as client:
            waiting = pool.submit(client.status)
            other.send_multipart([*other.recv_multipart()[:2], b"hello"])
            with pytest.raises(ClusterError, match="does not speak the control protocol"):
                waiting.result(5)


def test_close_is_the_verb_with_an_engine_and_the_end_without(matcher: StandIn, client: ControlClient) -> None:
    assert client.close("main") is None and matcher.verbs[0][2] == "close"
    client.close()
    client.disconnect()


# ------------------------------------------------------------------------------------------------- FIX sessions
@pytest.mark.parametrize(
    ("settings", "field"),
    [({"StartTime": "25:00:00"}, "StartTime"), ({"TimeZone": "Mars/Olympus", "EndTime": "17:00:00"}, "TimeZone"),
     ({"Weekdays": "mon,fri"}, ""), ({"Weekdays": "mon,fry"}, "Weekdays"), ({"HeartBtInt": 5}, "")],
)  # fmt: skip
def test_the_times_of_a_session_are_checked_before_they_are_journaled(
    settings: dict[str, Any], field: str, matcher: StandIn, client: ControlClient
) -> None:
    matcher.on_verb = lambda command: ((), {"did": command[2]})
    ends = {"SenderCompID": "A", "TargetCompID": "B"}
    if field:
        with pytest.raises(VerbError) as caught:
            client.create_session("fix", **ends, **settings)
        assert (caught.value.code, caught.value.field, matcher.verbs) == ("bad_argument", field, [])
    else:
        assert client.create_session("fix", **ends, **settings) == {"did": "create_session"}


def test_a_changed_time_of_a_session_is_checked_with_its_other_settings(
    matcher: StandIn, client: ControlClient
) -> None:
    matcher.on_verb = lambda command: ((), {"did": command[2]})
    row = {"endpoint": "fix", "name": "S", "SenderCompID": "A", "TargetCompID": "B", "Weekdays": "mon"}
    matcher.answers[("matcher", "list")] = lambda argument: (1, [row] if argument == {"kind": "fix_sessions"} else [])
    for name, value in (("StartTime", "soon"), ("StartDay", "monday"), ("HeartBtInt", 0)):
        with pytest.raises(VerbError) as caught:
            client.set_session_property("fix", "S", name, value)
        assert (caught.value.code, caught.value.field, matcher.verbs) == ("bad_argument", "value", [])
    assert client.set_session_property("fix", "S", "StartTime", "08:00:00") == {"did": "set_session_property"}
    assert client.set_session_property("fix", "S", "Colour", 5) == {"did": "set_session_property"}


# ------------------------------------------------------------------------------------------------- looking
def test_status_of_an_exchange_that_is_well(matcher: StandIn, client: ControlClient) -> None:
    wait_until(lambda: client.status()["ready"])
    status = client.status()
    assert [(p["name"], p["pid"], p["state"]) for p in status["processes"]] == [
        ("matcher", 11, "answers"), ("gateway-1", 12, "answers"), ("marketdata", 13, "answers"),
        ("control", os.getpid(), "answers"),
    ]  # fmt: skip
    assert status["endpoints"] == [
        {"name": "orders", "engine": "main", "protocol": "ouch42", "gateway": "gateway-1", "host": "127.0.0.1",
         "port": 9001, "state": "bound", "any_login": True, "users": []}
    ]  # fmt: skip
    assert (status["books"], status["sequence"], status["waiting_for"], status["clock"]) == (1, 5, [], CLOCK)


def test_users_of_an_endpoint_are_its_own_and_those_of_every_endpoint(matcher: StandIn, client: ControlClient) -> None:
    users = [{"name": "a", "endpoint": "orders"}, {"name": "b", "endpoint": "other"}, {"name": "c", "endpoint": ""}]
    well(matcher, users=users)
    (endpoint,) = client.status()["endpoints"]
    assert endpoint["users"] == ["a", "c"] and endpoint["any_login"] is False


def _without(matcher: StandIn, *keys: tuple[str, str]) -> None:
    for key in keys:
        del matcher.answers[key]


@pytest.mark.parametrize(
    ("broken", "waits_for"),
    [
        (lambda m: _without(m, ("marketdata", "ping")), "marketdata"),
        (lambda m: _without(m, ("gateway-1", "ping")), "gateway"),
        (lambda m: _without(m, ("gateway-1", "statistics")), "endpoint orders"),
        (
            lambda m: m.answers.update({("gateway-1", "statistics"): lambda _: (1, {"endpoints": {}})}),
            "endpoint orders",
        ),
        (lambda m: m.answers.update({("gateway-1", "ping"): lambda _: (0, "not connected")}), "gateway"),
        (lambda m: m.answers.update({("matcher", "peers"): lambda _: (1, [])}), "marketdata"),
        (
            lambda m: m.answers.update({("matcher", "ping"): lambda _: (1, {"pid": 1, "turns": 5})}),
            "the matcher's loop",
        ),
        (lambda m: m.answers.clear(), "matcher"),
    ],
)
def test_status_is_not_ready_and_says_why(
    short: None, broken: Any, waits_for: str, matcher: StandIn, client: ControlClient
) -> None:
    broken(matcher)
    status = client.status()
    assert status["ready"] is False and waits_for in status["waiting_for"]


def test_status_answers_without_a_matcher(short: None, control: World, client: ControlClient) -> None:
    status = client.status()
    assert status["ready"] is False and "matcher" in status["waiting_for"] and status["clock"] is None


def test_statistics_come_from_every_part_and_null_from_a_silent_one(
    short: None, matcher: StandIn, client: ControlClient
) -> None:
    _without(matcher, ("gateway-1", "statistics"))
    found = client.statistics()
    assert set(found) == {"matcher", "gateway-1", "marketdata", "control"}
    assert found["marketdata"] == {"topics": 3} and found["gateway-1"] is None
    assert found["control"]["link"]["generation"] == 1


def test_an_answer_that_is_no_answer_does_not_break_the_service(
    short: None, matcher: StandIn, client: ControlClient
) -> None:
    matcher.answers[("matcher", "peers")] = lambda _: (1, [5, {"name": 7}, {"no": "name"}, {"name": "x"}])
    matcher.answers[("matcher", "ping")] = lambda _: (1, [1])
    assert client.status()["ready"] is False
    matcher.answers[("matcher", "peers")] = lambda _: (1, "what?")
    assert client.statistics()["matcher"]


def test_others_may_ask_the_control_service(control: World, matcher: StandIn, client: ControlClient) -> None:
    client.create_engine("main")
    for number, what in enumerate(("ping", "statistics", "secrets"), 1):
        query = wire.frame(wire.QUERY, number, "control", "gateway-1", what, "{}")
        matcher.ask(b"control", query)
    wait_until(lambda: len(matcher.replies) == 3)
    ping, statistics, secrets = ((reply[1], reply[2], reply[4], json.loads(reply[5])) for reply in matcher.replies)
    assert ping == (1, "gateway-1", 1, {"pid": os.getpid()})
    assert statistics[2] == 1 and statistics[3]["requests"]["requests"] == 1
    assert secrets[2] == 0


# ------------------------------------------------------------------------------------------------- the process
@pytest.fixture
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], bus.Directory]]:
    directory = bus.Directory(tmp_path_factory.mktemp("d")).create()
    command = [sys.executable, "-m", "openoutcry", "control", "--directory", str(directory.path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        yield child, directory
        child.kill()


def test_the_process_serves_announces_itself_and_ends_on_a_signal(
    process: tuple[subprocess.Popen[str], bus.Directory],
) -> None:
    child, directory = process
    with ControlClient(directory) as client:
        assert client.list("verbs")
    facts = wait_until(lambda: directory.announced("control"))
    assert facts["pid"] == child.pid and facts["address"] == directory.address("control")
    second = subprocess.run(child.args, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "already running" in second.stderr
    child.send_signal(signal.SIGTERM)
    assert child.wait(5) == 0


def test_a_fenced_process_ends_and_says_why(process: tuple[subprocess.Popen[str], bus.Directory]) -> None:
    child, directory = process
    context = zmq.Context()
    socket_ = bus.matcher_socket(context, directory.address("bus"))
    try:
        assert socket_.poll(10_000)
        identity, _ = socket_.recv_multipart()
        socket_.send_multipart([identity, wire.frame(wire.ERROR, wire.ERROR_FENCED, "a newer one")])
        assert child.wait(10) == 1
        assert child.stderr is not None and "a newer one" in child.stderr.read()
    finally:
        socket_.close()
        context.term()
