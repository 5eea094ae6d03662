"""The settings of a FIX session: the table, one session's values, and settings files of other engines."""

from __future__ import annotations

import pytest

from openoutcry.errors import VerbError
from openoutcry.fix.settings import SESSION_SETTINGS, SessionSettings, read_settings_file


def settings(**given: object) -> SessionSettings:
    return SessionSettings(**{"SenderCompID": "ISLD", "TargetCompID": "TW42", **given})


def refusal(**given: object) -> tuple[str, str]:
    with pytest.raises(VerbError) as caught:
        settings(**given)
    return caught.value.field, caught.value.text


def test_every_setting_of_the_table_is_an_attribute_with_its_default() -> None:
    made = SessionSettings(Template=True)
    assert {name: getattr(made, name) for name in SESSION_SETTINGS} == {
        **{name: parameter.default for name, parameter in SESSION_SETTINGS.items()},
        "Template": True,
    }


def test_every_default_is_a_value_that_could_be_given() -> None:
    everything = {name: parameter.default for name, parameter in SESSION_SETTINGS.items()} | {"Template": True}
    assert SessionSettings(**everything) == SessionSettings(Template=True)


def test_text_is_converted_as_in_a_file() -> None:
    made = settings(ResetOnLogon="Y", HeartBtInt="5", CheckLatency="n", DefaultApplVerID="8")
    assert (made.ResetOnLogon, made.HeartBtInt, made.CheckLatency, made.DefaultApplVerID) == (
        True,
        5,
        False,
        "FIX.5.0SP1",
    )


def test_what_was_given_is_known_apart_from_defaults() -> None:
    assert settings(HeartBtInt="5").given == {"SenderCompID": "ISLD", "TargetCompID": "TW42", "HeartBtInt": 5}


def test_equal_settings_are_equal_however_they_were_given() -> None:
    assert settings(HeartBtInt="30") == settings() != settings(HeartBtInt=31)
    assert hash(settings(HeartBtInt="30")) == hash(settings())


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"BeginString": "FIX.4.2"}, "FIX.4.2:ISLD->TW42"),
        ({"SenderSubID": "SUB", "SenderLocationID": "LOC"}, "FIX.4.4:ISLD/SUB/LOC->TW42"),
        ({"TargetSubID": "SUB"}, "FIX.4.4:ISLD->TW42/SUB"),
        ({"TargetLocationID": "LOC"}, "FIX.4.4:ISLD->TW42//LOC"),
        ({"BeginString": "FIXT.1.1", "SessionQualifier": "2"}, "FIXT.1.1:ISLD->TW42:2"),
    ],
)
def test_a_session_is_named_by_its_version_and_its_ends(given: dict[str, str], name: str) -> None:
    assert settings(**given).name == name


def test_the_version_over_fixt_is_that_of_the_application_messages() -> None:
    assert settings(BeginString="FIX.4.2").version == "FIX.4.2"
    assert settings(BeginString="FIXT.1.1").version == "FIX.5.0SP2"
    assert settings(BeginString="FIXT.1.1", DefaultApplVerID="7").version == "FIX.5.0"


def test_a_template_becomes_a_session() -> None:
    template = SessionSettings(Template=True, HeartBtInt=7)
    made = template.replaced(Template=False, SenderCompID="A", TargetCompID="B")
    assert (made.name, made.HeartBtInt, made.Template) == ("FIX.4.4:A->B", 7, False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"SenderCompID": ""}, "SenderCompID"),
        ({"TargetCompID": ""}, "TargetCompID"),
        ({"TargetCompID": "a\x01b"}, "TargetCompID"),
        ({"TargetCompID": "Bör"}, "TargetCompID"),
        ({"TargetCompID": " padded"}, "TargetCompID"),
        ({"BeginString": "FIX.4.9"}, "BeginString"),
        ({"HeartBtInt": "soon"}, "HeartBtInt"),
        ({"HeartBtInt": 0}, "HeartBtInt"),
        ({"ResetOnLogon": "maybe"}, "ResetOnLogon"),
        ({"DropCopy": "account"}, "DropCopyAccount"),
        ({"NoSuchSetting": "1"}, "NoSuchSetting"),
    ],
)
def test_a_refusal_names_the_setting(given: dict[str, str], field: str) -> None:
    named, text = refusal(**given)
    assert named == field and field in text


