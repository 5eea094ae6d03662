"""The command line: ``openoutcry up | down | status | ctl | demo | agents | watch | play | record | replay | fix``, and
the parts.

Every option can also be given as ``OPENOUTCRY_<OPTION>`` in the environment; the option wins.

Exit codes: 0 done; 1 it failed, with one line on standard error that says what to do; 2 the command line is wrong;
130 interrupted. ``status``: 0 ready, 1 not ready, 3 nothing runs.

Nothing but the standard library's argparse is imported before the command is known: a part that supervisord restarts
is wanted back soon.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openoutcry import __version__, agentscli, compiled, fixcli, pricescli, scenariocli
from openoutcry.options import Commands, seconds

if TYPE_CHECKING:
    from openoutcry.process import Settings

PARTS: Final = ("matcher", "gateway", "marketdata", "control")
FAILED_PAUSE_S: Final = 1.0  # a supervised part that failed waits before it ends, so that it is not restarted in a spin
NOT_RUNNING: Final = 3

_SETTINGS: Final = {  # option of openoutcry.process.Settings: what it says in the help
    "durability": "sync (default): nothing leaves before it is on disk; relaxed: soon; none: never synced",
    "relaxed_sync_ms": "milliseconds between two syncs with relaxed durability",
    "snapshot_every": "commands between two snapshots",
    "segment_bytes": "size at which a journal segment is closed",
    "feed_host": "address on which market data is served",
    "feed_port": "TCP port of the market data feed, 0: any, kept afterwards",
    "snapshot_port": "TCP port of the market data snapshots, 0: any, kept afterwards",
    "gateways": "number of gateway processes",
    "plugins": "modules of one's own, with commas: imported at the start, and may be loaded from; none unless set",
    "plugin_path": "directories in which these are looked for as well, separated as in PATH",
    "log_level": "DEBUG, INFO, WARNING or ERROR",
}


def default_directory() -> str:
    """Where an exchange lives when nobody says: the user's state directory."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "openoutcry")


def _option(parser: argparse.ArgumentParser, name: str, default: Any, text: str, **more: Any) -> None:
    """An option that the environment may give as well; a wrong value there is reported like one of the option."""
    given = os.environ.get("OPENOUTCRY_" + name.upper())
    parser.add_argument("--" + name.replace("_", "-"), default=default if given is None else given, help=text, **more)


