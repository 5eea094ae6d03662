"""The command line: help from the table, errors in one line that names what to do, exit codes, secrets."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import openoutcry
from openoutcry import cli, compiled, ctl, presence, tables, verbs
from openoutcry.bus import Directory
from openoutcry.errors import VerbError
from openoutcry.matcher import policies
from tests.control_world import StandIn, World, well, world


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPENOUTCRY_"):
            monkeypatch.delenv(name)


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
def empty() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="oo-")
    yield path
    shutil.rmtree(path)


def run(*arguments: Any) -> int:
    try:
        return cli.main([str(a) for a in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


# ------------------------------------------------------------------------------------------------- help
def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    for command in ("up", "down", "status", "ctl", "demo", "agents", "watch", "play", *cli.PARTS):
        assert f"\n    {command} " in said or f"\n    {command}\n" in said


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2 and "COMMAND" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"openoutcry {openoutcry.__version__} ({compiled.build()})\n"


@pytest.mark.parametrize("command", ["up", "down", "status", "ctl", "demo", "agents", "watch", "play", *cli.PARTS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"openoutcry {command}" in capsys.readouterr().out


def test_ctl_alone_lists_every_verb_with_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ctl") == 0
    said = capsys.readouterr().out
    for row in verbs.VERBS.values():
        assert ctl.usage(row) in said and row.meaning in said


@pytest.mark.parametrize("row", verbs.VERBS.values(), ids=lambda row: row.name)
def test_every_verb_has_help(row: verbs.Verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ctl", row.name, "--help") == 0
    said = capsys.readouterr().out
    assert all(p.name in said and p.meaning in said for p in row.parameters)


def test_help_of_a_property_verb_lists_the_properties(capsys: pytest.CaptureFixture[str]) -> None:
    run("ctl", "set_book_property", "-h")
    said = capsys.readouterr().out
    assert all(name in said for name in verbs.BOOK_PROPERTIES) and "default 0.0001" in said


def test_help_of_policies_lists_the_options_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    run("ctl", "add_policy", "--help")
    said = capsys.readouterr().out
    for kind in policies.KINDS:
        assert kind in said
        assert all(f"  {p.name} " in said and p.meaning in said for p in policies.options_of(kind).values())
    assert "orders, changes, cancels, all; default orders" in said


def test_help_speaks_of_passwords_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, spoken in (("create_user", True), ("create_engine", False)):
        run("ctl", verb, "--help")
        assert (ctl.SECRET_NOTE in capsys.readouterr().out) is spoken


# ------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("frobnicate",), 2, "invalid choice"),
        (("ctl", "frobnicate"), 2, "no verb 'frobnicate'; there are: create_engine, "),
        (("ctl", "create_enginee", "main"), 2, "no verb 'create_enginee'; did you mean create_engine"),
        (("ctl", "create_engine", "main", "king=echo"), 2, "has no argument 'king'; did you mean kind?"),
        (("ctl", "create_session", "fix", "SenderCompId=A"), 2, "did you mean SenderCompID"),
        (("ctl", "create_engine"), 2, "needs name"),
        (("ctl", "create_engine", "a b"), 2, "(name)"),
        (("ctl", "create_engine", "a", "b", "c"), 2, "at most 2"),
        (("ctl", "create_engine", "a", "colour=red"), 2, "(colour)"),
        (("ctl", "create_engine", "name=a", "name=b"), 2, "given twice"),
        (("ctl", "create_engine", "a", "--loud"), 2, "--loud"),
        (("ctl", "--timeout", "soon", "status"), 2, "--timeout"),
        (("ctl", "--timeout", "0", "status"), 2, "'0' is not a number of seconds above 0"),
        (("demo", "--duration", "-1"), 2, "'-1' is not a number of seconds above 0"),
        (("agents", "--duration", "nan"), 2, "'nan' is not a number of seconds above 0"),
        (("prices", "aapl", "5", "--duration", "inf"), 2, "'inf' is not a number of seconds above 0"),
        (("ctl", "status", "now"), 2, "status takes no arguments, got 1"),
        (("ctl", ""), 2, "no verb ''"),
        (("matcher", "--durability", "maybe"), 1, "durability is 'maybe'"),
        (("gateway", "--gateways", "x"), 1, "--gateways is 'x'"),
        (("up", "--config", "/nowhere/x.toml"), 1, "/nowhere/x.toml"),
        (("play", "x.json", "--endpoint", "nowhere"), 2, "HOST:PORT"),
        (("play", "x.json"), 2, "--endpoint"),
        (("up", "--timeout", "soon"), 2, "--timeout"),
    ],
)  # fmt: skip
def test_an_error_says_what_is_wrong(
    arguments: tuple[str, ...], code: int, says: str, empty: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENOUTCRY_DIRECTORY", empty)
    assert run(*arguments) == code
    said = capsys.readouterr()
    assert says in said.err and "Traceback" not in said.err and not said.out


def test_errors_are_one_line(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    lock = Directory(empty).create().lock("matcher")  # somebody lives there, and the control service does not
    try:
        assert run("ctl", "--directory", empty, "--timeout", "0.1", "list", "books") == 1
    finally:
        os.close(lock)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("openoutcry: list: no answer") and "openoutcry status" in said


@pytest.mark.parametrize(
    "command",
    [
        ("ctl", "list", "books"),
        ("ctl", "--file", os.devnull),
        ("agents",),
        ("prices", "aapl", "10.05"),
        ("replay", "x.toml"),
        ("fix", "import", "--apply", "--endpoint", "fix"),
    ],
)
@pytest.mark.parametrize("place", ["never there", "stopped", "crashed"])
def test_where_no_exchange_runs_nobody_is_waited_for(
    command: tuple[str, ...], place: str, empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if command[:2] == ("fix", "import"):
        (tmp_path / "x.cfg").write_text("[SESSION]\nBeginString=FIX.4.4\nSenderCompID=A\nTargetCompID=B\n"
                                        "ConnectionType=acceptor\n")  # fmt: skip
        command += (str(tmp_path / "x.cfg"),)
    if place != "never there":
        os.close(Directory(empty).create().lock("control"))
    if place == "crashed":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(f"{empty}/sockets/control")
    assert run(*command, "--directory", empty) == 1
    assert capsys.readouterr().err == (
        f"openoutcry: no exchange runs in {os.path.realpath(empty)}; `openoutcry up` starts one, and --directory says "
        "where it is\n"
    )


def test_an_exchange_that_starts_is_waited_for(control: World, matcher: StandIn) -> None:
    presence.require(control.directory.path)  # it listens
    presence.require(control.directory.address("control"))


def test_an_audit_of_nothing_is_an_error(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", "--directory", empty) == 1
    said = capsys.readouterr()
    assert "holds no journal" in said.err and not said.out


def test_watch_needs_an_exchange_that_is_up(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("watch", "AAPL", "--directory", empty) == 1
    assert "is the exchange up" in capsys.readouterr().err


def test_interrupted_is_130_and_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(ctl, "overview", interrupt)
    assert run("ctl") == 130
    assert capsys.readouterr() == ("", "")


def test_status_of_nothing_is_3_and_json(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "--directory", empty) == 3
    assert "no exchange runs" in capsys.readouterr().out
    assert run("status", "--directory", empty, "--json") == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["ready"], found["processes"], found["endpoints"]) == (False, [], [])
    assert found["directory"] == os.path.realpath(empty)


def test_down_of_nothing_is_fine(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("down", "--directory", empty) == 0
    assert "no exchange runs" in capsys.readouterr().out


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run("up", "--directory", tmp_path / "file" / "x") == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- verbs
def test_a_verb_by_place_and_by_name_and_options_anywhere(
    control: World, matcher: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    matcher.on_verb = lambda command: ((), {"name": command[3][0]})
    where = control.directory.path
    assert run("ctl", "--directory", where, "create_book", "aapl", "symbol=AAPL", "engine=main") == 0
    assert capsys.readouterr().out == "name  aapl\n"
    assert run("ctl", "create_book", "msft", "--json", "main", "--directory", where, "MSFT") == 0
    assert json.loads(capsys.readouterr().out) == {"name": "msft"}
    assert [command[3] for command in matcher.verbs] == [("aapl", "main", "AAPL"), ("msft", "main", "MSFT")]


def test_options_come_from_the_environment_and_the_command_line_wins(
    control: World, matcher: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENOUTCRY_DIRECTORY", str(control.directory.path))
    monkeypatch.setenv("OPENOUTCRY_JSON", "yes")
    assert run("ctl", "halt", "aapl") == 0
    assert capsys.readouterr().out == "null\n"
    monkeypatch.setenv("OPENOUTCRY_DIRECTORY", "/nowhere")
    assert run("ctl", "--directory", control.directory.path, "halt", "aapl") == 0
    monkeypatch.setenv("OPENOUTCRY_TIMEOUT", "soon")
    assert run("ctl", "halt", "aapl") == 2


def test_a_refusal_is_exit_code_1(control: World, matcher: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    matcher.on_verb = lambda _: (("exists", "name", "there is an engine 'main'"), None)
    assert run("ctl", "--directory", control.directory.path, "create_engine", "main") == 1
    assert capsys.readouterr().err == "openoutcry: exists (name): there is an engine 'main'\n"


class TestPasswords:
    """create_user: from a prompt, from standard input, from a file, and with a warning from the command line."""

    @pytest.fixture(autouse=True)
    def hashes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openoutcry.passwords.hash_password", lambda password: f"hash of {password}")

    def create(self, control: World, *arguments: str) -> int:
        return run("ctl", "--directory", control.directory.path, "create_user", "alice", *arguments)

    def test_asked_for(self, control: World, matcher: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        asked = list[str]()

        def answer(prompt: str) -> str:
            asked.append(prompt)
            return "s3cret"

        monkeypatch.setattr("getpass.getpass", answer)
        assert self.create(control, "endpoint=orders") == 0
        assert matcher.verbs[0][3] == ("alice", "hash of s3cret", "orders", None, None) and "alice" in asked[0]

    def test_no_terminal(self, control: World, matcher: StandIn, monkeypatch: pytest.MonkeyPatch,
                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert self.create(control) == 2
        assert "use - or @FILE" in capsys.readouterr().err

    @pytest.mark.parametrize("word", ["-", "password=-"])
    def test_standard_input(self, word: str, control: World, matcher: StandIn, monkeypatch: pytest.MonkeyPatch,
                            capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
        monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\nmore\n"))
        assert self.create(control, word) == 0
        assert matcher.verbs[0][3][1] == "hash of s3cret" and not capsys.readouterr().err

    def test_a_file(self, control: World, matcher: StandIn, tmp_path: Path) -> None:
        (tmp_path / "p").write_text("s3cret\n")
        assert self.create(control, f"@{tmp_path}/p") == 0
        assert matcher.verbs[0][3][1] == "hash of s3cret"

    def test_the_command_line_with_a_warning(
        self, control: World, matcher: StandIn, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.create(control, "s3cret") == 0
        said = capsys.readouterr()
        assert "can be seen by other users" in said.err and "s3cret" not in said.err + said.out

    @pytest.mark.parametrize("content", ["", "\n", None])
    def test_an_empty_or_absent_file(
        self, content: str | None, control: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if content is not None:
            (tmp_path / "p").write_text(content)
        assert self.create(control, f"@{tmp_path}/p") == 2
        assert "password" in capsys.readouterr().err


def test_a_value_may_contain_equals_signs() -> None:
    assert ctl.split("x", ["a", "name=b=c", "A=B"]) == (["a", "A=B"], {"name": "b=c"})


def test_options_of_a_policy_are_words_of_their_own_or_one_word_in_quotes() -> None:
    plain = ctl.split("add_policy", ["main", "p", "auto-fill", "percent=50", "text=no credit"])
    assert plain == (["main", "p", "auto-fill"], {"options": "percent=50 text='no credit'"})
    assert ctl.split("add_policy", ["main", "p", "auto-fill", "percent=50  side=buy"])[1] == {
        "options": "percent=50  side=buy"
    }
    assert ctl.split("add_policy", ["options=percent=5", "side=buy"])[1] == {"options": "percent=5 side=buy"}
    assert ctl.split("add_policy", ["name=p", "a='"])[1] == {"name": "p", "options": "a='"}


def test_a_name_given_twice_is_an_error() -> None:
    with pytest.raises(VerbError, match="given twice"):
        ctl.arguments("halt", ["a", "book=b"])


def test_what_stands_behind_two_dashes_is_a_verb(control: World, matcher: StandIn) -> None:
    assert run("ctl", "--directory", control.directory.path, "--", "halt", "aapl") == 0
    assert matcher.verbs[0][3] == ("aapl", "")


def test_a_list_shows_the_properties_that_differ_from_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"name": "one", "properties": {"heartbeat_ms": 1_000, "auto_accept": False}},
        {"name": "two", "properties": {"seed": 1, "max_quantity": 5}},
        {"name": "three"},
    ]
    ctl.tell("list", rows, False)
    assert capsys.readouterr().out.splitlines() == [
        "name   properties", "one    auto_accept=no", "two    max_quantity=5", "three  -",
    ]  # fmt: skip
    ctl.tell("list", rows, True)
    assert json.loads(capsys.readouterr().out) == rows


@pytest.mark.parametrize(
    ("verb", "value", "shown"),
    [
        ("enter_order", [], "nothing was told, so far"),
        ("order_events", [], "(none)"),
        ("accept_request", {"request": 7, "handled": True, "events": []}, "request 7\nnothing was told, so far"),
        ("wait_for", None, "nothing"),
    ],
)
def test_nothing_is_said_in_words(verb: str, value: Any, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    ctl.tell(verb, value, False)
    assert capsys.readouterr().out == shown + "\n"


# ------------------------------------------------------------------------------------------------- tables
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        ([], "(none)"),
        ({}, "-"),
        (["a", 1], "a\n1"),
        ({"a": 1, "long": "x"}, "a     1\nlong  x"),
        ([{"name": "a", "n": 5}, {"name": "bcd", "n": 10}], "name   n\na      5\nbcd   10"),
        ([{"name": "a"}, {"port": 5}], "name  port\na        -\n-        5"),
        ({"rows": [["1.5", 3]], "x": 1}, "x  1\nrows\n  1.5, 3"),
        (
            {"asks": [], "bids": [["10.05", 3, 1], ["9.5", 12, 2]]},
            "asks  -\nbids\n  price  quantity  orders\n  10.05         3       1\n   9.5         12       2",
        ),
        ({"b": "", "a": 1}, "b\na  1"),
        (
            [{"meaning": "long", "opened": True, "side": "buy", "order_id": "a", "choices": []}],
            "order id  side  opened  meaning  choices\na         buy      yes  long     -",
        ),
        ([{"price": "-"}, {"price": "10.05"}], "price\n-\n10.05"),
        ({"properties": {"a": 1}, "explained": [{"name": "a", "value": 1}]}, "explained\n  name  value\n  a         1"),
        ({"a": {"b": 1, "c": {"d": 2}}}, "a\n  b  1\n  c\n    d  2"),
        ([{"p": {"a": 1, "b": True}}], "p\na=1 b=yes"),
    ],
)
def test_values_are_shown_as_tables(value: Any, shown: str) -> None:
    assert tables.show(value) == shown


# ------------------------------------------------------------------------------------------------- processes
def test_the_module_is_the_command_and_a_closed_pipe_is_quiet() -> None:
    head = f"{sys.executable} -m openoutcry ctl | head -1"
    done = subprocess.run(["sh", "-c", head], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.startswith("verbs that change") and not done.stderr


def test_output_that_cannot_be_written_is_an_error_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "openoutcry", "ctl"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, "openoutcry: [Errno 28] No space left on device\n")


def test_a_part_imports_nothing_slow_before_it_is_known() -> None:
    code = "import sys, openoutcry.cli; openoutcry.cli.parser(); print([m for m in sys.modules if m in sys.argv])"
    slow = [
        "asyncio",
        "zmq",
        "msgpack",
        "json",
        "supervisor",
        "rich",
        "http.client",
        "xmlrpc.client",
        "tomllib",
        "typing_extensions",
    ]
    done = subprocess.run([sys.executable, "-c", code, *slow], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "[]\n"
