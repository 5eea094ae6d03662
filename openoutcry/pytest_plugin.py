"""Fixtures for pytest: exchanges of a test's own, clients that are ready to trade, and what a failed test shows.

exchange           a fresh, empty exchange for each test
exchange_factory   makes such exchanges: exchange_factory(gateways=2)
exchange_proc      one for each test process; what tests make in it needs names of their own
exchange_clean     the same one, emptied before each test: Exchange.reset
ouch_client        a logged in OUCH client of `exchange`, openoutcry.testkit.OuchTrader
fix_client         a logged on FIX client of `exchange`, openoutcry.testkit.FixTrader
market_data        what the market data of `exchange` says, openoutcry.testkit.MarketWatcher

A test chooses how its own is started with ``@pytest.mark.exchange(durability="sync", gateways=2)``, which takes the
arguments of openoutcry.Exchange. The clients join the first endpoint of their protocol; when there is none it is made,
with an engine "main" and a book "aapl" of AAPL when there is no engine. When a test fails, its report has the last
messages of each client, the sessions with their sequence numbers, and the logs of the processes: of the exchanges of
its fixtures, of others that were started since it began, and of those whose ``with`` block its error has left. With
``--exchange-keep DIR`` those that run stay below DIR as they are then, for ``openoutcry record``.

Invariant: a test run that does not use the fixtures pays nothing, no process and no import beyond this module.
"""

from __future__ import annotations

import re
import shutil
import sys
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange
    from openoutcry.testkit import FixTrader, MarketWatcher, OuchTrader

FIXTURES: Final = frozenset(("exchange", "exchange_proc", "exchange_factory"))  # the others need one of them
PLUGIN: Final = Path(__file__)
PACKAGE: Final = PLUGIN.parent
ENDED_MAX: Final = 4  # exchanges that errors have ended: a test may try, and expect, a hundred
NO_FAILURES: Final = (KeyboardInterrupt, SystemExit, GeneratorExit, pytest.skip.Exception, pytest.xfail.Exception)

_before: weakref.WeakSet[Exchange] = weakref.WeakSet()  # exchanges that ran when the test under way began
_ended: deque[tuple[BaseException, list[tuple[str, str]]]] = deque(maxlen=ENDED_MAX)  # with what was to be said then


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line."""
    text = "keep the exchanges of failed tests below this directory, for openoutcry record"
    parser.getgroup("openoutcry").addoption("--exchange-keep", metavar="DIR", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "exchange(**arguments): how the `exchange` fixture starts its Exchange")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the nursery load while pytest goes on, when a test is going to need it."""
    if session.config.getoption("collectonly", False):
        return
    if any(FIXTURES.intersection(getattr(item, "fixturenames", ())) for item in session.items):
        from openoutcry import parts

        parts.nursery()


@pytest.fixture
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    """A running exchange with nothing in it, for this test alone."""
    from openoutcry.exchange import Exchange

    marker = request.node.get_closest_marker("exchange")
    with Exchange(*marker.args, **marker.kwargs) if marker else Exchange() as ex:
        yield ex


@pytest.fixture(scope="session")
def exchange_proc() -> Iterator[Exchange]:
    """A running exchange that all tests of this process share; what they make in it needs names of their own."""
    from openoutcry.exchange import Exchange

    with Exchange() as ex:
        yield ex


@pytest.fixture
def exchange_clean(exchange_proc: Exchange) -> Exchange:
    """The exchange of this process with nothing in it; what the last test made is deleted."""
    exchange_proc.reset()
    return exchange_proc


@pytest.fixture
def exchange_factory() -> Iterator[Callable[..., Exchange]]:
    """Makes running exchanges; takes the arguments of openoutcry.Exchange. All end with the test."""
    from openoutcry.exchange import Exchange

    with ExitStack() as stack:

        def make(*arguments: Any, **settings: Any) -> Exchange:
            return stack.enter_context(Exchange(*arguments, **settings))

        yield make


# Each client ends with its test, for a test suite may have an `exchange` of its own that lives longer.
@pytest.fixture
def ouch_client(exchange: Exchange) -> Iterator[OuchTrader]:
    """An OUCH client of `exchange`, logged in."""
    client = exchange.ouch_client()
    yield client
    exchange.close_client(client)