def _flag(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    given = os.environ.get("OPENOUTCRY_" + name.upper(), "").lower() in ("1", "true", "yes", "on")
    parser.add_argument("--" + name.replace("_", "-"), action="store_true", default=given, help=text)


def _directory(parser: argparse.ArgumentParser) -> None:
    _option(parser, "directory", default_directory(), "where the exchange keeps its files (default: %(default)s)",
            metavar="DIR")  # fmt: skip


def _settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings, stronger than those of a config file")
    for name, text in _SETTINGS.items():
        group.add_argument("--" + name.replace("_", "-"), default=None, metavar="VALUE", help=text)


def _load_settings(args: argparse.Namespace, file: dict[str, Any] | None = None) -> Settings:
    from openoutcry.process import Settings

    return Settings.load({name: getattr(args, name) for name in _SETTINGS}, file)


# ------------------------------------------------------------------------------------------------- commands
def _up(args: argparse.Namespace) -> int:
    from openoutcry import bus, cluster, config

    loaded = config.load(args.config) if args.config else None
    settings = _load_settings(args, loaded.settings if loaded else None)
    return cluster.up(bus.Directory(args.directory), settings, loaded, args.foreground, args.timeout)


def _down(args: argparse.Namespace) -> int:
    from openoutcry import bus, cluster

    return cluster.down(bus.Directory(args.directory))


def _status(args: argparse.Namespace) -> int:
    from openoutcry import bus, cluster

    found = cluster.status(bus.Directory(args.directory))
    if args.json:
        import json

        print(json.dumps(found, sort_keys=True))
    else:
        print(cluster.describe(found))
    return 0 if found["ready"] else 1 if found["running"] else NOT_RUNNING


def _ctl(args: argparse.Namespace) -> int:
    from openoutcry import ctl

    if args.file is not None:
        return _script(args)
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        print(ctl.overview())
        return 0
    verb, *rest = words
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for name in ("--directory", "--timeout"):
        options.add_argument(name, help=argparse.SUPPRESS, type=seconds if name == "--timeout" else str)
    options.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    so_far = argparse.Namespace(**{name: value for name, value in vars(args).items() if name != "words"})
    args = ctl.verb_parser(verb, options).parse_intermixed_args(rest, so_far)
    values = ctl.arguments(verb, getattr(args, "words", []))
    from openoutcry import presence
    from openoutcry.clients.control import ControlClient

    presence.require(args.directory)
    with ControlClient(args.directory, args.timeout) as client:
        return ctl.run(client, verb, values, args.json)


def _script(args: argparse.Namespace) -> int:
    from openoutcry import script
    from openoutcry.errors import VerbError

    if args.words:
        raise VerbError("bad_argument", "", f"a verb ({args.words[0]}) and --file do not go together")
    lines = script.read(args.file)
    from openoutcry import presence
    from openoutcry.clients.control import ControlClient

    presence.require(args.directory)
    with ControlClient(args.directory, args.timeout) as client:
        return script.run(client, lines, args.json, args.keep_going)


def _watch(args: argparse.Namespace) -> int:
    from openoutcry import bus
    from openoutcry.errors import ClusterError

    facts = bus.Directory(args.directory).announced("marketdata")
    feed, snapshot = args.feed or facts.get("feed"), args.snapshot or facts.get("snapshot")
    if not feed or not snapshot:
        raise ClusterError(
            f"no market data is announced in {args.directory}; is the exchange up (`openoutcry status`)?"
        )
    from openoutcry import watch

    code: int = watch.run(args.symbol, feed, snapshot)
    return code


def _play(args: argparse.Namespace) -> int:
    from openoutcry import ctl, play
    from openoutcry.errors import VerbError

    host, colon, port = args.endpoint.rpartition(":")
    if not colon or not port.isdecimal():
        raise VerbError("bad_argument", "endpoint", f"--endpoint is {args.endpoint!r}, it must be HOST:PORT")
    password = ctl.read_secret(args.password) if args.password else ""
    stocks = dict(each.split("=", 1) for each in args.stocks.split(",") if "=" in each)
    return play.run(args.scenario, host, int(port), auto=args.auto, username=args.user, password=password,
                    stocks=stocks)  # fmt: skip


def _demo(args: argparse.Namespace) -> int:
    from openoutcry import demo

    return demo.run(args.duration, args.json, args.directory)


def _audit(args: argparse.Namespace) -> int:
    from openoutcry import bus
    from openoutcry.matcher import audit

    found = audit.audit(bus.Directory(args.directory).path)
    if args.json:
        import json

        print(json.dumps(found, sort_keys=True))
    else:
        print(audit.describe(found))
    return 0


def _part(args: argparse.Namespace) -> int:
    """One process, as supervisord starts it."""
    import importlib

    from openoutcry import bus, process
    from openoutcry.errors import OpenOutcryError

    code = 1
    try:
        settings = _load_settings(args)
        log = process.set_up_logging(args.name, settings.log_level)
        directory = bus.Directory(args.directory).create()
        try:
            code = importlib.import_module(f"openoutcry.{args.command}.service").run(directory, args.name, settings)
        except OpenOutcryError as error:
            log.error("%s", error)
        except Exception:
            log.exception("%s failed", args.name)
    finally:
        if code and "SUPERVISOR_ENABLED" in os.environ:
            time.sleep(FAILED_PAUSE_S)
    return code


# ------------------------------------------------------------------------------------------------- parser
def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="openoutcry", description="An exchange built as components on a message bus.",
        epilog="Options can also be given in the environment: --directory as OPENOUTCRY_DIRECTORY, and so on.",
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"openoutcry {__version__} ({compiled.build()})")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for add in (_add_up, _add_down, _add_status, _add_ctl, _add_demo, _add_agents, _add_prices, _add_watch,
                _add_play, _add_scenarios, fixcli.add, _add_audit, _add_parts):  # fmt: skip
        add(commands)
    return top


def _command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str, **more: Any
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[:1].upper() + text[1:] + ".", **more
    )
    made.set_defaults(run=run)
    return made


def _add_up(commands: Commands) -> None:
    made = _command(commands, "up", _up, "start the exchange as a supervised cluster, and wait until it is ready")
    _directory(made)
    _option(made, "config", None, "TOML file with settings, and with verbs to carry out", metavar="FILE")
    _option(
        made, "timeout", 30.0, "seconds to wait until it is ready (default: %(default)s)", type=seconds, metavar="S"
    )
    _flag(made, "foreground", "stay in the foreground, and stop the exchange when this command is stopped")
    _settings(made)


