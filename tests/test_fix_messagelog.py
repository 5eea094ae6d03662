"""Message logs: one line a message, no secret in any of them, files of bounded size, and never in a session's way."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.fix.messagelog import MessageLog, redact

NAME = "FIX.4.4:US->THEM"
NOW = 1_795_193_721_123_456_789  # 2026-11-20 16:55:21
SECRET = b"correct horse"


def message(text: str) -> bytes:
    """Bytes from text with | for SOH."""
    return text.encode().replace(b"|", b"\x01")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("8=FIX.4.4|35=A|553=me|554=secret|10=000|", "8=FIX.4.4|35=A|553=me|554=***|10=000|"),
        ("8=FIX.4.4|35=A|554=|925=b|10=000|", "8=FIX.4.4|35=A|554=***|925=***|10=000|"),
        ("8=FIX.4.4|35=BE|925=new|10=000|", "8=FIX.4.4|35=BE|925=***|10=000|"),
        ("8=FIX.4.4|35=A|95=6|96=secret|98=0|10=000|", "8=FIX.4.4|35=A|95=6|96=***|98=0|10=000|"),
        ("8=FIX.4.4|35=A|95=7|96=sec|ret|98=0|10=000|", "8=FIX.4.4|35=A|95=7|96=***|98=0|10=000|"),
        ("35=A|1401=3|1402=a|b|1403=1|1404=c|10=000|", "35=A|1401=3|1402=***|1403=1|1404=***|10=000|"),
        ("8=FIX.4.4|35=A|95=2|96=secret|98=0|10=000|", "8=FIX.4.4|35=A|95=2|96=***|98=0|10=000|"),
        ("8=FIX.4.4|35=A|95=9999999|96=secret|98=0|10=000|", "8=FIX.4.4|35=A|95=9999999|96=***"),
        ("8=FIX.4.4|35=A|96=sec|ret|98=0|10=000|", "8=FIX.4.4|35=A|96=***"),
        ("8=FIX.4.4|35=A|0554=secret|10=000|", "8=FIX.4.4|35=A|0554=***|10=000|"),
        ("554=secret", "554=***"),
        ("8=FIX.4.4|35=B|95=6|96=public|10=000|", "8=FIX.4.4|35=B|95=6|96=public|10=000|"),
        ("8=FIX.4.4|35=D|1554=x|55=554=y|10=000|", "8=FIX.4.4|35=D|1554=x|55=554=y|10=000|"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_secret_is_blanked_and_nothing_else(text: str, shown: str) -> None:
    assert redact(message(text)) == message(shown)


FIELD = st.sampled_from([b"35=A", b"35=D", b"95=13", b"96=" + SECRET, b"554=" + SECRET, b"925=" + SECRET, b"58=x", b""])


@given(st.lists(FIELD, max_size=12))
def test_no_order_of_fields_shows_a_password(fields: list[bytes]) -> None:
    data = b"\x01".join([b"8=FIX.4.4", b"35=A", *fields])
    assert SECRET not in redact(data)


def test_a_line_has_the_time_the_direction_and_the_message(tmp_path: Path) -> None:
    log = MessageLog(tmp_path, NAME)
    log.incoming(message("8=FIX.4.4|35=A|554=secret|"), NOW)
    log.outgoing(message("8=FIX.4.4|35=0|"), NOW + 1_000)
    log.event("connection lost", NOW + 2_000_000_000)
    log.close()
    log.close()
    assert (tmp_path / "FIX.4.4+US=THEM.messages.log").read_bytes() == message(
        "20261120-16:55:21.123456 < 8=FIX.4.4|35=A|554=***|\n"
        "20261120-16:55:21.123457 > 8=FIX.4.4|35=0|\n"
        "20261120-16:55:23.123456 ! connection lost\n"
    )


def test_nobody_can_write_a_line_of_his_own_into_the_log(tmp_path: Path) -> None:
    log = MessageLog(tmp_path, NAME)
    log.incoming(b"8=FIX.4.4\x0158=x\n20261120-16:55:21.123456 > forged\r\x01", NOW)
    log.close()
    assert log.path.read_bytes().count(b"\n") == 1


def test_files_are_rotated_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    log = MessageLog(tmp_path, NAME, bytes_max=100, files_max=3)
    for number in range(10):
        log.event(f"event number {number}", NOW)  # 42 bytes, two to a file
    log.close()
    files = {path.name: [line[-1:] for line in path.read_text().splitlines()] for path in tmp_path.iterdir()}
    name = log.path.name
    assert files == {name: ["8", "9"], f"{name}.1": ["6", "7"], f"{name}.2": ["4", "5"]}


def test_a_log_of_one_file_begins_anew(tmp_path: Path) -> None:
    log = MessageLog(tmp_path, NAME, bytes_max=100, files_max=1)
    for number in range(5):
        log.event(f"event number {number}", NOW)
    log.close()
    assert [(path.name, path.read_text()[-2]) for path in tmp_path.iterdir()] == [(log.path.name, "4")]


def test_an_opened_log_goes_on_where_it_was(tmp_path: Path) -> None:
    for text in ("first", "second"):
        log = MessageLog(tmp_path, NAME)
        log.event(text, NOW)
        log.close()
    assert [line.split()[-1] for line in log.path.read_text().splitlines()] == ["first", "second"]


def test_a_log_that_cannot_be_written_only_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MessageLog(tmp_path, NAME)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr("os.write", full)
        log.event("one", NOW)
        log.event("two", NOW)
    log.event("three", NOW)
    log.close()
    assert log.statistics()["lost"] == 2
    assert [record.message for record in caplog.records] == [
        f"{log.path}: No space left on device; messages are not logged until it can be written again"
    ]
    assert log.path.read_text().endswith("! three\n")
