"""The manual of the verbs, held against the table."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import openoutcry
from openoutcry import config, ctl, parameters, verbs, wire
from openoutcry.control import desk, messages

assert openoutcry.__file__ is not None
ROOT = Path(openoutcry.__file__).resolve().parent.parent
CONTROL = (ROOT / "docs" / "control.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = re.findall(r"^openoutcry ctl (.+?)(?:\s+#.*)?$", CONTROL, re.MULTILINE)


@pytest.mark.parametrize("row", verbs.VERBS.values(), ids=lambda row: row.name)
def test_every_verb_is_in_the_manual_with_its_arguments_and_an_example(row: verbs.Verb) -> None:
    assert f"`{ctl.usage(row)}`" in CONTROL
    assert any(command.split()[0] == row.name for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_in_order(command: str) -> None:
    verb, *words = [word for word in shlex.split(command) if word != "--json"]
    positional, named = ctl.split(verb, words)
    if verb == "create_user" and len(positional) < 2:
        named["password"] = "x"
    verbs.check(verb, positional, named)


def test_every_property_is_in_the_manual_with_its_default() -> None:
    tables = (verbs.ENGINE_PROPERTIES, verbs.BOOK_PROPERTIES, verbs.ENDPOINT_PROPERTIES)
    for p in (p for table in tables for p in table.values()):
        shown = str(p.default)
        if p.type == "price":
            shown = parameters.price_text(p.default)
        elif p.type == "bool":
            shown = "yes" if p.default else "no"
        assert f"`{p.name}` | {shown} |" in CONTROL


def test_every_error_code_is_in_the_manual() -> None:
    for code, meaning in verbs.ERROR_CODES.items():
        assert f"| `{code}` | {meaning.split(';')[0]}" in CONTROL


def test_the_manuals_config_file_is_in_order(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", OPERATIONS, re.DOTALL)
    (tmp_path / "exchange.toml").write_text(text)
    (tmp_path / "alice.password").write_text("s3cret\n")
    loaded = config.load(tmp_path / "exchange.toml")
    kinds = ["engine", "book", "endpoint", "endpoint", "user", "session", "do"]
    assert [entry.kind for entry in loaded.entries] == kinds


def test_the_protocol_is_described_with_its_version_and_limits() -> None:
    assert CONTROL.count(f"[{wire.VERSION}, id, ") == 3
    for limit in (
        f"{wire.ARGUMENTS_MAX} arguments", f"{messages.BATCH_MAX} verbs a batch",
        f"for a client {desk.CLIENT_PENDING_MAX} requests and {desk.CLIENT_VERBS_MAX:,} verbs",
        f"{desk.PENDING_MAX} requests and {desk.VERBS_MAX:,} verbs", f"within {desk.ANSWER_NS // 10**9} s",
        f"{messages.REQUEST_MAX // 1024} KiB a request",
    ):  # fmt: skip
        assert limit in " ".join(CONTROL.split()), limit