def _add_down(commands: Commands) -> None:
    _directory(_command(commands, "down", _down, "stop the exchange; does nothing when it is not running"))


def _add_status(commands: Commands) -> None:
    made = _command(commands, "status", _status, "show whether the exchange is ready, its processes and endpoints",
                    epilog="exit code: 0 ready, 1 not ready, 3 nothing runs")  # fmt: skip
    _directory(made)
    _flag(made, "json", "as JSON")


def _add_ctl(commands: Commands) -> None:
    text = "carry out a control verb; without one: list them all"
    made = _command(commands, "ctl", _ctl, text, formatter_class=argparse.RawDescriptionHelpFormatter,
                    usage="openoutcry ctl [options] [VERB [ARG ...] [name=value ...]]",
                    epilog="run `openoutcry ctl` for the verbs, and `openoutcry ctl VERB --help` for one")  # fmt: skip
    _directory(made)
    _flag(made, "json", "print the value as JSON")
    _option(made, "timeout", 10.0, "seconds to wait for an answer (default: %(default)s)", type=seconds, metavar="S")
    _option(made, "file", None, "carry out a script: a verb on each line; - reads standard input", metavar="FILE")
    _flag(made, "keep_going", "with --file: go on after a verb that is refused")
    made.add_argument("words", nargs=argparse.REMAINDER, metavar="VERB", help="a verb and its arguments")


def _add_demo(commands: Commands) -> None:
    made = _command(commands, "demo", _demo, "run a cluster with a live market in it, and sum up")
    _option(made, "directory", None, "where to keep its files (default: a temporary directory)", metavar="DIR")
    _option(made, "duration", None, "seconds to run (default: until interrupted)", type=seconds, metavar="S")
    _flag(made, "json", "print the summary as JSON")


def _add_agents(commands: Commands) -> None:
    agentscli.add(commands, default_directory())


def _add_prices(commands: Commands) -> None:
    pricescli.add(commands, default_directory())


def _add_watch(commands: Commands) -> None:
    made = _command(commands, "watch", _watch, "show a live book and its trades")
    made.add_argument("symbol", metavar="SYMBOL")
    _directory(made)
    _option(made, "feed", None, "address of the feed (default: the one in the directory)", metavar="ADDRESS")
    _option(made, "snapshot", None, "address of the snapshots (default: the one in the directory)", metavar="ADDRESS")


def _add_play(commands: Commands) -> None:
    made = _command(commands, "play", _play, "send the messages of a scripted client")
    made.add_argument("scenario", metavar="SCENARIO.json", type=Path)
    made.add_argument("--endpoint", metavar="HOST:PORT", required="OPENOUTCRY_ENDPOINT" not in os.environ,
                      default=os.environ.get("OPENOUTCRY_ENDPOINT"), help="where to connect")  # fmt: skip
    _option(made, "user", "", "user to log in as", metavar="NAME")
    made.add_argument("--password", default="", metavar="-|@FILE", help="where to read the password from")
    _option(made, "stocks", "", "stocks for the order book ids in the file, as 1=AAPL,2=MSFT", metavar="ID=STOCK,...")
    _flag(made, "auto", "send each action when the one before is answered, without waiting for a key")


def _add_scenarios(commands: Commands) -> None:
    scenariocli.add(commands, default_directory())


def _add_audit(commands: Commands) -> None:
    made = _command(commands, "audit", _audit, "replay the journal from its first record and print what comes of it")
    _directory(made)
    _flag(made, "json", "as JSON")


def _add_parts(commands: Commands) -> None:
    for part in PARTS:
        made = _command(commands, part, _part, f"run one {part} process, as the cluster's supervisor does")
        _directory(made)
        _option(made, "name", "gateway-1" if part == "gateway" else part, "name on the bus (default: %(default)s)")
        _settings(made)


def _nowhere() -> int:
    """What is left to be printed cannot be: leave it out, also when Python ends. Returns the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    top = parser()
    args = top.parse_args(argv)
    if args.command is None:
        top.print_help()
        return 2
    from openoutcry.errors import OpenOutcryError, VerbError

    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except VerbError as error:
        print(f"openoutcry: {error}", file=sys.stderr)
        return 2 if error.code in ("bad_argument", "unknown_verb") else 1
    except OpenOutcryError as error:
        print(f"openoutcry: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        return _nowhere()
    except OSError as error:  # a disk that is full, a file that may not be written
        print(f"openoutcry: {error}", file=sys.stderr)
        return _nowhere()
    return code
