"""``openoutcry fix logon | send | play | decode | import | compile``: FIX from a shell.

Exit codes as for every command: 0 done; 1 it failed (no connection, logon refused, an expectation not met, a message
that is not right); 2 the command line or a field is wrong; 130 interrupted, after a Logout.

Nothing but the standard library is imported before a command is run: this module is imported with the command line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from openoutcry.options import Commands

if TYPE_CHECKING:
    from openoutcry.clients.fix import FixClient, Received, Vocabulary
    from openoutcry.fix.settings import SessionSettings
    from openoutcry.fix.transcript import Entry

VERSIONS: Final = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2")
WAIT_S: Final = 1.0
_TOO_LOW: Final = "MsgSeqNum too low"
_RESET_HINT: Final = (
    "use --store DIR to go on with the numbers of an earlier run, or --reset to begin at 1 on both sides"
)

_SESSION_HELP: Final = """\
The session: --sender and --target, or a QuickFIX settings file with --settings. A setting of any name is given by
--set NAME=VALUE (openoutcry ctl create_session --help lists them)."""


def add(commands: Commands) -> None:
    """Add ``fix`` and its commands to the command line."""
    made = commands.add_parser("fix", help="FIX tools: log on, send, play, decode, import settings",
                               description="FIX tools. `openoutcry fix COMMAND --help` tells about one.")  # fmt: skip
    made.set_defaults(run=lambda _args: _usage(made))
    tools = made.add_subparsers(dest="tool", metavar="COMMAND", title="commands")
    for each in (_add_logon, _add_send, _add_play, _add_decode, _add_import, _add_compile):
        each(tools)


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2


def _tool(tools: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str, more: str = "") -> Any:
    description = text[:1].upper() + text[1:] + "." + (f"\n\n{more}" if more else "")
    made = tools.add_parser(name, help=text, description=description,
                            formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    made.set_defaults(run=run)
    return made


def _add_session(parser: argparse.ArgumentParser) -> None:
    """The options of those commands that log on."""
    group = parser.add_argument_group("the session")
    group.add_argument("--endpoint", metavar="HOST:PORT", default=os.environ.get("OPENOUTCRY_ENDPOINT"),
                       help="where to connect (default: the settings file's SocketConnectHost and -Port)")  # fmt: skip
    group.add_argument("--version", dest="fix_version", choices=VERSIONS, metavar="VERSION",
                       help=f"of FIX: {', '.join(VERSIONS)} (default: FIX.4.4)")  # fmt: skip
    group.add_argument("--sender", metavar="COMPID", help="our CompID")
    group.add_argument("--target", metavar="COMPID", help="the counterparty's CompID")
    group.add_argument("--user", metavar="NAME", default="", help="Username(553) of the Logon")
    group.add_argument("--password", metavar="-|@FILE", default="",
                       help="Password(554): - reads it from standard input, @FILE from a file")  # fmt: skip
    group.add_argument("--store", metavar="WHERE",
                       help="where numbers and messages are kept: directory or SQL URL (default: memory)")  # fmt: skip
    group.add_argument("--reset", action="store_true", help="begin at 1 on both sides (ResetOnLogon)")
    group.add_argument("--tls", action="store_true", help="speak TLS (SocketUseSSL)")
    group.add_argument("--proxy", metavar="URL", help="http://, socks4:// or socks5:// URL of a proxy")
    group.add_argument("--log", metavar="DIR", help="log all messages there, passwords blanked (FileLogPath)")
    group.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="any other setting")
    group.add_argument("--settings", metavar="FILE", type=Path, help="QuickFIX settings file")
    group.add_argument("--session", metavar="NAME", help="of several in the file: the one whose name contains NAME")
    group.add_argument("--timeout", metavar="S", type=float, default=10.0,
                       help="seconds to wait for the logon (default: %(default)s)")  # fmt: skip


def _add_logon(tools: Commands) -> None:
    made = _tool(tools, "logon", _logon, "log on, say what came of it, and log out",
                 f"With --stay: print what the counterparty sends until interrupted.\n\n{_SESSION_HELP}")  # fmt: skip
    made.add_argument("--stay", action="store_true", help="stay logged on and print what comes, until Ctrl-C")
    made.add_argument("--json", action="store_true", help="print JSON")
    _add_session(made)


def _add_send(tools: Commands) -> None:
    made = _tool(
        tools, "send", _send, "log on, send one message, print the answers, and log out",
        "Fields are given by name or tag: Side=BUY 44=150.25; a value that begins with [{ is a group in JSON:\n"
        f"NoPartyIDs='[{{\"PartyID\": \"me\"}}]'. TransactTime is filled in.\n\n{_SESSION_HELP}",
    )  # fmt: skip
    made.add_argument("message", metavar="MESSAGE", help="its name or MsgType: NewOrderSingle, D")
    made.add_argument("fields", nargs="*", metavar="FIELD=VALUE")
    made.add_argument("--wait", metavar="S", type=float, default=WAIT_S,
                      help="seconds of silence that end the waiting for answers (default: %(default)s)")  # fmt: skip
    made.add_argument("--json", action="store_true", help="print answers as lines of JSON")
    _add_session(made)


def _add_play(tools: Commands) -> None:
    made = _tool(
        tools, "play", _play, "play a scenario or a log of messages",
        'A scenario is JSON: {"actions": [{"send": "NewOrderSingle", "fields": {...}}, {"expect": "ExecutionReport",\n'
        '"fields": {...}, "within": 2}, {"wait": 1}, {"logout": ""}]}. A log\'s application messages are sent again.\n'
        f"Each line typed sends the next message; --auto sends them all.\n\n{_SESSION_HELP}",
    )  # fmt: skip
    made.add_argument("scenario", metavar="FILE", type=Path)
    made.add_argument("--auto", action="store_true", help="do not wait for a key before each message")
    made.add_argument("--pause", metavar="S", type=float, default=0.5,
                      help="seconds of silence before the next message; 0: at once (default: %(default)s)")  # fmt: skip
    _add_session(made)


def _add_decode(tools: Commands) -> None:
    made = _tool(
        tools, "decode", _decode, "print messages, a log or a capture by the names of a dictionary",
        "Separators may be SOH, |, ^A, ; or <SOH>. Passwords are blanked. Exit code 1: nothing was found, or with\n"
        "--check something was wrong.",
    )  # fmt: skip
    made.add_argument("source", nargs="*", metavar="FILE|MESSAGE", help="files, or messages beginning with 8=FIX; "
                      "none or -: standard input")  # fmt: skip
    made.add_argument("--dictionary", metavar="FILE", help="dictionary to use instead of the version's own")
    made.add_argument("--application", metavar="VERSION", default="FIX50SP2",
                      help="over FIXT, when the messages do not say it: FIX50, FIX50SP1, FIX50SP2 or a file "
                      "(default: %(default)s)")  # fmt: skip
    made.add_argument("--summary", action="store_true", help="one line a message")
    made.add_argument("--json", action="store_true", help="one line of JSON a message")
    made.add_argument("--check", action="store_true", help="say what is wrong with each message, by the dictionary too")
    made.add_argument(
        "--only", metavar="NAME", action="append", help="only messages of this name or MsgType; repeatable"
    )
    made.add_argument("--show-secrets", action="store_true", help="do not blank passwords")


def _add_import(tools: Commands) -> None:
    made = _tool(
        tools, "import", _import, "turn a QuickFIX settings file into sessions of an endpoint",
        "Prints the create_session verbs of an acceptor's file; --apply carries them out on a running exchange.",
    )  # fmt: skip
    made.add_argument("file", metavar="FILE", type=Path)
    made.add_argument("--endpoint", metavar="NAME", default="fix", help="name of the endpoint (default: %(default)s)")
    made.add_argument("--apply", action="store_true", help="carry them out")
    made.add_argument("--directory", metavar="DIR", default=os.environ.get("OPENOUTCRY_DIRECTORY"),
                      help="where the exchange keeps its files")  # fmt: skip
    made.add_argument("--timeout", metavar="S", type=float, default=10.0, help=argparse.SUPPRESS)


def _add_compile(tools: Commands) -> None:
    made = _tool(
        tools, "compile", _compile, "check a dictionary (QuickFIX XML or YAML) and write it in the compact form",
        "A dictionary named in a setting is compiled and cached by itself; this shows what is wrong with one, and the\n"
        "compact form is made for comparing two.",
    )  # fmt: skip
    made.add_argument("file", metavar="FILE", help="a file, or a shipped one: FIX42, FIX44, FIXT11 ...")
    made.add_argument(
        "--output", "-o", metavar="FILE", help="where to write it; -: standard output (default: a summary)"
    )
    made.add_argument("--xml", action="store_true", help="write QuickFIX XML instead")


# ------------------------------------------------------------------------------------------------- sessions
def _bad(field: str, text: str) -> Exception:
    from openoutcry.errors import VerbError

    return VerbError("bad_argument", field, text)


def _pairs(words: list[str], what: str) -> dict[str, str]:
    """NAME=VALUE words. Raises VerbError."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise _bad(word, f"{what} {word!r} must be NAME=VALUE")
        if name in found:
            raise _bad(name, f"{what} {name} is given twice")
        found[name] = value
    return found


