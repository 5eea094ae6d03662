"""The TOML file: checked as a whole before anything happens, carried out in order, and again without harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import openoutcry
from openoutcry import config, verbs
from openoutcry.errors import ClusterError, OpenOutcryError, VerbError

EXCHANGE = """
[settings]
gateways = 2
durability = "none"

[[engine]]
name = "main"
properties = { max_quantity = 5000 }

[[book]]
name = "aapl"
engine = "main"
symbol = "AAPL"
properties = { tick_size = "0.05", lot_size = 10 }

[[endpoint]]
name = "orders"
engine = "main"
protocol = "ouch42"
properties = { cancel_on_disconnect = true }

[[user]]
name = "alice"
password = "s3cret"
endpoint = "orders"

[[do]]
verb = "close"
engine = "main"
"""


class Remembering:
    """Answers verbs as an exchange would, as far as the file sees it."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {"engines": [], "books": [], "endpoints": [], "users": []}
        self.done: list[tuple[Any, ...]] = []
        self.closed = False

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        checked = verbs.check(verb, arguments, named)
        if verb == "list":
            return self.rows[checked[0]]
        values = dict(zip((p.name for p in verbs.VERBS[verb].parameters), checked, strict=True))
        self.done.append((verb, *checked))
        if verb.startswith("create_"):
            self.rows[verb.removeprefix("create_") + "s"].append(
                {k: v for k, v in values.items() if k != "password"} | {"properties": {}}
            )
        elif verb == "set_book_property":
            self.rows["books"][0]["properties"][values["name"]] = values["value"]
        elif verb == "close" and self.closed:
            raise VerbError("wrong_state", "", "closed already")
        elif verb == "close":
            self.closed = True
        return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "exchange.toml"
    path.write_text(EXCHANGE)
    return path


def test_entries_are_carried_out_in_order_with_their_properties(file: Path) -> None:
    exchange, said = Remembering(), list[str]()
    config.apply(config.load(file), exchange.call, said.append)
    assert exchange.done == [
        ("create_engine", "main", "matching"),
        ("set_engine_property", "main", "max_quantity", 5000),
        ("create_book", "aapl", "main", "AAPL"),
        ("set_book_property", "aapl", "tick_size", "0.05"),
        ("set_book_property", "aapl", "lot_size", 10),
        ("create_endpoint", "orders", "main", "ouch42", None, "127.0.0.1", 0),
        ("set_protocol_property", "orders", "cancel_on_disconnect", True),
        ("create_user", "alice", "s3cret", "orders", None, None),
        ("close", "main"),
    ]
    assert said[:2] == ["engine main: created", "engine main: max_quantity = 5000"]
    assert said[-1] == "close main: done" and not any("s3cret" in line for line in said)


def test_carried_out_again_it_changes_nothing(file: Path) -> None:
    exchange, said = Remembering(), list[str]()
    loaded = config.load(file)
    config.apply(loaded, exchange.call)
    for row in exchange.rows["engines"]:
        row["properties"] = {"max_quantity": 5000}
    for row in exchange.rows["endpoints"]:
        row["properties"] = {"cancel_on_disconnect": True}
        row["port"] = 40_001
    exchange.done.clear()
    config.apply(loaded, exchange.call, said.append)
    assert exchange.done == [("close", "main")]
    assert said == [
        "engine main: exists", "book aapl: exists", "endpoint orders: exists", "user alice: exists",
        "close main: passed over, closed already",
    ]  # fmt: skip


def test_a_price_in_the_units_of_the_bus_counts_as_equal(file: Path) -> None:
    exchange = Remembering()
    config.apply(config.load(file), exchange.call)
    exchange.rows["books"][0]["properties"]["tick_size"] = 5_000_000
    exchange.done.clear()
    config.apply(config.load(file), exchange.call)
    assert not any(done[0] == "set_book_property" for done in exchange.done)