FILE = """
# sessions of a broker
[DEFAULT]
ConnectionType=ACCEPTOR
SocketAcceptPort=5001
SenderCompID = ISLD
StartTime=08:00:00
EndTime=17:00:00
fileStorePath=store
HeartBtInt=30

[SESSION]
BeginString=FIX.4.2
TargetCompID=TW42
HeartBtInt=10
DataDictionary=/etc/fix/FIX42=custom.xml
[Session]
BeginString=FIXT.1.1
TargetCompID=TW50
DefaultApplVerID=9
SendNextExpectedMsgSeqNum=Y
TimestampPrecision=6
UseLocalTime=Y
"""


def test_a_settings_file_gives_each_session_with_the_defaults() -> None:
    first, second = read_settings_file(FILE)
    shared = {"ConnectionType": "acceptor", "SenderCompID": "ISLD", "StartTime": "08:00:00", "EndTime": "17:00:00",
              "Store": "store"}  # fmt: skip
    assert first.given == {
        **shared, "BeginString": "FIX.4.2", "TargetCompID": "TW42", "HeartBtInt": 10,
        "DataDictionary": "/etc/fix/FIX42=custom.xml",
    }  # fmt: skip
    assert second.given == {
        **shared, "BeginString": "FIXT.1.1", "TargetCompID": "TW50", "HeartBtInt": 30, "DefaultApplVerID": "FIX.5.0SP2",
        "EnableNextExpectedMsgSeqNum": True, "TimestampPrecision": "micros",
    }  # fmt: skip


def test_what_means_nothing_here_is_listed_and_not_fatal() -> None:
    first, second = read_settings_file(FILE)
    assert (first.ignored, second.ignored) == (("SocketAcceptPort",), ("SocketAcceptPort", "UseLocalTime"))


@pytest.mark.parametrize(
    ("line", "precision"),
    [
        ("TimestampPrecision=0", "seconds"),
        ("TimestampPrecision=3", "millis"),
        ("TimestampPrecision=4", "micros"),
        ("TimestampPrecision=9", "nanos"),
        ("TimeStampPrecision=NANOS", "nanos"),
        ("MillisecondsInTimeStamp=N", "seconds"),
        ("MillisecondsInTimeStamp=Y", "millis"),
    ],
)
def test_the_precision_of_time_stamps_is_written_in_many_ways(line: str, precision: str) -> None:
    (made,) = read_settings_file(f"[SESSION]\nSenderCompID=A\nTargetCompID=B\n{line}")
    assert made.TimestampPrecision == precision


def test_a_template_of_another_engine_takes_any_comp_ids() -> None:
    (made,) = read_settings_file("[SESSION]\nAcceptorTemplate=Y\nSenderCompID=*\nTargetCompID=*")
    assert (made.Template, made.SenderCompID, made.TargetCompID) == (True, "", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [("SenderCompID=A", 1), ("[SESSION]\nnonsense", 2), ("[OTHER]\nA=B", 1), ("[SESSION]\n[SESSION", 2)],
)
def test_a_line_that_is_neither_setting_nor_section_is_named(text: str, line: int) -> None:
    with pytest.raises(VerbError, match=f"line {line} of the settings"):
        read_settings_file(text)


def test_a_bad_value_in_a_file_names_the_setting() -> None:
    with pytest.raises(VerbError, match="HeartBtInt"):
        read_settings_file("[SESSION]\nSenderCompID=A\nTargetCompID=B\nHeartBtInt=x")


def test_an_empty_file_has_no_sessions() -> None:
    assert read_settings_file("") == []
    assert read_settings_file("[DEFAULT]\nSenderCompID=A\n") == []
