"""Kinds and protocols that modules register: every part imports what the setting `plugins` names when it starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from openoutcry import Exchange
from openoutcry.errors import VerbError
from openoutcry.plugins import allowed, path_of
from tests.plugin_parts import Counting

REGISTERS = "tests.plugin_registers"


def rows(exchange: Exchange, kind: str, name: str) -> list[dict[str, object]]:
    return [dict(row) for row in exchange.list(kind) if row["name"] == name]


def test_what_a_module_registers_can_be_used_by_its_name_and_comes_back_without_the_setting(tmp_path: Path) -> None:
    with Exchange(plugins=REGISTERS, directory=tmp_path) as exchange:
        assert rows(exchange, "engine_kinds", "counts") == [{"name": "counts", "from": "registered", "path": ""}]
        assert rows(exchange, "protocols", "text") == [{"name": "text", "from": "registered", "path": ""}]
        plugged = exchange.create_engine("plugged", "counts")
        plugged.create_endpoint("fix", "fix44")
        main = exchange.create_engine("main")
        main.create_book("x", "X")
        main.add_policy("even", "even")
        text = main.create_endpoint("text", "text")
        with socket.create_connection(text.address) as client, client.makefile() as answers:
            client.sendall(b"LOGIN ANN\nBUY a X 3 1000\nBUY b X 4 1000\n")
            assert [answers.readline() for _ in range(4)] == ["WELCOME\n", "DAY\n", "OTHER\n", "ACCEPTED b\n"]
        loaded = {"name": "counts", "from": "loaded", "path": "tests.plugin_parts:Counting"}
        assert rows(exchange, "engine_kinds", "counts") == [loaded]
        assert [row["from"] for row in rows(exchange, "protocols", "text")] == ["loaded"]
        for part in ("matcher", "gateway-1"):
            exchange.kill(part)
            exchange.restart(part)
    with Exchange(directory=tmp_path) as exchange:
        assert exchange.list("engines")[0]["kind"] == "counts"
        assert exchange.list("policies")[0]["kind"] == "even"
        with socket.create_connection(exchange.endpoint("text").address) as client, client.makefile() as answers:
            client.sendall(b"LOGIN ANN\n")
            assert [answers.readline() for _ in range(4)] == ["WELCOME\n", "DAY\n", "OTHER\n", "ACCEPTED b\n"]


def test_what_could_not_be_found_again_is_not_used() -> None:
    with Exchange(plugins=REGISTERS) as exchange:
        with pytest.raises(VerbError, match="'nameless' is registered, and <function <lambda> at") as raised:
            exchange.create_engine("plugged", "nameless")
        assert (raised.value.code, raised.value.field) == ("bad_argument", "kind")
        assert exchange.list("engines") == []


def test_a_name_that_is_registered_is_taken() -> None:
    with Exchange(plugins=f"{REGISTERS}, tests") as exchange:
        with pytest.raises(VerbError) as raised:
            exchange.load_engine("counts", "tests.plugin_parts:Till")
        assert (raised.value.code, raised.value.field) == ("exists", "name")


def test_a_module_that_cannot_be_imported_is_in_the_log_and_one_that_is_not_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_one.py").write_text("import sys\nsys.exit('no')\n")
    (tmp_path / "needs_more.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Exchange(plugins="broken_one, needs_more, nowhere.at_all, tests.*") as exchange:
        for part in ("matcher", "gateway-1"):
            lines = [line for line in exchange.log(part).splitlines() if "cannot be imported" in line]
            assert [line.split(" WARNING ")[1] for line in lines] == [
                "broken_one, which the setting `plugins` names, cannot be imported: SystemExit: no",
                "needs_more, which the setting `plugins` names, cannot be imported: ModuleNotFoundError: "
                "No module named 'a_module_that_nobody_has'",
            ]


def test_the_path_of_something_is_where_it_is_found_again() -> None:
    assert path_of(Counting) == "tests.plugin_parts:Counting"
    assert path_of(Counting.message) == "tests.plugin_parts:Counting.message"
    assert path_of(lambda: None) == path_of(7) == path_of(Counting()) == ""
    assert allowed("tests.*, other", "tests.plugin_parts:Counting")
