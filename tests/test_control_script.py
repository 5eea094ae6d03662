"""``openoutcry ctl --file``: a script is checked whole, carried out in order, and says the line of what is refused."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

import openoutcry
from openoutcry import Exchange, cli, script
from openoutcry.errors import ClusterError, VerbError

assert openoutcry.__file__ is not None
MANUAL = (Path(openoutcry.__file__).resolve().parent.parent / "docs" / "control.md").read_text()
(EXAMPLE,) = re.findall(r"```\n# market.txt\n(.*?)```", MANUAL, re.DOTALL)
(BATCH,) = re.findall(r"```python\n(with ex.batch\(\).*?)```", MANUAL, re.DOTALL)


@pytest.fixture
def ex(exchange_clean: Exchange) -> Exchange:
    return exchange_clean


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return tmp_path / "market.txt"


def carry_out(ex: Exchange, file: Path | str, *options: str) -> int:
    return cli.main(["ctl", "--directory", str(ex.directory), "--file", str(file), *options])


def test_the_manuals_script_is_carried_out(ex: Exchange, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market.write_text(EXAMPLE)
    assert carry_out(ex, market) == 0
    assert ex.describe("aapl").properties["description"] == "Apple Inc."
    said = capsys.readouterr()
    assert "symbol  AAPL" in re.sub(" +", "  ", said.out) and said.err == ""
    assert [line for line in said.out.splitlines() if line.startswith("#")] == [
        "# line 1: create_engine", "# line 2: create_book", "# line 3: set_book_property",
    ]  # fmt: skip


def test_the_manuals_batch_is_carried_out(ex: Exchange) -> None:
    ex.create_engine("main")
    exec(BATCH, {"ex": ex})
    assert [row["symbol"] for row in ex.list("books")] == ["AAPL", "MSFT", "IBM"]


def test_comments_and_blank_lines_are_passed_over_and_words_can_be_quoted(ex: Exchange, market: Path) -> None:
    market.write_text(
        "\n# nothing\n  create_engine main  # the only one\n\ncreate_book 'aapl' engine=main symbol=AAPL\n"
    )
    assert [(line.where.rpartition(", ")[2], line.verb, line.values) for line in script.read(str(market))] == [
        ("line 3", "create_engine", {"name": "main"}),
        ("line 5", "create_book", {"name": "aapl", "engine": "main", "symbol": "AAPL"}),
    ]
    assert carry_out(ex, market) == 0


def test_the_first_that_is_refused_ends_it_and_its_line_is_said(
    ex: Exchange, market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market.write_text("create_engine main\n\ncreate_engine main\ncreate_book aapl main AAPL\n")
    assert carry_out(ex, market) == 1
    said = capsys.readouterr().err
    assert "market.txt, line 3: exists (name)" in said and "1 of 3 verbs were carried out" in said
    assert ex.list("books") == []


def test_it_can_go_on_after_what_is_refused(ex: Exchange, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market.write_text("create_engine main\ncreate_engine main\ncreate_book aapl main AAPL\ndepth nothing\n")
    assert carry_out(ex, market, "--keep-going") == 1
    said = capsys.readouterr().err
    assert "line 2: exists" in said and "line 4: unknown_name" in said and "2 of 4" in said
    assert len(ex.list("books")) == 1


def test_as_json_each_verb_is_an_object_on_a_line(
    ex: Exchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = b"create_engine main\ncreate_engine main\nlist books\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert carry_out(ex, "-", "--json", "--keep-going") == 1
    first, second, third = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["verb"], first["value"]["name"]) == ("create_engine", "main")
    assert (second["verb"], second["error"]["code"], second["error"]["field"]) == ("create_engine", "exists", "name")
    assert third == {"verb": "list", "value": []}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("create_engine main\nfrobnicate\n", "line 2: no verb 'frobnicate'"),
        ("create_engine main\ncreate_book aapl\n", "line 2: create_book needs engine"),
        ("create_engine main colour=red\n", "line 1: create_engine has no argument 'colour'"),
        ("create_engine name=a name=b\n", "line 1: create_engine: name is given twice"),
        ("create_engine 'main\n", "line 1: No closing quotation"),
    ],
)
def test_a_script_that_is_not_in_order_sends_nothing(
    text: str, says: str, ex: Exchange, market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market.write_text(text)
    assert carry_out(ex, market) == 2
    assert says in capsys.readouterr().err and ex.list("engines") == []


def test_a_file_that_cannot_be_read_says_so(
    tmp_path: Path, market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ClusterError, match="No such file"):
        script.read(str(market))
    market.write_bytes(b"\xff\xfe")
    with pytest.raises(ClusterError, match="not UTF-8"):
        script.read(str(market))
    monkeypatch.setattr(script, "FILE_MAX", 10)
    market.write_text("create_engine main\n")
    with pytest.raises(ClusterError, match="more than 10 bytes"):
        script.read(str(market))
    assert cli.main(["ctl", "--file", str(market), "create_engine", "x"]) == 2
    assert "do not go together" in capsys.readouterr().err


def test_a_password_is_read_from_its_file(
    ex: Exchange, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ann.password").write_text("s3cret\n")
    market.write_text(f"create_user ann @{tmp_path}/ann.password\n")
    assert carry_out(ex, market) == 0
    assert [row["name"] for row in ex.list("users")] == ["ANN"]
    market.write_text("create_user bob\n")

    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(VerbError, match="no terminal to ask at"):
        script.read(str(market))


def test_an_empty_script_does_nothing(ex: Exchange, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market.write_text("# to be written\n")
    assert carry_out(ex, market) == 0
    said: Any = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
