"""``openoutcry ctl VERB [ARG ...] [name=value ...]``: every control verb from a shell.

Help, arguments and checks come from the table in ``openoutcry.verbs``; a verb added there is here at once.

``--file`` carries out many of them: openoutcry.script.

A secret (the password of create_user) had better not be on the command line, where every user of the machine can
read it: left out it is asked for, ``-`` reads it from standard input and ``@FILE`` from a file.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openoutcry import narrate, parameters, verbs
from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS

if TYPE_CHECKING:
    from openoutcry.clients.control import ControlClient

_OPTIONS: Final = re.compile(r"(?:[a-z_]+=\S+(?: +(?!$)|$))+")  # several in one word
_NAMED: Final = re.compile(r"([A-Za-z_]+)=(.*)", re.DOTALL)
ARGUMENT_NOTE: Final = "Arguments are given in this order, or as name=value in any order."
SECRET_NOTE: Final = "A password: leave it out to be asked, - reads it from standard input, @FILE from a file."
# What the rows of `list` have many of: most are as they come.
_DEFAULTS: Final = {p.name: p.default for p in (verbs.ENGINE_PROPERTIES | verbs.ENDPOINT_PROPERTIES).values()}


def overview() -> str:
    """All verbs with their arguments: those that change the exchange, that hold sessions in the hand, that look."""
    from openoutcry.control.plans import MANAGED

    parts = []
    every = verbs.VERBS.values()
    for title, rows in (
        ("verbs that change the exchange:", [row for row in every if row.journaled]),
        ("verbs for sessions that are held (auto_accept, auto_receive):", [verbs.VERBS[name] for name in MANAGED]),
        ("verbs that look at it:", [row for row in every if not row.journaled and row.name not in MANAGED]),
    ):
        parts.append("\n".join([title, *(f"  {usage(row)}\n      {row.meaning}" for row in rows)]))
    return "\n\n".join([*parts, f"{ARGUMENT_NOTE}\n{SECRET_NOTE}"])


def usage(row: verbs.Verb) -> str:
    """A verb with its arguments: ``depth BOOK [LEVELS]``."""
    plain = row.parameters[: len(row.parameters) - row.options]
    words = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in plain]
    return " ".join([row.name, *words, *(["[PROPERTY=VALUE ...]"] if row.options else [])])


def explain(row: verbs.Verb) -> str:
    """The help of one verb."""
    lines = [f"{row.meaning[:1].upper()}{row.meaning[1:]}.", ""]
    width = max((len(p.name) for p in row.parameters), default=0)
    lines += [f"  {p.name:<{width}}  {p.meaning}{_kind(p)}" for p in row.parameters]
    properties = {
        "set_engine_property": verbs.ENGINE_PROPERTIES, "set_book_property": verbs.BOOK_PROPERTIES,
        "set_protocol_property": verbs.ENDPOINT_PROPERTIES,
        "set_session_property": SESSION_SETTINGS | verbs.SESSION_PROPERTIES,
        "set_order_property": verbs.DRAFT_ORDER_PROPERTIES, "set_quote_property": verbs.DRAFT_QUOTE_PROPERTIES,
    }.get(row.name)  # fmt: skip
    if properties:
        lines += ["", "properties:", *(f"  {p.name:<22} {p.meaning} ({_value(p)})" for p in properties.values())]
    if row.name == "add_policy":
        lines += ["", *_policy_options()]
    notes = [ARGUMENT_NOTE] if row.parameters else []
    notes += [SECRET_NOTE] if any(p.type == "secret" for p in row.parameters) else []
    return "\n".join([*lines, "", *notes]).rstrip()


def _policy_options() -> list[str]:
    """The kinds of policies, each with its own options; those that limit what it acts on are the same for all."""
    from openoutcry.matcher import installed, policies  # noqa: F401  # the kinds that are built in come with `installed`

    lines = ["options of every kind:", *(f"  {p.name:<22} {p.meaning} ({_value(p)})" for p in policies.LIMITS)]
    for kind in policies.KINDS:
        own = [p for p in policies.options_of(kind).values() if p not in policies.LIMITS]
        lines += ["", f"of {kind}:", *(f"  {p.name:<22} {p.meaning} ({_value(p)})" for p in own)] if own else []
    return lines


def _kind(p: parameters.Parameter) -> str:
    """An argument's choices and its default, in brackets."""
    notes = ["one of: " + ", ".join(p.choices)] if p.choices else []
    if p.type == "bool":
        notes.append("yes or no")
    if not p.required and p.default not in (None, ""):
        notes.append(f"default: {('no', 'yes')[p.default] if p.type == 'bool' else p.default}")
    return f" ({'; '.join(notes)})" if notes else ""


def _value(p: parameters.Parameter) -> str:
    """The values that a property takes, and its default."""
    kind = parameters.values_text(p)
    if p.required:
        return f"{kind}; to be set"
    separator = ";" if p.type == "choice" else ","
    return f"{kind}{separator} default {_shown(p, p.default)}"


