"""The pytest plugin: its fixtures, the logs in the report of a failed test, and runs that are interrupted."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE_S, wait_gone

RECORD = """
import json, os, pathlib
def record(ex):
    from openoutcry import parts
    facts = [str(ex.directory), [*ex.pids.values(), parts.nursery().process.pid]]
    name = f"{os.getpid()}-{ex.pids['matcher']}.json"
    pathlib.Path("seen").mkdir(exist_ok=True)
    (pathlib.Path("seen") / name).write_text(json.dumps(facts))
"""


def seen(pytester: pytest.Pytester) -> tuple[list[Path], list[int]]:
    """Directories and processes of all exchanges that the inner run recorded."""
    facts = [json.loads(file.read_text()) for file in sorted((pytester.path / "seen").iterdir())]
    return [Path(directory) for directory, _ in facts], [pid for _, pids in facts for pid in pids]


def said(fifo: Path) -> str:
    """What comes through a fifo, waited for no longer than a run may take that fails instead of saying it."""
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(fd, 100).decode() if select.select([fd], [], [], PATIENCE_S)[0] else ""
    finally:
        os.close(fd)


def assert_nothing_left(pytester: pytest.Pytester) -> None:
    directories, pids = seen(pytester)
    assert not wait_gone(pids)
    assert not [directory for directory in directories if directory.exists()]


def test_exchange_is_fresh_and_exchange_proc_is_shared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import pytest
shared = []

@pytest.mark.parametrize("turn", range(2))
def test_fresh(exchange, turn):
    record(exchange)
    exchange.create_engine("main")  # no other test has

@pytest.mark.parametrize("turn", range(2))
def test_shared(exchange_proc, turn):
    record(exchange_proc)
    exchange_proc.create_engine(f"main{{turn}}")
    shared.append(exchange_proc)
    assert shared[0] is exchange_proc
"""
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=4)
    assert len(seen(pytester)[0]) == 3
    assert_nothing_left(pytester)


def test_each_xdist_worker_has_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import pytest
@pytest.mark.parametrize("turn", range(4))
def test_any(exchange, exchange_proc, turn):
    record(exchange)
    record(exchange_proc)
"""
    )
    pytester.runpytest_subprocess("-n", "2", "-W", "error").assert_outcomes(passed=4)
    assert_nothing_left(pytester)


def test_the_marker_chooses_how_it_is_started(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest
@pytest.mark.exchange(gateways=2)
def test_two(exchange):
    assert "gateway-2" in exchange.pids
"""
    )
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)


def test_a_failed_test_shows_the_logs_and_a_passed_one_does_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_fails(exchange):
    assert exchange.list("engines") == ["one"]
"""
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*exchange: log of matcher*", "*exchange: log of gateway-1*"])


def test_a_failed_test_shows_messages_sequence_numbers_and_what_happened_instead(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_fails(exchange, ouch_client, fix_client):
    exchange.halt("aapl")
    fix_client.buy("AAPL", 100, "10.05").expect_filled(100, at="10.05")
"""
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*fix_client.buy*expect_filled*",
            "E*expected: buy 100 AAPL at 10.05 filled 100 at 10.05",
            "E*but: it was rejected: halted, 0 open",
            "E*> buy 100 AAPL at 10.05",
            "*exchange: OUCH client*",
            "logged in, session *, next message #2",
            "*exchange: FIX client 'CLIENT'*",
            "logged on, next in #3, next out #3",
            "< [#]2 rejected: halted*",
            "*exchange: FIX sessions*",
            "FIX.4.4:EXCHANGE->CLIENT  logged on  *3*3*",
            "*exchange: log of matcher*",
        ]
    )
    assert "expecting.py" not in result.stdout.str()  # the traceback ends in the test