def test_a_property_that_is_not_listed_has_its_default(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(EXCHANGE.replace('tick_size = "0.05", lot_size = 10', 'tick_size = "0.0001", self_match = "off"'))
    exchange = Remembering()
    config.apply(config.load(file), exchange.call)
    assert not any(done[0] == "set_book_property" for done in exchange.done)


def test_what_exists_with_another_value_is_an_error_that_names_entry_and_field(file: Path) -> None:
    exchange = Remembering()
    config.apply(config.load(file), exchange.call)
    file.write_text(EXCHANGE.replace('symbol = "AAPL"', 'symbol = "AAPX"'))
    with pytest.raises(VerbError, match=r"\[\[book\]\] 1 \(aapl\): symbol is 'AAPL' .* 'AAPX'") as caught:
        config.apply(config.load(file), exchange.call)
    assert (caught.value.code, caught.value.field) == ("exists", "symbol")


def test_a_refused_verb_names_its_entry(file: Path) -> None:
    def refuse(verb: str, *arguments: Any, **named: Any) -> Any:
        if verb == "create_book":
            raise VerbError("limit", "", "no more books")
        return [] if verb == "list" else None

    with pytest.raises(VerbError, match=r"exchange.toml, \[\[book\]\] 1 \(aapl\): no more books"):
        config.apply(config.load(file), refuse)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[book", "is not TOML"),
        ("x = 1", "unknown table 'x'"),
        ("[[orders]]\nname = 'x'", "unknown table 'orders'"),
        ("settings = 5", "[settings]"),
        ("[settings]\ncolour = 1", "unknown setting 'colour'; there are: durability, "),
        ("[settings]\nplugin = 'x'", "unknown setting 'plugin'; did you mean plugins"),
        ("[settings]\ngateways = 'many'", "gateways is 'many'"),
        ("[settings]\ndurability = 'x'", "durability is 'x'"),
        ("[engine]\nname = 'main'", "[[engine]]"),
        ("engine = [1]", "[[engine]]"),
        ("[[engine]]\nkind = 'matching'", "[[engine]] 1: create_engine needs name"),
        ("[[engine]]\nname = 'a b'", "[[engine]] 1 (a b)"),
        ("[[engine]]\nname='a'\n[[engine]]\nname='b'\ncolour=1", "[[engine]] 2 (b): create_engine has no argument"),
        ("[[book]]\nname='b'\nengine='e'\nsymbol='S'\nproperties={tick_size=0.5}", "tick_size is 0.5, it must"),
        ("[[book]]\nname='b'\nengine='e'\nsymbol='S'\nproperties={colour=1}", "no property 'colour'"),
        ("[[book]]\nname='b'\nengine='e'\nsymbol='S'\nproperties=3", "properties is a table"),
        ("[[user]]\nname='u'\npassword='p'\nproperties={a=1}", "a user has no properties"),
        ("[[user]]\nname='u'", "needs password"),
        ("[[user]]\nname='u'\npassword='p'\npassword_file='f'", "give password, or password_file"),
        ("[[user]]\nname='u'\npassword_file='absent'", "cannot read 'absent'"),
        ("[[do]]\nengine='main'", "which verb"),
        ("[[do]]\nverb='frobnicate'", "no verb 'frobnicate'"),
        ("[[do]]\nverb='status'", "verbs that only look"),
        ("[[do]]\nverb='open'", "[[do]] 1 (open): open needs engine"),
        ("[[do]]\nverb='open'\nengine=1979-05-27", "engine is"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_before_anything_is_started(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "exchange.toml"
    path.write_text(text)
    with pytest.raises(OpenOutcryError) as caught:
        config.load(path)
    assert says in str(caught.value) and "exchange.toml" in str(caught.value)


def test_a_bad_property_names_its_field(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_text("[[engine]]\nname='e'\nproperties={max_quantity=0}")
    with pytest.raises(VerbError) as caught:
        config.load(path)
    assert caught.value.field == "max_quantity"


def test_a_password_file_is_read_next_to_the_file_and_never_quoted(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_text("[[user]]\nname='u'\npassword_file='u.password'")
    (tmp_path / "u.password").write_text("s3cret\n")
    assert config.load(path).entries[0].arguments == {"name": "u", "password": "s3cret"}
    (tmp_path / "u.password").write_text("s3cret" * 50)
    with pytest.raises(VerbError) as caught:
        config.load(path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_an_unreadable_file_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClusterError, match=r"e\.toml"):
        config.load(path)


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_bytes(b"#" * (config.FILE_MAX + 1))
    with pytest.raises(ClusterError, match="more than"):
        config.load(path)


def test_the_example_is_in_order() -> None:
    assert openoutcry.__file__ is not None
    loaded = config.load(Path(openoutcry.__file__).parent / "conf" / "example.toml")
    assert [entry.kind for entry in loaded.entries] == ["engine", "book", "book", "book", "endpoint"]


# ------------------------------------------------------------------------------------------------- FIX sessions
SESSIONS = """
[[engine]]
name = "main"

[[endpoint]]
name = "fix"
engine = "main"
protocol = "fix"

[[endpoint]]
name = "old"
engine = "main"
protocol = "fix42"

[[session]]
endpoint = "fix"
SenderCompID = "EX"
TargetCompID = "ANN"
HeartBtInt = 10
properties = { auto_receive = false }

[[session]]
endpoint = "fix"
BeginString = "FIXT.1.1"
DefaultApplVerID = "9"
SenderCompID = "EX"
TargetCompID = "ANN"

[[session]]
endpoint = "old"
SenderCompID = "EX"
TargetCompID = "ANN"
ResetOnLogon = "Y"

[[session]]
endpoint = "old"
Template = true
Account = "HOUSE"
"""
NAMES = ["FIX.4.4:EX->ANN", "FIXT.1.1:EX->ANN", "FIX.4.2:EX->ANN", "FIX.4.2:->"]


def test_fix_sessions_are_made_and_carried_out_again_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(SESSIONS)
    with openoutcry.Exchange(config=file) as exchange:
        assert [row["name"] for row in exchange.list("fix_sessions")] == NAMES
        before, said = exchange.state_hash(), list[str]()
        config.apply(config.load(file), exchange.call, said.append)
        assert said == ["engine main: exists", "endpoint fix: exists", "endpoint old: exists",
                        *(f"session {name}: exists" for name in NAMES)]  # fmt: skip
        assert [each["value"] for each in exchange.describe(NAMES[0], "session", "fix")["explained"]][-1] is False
        assert exchange.state_hash()["hash"] == before["hash"]
        with exchange.fix_client("old", SenderCompID="ANN", TargetCompID="EX") as client:
            client.buy("AAPL", 1, "1").expect_rejected("unknown symbol")


def test_a_fix_session_that_exists_gets_the_files_settings(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(SESSIONS)
    with openoutcry.Exchange(config=file) as exchange:
        file.write_text(SESSIONS.replace("HeartBtInt = 10", 'HeartBtInt = 20\nAccount = "ALL"'))
        said = list[str]()
        config.apply(config.load(file), exchange.call, said.append)
        assert said[3:6] == ["session FIX.4.4:EX->ANN: exists", "session FIX.4.4:EX->ANN: HeartBtInt = 20",
                             "session FIX.4.4:EX->ANN: Account = ALL"]  # fmt: skip
        row = exchange.list("fix_sessions")[0]
        assert (row["HeartBtInt"], row["Account"]) == (20, "ALL")
        exchange.reset()
        assert [row["name"] for row in exchange.list("fix_sessions")] == NAMES


@pytest.mark.parametrize(("said", "field"), [
    ("HeartBtInt = 0", "HeartBtInt"), ("NoSuchSetting = 1", "NoSuchSetting"), ('BeginString = "FIX.9"', "BeginString"),
    ("properties = { auto_send = 1 }", "auto_send"), ("properties = 7", "properties"),
    ("properties = { auto_receive = 'perhaps' }", "auto_receive"),
])  # fmt: skip
def test_what_is_wrong_with_a_session_is_said_before_anything_happens(tmp_path: Path, said: str, field: str) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(f"""[[session]]\nendpoint = "fix"\nSenderCompID = "EX"\nTargetCompID = "ANN"\n{said}\n""")
    with pytest.raises(VerbError) as caught:
        config.load(file)
    assert caught.value.field == field
    assert "[[session]] 1 (EX->ANN)" in caught.value.text


def test_a_session_that_the_exchange_refuses_is_named(tmp_path: Path) -> None:
    file = tmp_path / "exchange.toml"
    file.write_text(SESSIONS.replace('BeginString = "FIXT.1.1"\n', 'ConnectionType = "initiator"\n'))
    with pytest.raises(VerbError, match=r"\[\[session\]\] 2 \(EX->ANN\)"), openoutcry.Exchange(config=file):
        pass
