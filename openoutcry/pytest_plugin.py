"""Fixtures for pytest: ``exchange``, a fresh one for each test, and ``exchange_proc``, one for each test process.

A test chooses how its own is started with ``@pytest.mark.exchange(durability="sync", gateways=2)``, which takes the
arguments of openoutcry.Exchange. When a test fails, the logs of its exchange's processes are in the report.

Invariant: a test run that does not use the fixtures pays nothing, no process and no import beyond this module.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from openoutcry.exchange import Exchange

FIXTURES: Final = frozenset(("exchange", "exchange_proc"))
LOG_MAX: Final = 20_000  # characters of each process's log in a report: its end says why


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of every exchange among a failed test's fixtures."""
    report = yield
    module = sys.modules.get("openoutcry.exchange")
    if report.failed and module is not None:
        for fixture, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, module.Exchange):
                for name, text in value.logs().items():
                    if text:
                        report.sections.append((f"{fixture}: log of {name}", text[-LOG_MAX:]))
    return report