def test_the_fixtures_are_ready_to_trade(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import pytest
def test_clients(exchange, ouch_client, fix_client, market_data):
    record(exchange)
    ouch_client.sell("AAPL", 100, "10.05").expect_accepted()
    market_data.expect_best("AAPL", bid=None, ask=("10.05", 100))
    fix_client.buy("AAPL", 40, "10.05").expect_filled(40, at="10.05")
    market_data.expect_trade("AAPL", 40, at="10.05")

@pytest.mark.parametrize("turn", range(3))
def test_shared(exchange_clean, turn):
    record(exchange_clean)
    assert exchange_clean.list("engines") == []
    exchange_clean.ouch_client().buy("AAPL", 1, "1").expect_accepted()

def test_factory(exchange_factory):
    one, two = exchange_factory(), exchange_factory(gateways=2)
    record(one), record(two)
    assert one is not two and "gateway-2" in two.pids
"""
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=5)
    assert len(seen(pytester)[0]) == 4
    assert_nothing_left(pytester)


def test_what_a_verb_is_refused_for_is_said_in_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_verb(exchange):
    exchange.create_book("aapl", "main", "AAPL")

def test_ouch(ouch_client):
    ouch_client.buy("AAPL", 100, "10", displ="N")

def test_fix(fix_client):
    fix_client.buy("AAPL", 100, "10", Symbl="AAPL")

def test_name(exchange, ouch_client):
    exchange.book("msft")

def test_quantity(ouch_client):
    ouch_client.buy("AAPL", 1.5, "10")

def test_late(fix_client):
    fix_client.next("News", timeout=0)
"""
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(
        [
            ">*exchange.create_book*",
            "E*VerbError: unknown_name (engine): there is no engine 'main'",
            ">*ouch_client.buy*",
            "E*VerbError: bad_argument (displ): an order of OUCH has no 'displ'; it has side, time_in_force, *",
            ">*fix_client.buy*",
            "E*VerbError: bad_argument (Symbl): FIX.4.4 has no field 'Symbl'; did you mean Symbol?",
            "E*VerbError: unknown_name (book): there is no book 'msft'; there are: aapl",
            ">*ouch_client.buy*",
            "E*ProtocolError: enter_order.shares is 1.5, it must be a whole number from 0 to 4294967295",
            ">*fix_client.next*",
            "E*MessageTimeout: no 'News' like that within 0 s; 0 others are waiting",
        ]
    )
    for inner in ("exchange", "exchange_market", "exchange_verbs", "fixsync", "messages", "ouch", "ouch42", "fix"):
        assert not [line for line in result.outlines if f"{inner}.py:" in line]
    assert pytester.runpytest_subprocess("--full-trace", "-k", "fix").stdout.str().count("fixmessages.py") > 0


def test_the_exchange_of_a_failed_test_can_be_kept(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_fails(exchange, ouch_client):
    ouch_client.buy("AAPL", 100, "10").expect_accepted()
    assert False

def test_passes(exchange):
    pass
"""
    )
    result = pytester.runpytest_subprocess("--exchange-keep", "kept")
    result.assert_outcomes(failed=1, passed=1)
    (kept,) = (pytester.path / "kept").iterdir()
    result.stdout.fnmatch_lines([f"in kept/{kept.name}: openoutcry record kept/{kept.name} -o scenario.toml"])
    command = [sys.executable, "-m", "openoutcry", "record", str(kept), "-o", str(pytester.path / "scenario.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "NewOrderSingle" in (pytester.path / "scenario.toml").read_text()


def test_a_report_has_every_exchange_that_the_test_has_started(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest
from openoutcry import Exchange

@pytest.fixture(scope="module")
def elsewhere():
    with Exchange() as ex:
        yield ex

@pytest.fixture
def ready(exchange):
    exchange.ouch_client(user="early").buy("NONE", 1, "1").expect_accepted()

@pytest.fixture
def world():
    with Exchange() as ex:
        yield {"exchange": ex}

def test_before(elsewhere):
    pass

def test_whose_fixture_fails(ready):
    pass

def test_whose_fixture_has_it(world):
    world["exchange"].ouch_client(user="hidden").buy("NONE", 1, "1").expect_accepted()

def test_in_a_block():
    with Exchange() as one:
        one.ouch_client(user="first")
        with Exchange() as two:
            two.ouch_client(user="second").buy("NONE", 1, "1").expect_accepted()

def test_that_expects_an_error():
    expect_an_error()

def expect_an_error():
    with pytest.raises(ValueError), Exchange() as ex:
        ex.ouch_client(user="quiet")
        raise ValueError

def test_that_expects_an_error_and_fails_later():
    expect_an_error()
    try:
        with Exchange() as ex:
            ex.ouch_client(user="cause")
            raise ValueError
    except ValueError:
        assert False

def test_after():
    assert False
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist")
    result.assert_outcomes(passed=2, failed=4, errors=1)
    named = [line.strip("- ") for line in result.outlines if line.startswith("---") and "exchange" in line]
    assert [line for line in named if "client" in line] == [
        "exchange 1: OUCH client 'early'",
        "exchange 1: OUCH client 'hidden'",
        "ended exchange 1: OUCH client 'second'",
        "ended exchange 2: OUCH client 'first'",
        "ended exchange 1: OUCH client 'cause'",
    ]
    assert len([line for line in named if line.endswith("log of matcher")]) == 5


def test_clients_end_with_their_test_also_where_the_exchange_lives_longer(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest
from openoutcry import Exchange

@pytest.fixture(scope="module")
def exchange():
    with Exchange() as ex:
        yield ex

@pytest.mark.parametrize("turn", range(2))
def test_any(exchange, ouch_client, fix_client, market_data, turn):
    assert exchange.clients == (ouch_client, fix_client, market_data)
    market_data.watch("AAPL")
    ouch_client.sell("AAPL", 1, "1").expect_accepted()
    fix_client.buy("AAPL", 1, "1").expect_filled(1)
    market_data.expect_trade("AAPL", 1)

def test_none(exchange):
    assert exchange.clients == ()
"""
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


def test_exchanges_of_the_factory_are_in_the_report_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
def test_fails(exchange_factory):
    exchange_factory()
    exchange_factory().ouch_client(user="me").wait_for("A", 0.01)
"""
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*exchange 1: log of matcher*", "*exchange 2: OUCH client 'me'*"])


@pytest.mark.parametrize("plugin", ["pytest_asyncio", "anyio"])
def test_asynchronous_tests_use_the_blocking_clients_in_threads(pytester: pytest.Pytester, plugin: str) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import asyncio, pytest
@pytest.mark.{"anyio" if plugin == "anyio" else "asyncio"}
async def test_any(exchange, ouch_client, fix_client):
    record(exchange)
    async def tick():
        while True:
            await asyncio.sleep(0.001)
            ticks.append(1)
    ticks = []
    ticking = asyncio.create_task(tick())
    resting = await asyncio.to_thread(lambda: ouch_client.sell("AAPL", 40, "10").expect_accepted())
    waiting = asyncio.create_task(asyncio.to_thread(resting.expect_filled, 40))
    fix_client.buy("AAPL", 40, "10").expect_filled(40)
    await waiting
    ticking.cancel()

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
    assert_nothing_left(pytester)


def test_threads_have_clients_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
from concurrent.futures import ThreadPoolExecutor
def test_threads(exchange):
    record(exchange)
    exchange.ouch_client()
    def trade(number):
        name = f"C{{number}}"
        client = exchange.ouch_client(user=name) if number % 2 else exchange.fix_client("fix", SenderCompID=name)
        return client.buy("AAPL", 10, "10").expect_accepted().status
    exchange.create_endpoint("fix", "main", "fix44")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(trade, range(8))) == ["open"] * 8
"""
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
    assert_nothing_left(pytester)


def test_the_example_passes(pytester: pytest.Pytester) -> None:
    example = Path(__file__).parent.parent / "examples" / "test_my_client.py"
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", example).assert_outcomes(passed=3)


def test_it_costs_nothing_when_no_test_wants_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys
def test_light():
    assert not [name for name in sys.modules if name.startswith(("zmq", "openoutcry.")) and "plugin" not in name]
"""
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 0), (signal.SIGINT, 2), (signal.SIGKILL, 2)],
)
def test_an_interrupted_run_leaves_nothing(pytester: pytest.Pytester, number: signal.Signals, workers: int) -> None:
    pytester.makepyfile(
        f"""
{RECORD}
import signal
def test_hangs(exchange, exchange_proc):
    record(exchange)
    record(exchange_proc)
    with open("said", "w") as said:  # a fifo: tells the outer test that it is time
        said.write("now")
    signal.pause()
"""
    )
    os.mkfifo(pytester.path / "said")
    command = [sys.executable, "-m", "pytest", "-q", *(["-n", str(workers)] if workers else [])]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert said(pytester.path / "said") == "now"
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert_nothing_left(pytester)
