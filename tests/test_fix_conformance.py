"""The published session cases, each in each version, against a running gateway with an echo engine.

docs/fix-conformance.md is the table of them; tests/fix_cases has the cases. Where quickfix is installed, the reference
engine is played with the same cases.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openoutcry import Exchange
from tests.fix_cases import CASES, Case, comp_id, session_settings
from tests.fix_cases.document import document
from tests.fix_wire import Host, Wire

Play = tuple[Case, str]  # a case in a version

PLAYS = [(case, version) for case in CASES.values() for version in case.versions]
TIMED = [(case, version) for case, version in PLAYS if case.timed]
AT_ONCE = 16  # cases that are played at a time


@pytest.fixture(scope="module")
def acceptor() -> Iterator[Exchange]:
    """An exchange with an echo engine. Each test makes its own session."""
    with Exchange() as exchange:
        exchange.create_engine("echo", kind="echo")
        exchange.create_endpoint("fix", "echo", "fix")
        yield exchange


async def play(case: Case, version: str, port: int) -> None:
    wire = await Wire.open(Host(port, version, comp_id(case, version)))
    try:
        await case.play(wire)
    finally:
        await wire.close()


async def play_all(plays: list[Play], port: int) -> dict[tuple[str, str], str]:
    """Plays many cases at a time; returns what went wrong, "" where nothing did."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case, version: str) -> str:
        async with free:
            try:
                await play(case, version, port)
            except (AssertionError, OSError) as error:
                return repr(error)
        return ""

    found = await asyncio.gather(*(one(case, version) for case, version in plays))
    return {(case.name, version): text for (case, version), text in zip(plays, found, strict=True)}


@pytest.fixture(scope="module")
def timed(acceptor: Exchange) -> dict[tuple[str, str], str]:
    """What came of the cases that take their time: they take it together."""
    for case, version in TIMED:
        acceptor.create_session("fix", **session_settings(case, version))
    return asyncio.run(play_all(TIMED, acceptor.endpoint("fix").port))


@pytest.mark.parametrize(("case", "version"), PLAYS, ids=[f"{case.name}-{version}" for case, version in PLAYS])
def test_case(request: pytest.FixtureRequest, acceptor: Exchange, case: Case, version: str) -> None:
    if case.timed:
        assert request.getfixturevalue("timed")[case.name, version] == ""
        return
    acceptor.create_session("fix", **session_settings(case, version))
    asyncio.run(play(case, version, acceptor.endpoint("fix").port))


def test_the_document_has_every_case_and_version() -> None:
    text = (Path(__file__).parents[1] / "docs" / "fix-conformance.md").read_text()
    assert text == document(), "python -m tests.fix_cases.document > docs/fix-conformance.md"


def test_the_reference_engine_does_what_every_case_expects() -> None:
    pytest.importorskip("quickfix", reason="quickfix is not installed (it has no wheel)")
    sessions = json.dumps([session_settings(case, version) for case, version in PLAYS])
    program = Path(__file__).parent / "fix_cases" / "reference.py"
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        print(sessions, file=process.stdin, flush=True)
        found = asyncio.run(play_all(PLAYS, int(process.stdout.readline())))
        process.stdin.close()
    assert {key: text for key, text in found.items() if text} == {}