def _shown(p: parameters.Parameter, value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if p.type == "bool":
        return "yes" if value else "no"
    return parameters.price_text(value) if p.type == "price" else str(value)


def verb_parser(verb: str, options: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser for what follows a verb. `options`: a parent with the options that may also stand there."""
    row = verbs.VERBS.get(verb)
    if row is None:
        verbs.check(verb, ())  # raises, and lists the verbs there are
        raise AssertionError(verb)
    parser = argparse.ArgumentParser(
        prog=f"openoutcry ctl {verb}", usage=f"openoutcry ctl [options] {usage(row)}", description=explain(row),
        formatter_class=argparse.RawDescriptionHelpFormatter, parents=[options], argument_default=argparse.SUPPRESS,
    )  # fmt: skip
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    return parser


def split(verb: str, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words of a command line as positional and named arguments. Raises VerbError for a name given twice.

    Of a verb that takes options, ``percent=50`` is one of them, and so are the words of ``"percent=50 side=buy"``.
    """
    positional: list[str] = []
    options: list[str] = []
    named: dict[str, str] = {}
    known = {p.name for p in verbs.VERBS[verb].parameters} if verb in verbs.VERBS else set()
    settings = verb == "create_session"  # by FIX's names, so that one which is misspelt is said to be
    for word in words:
        match = _NAMED.fullmatch(word)
        if match is None or not (match[1].islower() or match[1] in known or settings):  # AAPL=50 is a value
            positional.append(word)
        elif match[1] in known or "options" not in known:
            if match[1] in named:
                raise VerbError("bad_argument", match[1], f"{verb}: {match[1]} is given twice")
            named[match[1]] = match[2]
        else:
            options.append(word if _OPTIONS.fullmatch(word) else f"{match[1]}={shlex.quote(match[2])}")
    if options:
        named["options"] = " ".join([*([named["options"]] if "options" in named else []), *options])
    return positional, named


def arguments(verb: str, words: list[str]) -> dict[str, Any]:
    """The words after a verb as arguments by name, checked, with secrets read from where they are."""
    positional, named = split(verb, words)
    row = verbs.VERBS[verb]
    secret = next((p.name for p in row.parameters if p.type == "secret"), None)
    values = dict(zip((p.name for p in row.parameters), positional, strict=False))
    if secret is not None and secret not in values and secret not in named:
        verbs.check(verb, positional, {**named, secret: "x"})  # no questions when the rest is wrong
        named[secret] = ask(f"{secret} for {(values | named).get('name', 'it')}")
    elif secret is not None:
        verbs.check(verb, positional, named)
        given = values.pop(secret, None)
        named[secret] = read_secret(given if given is not None else named[secret], secret)
        return {**values, **named}
    verbs.check(verb, positional, named)
    return {**values, **named}


def read_secret(given: str, what: str = "password") -> str:
    """A secret as it was given on the command line: ``-`` standard input, ``@FILE`` a file, else itself (warned)."""
    if given == "-":
        return _line(sys.stdin.readline(), what, "standard input")
    if given.startswith("@"):
        try:
            text = Path(given[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise VerbError("bad_argument", what, f"cannot read the {what} from {given[1:]!r}: {why}") from None
        return _line(text, what, given[1:])
    print(
        f"openoutcry: warning: a {what} on the command line can be seen by other users; use - or @FILE", file=sys.stderr
    )
    return given


def _line(text: str, what: str, where: str) -> str:
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise VerbError("bad_argument", what, f"there is no {what} in {where}")
    return line


def ask(prompt: str) -> str:
    """Ask at the terminal, without echo. Raises VerbError when there is no terminal."""
    if not sys.stdin.isatty():
        text = f"{prompt}: not given, and there is no terminal to ask at; use - or @FILE"
        raise VerbError("bad_argument", "password", text)
    return getpass.getpass(f"{prompt}: ")


# The verbs that answer with the events of a desk.
TELLING: Final = frozenset((
    "enter_order", "amend_order", "cancel_order", "quote", "mass_quote", "order_events", "submit_order", "delete_order",
    "submit_quote", "delete_quote", "fill_order", "pull_order",
))  # fmt: skip
NOTHING_TOLD: Final = "nothing was told, so far"  # it waits for a hand, or a policy has put it off or lost it
# The verbs that answer with what a client was told because of its request.
ANSWERING: Final = frozenset(("accept_request", "reject_request", "fill_request"))


def run(client: ControlClient, verb: str, values: dict[str, Any], as_json: bool) -> int:
    """Carry out a verb and print its value."""
    tell(verb, client.call(verb, **values), as_json)
    return 0


def tell(verb: str, value: Any, as_json: bool) -> None:
    """Print what a verb has returned."""
    if as_json:
        print(json.dumps(value, sort_keys=True))
    elif value is None:
        print("done" if verbs.VERBS[verb].journaled else "nothing")
    elif verb in TELLING:
        print(narrate.tell_all(value) or ("(none)" if verb == "order_events" else NOTHING_TOLD))
    elif verb in ANSWERING:
        print(f"request {value['request']}" if value["handled"] else f"request {value['request']}: ignored")
        print(narrate.tell_all(value["events"]) or NOTHING_TOLD)
    else:
        from openoutcry.tables import show

        print(show([_changed(row) for row in value] if verb == "list" else value))


def _changed(row: Any) -> Any:
    """A row of `list` with those of its properties alone that differ from their defaults."""
    if not isinstance(row, dict) or not isinstance(row.get("properties"), dict):
        return row
    changed = {name: value for name, value in row["properties"].items() if value != _DEFAULTS.get(name)}
    return {**row, "properties": changed}
