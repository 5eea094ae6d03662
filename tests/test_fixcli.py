"""``openoutcry fix``: log on, send, play, decode, import, compile, against a small acceptor and with files."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry.cli import main
from openoutcry.fix.codec import raw
from openoutcry.fix.message import Message
from openoutcry.fix.transcript import read
from tests.fix_acceptor import WAIT_S, Acceptor, peers

Run = tuple[int, str, str]
REPORT = b"6=0\x0114=0\x0117=1\x0137=7\x0139=0\x0154=1\x0155=AAPL\x01150=0\x01151=100\x01"
ORDER = "35=D|34=2|49=A|56=B|52=20261120-10:00:00|11=1|55=AAPL|54=1|38=100|40=2|44=1.5|60=20261120-10:00:00|"


def call(capsys: pytest.CaptureFixture[str], *words: str) -> Run:
    """Exit code, standard output and standard error of `openoutcry fix WORDS`."""
    try:
        code = main(["fix", *words])
    except SystemExit as error:
        code = int(error.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def beside(work: Callable[[Acceptor, list[str]], Any], **given: Any) -> Any:
    """Run blocking code beside an acceptor that reports on every order; `work` gets the options to log on to it."""

    def report(acceptor: Acceptor, message: Message) -> None:
        if message.kind == b"D":
            acceptor.send(b"8", REPORT)

    async def test() -> Any:
        acceptor = Acceptor(peers()[0], on_message=report, **given)
        await acceptor.start()
        options = [
            "--endpoint",
            f"127.0.0.1:{acceptor.port}",
            "--sender",
            "TRADER",
            "--target",
            "EX",
            "--timeout",
            "30",
        ]
        try:
            async with asyncio.timeout(2 * WAIT_S):
                return await asyncio.to_thread(work, acceptor, options)
        finally:
            await acceptor.close()

    return asyncio.run(test())


# ------------------------------------------------------------------------------------------------- logon
def test_logon_says_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    def work(acceptor: Acceptor, options: list[str]) -> Run:
        found = call(capsys, "logon", *options)
        assert acceptor.logouts == [""]
        return found

    code, out, err = beside(work)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("logged on: FIX.4.4:TRADER->EX at 127.0.0.1 port ")
    assert "Logon MsgSeqNum=1 SenderCompID=EX" in second
    assert "HeartBtInt=30" in second


def test_logon_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = beside(lambda _acceptor, options: call(capsys, "logon", "--json", *options))
    found = json.loads(out)
    assert (code, found["session"], found["logged_on"]) == (0, "FIX.4.4:TRADER->EX", True)


def test_a_refused_logon_fails_with_the_counterpartys_words(capsys: pytest.CaptureFixture[str]) -> None:
    found = beside(lambda _acceptor, options: call(capsys, "logon", *options), judge=lambda _: "no such trader")
    assert found == (1, "", "openoutcry: the counterparty refused the logon: no such trader\n")


def test_a_number_too_low_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    def work(acceptor: Acceptor, options: list[str]) -> tuple[Run, Run]:
        acceptor.session.store.set_next_in(9)
        return call(capsys, "logon", *options), call(capsys, "logon", "--reset", *options)

    (code, _, err), reset = beside(work)
    assert code == 1
    assert "MsgSeqNum too low, expecting 9 but received 1; use --store DIR" in err
    assert reset[0] == 0


def test_a_password_comes_from_a_file_and_is_shown_nowhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\n")

    def work(acceptor: Acceptor, options: list[str]) -> tuple[bytes | None, Run]:
        words = ["--user", "me", "--password", f"@{tmp_path}/secret", "--log", str(tmp_path / "log")]
        found = call(capsys, "logon", *options, *words)
        return acceptor.logons[0].get(554), found

    password, (code, out, err) = beside(work)
    assert (password, code, err) == (b"correct horse", 0, "")
    assert "correct" not in out
    assert all("correct" not in path.read_text() for path in (tmp_path / "log").iterdir())


def test_a_password_on_the_command_line_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--user", "me", "--password", "pw"]
    code, _, err = beside(lambda _acceptor, options: call(capsys, "logon", *options, *words))
    assert code == 0
    assert "can be seen by other users" in err


def test_numbers_go_on_with_a_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def work(_acceptor: Acceptor, options: list[str]) -> list[int]:
        return [call(capsys, "logon", "--store", str(tmp_path), *options)[0] for _ in range(3)]

    assert beside(work) == [0, 0, 0]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["logon"], "who logs on to whom? give --sender COMPID"),
        (["logon", "--sender", "A"], "give --target COMPID"),
        (["logon", "--sender", "A", "--target", "B"], "where to connect? give --endpoint HOST:PORT"),
        (["logon", "--sender", "A", "--target", "B", "--endpoint", "x"], "'x' is no address, it must be HOST:PORT"),
        (["logon", "--sender", "A", "--target", "B", "--endpoint", "x:1", "--set", "Heart"], "must be NAME=VALUE"),
        (["logon", "--sender", "A", "--target", "B", "--endpoint", "x:1", "--set", "Heart=1"], "no setting 'Heart'"),
        (["send", "D", "Prise=1", "--sender", "A", "--target", "B", "--endpoint", "x:1"], "did you mean Price?"),
        (["send", "D", "Price", "--sender", "A", "--target", "B", "--endpoint", "x:1"], "'Price' must be NAME=VALUE"),
        (["send", "D", "453=[{", "--sender", "A", "--target", "B", "--endpoint", "x:1"], "453 is a group in JSON"),
        (["play", "/nonexistent", "--sender", "A", "--target", "B", "--endpoint", "x:1"], "No such file"),
        (["decode", "/nonexistent"], "cannot read /nonexistent: No such file or directory"),
        (["import", "/nonexistent"], "cannot read /nonexistent: No such file or directory"),
        (["logon", "--settings", "/nonexistent"], "cannot read /nonexistent"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], text: str
) -> None:
    monkeypatch.delenv("OPENOUTCRY_ENDPOINT", raising=False)
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "")
    assert text in err


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys)
    assert code == 2
    assert all(name in out for name in ("logon", "send", "play", "decode", "import", "compile"))


def test_interrupted_it_logs_out_and_ends_with_130() -> None:
    def work(acceptor: Acceptor, options: list[str]) -> tuple[int, str]:
        made.append(acceptor)
        command = [sys.executable, "-m", "openoutcry", "fix", "logon", "--stay", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            return process.wait(WAIT_S), process.stderr.read()

    made: list[Acceptor] = []
    assert beside(work) == (130, "")
    assert made[0].logouts == [""]


# ------------------------------------------------------------------------------------------------- send and play
def test_send_prints_the_answer_by_names(capsys: pytest.CaptureFixture[str]) -> None:
    fields = ["ClOrdID=1", "Symbol=AAPL", "Side=BUY", "OrderQty=100", "OrdType=LIMIT", "44=1.5",
              'NoPartyIDs=[{"PartyID": "me", "PartyRole": 1}]']  # fmt: skip

    def work(acceptor: Acceptor, options: list[str]) -> tuple[Run, Message]:
        return call(capsys, "send", *options, "--wait", "1", "NewOrderSingle", *fields), acceptor.received[0]

    (code, out, err), order = beside(work)
    assert (code, err) == (0, "")
    assert out.startswith("sent NewOrderSingle, MsgSeqNum 2\nExecutionReport, MsgSeqNum 2\n")
    assert "   39  OrdStatus             0  NEW" in out
    assert [order.get(tag) for tag in (54, 44, 453, 448, 452)] == [b"1", b"1.5", b"1", b"me", b"1"]


def test_a_rejected_message_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = beside(lambda _a, options: call(capsys, "send", *options, "--wait", "1", "--json", "D", "11=1"))
    assert code == 1
    assert json.loads(out)["name"] == "Reject"


SCENARIO: dict[str, Any] = {
    "actions": [
        {"send": "NewOrderSingle", "fields": {"ClOrdID": "1", "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100,
                                              "OrdType": "LIMIT", "Price": 1.5}},
        {"expect": "ExecutionReport", "fields": {"OrdStatus": "NEW"}},
        {"wait": 0.01},
        {"logout": "done"},
    ]
}  # fmt: skip


def play(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> tuple[Run, list[Message], list[str]]:
    def work(acceptor: Acceptor, options: list[str]) -> tuple[Run, list[Message], list[str]]:
        found = call(capsys, "play", str(path), *options, "--pause", "1", *words)
        return found, acceptor.received, acceptor.logouts

    played: tuple[Run, list[Message], list[str]] = beside(work)
    return played


def test_a_scenario_is_played_and_its_expectations_hold(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(SCENARIO))
    (code, out, err), received, logouts = play(capsys, path, "--auto")
    assert (code, err, logouts) == (0, "", ["done"])
    assert [message.get(44) for message in received] == [b"1.5"]
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["ExecutionReport"]


def test_an_expectation_that_is_not_met_fails_and_says_what_came(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    expect = {"expect": "ExecutionReport", "fields": {"OrdStatus": "FILLED"}, "within": 0.3}
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"actions": [SCENARIO["actions"][0], expect]}))
    (code, _, err), _, _ = play(capsys, path, "--auto")
    assert code == 1
    assert "action 2: no ExecutionReport with {'OrdStatus': 'FILLED'} within 0.3 s; what came: ExecutionReport" in err


def test_each_line_typed_sends_the_next_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"actions": [SCENARIO["actions"][0]] * 3}))
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
    (code, out, _), received, _ = play(capsys, path)
    assert (code, len(received), len(out.splitlines())) == (0, 2, 2)


def test_the_orders_of_a_log_are_sent_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    logon, order = raw("35=A|34=1|49=A|56=B|98=0|108=30|"), raw(ORDER)
    again = raw("35=D|34=2|43=Y|49=A|56=B|52=20261120-10:00:00|122=20261120-10:00:00|11=1|")
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"20261120-10:00:00 %b %b\n" % pair for pair in (
        (b">", logon), (b"<", logon), (b">", order), (b">", again), (b"<", raw("35=8|34=2|49=B|56=A|37=1|")),
        (b">", order.replace(b"\x0111=1\x01", b"\x0111=2\x01")),
    )))  # fmt: skip
    (code, out, err), received, _ = play(capsys, path, "--auto")
    assert (code, err, len(out.splitlines())) == (0, "", 2)
    assert [(m[11], m[34], m[49]) for m in received] == [(b"1", b"2", b"TRADER"), (b"2", b"3", b"TRADER")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "not JSON"),
        ("{}", 'an object with a list "actions"'),
        ('{"actions": [1]}', "action 1: it must be an object"),
        ('{"actions": [{}]}', "action 1: it must have exactly one of: send, expect, wait, logout"),
        ('{"actions": [{"wait": 1}, {"wait": -1}]}', "action 2: wait is -1, it must be seconds"),
        ('{"actions": [{"send": "D", "fields": []}]}', "action 1: send must be text, and fields an object"),
        ('{"actions": [{"send": "NewOrder"}]}', "action 1: FIX.4.4 has no message 'NewOrder'"),
        ('{"actions": [{"send": "D", "fields": {"Prise": 1}}]}', "has no field 'Prise'; did you mean Price?"),
        ("what?", "neither a JSON scenario nor a log"),
    ],
)
def test_a_scenario_is_checked_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, text: str
) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(content)
    code, _, err = call(capsys, "play", str(path), "--sender", "A", "--target", "B", "--endpoint", "127.0.0.1:1")
    assert code == 2
    assert text in err


# ------------------------------------------------------------------------------------------------- decode
def test_decode_prints_a_message_by_names(capsys: pytest.CaptureFixture[str]) -> None:
    text = raw(ORDER, "FIX.4.4").replace(b"\x01", b"|").decode()
    code, out, err = call(capsys, "decode", text)
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        "NewOrderSingle",
        "    8  BeginString           FIX.4.4",
        "    9  BodyLength            99",
        "   35  MsgType               D  NewOrderSingle",
    ]
    assert "   54  Side                  1  BUY" in out
    assert "!" not in out


@pytest.mark.parametrize("separator", [b"\x01", b"|", b"^A", b";", b"<SOH>", b"\\x01"])
def test_decode_reads_logs_with_any_separator_and_many_messages_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, separator: bytes
) -> None:
    message = raw(ORDER, "FIX.4.2").replace(b"\x01", separator)
    path = tmp_path / "log"
    path.write_bytes(b"10:00:00 > " + message + b"\nnothing here\n10:00:01 : " + message + b" " + message + b"\n")
    code, out, _ = call(capsys, "decode", "--summary", str(path))
    fields = "ClOrdID=1 Symbol=AAPL Side=1 OrderQty=100 OrdType=2 Price=1.5 TransactTime=20261120-10:00:00"
    assert (code, out.splitlines()) == (0, [
        f"10:00:00 > 2 NewOrderSingle {fields}", f"10:00:01 : 2 NewOrderSingle {fields}", f"2 NewOrderSingle {fields}",
    ])  # fmt: skip


def test_decode_as_json_has_groups_and_blanks_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    text = raw("35=A|34=1|49=A|56=B|52=20261120-10:00:00|98=0|108=30|384=1|372=D|385=S|554=secret|", "FIX.4.4")
    code, out, _ = call(capsys, "decode", "--json", "--check", text.decode())
    found = json.loads(out)
    assert (code, found["name"], found["faults"]) == (0, "Logon", [])
    assert found["fields"]["NoMsgTypes"] == [{"RefMsgType": "D", "MsgDirection": "S"}]
    assert found["fields"]["Password"] == "***"
    assert "secret" in call(capsys, "decode", "--show-secrets", text.decode())[1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("8=FIX.4.2|9=5|35=0|10=000|", "CheckSum(10) is 000, it should be 161"),
        ("8=FIX.4.2|9=9|35=0|10=161|", "BodyLength(9) is 9, it should be 5"),
        ("8=FIX.4.2|9=5|35=0|", "there is no CheckSum(10) at its end"),
        ("8=FIX.4.2|35=0|9=5|10=161|", "it does not begin with BeginString(8), BodyLength(9), MsgType(35)"),
        ("8=FIX.4.2|9=5|35=0|x|10=161|", "'x' is no field"),
        (raw("35=D|34=2|49=A|56=B|52=20261120-10:00:00|").decode(), "Required tag missing (11)"),
    ],
)
def test_decode_says_what_is_wrong_and_prints_it_all_the_same(
    capsys: pytest.CaptureFixture[str], text: str, fault: str
) -> None:
    code, out, _ = call(capsys, "decode", "--check", text)
    assert code == 1
    assert f"    ! {fault}\n" in out
    assert "BeginString           FIX.4.2" in out


def test_decode_knows_the_version_of_a_fixt_session_from_its_logon(capsys: pytest.CaptureFixture[str]) -> None:
    head = "34=2|49=A|56=B|52=20261120-10:00:00|"
    logon, order = raw(f"35=A|{head}98=0|108=30|1137=7|", "FIXT.1.1"), raw(f"35=D|{head}11=1|847=1|", "FIXT.1.1")
    _, out, _ = call(capsys, "decode", "--json", logon.decode() + order.decode())
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["Logon", "NewOrderSingle"]


def test_decode_can_be_limited_and_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = raw("35=0|34=1|49=A|56=B|52=20261120-10:00:00|")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(heartbeat + raw(ORDER) + heartbeat)))
    code, out, _ = call(capsys, "decode", "--summary", "--only", "NewOrderSingle")
    assert (code, len(out.splitlines())) == (0, 1)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"nothing")))
    code, out, err = call(capsys, "decode")
    assert (code, out) == (1, "")
    assert "no FIX message found" in err


def test_reading_a_transcript_never_raises() -> None:
    message = raw(ORDER)
    for at in range(len(message)):
        for changed in (message[:at], message[:at] + b"\x01" + message[at:], message[:at] + b"=" + message[at + 1 :]):
            assert len(list(read([changed]))) <= 1


# ------------------------------------------------------------------------------------------------- import and compile
SETTINGS = """
[DEFAULT]
ConnectionType=acceptor
StartTime=00:00:00
EndTime=00:00:00
SocketAcceptPort=5001
HeartBtInt=20
[SESSION]
BeginString=FIX.4.2
SenderCompID=ISLD
TargetCompID=TW42
ResetOnLogon=Y
[SESSION]
BeginString=FIX.4.4
SenderCompID=ISLD
TargetCompID=TW 44
[SESSION]
ConnectionType=initiator
BeginString=FIX.4.4
SenderCompID=US
TargetCompID=THEM
SocketConnectHost=127.0.0.1
SocketConnectPort=7
"""


def test_import_prints_the_verbs_of_a_settings_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text(SETTINGS)
    code, out, err = call(capsys, "import", str(path), "--endpoint", "gate")
    first, second = out.splitlines()
    assert code == 0
    assert first.startswith("openoutcry ctl create_session gate ")
    assert {"HeartBtInt=20", "BeginString=FIX.4.2", "SenderCompID=ISLD", "TargetCompID=TW42", "ResetOnLogon=Y"} <= set(
        first.split()
    )
    assert "'TargetCompID=TW 44'" in second
    assert "without meaning here: SocketAcceptPort" in err
    assert "FIX.4.4:US->THEM is an initiator's" in err


def test_logon_takes_a_session_of_a_settings_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text(SETTINGS.replace("SocketConnectPort=7", "SocketConnectPort=1"))
    code, _, err = call(capsys, "logon", "--settings", str(path), "--session", "THEM")
    assert code == 1
    assert "cannot connect to 127.0.0.1 port 1" in err
    code, _, err = call(capsys, "logon", "--settings", str(path))
    assert code == 2
    assert "one session is needed, there is FIX.4.2:ISLD->TW42, FIX.4.4:ISLD->TW 44, FIX.4.4:US->THEM" in err


def test_compile_checks_a_dictionary_and_writes_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, "compile", "FIX42")
    assert (code, out.startswith("FIX42: FIX.4.2, ")) == (0, True)
    assert call(capsys, "compile", "FIX42", "-o", str(tmp_path / "a.xml"), "--xml")[0] == 0
    assert call(capsys, "compile", str(tmp_path / "a.xml"), "-o", str(tmp_path / "a.txt"))[0] == 0
    _, out, _ = call(capsys, "compile", "FIX42", "-o", "-")
    assert (tmp_path / "a.txt").read_text().splitlines()[1:] == out.splitlines()[1:]
    (tmp_path / "bad.xml").write_text("<fix>")
    code, _, err = call(capsys, "compile", str(tmp_path / "bad.xml"))
    assert code == 1
    assert "bad.xml" in err
