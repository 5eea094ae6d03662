"""Dictionaries: the shipped ones, QuickFIX XML, YAML, the compact form and its cache, custom fields and messages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.fix import compact, quickfix_xml
from openoutcry.fix.dictionary import SHIPPED, Dictionary, DictionaryError, Field, Group, Part, load
from openoutcry.fix.quickfix_xml import read_xml, write_xml

BEGIN = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2", "FIXT.1.1")
MESSAGES = (27, 28, 46, 68, 93, 93, 105, 156, 8)
FIELDS = (138, 206, 405, 635, 912, 1090, 1373, 6028, 74)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openoutcry" / "dictionaries"


def xml(message: str = "", components: str = "", fields: str = "", header: str = "") -> bytes:
    """A small dictionary: one message M with the fields A, B, C and the groups NoG and NoH."""
    numbers = {"NoG": 100, "A": 101, "B": 102, "C": 103, "NoH": 104, "D": 105, "E": 106}
    defined = "".join(f"<field number='{tag}' name='{name}' type='STRING'/>" for name, tag in numbers.items())
    return (
        "<fix type='FIX' major='4' minor='4' servicepack='0'>"
        f"<header>{header}</header><messages><message name='M' msgtype='M' msgcat='app'>{message}</message></messages>"
        f"<trailer/><components>{components}</components><fields>{defined}{fields}</fields></fix>"
    ).encode()


def group(g: Group) -> tuple[int, dict[int, bool], list[Any]]:
    return g.first, g.members, [group(each) for each in g.groups.values()]


# -- what is shipped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "begin", "messages", "fields"), [*zip(SHIPPED, BEGIN, MESSAGES, FIELDS, strict=True)])
def test_a_version_is_shipped_whole(name: str, begin: str, messages: int, fields: int) -> None:
    d = load(name).check()
    assert (d.name, d.begin, len(d.messages), len(d.fields)) == (name, begin, messages, fields)
    assert len(d.message_named) == messages
    assert all(d.fields[field.tag] is field for field in d.by_name.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_what_the_quickfix_xml_says(name: str) -> None:
    fixcore = pytest.importorskip("fixcore", reason="fixcore-engine brings the QuickFIX XML files along")
    d = read_xml((Path(fixcore.__file__).parent / "specs" / f"{name}.xml").read_bytes(), name)
    if name == "FIXT11":  # there, NoMsgTypes(384) of the Logon has no members, so no Logon can have it
        for field in map(load("FIX50SP2").fields.__getitem__, (384, 385, 1410)):
            d.add_field(*field)
        d.components["MsgTypeGrp"] = load("FIX50SP2").component("MsgTypeGrp")
    assert compact.write(d) == compact.write(load(name))


@pytest.mark.parametrize("name", ["FIX42", "FIX50SP2", "FIXT11"])
def test_xml_that_is_written_says_the_same(name: str) -> None:
    assert compact.write(read_xml(write_xml(load(name)).encode(), name)) == compact.write(load(name))


def test_lookups_by_tag_and_by_name() -> None:
    d = load("FIX44")
    side = d.fields[54]
    assert (side.tag, side.name, side.type, side.values[b"1"], side.open) == (54, "Side", "CHAR", "BUY", False)
    assert d.by_name["Side"] is side
    order = d.message_named["NewOrderSingle"]
    assert d.messages[b"D"] is order
    assert (order.kind, order.name, order.admin) == (b"D", "NewOrderSingle", False)
    assert [tag for tag, required in order.members.items() if required] == [11, 54, 60, 40]
    assert group(order.groups[78]) == (79, dict.fromkeys((79, 661, 736, 467, 539, 80), False), [
        (524, dict.fromkeys((524, 525, 538, 804), False), [(545, {545: False, 805: False}, [])])
    ])  # fmt: skip
    assert d.messages[b"A"].admin
    assert group(d.header.groups[627]) == (628, {628: False, 629: False, 630: False}, [])
    assert d.header.members[8] and d.trailer.members[10]


def test_a_shipped_one_is_found_by_its_name_with_and_without_xml() -> None:
    assert load("FIX42.xml") is load("FIX42") is load("fix42.xml") is load("/nowhere/FIX42.xml")


def test_a_file_comes_before_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "FIX42.xml"
    path.write_bytes(xml("<field name='A' required='Y'/>"))
    assert load(path).messages.keys() == {b"M"}
    assert load(str(path)) is load(path)


# -- what is required --------------------------------------------------------------------------------------------------

X_NEEDS_B = "<component name='X'><field name='A' required='N'/><field name='B' required='Y'/></component>"


@pytest.mark.parametrize(
    ("message", "components", "required"),
    [
        ("<component name='X' required='Y'/>", X_NEEDS_B, [102]),
        ("<component name='X' required='N'/>", X_NEEDS_B, []),
        # A component in a component: what it is in does not matter.
        ("<component name='Y' required='N'/>", X_NEEDS_B + "<component name='Y'><component name='X' required='Y'/>"
         "</component>", [102]),
        ("<component name='Y' required='Y'/>", X_NEEDS_B + "<component name='Y'><component name='X' required='N'/>"
         "</component>", []),
    ],
)  # fmt: skip
def test_fields_of_a_component_are_required_where_it_is(message: str, components: str, required: list[int]) -> None:
    members = read_xml(xml(message, components)).messages[b"M"].members
    assert [tag for tag, must in members.items() if must] == required


NEST = (
    "<group name='NoG' required='{}'><field name='A' required='N'/><group name='NoH' required='{}'>{}</group></group>"
)


@pytest.mark.parametrize(("outer", "inner", "count", "nested"), [("Y", "Y", True, True), ("Y", "N", False, False),
                                                                  ("N", "Y", False, False)])  # fmt: skip
def test_fields_of_a_group_are_required_where_it_is(outer: str, inner: str, count: bool, nested: bool) -> None:
    m = read_xml(xml(NEST.format(outer, inner, "<field name='D' required='Y'/>"))).messages[b"M"]
    assert m.members == {100: outer == "Y"}
    assert group(m.groups[100]) == (101, {101: False, 104: count}, [(105, {105: nested}, [])])


def test_fields_that_reach_a_group_through_a_component_are_never_required() -> None:
    message = "<group name='NoG' required='Y'><field name='C' required='Y'/><component name='X' required='Y'/></group>"
    assert group(read_xml(xml(message, X_NEEDS_B)).messages[b"M"].groups[100]) == (
        103, {103: True, 101: False, 102: False}, [],
    )  # fmt: skip


def test_a_group_in_a_component_that_is_not_required_has_nothing_required() -> None:
    component = "<component name='X'><group name='NoG' required='Y'><field name='A' required='Y'/></group></component>"
    for required, must in (("Y", True), ("N", False)):
        m = read_xml(xml(f"<component name='X' required='{required}'/>", component)).messages[b"M"]
        assert m.members == {100: must}
        assert m.groups[100].members == {101: must}


# -- what is wrong -----------------------------------------------------------------------------------------------------

WRONG = {
    "there is no component 'X'": xml("<component name='X' required='Y'/>"),
    "one that is in itself": xml("<component name='X'/>", "<component name='X'><component name='X'/></component>"),
    "'F' is used but not defined": xml("<field name='F' required='Y'/>"),
    "has the number '1x'": xml(fields="<field number='1x' name='F' type='INT'/>"),
    "has tag 0": xml(fields="<field number='0' name='F' type='INT'/>"),
    "has tag 9999999999": xml(fields="<field number='9999999999' name='F' type='INT'/>"),
    "has no 'type'": xml(fields="<field number='7' name='F'/>"),
    "not XML": b"<fix",
    "it must be <fix>": b"<a/>",
    "has no 'major'": b"<fix/>",
    "a document type is not allowed": b'<!DOCTYPE a [<!ENTITY b "c">]>' + xml(),
    "groups more than": xml("<group name='NoG'>" * 40 + "</group>" * 40),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_dictionary_is_refused_with_the_reason(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.xml"
    path.write_bytes(WRONG[text])
    with pytest.raises(DictionaryError, match=f"mine.xml: .*{text}"):
        load(path)


def test_no_such_dictionary(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="no such file, and not one of FIX40, FIX41"):
        load("FIX99")
    with pytest.raises(DictionaryError, match="no such file"):
        load(tmp_path)
    with pytest.raises(DictionaryError, match="no such file"):
        load("a\0b")


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "SOURCE_MAX", 100)
    (tmp_path / "a.xml").write_bytes(b" " * 101)
    with pytest.raises(DictionaryError, match="more than 100 bytes"):
        load(tmp_path / "a.xml")


PIECES = ("<fix type='FIX' major='4' minor='0'>", "</fix>", "<fields>", "</fields>", "<field name='A'",
          "<value enum='1'/>", " number='1' type='X'>", "</field>", "<messages>", "<message name='M' msgtype='m'>",
          "</message>", "</messages>", "/>")  # fmt: skip


@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES)).map(lambda parts: "".join(parts).encode()))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        read_xml(data).check()
    except DictionaryError:
        pass


@given(st.text(alphabet="dictonary\tfelsmgph0123456789!@()%=A\n +", max_size=200))
def test_no_text_in_the_compact_form_raises_anything_else(text: str) -> None:
    try:
        compact.read("dictionary\tX\tFIX.4.4\n\nfields\n" + text).check()
    except DictionaryError:
        pass


# -- the compact form and the cache ------------------------------------------------------------------------------------

NAMES = st.text(bytes(set(range(256)) - {32}).decode("latin-1"), min_size=1, max_size=4)


@given(NAMES, NAMES, st.binary(min_size=1, max_size=3), NAMES, st.booleans())
def test_the_compact_form_keeps_any_names_and_values(a: str, b: str, value: bytes, meaning: str, open: bool) -> None:
    d = Dictionary(a, b)
    d.add_field(7, a, "CHAR", {value: meaning}, open)
    d.components[b] = (Part(7, True),)
    d.put_message(value, b, True, (Part(0, True, b), Part(7, False, "", (Part(7, True), Part(0, False, b)))))
    d.header.extend([Part(7, True)])
    again = compact.read(compact.write(d))
    assert (again.name, again.begin, again.fields, again.by_name) == (d.name, d.begin, d.fields, d.by_name)
    assert (again.component(b), again.header.parts) == (d.component(b), d.header.parts)
    message = again.messages[value]
    assert (message.name, message.admin, message.parts) == (b, True, d.messages[value].parts)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.xml"
    path.write_bytes(xml("<field name='A' required='Y'/>"))
    return path


def never(*args: Any) -> Dictionary:
    raise AssertionError("this was to come out of the cache")


def test_an_xml_is_compiled_once(mine: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = load(mine)
    assert load(mine) is d
    assert [path.suffix for path in own_cache.iterdir()] == [f".{compact.FORMAT}"]
    monkeypatch.setattr(quickfix_xml, "read_xml", never)
    assert compact.write(compact.load_file(mine)) == compact.write(d)


def test_a_file_that_changes_is_read_again(mine: Path) -> None:
    assert load(mine).messages[b"M"].members == {101: True}
    mine.write_bytes(xml("<field name='B' required='N'/><field name='C' required='N'/>"))
    assert load(mine).messages[b"M"].members == {102: False, 103: False}


@pytest.mark.parametrize("broken", [b"", b"\xff", b"0" * 64 + b"\ndictionary", b"dictionary\tX\tY\n"])
def test_a_broken_cache_is_done_without(mine: Path, own_cache: Path, broken: bytes) -> None:
    d = load(mine)
    (kept,) = own_cache.iterdir()
    kept.write_bytes(broken)
    assert compact.write(compact.load_file(mine)) == compact.write(d)
    assert compact.write(compact.read(kept.read_bytes().partition(b"\n")[2].decode())) == compact.write(d)


def test_a_cache_that_cannot_be_written_is_done_without(mine: Path, own_cache: Path) -> None:
    own_cache.parent.parent.mkdir()
    own_cache.parent.write_text("in the way")
    assert load(mine).messages.keys() == {b"M"}


def test_the_cache_is_in_the_home_directory_when_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert compact.cache_directory() == Path.home() / ".cache" / "openoutcry" / "dictionaries"


# -- custom fields and messages ----------------------------------------------------------------------------------------


def test_custom_fields_and_messages_are_added_to_a_copy() -> None:
    shared = load("FIX44")
    d = shared.copy()
    assert d.add_field(5001, "Desk", "CHAR", {b"A": "EQUITIES"}) == Field(5001, "Desk", "CHAR", {b"A": "EQUITIES"})
    d.extend_message("NewOrderSingle", {"Desk": True})
    d.extend_message(b"8", {5001: False, "Text": False})
    d.add_message(b"U1", "Hello", {"Text": True, 5001: False})
    assert d.check().messages[b"D"].members[5001] is True
    assert d.messages[b"8"].members[5001] is False
    assert d.message_named["Hello"].members == {58: True, 5001: False}
    assert not d.message_named["Hello"].admin
    assert 5001 not in shared.fields and 5001 not in shared.messages[b"D"].members and b"U1" not in shared.messages
    assert compact.write(compact.read(compact.write(d))) == compact.write(d)


def test_a_custom_field_replaces_the_one_of_its_name() -> None:
    d = load("FIX44").copy()
    d.add_field(5002, "Text")
    assert d.by_name["Text"].tag == 5002 and 58 not in d.fields
    with pytest.raises(DictionaryError, match="tag 58, which is not defined"):
        d.check()


def test_custom_things_that_are_not_there() -> None:
    d = load("FIX44").copy()
    with pytest.raises(DictionaryError, match="no message 'Nonsense'"):
        d.extend_message("Nonsense", {})
    with pytest.raises(DictionaryError, match="the field 'Nonsense', which is not defined"):
        d.extend_message("Heartbeat", {"Nonsense": True})
    with pytest.raises(DictionaryError, match="it must be from 1 to 2147483647"):
        d.add_field(2**31, "Large")


def test_values_besides_those_listed_may_be_allowed() -> None:
    field = "<field number='7' name='F' type='char' allowOtherValues='true'><value enum='1' description='ONE'/></field>"
    assert read_xml(xml(fields=field)).fields[7] == Field(7, "F", "CHAR", {b"1": "ONE"}, True)


# -- YAML --------------------------------------------------------------------------------------------------------------

YAML = """
version: {major: '4', minor: '4', servicepack: '0'}
beginString: FIX.4.4
fields:
  Flag: {number: 7, type: BOOLEAN, values: {Y: YES, N: NO}}
  NoG: {number: 100, type: NUMINGROUP}
  A: {number: 101, type: STRING}
  B: {number: 102, type: STRING}