def _settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the options and the file give."""
    given: dict[str, Any] = dict(_from_file(args.settings, args.session).given) if args.settings else {}
    if args.fix_version:
        fixt = args.fix_version.startswith("FIX.5")
        given |= {"BeginString": "FIXT.1.1" if fixt else args.fix_version}
        given |= {"DefaultApplVerID": args.fix_version} if fixt else {}
    options = {
        "SenderCompID": args.sender, "TargetCompID": args.target, "Store": args.store, "Proxy": args.proxy,
        "FileLogPath": args.log, "ResetOnLogon": args.reset or None, "SocketUseSSL": args.tls or None,
    }  # fmt: skip
    given |= {name: value for name, value in options.items() if value is not None}
    given |= _pairs(args.set, "--set")
    for option, name in (("--sender", "SenderCompID"), ("--target", "TargetCompID")):
        if not given.get(name):
            raise _bad(name, f"who logs on to whom? give {option} COMPID (or --settings FILE)")
    if not args.endpoint and not given.get("SocketConnectHost"):
        raise _bad("endpoint", "where to connect? give --endpoint HOST:PORT")
    return given


def _sessions_in(path: Path) -> list[SessionSettings]:
    from openoutcry.fix.settings import read_settings_file

    try:
        return read_settings_file(path.read_text("utf-8", "replace"))
    except OSError as error:
        raise _bad("settings", f"cannot read {path}: {error.strerror}") from None


def _from_file(path: Path, name: str | None) -> SessionSettings:
    found = [each for each in _sessions_in(path) if name is None or name in each.name]
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise _bad("session", f"{path}: one session is needed, there is {names}; choose with --session NAME")
    return found[0]


def _client(args: argparse.Namespace, given: dict[str, Any], **more: Any) -> FixClient:
    """A client that is logged on. Raises ClientError with a hint, VerbError, DictionaryError."""
    from openoutcry import ctl
    from openoutcry.clients.fix import FixClient, LoginRejected

    password = ctl.read_secret(args.password) if args.password else ""
    try:
        return FixClient(args.endpoint, username=args.user, password=password, timeout=args.timeout, **given, **more)
    except LoginRejected as error:
        if _TOO_LOW in str(error):
            raise LoginRejected(error.reason, f"{error}; {_RESET_HINT}") from None
        raise


# ------------------------------------------------------------------------------------------------- commands
def _logon(args: argparse.Namespace) -> int:
    import json

    answer: list[Received] = []
    given = _settings_of(args)
    with _client(args, given, on_logon=lambda message, _client: answer.append(message)) as client:
        settings, statistics = client.initiator.settings, client.statistics()
        logon = client.words.as_fields(answer[0].message, "all")
        if args.json:
            print(json.dumps({"session": settings.name, "logon": _hidden(logon), **statistics}), flush=True)
        else:
            print(f"logged on: {settings.name} at {statistics['target']}")
            print(f"their Logon: {_summary(answer[0].name, _hidden(logon))}", flush=True)
        if args.stay:
            for message in client:
                print(_one_line(message, args.json), flush=True)
    return 0


def _send(args: argparse.Namespace) -> int:
    from openoutcry.clients.fix import MessageTimeout
    from openoutcry.clients.fixmessages import Vocabulary

    given = _settings_of(args)
    fields = {name: _field_value(name, value) for name, value in _pairs(args.fields, "field").items()}
    Vocabulary.of(_checked(given)).encode(args.message, fields)  # raises before anything is sent
    with _client(args, given) as client:
        number = client.send(args.message, fields)
        if not args.json:
            print(f"sent {client.words.name_of(client.words.kind(args.message))}, MsgSeqNum {number}", flush=True)
        rejected = False
        try:
            while True:
                message = client.next(timeout=args.wait)
                rejected = rejected or message.kind == "3"
                print(_one_line(message, True) if args.json else _pretty(message, client.words), flush=True)
        except MessageTimeout:
            return 1 if rejected else 0


def _checked(given: dict[str, Any]) -> SessionSettings:
    from openoutcry.fix.settings import SessionSettings

    return SessionSettings(**given)


def _field_value(name: str, value: str) -> Any:
    if not value.startswith("[{"):
        return value
    import json

    try:
        return json.loads(value, parse_float=str, parse_int=str)
    except ValueError as error:
        raise _bad(name, f"{name} is a group in JSON: {error}") from None


def _play(args: argparse.Namespace) -> int:
    from openoutcry import fixplay
    from openoutcry.clients.fixmessages import Vocabulary

    given = _settings_of(args)
    try:
        actions = fixplay.load(args.scenario, Vocabulary.of(_checked(given)))
    except fixplay.ScenarioError as error:
        raise _bad("", str(error)) from None
    with _client(args, given) as client:
        fixplay.Player(client, pause=args.pause).play(actions, None if args.auto else sys.stdin)
    return 0


def _import(args: argparse.Namespace) -> int:
    import shlex

    sessions = _sessions_in(args.file)
    acceptors = [each for each in sessions if each.ConnectionType == "acceptor"]
    for each in sessions:
        if each.ignored:
            print(f"openoutcry: {each.name}: without meaning here: {', '.join(each.ignored)}", file=sys.stderr)
        if each not in acceptors:
            print(f"openoutcry: {each.name} is an initiator's; for FixInitiator or `openoutcry fix logon --settings`",
                  file=sys.stderr)  # fmt: skip
    if not acceptors:
        raise _bad("file", f"{args.file}: there is no acceptor's session in it")
    if not args.apply:
        for each in acceptors:
            words = [f"{name}={_text_of(value)}" for name, value in each.given.items() if name != "ConnectionType"]
            print(shlex.join(["openoutcry", "ctl", "create_session", args.endpoint, *words]))
        return 0
    return _apply(args, acceptors)


def _text_of(value: Any) -> str:
    return ("N", "Y")[value] if isinstance(value, bool) else str(value)


def _apply(args: argparse.Namespace, sessions: list[SessionSettings]) -> int:
    from openoutcry import presence
    from openoutcry.cli import default_directory
    from openoutcry.clients.control import ControlClient

    directory = args.directory or default_directory()
    presence.require(directory)
    with ControlClient(directory, args.timeout) as client:
        for each in sessions:
            made = client.call("create_session", endpoint=args.endpoint, **each.given)
            print(f"created {made['name'] if isinstance(made, dict) else each.name}")
    return 0


def _compile(args: argparse.Namespace) -> int:
    from openoutcry.fix import compact
    from openoutcry.fix.dictionary import load

    dictionary = load(args.file).check()
    if args.output is None:
        groups = sum(len(message.groups) for message in dictionary.messages.values())
        print(f"{dictionary.name}: {dictionary.begin}, {len(dictionary.fields)} fields, "
              f"{len(dictionary.messages)} messages with {groups} groups; nothing is wrong with it")  # fmt: skip
        return 0
    if args.xml:
        from openoutcry.fix.quickfix_xml import write_xml

        text = write_xml(dictionary)
    else:
        text = compact.write(dictionary)
    if args.output == "-":
        print(text, end="")
        return 0
    try:
        Path(args.output).write_text(text, "utf-8")
    except OSError as error:
        raise _bad("output", f"cannot write {args.output}: {error.strerror}") from None
    return 0


# ------------------------------------------------------------------------------------------------- decode
def _decode(args: argparse.Namespace) -> int:
    from openoutcry.fixdecode import Decoding

    decoding = Decoding(args.dictionary, args.application, args.check, args.show_secrets, args.only)
    for name, entries in _sources(args.source or ["-"]):
        for entry in entries:
            text = decoding.as_json(entry) if args.json else decoding.text(entry, name, args.summary)
            if text is not None:
                print(text)
    if not decoding.found:
        print("openoutcry: no FIX message found: a message begins with 8=FIX", file=sys.stderr)
    return 1 if decoding.wrong or not decoding.found else 0


def _sources(words: list[str]) -> Iterator[tuple[str, Iterator[Entry]]]:
    from openoutcry.fix import transcript

    for word in words:
        if word.startswith("8=FIX"):
            yield "", transcript.read([word.encode("utf-8", "surrogateescape")])
        elif word == "-":
            yield "", transcript.read(transcript.lines_of(sys.stdin.buffer))
        else:
            with _opened(word) as file:
                yield word, transcript.read(transcript.lines_of(file))


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")  # closed by who asked for it
    except OSError as error:
        raise _bad("file", f"cannot read {path}: {error.strerror}") from None


# ------------------------------------------------------------------------------------------------- printing
def _hidden(fields: dict[str, Any]) -> dict[str, Any]:
    secrets = {"Password", "NewPassword", "RawData", "EncryptedPassword", "EncryptedNewPassword"}
    return {name: "***" if name in secrets else value for name, value in fields.items()}


def _summary(name: str, fields: dict[str, Any]) -> str:
    left_out = ("BeginString", "BodyLength", "MsgType", "CheckSum")
    return " ".join([name, *(f"{key}={value}" for key, value in fields.items() if key not in left_out)])


def _one_line(message: Received, as_json: bool) -> str:
    from openoutcry.fixplay import as_line

    return as_line(message) if as_json else f"{message.sequence} {_summary(message.name, message.fields())}"


def _pretty(message: Received, words: Vocabulary) -> str:
    from openoutcry.fix.pretty import describe

    transport = words.transport if words.transport is not words.application else None
    return f"{message.name}, MsgSeqNum {message.sequence}\n" + describe(message.message, words.application, transport)
