"""Scenario files: TOML and JSON of one shape, and mistakes that are named by their step and field."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry import verbs
from openoutcry.scenarios import Client, Event, Scenario, ScenarioError, Step, files, load, model, save
from openoutcry.scenarios.model import from_data, moment, moment_text, to_data

ORDER = {"MsgType": "NewOrderSingle", "ClOrdID": "A1", "Side": "1", "OrderQty": 100, "Symbol": "AAPL", "Price": "10.05"}
PARTIES = ORDER | {"NoPartyIDs": [{"PartyID": "me", "PartyRole": 3}], "Text": 'a "quoted" \\ text\x7f\n'}
WHOLE = Scenario(
    steps=[
        Step(0, "create_engine", {"name": "main"}),
        Step(250_000_000, "set_book_property", {"book": "b", "name": "lot_size", "value": 5}, refused="unknown_name"),
        Step(250_000_001, client="ALICE", do="connect"),
        Step(3_600_000_000_000, client="ALICE", message=PARTIES, note="for people"),
        Step(3_600_000_000_000, client="BOB", raw=b"\x00\xffO"),
    ],
    events=[Event(4, 3_600_000_000_000, "ALICE", {"MsgType": "ExecutionReport", "LastQty": 5})],
    clients={
        "ALICE": Client("ALICE", "orders", "alice", "secret"),
        "BOB": Client("BOB", "fix", None, "", {"BeginString": "FIX.4.2", "SenderCompID": "BOB"}),
    },
    title="all there is", begins_ns=1_763_630_000_123_456_789, ends=7_200_000_000_000, compare="given",
    left_out=["3 x something"],
)  # fmt: skip


@pytest.mark.parametrize("ending", files.ENDINGS)
def test_what_was_saved_is_loaded(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"whole{ending}"
    save(WHOLE, path)
    assert load(path) == WHOLE
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_is_not_there_is_what_was_meant_anyway(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text(
        'steps = [\n    {verb = "create_engine", name = "main"},\n    {at = 1.5, client = "A", endpoint = "x", '
        'message = {MsgType = "X", Price = 10.05}},\n    {after = "250ms", client = "A", do = "logout"},\n]\n'
    )
    message = {"MsgType": "X", "Price": Decimal("10.05")}
    assert load(path) == Scenario(
        [Step(0, "create_engine", {"name": "main"}), Step(1_500_000_000, client="A", message=message),
         Step(1_750_000_000, client="A", do="logout")],
        None, {"A": Client("A", "x")}, ends=1_750_000_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "a scenario must be a table"),
        ({"step": []}, "a scenario has no 'step'; it has title"),
        ({"steps": {}}, "steps must be a list of at most"),
        ({"steps": [5]}, "step 1: it must be a table"),
        ({"steps": [{}]}, "step 1: it has neither verb nor client"),
        ({"steps": [{"verb": 5}]}, "step 1: verb is 5, it must be text"),
        ({"steps": [{"verb": "dance"}]}, "step 1: no verb 'dance'"),
        ({"steps": [{"verb": "create_engine"}]}, "step 1: create_engine needs name"),
        ({"steps": [{"verb": "create_engine", "name": "a b"}]}, "step 1: create_engine: name is 'a b'"),
        ({"steps": [{"verb": "open", "engine": "a", "colour": 1}]}, "step 1: open has no argument 'colour'"),
        ({"steps": [{"at": "1s", "after": "1s", "verb": "clock"}]}, "step 1: it has at and after"),
        ({"steps": [{"at": "1 s", "verb": "clock"}]}, "step 1: at: '1 s' is no moment"),
        ({"steps": [{"at": "400d", "verb": "clock"}]}, "step 1: at: '400d' must be 0s to"),
        ({"steps": [{"at": "2s", "verb": "clock"}, {"at": "1s", "verb": "clock"}]}, "step 2: at is 1s, which is"),
        ({"steps": [{"client": "A", "do": "dance"}]}, "step 1: do is 'dance'"),
        ({"steps": [{"client": "A"}]}, "step 1: it must have exactly one of"),
        ({"steps": [{"client": "A", "do": "connect", "raw": "00"}]}, "step 1: it must have exactly one of"),
        ({"steps": [{"client": "A", "raw": "0x"}]}, "step 1: raw must be bytes in hexadecimal"),
        ({"steps": [{"client": "A", "message": {}}]}, "step 1: message.MsgType is missing"),
        ({"steps": [{"client": "A", "message": 5}]}, "step 1: message must be a table"),
        ({"steps": [{"client": "A", "do": "connect", "name": 1}]}, "step 1: a client's step has no 'name'"),
        ({"steps": [{"client": "A", "do": "connect"}]}, "client A: endpoint is missing"),
        ({"clients": {"A": {"endpoint": "x", "colour": 1}}}, "client A has no 'colour'"),
        ({"clients": {"A": 5}}, "client A must be a table"),
        ({"clients": {"A": {"endpoint": "x"}}, "steps": [{"client": "A", "endpoint": "y", "do": "connect"}]},
         "step 1: endpoint is 'y', but client A is at 'x'"),
        ({"events": [{"client": "A"}]}, "event 1: there is no client 'A'"),
        ({"clients": {"A": {"endpoint": "x"}}, "events": [{"client": "A", "step": 1}]}, "event 1: step is 1"),
        ({"clients": {"A": {"endpoint": "x"}}, "events": [{"client": "A"}]}, "event 1: message is missing"),
        ({"begins": "yesterday"}, "begins is 'yesterday', it must be a time"),
        ({"ends": "soon"}, "ends: 'soon' is no moment"),
        ({"compare": "roughly"}, "compare is 'roughly'"),
        ({"title": 5}, "title is 5, it must be text"),
        ({"left_out": 5}, "left_out must be a list of texts"),
        ({"left_out": ["a", 5]}, "left_out must be a list of texts"),
        ({"clients": {"D": {"desk": "d", "engine": "e"}}, "steps": [{"client": "D", "do": "connect"}]},
         "step 1: client D is a desk: what it does are verbs"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_step_and_field(tmp_path: Path, data: Any, text: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: {text}")


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.toml", b"steps = ["), ("a.toml", b"\xff"), ("a.json", b"{"), ("a.json", b"[" * 100_000), ("a.json", b"NaN"),
     ("a.toml", b"a = " + b"[" * 10_000), ("a.json", b"\xff")],
)  # fmt: skip
def test_what_is_no_scenario_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ScenarioError):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.toml", "a.json"])
def test_a_byte_order_mark_is_no_mistake(tmp_path: Path, name: str) -> None:
    text = 'steps = [{verb = "clock"}]' if name == "a.toml" else '{"steps": [{"verb": "clock"}]}'
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert load(tmp_path / name).steps == [Step(0, "clock")]


ODD = Event(1, 0, "ALICE", {"MsgType": object()})


@pytest.mark.parametrize("ending", files.ENDINGS)
def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"whole{ending}"
    save(WHOLE, path)
    with pytest.raises(ScenarioError, match=r"surrogates not allowed|cannot be written"):
        save(replace(WHOLE, title="\ud800") if ending == ".toml" else replace(WHOLE, events=[ODD]), path)
    assert (load(path), [each.name for each in tmp_path.iterdir()]) == (WHOLE, [path.name])


def test_files_that_are_missing_or_too_long_or_have_another_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "missing.toml")
    with pytest.raises(ScenarioError, match=r"ends with one of \.toml, \.json"):
        save(WHOLE, tmp_path / "whole.yaml")
    with pytest.raises(ScenarioError, match="No such file"):
        save(WHOLE, tmp_path / "nowhere" / "whole.toml")
    save(WHOLE, tmp_path / "whole.toml")
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 10)
    with pytest.raises(ScenarioError, match="more than 10 bytes"):
        load(tmp_path / "whole.toml")


def test_there_is_a_limit_to_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "STEPS_MAX", 2)
    assert len(from_data({"steps": [{"verb": "clock"}] * 2}).steps) == 2
    with pytest.raises(ScenarioError, match="at most 2"):
        from_data({"steps": [{"verb": "clock"}] * 3})


def test_no_argument_of_a_verb_is_called_like_a_word_of_a_step() -> None:
    words = {"at", "after", "verb", "refused", "note", "client", "do"}
    assert not words & {p.name for row in verbs.VERBS.values() for p in row.parameters}


@pytest.mark.parametrize(
    ("text", "ns"),
    [("0s", 0), ("0.250s", 250_000_000), ("1m30s", 90_000_000_000), ("1.5m", 90_000_000_000), ("7ns", 7),
     ("15us", 15_000), ("2h0.5s", 7_200_500_000_000), (3, 3_000_000_000), (Decimal("0.000000001"), 1)],
)  # fmt: skip
def test_moments(text: Any, ns: int) -> None:
    assert moment(text) == ns


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-1s", "1e3s", "0.1ns", "1s ", True, None, -1, 1.5, Decimal("NaN"), Decimal("1e999999")]
)
def test_what_is_no_moment(text: Any) -> None:
    with pytest.raises(ValueError, match=r"moment|must be"):
        moment(text)


@given(st.integers(0, model.MOMENT_MAX_NS))
def test_a_moment_is_written_as_it_is_read(ns: int) -> None:
    assert moment(moment_text(ns)) == ns


_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_VALUES = st.recursive(
    _TEXT | st.integers(-(2**60), 2**60) | st.booleans(),
    lambda inner: st.lists(st.dictionaries(_TEXT, inner, max_size=3), max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_TEXT, _VALUES, max_size=5))
def test_any_message_survives_both_forms(fields: dict[str, Any]) -> None:
    step = Step(0, client="A", message={**fields, "MsgType": "X"})
    whole = Scenario([step], [Event(1, 0, "A", {**fields, "MsgType": "Y"})], {"A": Client("A", "x")})
    data = to_data(whole)
    assert files.parse(files.toml_text(data).encode(), toml=True) == whole
    assert files.parse(files.json_text(data).encode(), toml=False) == whole