components:
  X:
    B: {type: field, required: true}
    NoG: {type: group, required: false, fields: {A: {required: false}}}
messages:
  Empty: {msgtype: '0', msgcat: admin, fields: null}
  M: {msgtype: M, msgcat: app, fields: {X: {type: component, required: true}, Flag: null}}
header: {A: {type: field, required: true}}
trailer: {}
"""


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    pytest.importorskip("yaml", reason="PyYAML is an extra")
    path = tmp_path / "mine.yaml"
    path.write_text(YAML)
    return path


def test_yaml_as_in_jetblack_fixparser(yaml_file: Path) -> None:
    d = load(yaml_file)
    assert (d.name, d.begin, d.fields[7].values) == ("mine", "FIX.4.4", {b"Y": "YES", b"N": "NO"})
    assert {m.kind: (m.name, m.admin, m.members) for m in d.messages.values()} == {
        b"0": ("Empty", True, {}),
        b"M": ("M", False, {102: True, 100: False, 7: False}),
    }
    assert group(d.messages[b"M"].groups[100]) == (101, {101: False}, [])
    assert (d.header.members, d.trailer.members) == ({101: True}, {})


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("beginString: FIX.4.4", "", "has no 'beginString'"),
        ("{number: 101", "{number: x", "has the number 'x'"),
        ("X: {type: component", "Q: {type: component", "no component 'Q'"),
        ("Flag: null", "Q: null", "M: Q of type 'field' is not defined"),
        ("fields: null", "fields: [1]", "names with what they mean"),
        ("trailer: {}", "trailer: [", "not YAML"),
        ("trailer: {}", "trailer: &a {}\nother: *a", "aliases are not allowed"),
    ],
)
def test_wrong_yaml_is_refused_with_the_reason(yaml_file: Path, old: str, new: str, text: str) -> None:
    yaml_file.write_text(YAML.replace(old, new))
    with pytest.raises(DictionaryError, match=text):
        load(yaml_file)


def test_the_cache_of_another_format_is_not_looked_at(mine: Path, own_cache: Path, monkeypatch: Any) -> None:
    load(mine)
    monkeypatch.setattr(compact, "FORMAT", compact.FORMAT + 1)
    compact.load_file(mine)
    assert len(os.listdir(own_cache)) == 2