@pytest.fixture
def fix_client(exchange: Exchange) -> Iterator[FixTrader]:
    """A FIX client of `exchange`, logged on: FIX.4.4 unless the test has made another endpoint for FIX before."""
    client = exchange.fix_client()
    yield client
    exchange.close_client(client)


@pytest.fixture
def market_data(exchange: Exchange) -> Iterator[MarketWatcher]:
    """The market data of `exchange`; symbols are subscribed to when they are first named."""
    client = exchange.market_data()
    yield client
    exchange.close_client(client)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test begins: what is started from now on is its own."""
    _before.clear()
    _ended.clear()
    if (module := sys.modules.get("openoutcry.exchange")) is not None:
        _before.update(module.running())


def note(exchange: Exchange, error: BaseException) -> None:
    """An error leaves the ``with`` block of an exchange, which can still be asked; called by openoutcry.exchange."""
    from openoutcry.testkit.report import sections

    if not isinstance(error, NO_FAILURES):
        _ended.append((error, sections(exchange)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what is known of every exchange of a failed test."""
    if call.excinfo is not None and not item.config.getoption("fulltrace", False):
        _end_in_the_test(call.excinfo.value)
    report = yield
    module = sys.modules.get("openoutcry.exchange")
    if report.failed and module is not None:
        from openoutcry.testkit.report import sections

        for name, found in _exchanges(item, module).items():
            report.sections += [(f"{name}: {title}", text) for title, text in sections(found)]
            if keep := item.config.getoption("exchange_keep", None):
                report.sections.append((f"{name}: kept", _keep(found, Path(keep), f"{item.nodeid}-{name}")))
        errors = _with_its_causes(call.excinfo.value) if call.excinfo is not None else {}
        for number, said in enumerate([said for error, said in _ended if id(error) in errors], 1):
            report.sections += [(f"ended exchange {number}: {title}", text) for title, text in said]
    if report.failed or report.when == "teardown":
        _ended.clear()  # the end of the test may have a report of its own
    return report


def _with_its_causes(error: BaseException | None) -> dict[int, BaseException]:
    """An error and all that have led to it, by their ids."""
    found: dict[int, BaseException] = {}
    waiting = [error]
    while waiting:
        if (one := waiting.pop()) is not None and id(one) not in found:
            found[id(one)] = one
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return found


def _keep(exchange: Exchange, keep: Path, name: str) -> str:
    """A copy of an exchange's directory as it is now; returns where it is, or why there is none."""
    if not exchange.directory.is_dir() or exchange.directory == Path():
        return "it has ended"
    target = keep / re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    try:
        shutil.rmtree(target, ignore_errors=True)  # of an earlier run
        shutil.copytree(exchange.directory, target, ignore=shutil.ignore_patterns("sockets", "run"))
    except (OSError, shutil.Error) as error:
        return f"not in {target}: {error}"
    return f"in {target}: openoutcry record {target} -o scenario.toml"


def _end_in_the_test(error: BaseException) -> None:
    """The traceback of what was refused ends where the test said it: the error's text has all the rest."""
    errors = sys.modules.get("openoutcry.errors")
    if errors is None or not isinstance(error, (errors.VerbError, errors.ClientError, errors.ProtocolError)):
        return
    last, entry = None, error.__traceback__
    while entry is not None:
        where = Path(entry.tb_frame.f_code.co_filename)
        if PACKAGE in where.parents and where != PLUGIN:
            break
        last, entry = entry, entry.tb_next
    if last is not None:
        last.tb_next = None


def _exchanges(item: pytest.Item, module: Any) -> dict[str, Exchange]:
    """The exchanges of a test by what they are called there, each once; others of its own by numbers."""
    unique: dict[int, tuple[str, Exchange]] = {}
    for name, value in getattr(item, "funcargs", {}).items():
        if isinstance(value, module.Exchange):
            unique.setdefault(id(value), (name, value))
    noted = getattr(getattr(item, "instance", None), "_exchange", None)  # of an ExchangeMixin: the error has it
    others = [e for e in module.running() if e not in _before and e is not noted and id(e) not in unique]
    return dict([*unique.values(), *((f"exchange {number}", found) for number, found in enumerate(others, 1))])
