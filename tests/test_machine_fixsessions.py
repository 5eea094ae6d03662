"""The verbs about FIX sessions: what is stored, what the gateway is told, and what wins over what."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry import wire as w
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.matcher import fixsessions
from openoutcry.matcher.machine import Machine
from tests.machine_world import World, enter, market, submit

NAME = "FIX.4.2:ISLD->TW42"
GIVEN = {"BeginString": "FIX.4.2", "SenderCompID": "ISLD", "TargetCompID": "TW42"}


@pytest.fixture
def world() -> World:
    world = market()
    world.verb("create_endpoint", "fix", "main", "fix", "gateway-1")
    world.send("gateway-1", (w.BOUND, "fix", "127.0.0.1", 5000, ""))
    world.take_all()
    return world


def create(world: World, **settings: Any) -> Any:
    return world.verb("create_session", "fix", **(GIVEN | settings))


def listed(world: World) -> Any:
    return world.machine.query("list", {"kind": "fix_sessions"})


# ------------------------------------------------------------------------------------------------- setting up
def test_a_session_is_named_by_both_ends_and_its_gateway_is_told_what_was_given(world: World) -> None:
    row = create(world, ResetOnLogon="Y", DataDictionary="FIX42.xml")
    settings = GIVEN | {"ResetOnLogon": True, "DataDictionary": "FIX42.xml"}
    assert row == {"endpoint": "fix", "name": NAME, "logged_on": False, **settings}
    assert listed(world) == [row]
    assert world.take() == [(w.SESSION_SET, "fix", NAME, tuple(sorted(settings.items())))]


def test_subs_and_locations_are_part_of_the_name(world: World) -> None:
    row = create(world, SenderSubID="S", TargetSubID="T", TargetLocationID="L")
    assert row["name"] == "FIX.4.2:ISLD/S->TW42/T/L"


def test_a_version_may_be_named_by_its_code(world: World) -> None:
    world.verb("create_endpoint", "one", "main", "fix50sp2", "gateway-1")
    row = world.verb("create_session", "one", SenderCompID="A", TargetCompID="B", DefaultApplVerID="9")
    assert (row["BeginString"], row["DefaultApplVerID"]) == ("FIXT.1.1", "FIX.5.0SP2")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"SenderCompID": ""}, ("bad_argument", "SenderCompID")),
        ({"TargetCompID": ""}, ("bad_argument", "TargetCompID")),
        ({"ConnectionType": "initiator"}, ("bad_argument", "ConnectionType")),
        ({"SessionQualifier": "2"}, ("bad_argument", "SessionQualifier")),
        ({"DropCopy": "account"}, ("bad_argument", "DropCopyAccount")),
        ({f"{end}{what}ID": "x" * 48 for end in ("Sender", "Target") for what in ("Comp", "Sub")},
         ("limit", "SenderCompID")),
    ],
)  # fmt: skip
def test_settings_that_make_no_session_are_refused(world: World, settings: Any, error: Any) -> None:
    assert create(world, **settings) == error
    assert (listed(world), world.take()) == ([], [])


def test_a_name_is_there_once_and_an_endpoint_has_one_template(world: World) -> None:
    create(world)
    assert create(world, HeartBtInt=5) == ("exists", "TargetCompID")
    assert world.verb("create_session", "fix", Template="Y")["name"] == "FIX.4.4:->"
    assert world.verb("create_session", "fix", Template="Y", SenderCompID="X") == ("exists", "Template")


def test_there_is_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixsessions, "FIX_SESSIONS_MAX", 1)
    create(world)
    assert create(world, TargetCompID="OTHER") == ("limit", "endpoint")


def test_sessions_are_for_fix_endpoints_alone(world: World) -> None:
    for verb, arguments in (
        ("create_session", ()), ("delete_session", (NAME,)), ("reset_session", (NAME,)),
        ("set_session_property", (NAME, "HeartBtInt", 5)),
    ):  # fmt: skip
        assert world.verb(verb, "orders", *arguments) == ("bad_argument", "endpoint")
        assert world.verb(verb, "none", *arguments) == ("unknown_name", "endpoint")


@pytest.mark.parametrize(("protocol", "version"), sorted(fixsessions.VERSIONS.items()))
def test_an_endpoint_of_one_version_has_sessions_of_that_version(world: World, protocol: str, version: str) -> None:
    world.verb("create_endpoint", "one", "main", protocol, "gateway-1")
    row = world.verb("create_session", "one", SenderCompID="A", TargetCompID="B")
    fixt = version.startswith("FIX.5")
    assert row["BeginString"] == ("FIXT.1.1" if fixt else version)
    assert row.get("DefaultApplVerID") == (version if fixt else None)
    other = "FIX.4.1" if version != "FIX.4.1" else "FIX.4.4"
    answer = world.verb("create_session", "one", BeginString=other, SenderCompID="A", TargetCompID="C")
    assert answer == ("bad_argument", "BeginString")
    if fixt:
        answer = world.verb("set_session_property", "one", row["name"], "DefaultApplVerID", "FIX.4.4")
        assert answer == ("bad_argument", "value")


def test_every_protocol_that_can_be_asked_for_is_fix_or_ouch(world: World) -> None:
    for number, protocol in enumerate(fixsessions.FIX_PROTOCOLS):
        world.verb("create_endpoint", f"e{number}", "main", protocol, "gateway-1")
    assert world.verb("create_endpoint", "e", "main", "fix45", "gateway-1") == ("bad_argument", "protocol")


# ------------------------------------------------------------------------------------------------- changing
def test_a_setting_is_changed_and_the_gateway_is_told(world: World) -> None:
    create(world)
    world.take()
    row = world.verb("set_session_property", "fix", NAME, "HeartBtInt", "5")
    assert row == {"endpoint": "fix", "name": NAME, "logged_on": False, **GIVEN, "HeartBtInt": 5}
    assert world.take() == [(w.SESSION_SET, "fix", NAME, tuple(sorted((GIVEN | {"HeartBtInt": 5}).items())))]


@pytest.mark.parametrize("name", fixsessions.FIXED)
def test_what_makes_a_session_the_one_it_is_cannot_be_changed(world: World, name: str) -> None:
    create(world)
    value = {"choice": SESSION_SETTINGS[name].choices[:1] or ("",), "bool": (True,)}.get(
        SESSION_SETTINGS[name].type, ("x",)
    )
    assert world.verb("set_session_property", "fix", NAME, name, value[0]) == ("bad_argument", "name")


def test_a_change_that_makes_no_sense_is_refused(world: World) -> None:
    create(world)
    world.take()
    for name, value, field in (("Colour", 1, "name"), ("HeartBtInt", 0, "value"), ("DropCopy", "account", "value")):
        assert world.verb("set_session_property", "fix", NAME, name, value) == ("bad_argument", field)
    assert world.verb("set_session_property", "fix", "nobody", "HeartBtInt", 5) == ("unknown_name", "session")
    assert world.take() == []


# ------------------------------------------------------------------------------------------------- gateways
def test_a_gateway_is_told_the_sessions_before_their_endpoint() -> None:
    world = World()
    world.verb("create_engine", "main")
    world.verb("create_endpoint", "fix", "main", "fix")  # there is no gateway yet
    assert world.verb("reset_session", "fix", NAME) == ("unknown_name", "session")
    create(world)
    assert world.verb("reset_session", "fix", NAME) == ("wrong_state", "endpoint")
    world.hello("gateway-1")
    assert [event[:3] for event in world.take()] == [(w.SESSION_SET, "fix", NAME), (w.ENDPOINT_SET, "fix", "main")]


def test_orders_to_the_gateway_about_sequence_numbers_and_clients(world: World) -> None:
    create(world)
    world.take()
    world.verb("reset_session", "fix", NAME)
    world.verb("set_sequence", "fix", NAME, 7)
    world.verb("set_sequence", "fix", NAME, next_in=9)
    assert world.verb("logout_session", "fix", NAME) == ("wrong_state", "session")
    assert world.verb("set_sequence", "fix", NAME) == ("bad_argument", "next_out")
    assert world.take() == [
        (w.SESSION_ORDERED, "fix", NAME, "reset", 0, 0, ""), (w.SESSION_ORDERED, "fix", NAME, "set", 7, 0, ""),
        (w.SESSION_ORDERED, "fix", NAME, "set", 0, 9, ""),
    ]  # fmt: skip
    world.log_on("fix", NAME, 7)
    world.take()
    assert listed(world)[0]["logged_on"] is True
    assert world.verb("set_sequence", "fix", NAME, 7) == ("wrong_state", "session")
    world.verb("logout_session", "fix", NAME, "maintenance")
    world.verb("reset_session", "fix", NAME)
    assert world.take() == [
        (w.SESSION_ORDERED, "fix", NAME, "logout", 0, 0, "maintenance"),
        (w.SESSION_ORDERED, "fix", NAME, "reset", 0, 0, ""),
    ]


def test_a_session_that_nobody_set_up_can_be_ordered_about_once_it_has_logged_on_but_a_template_never(
    world: World,
) -> None:
    template = world.verb("create_session", "fix", Template=True)["name"]
    for verb in ("reset_session", "logout_session"):
        assert world.verb(verb, "fix", template) == ("bad_argument", "session")
        assert world.verb(verb, "fix", NAME) == ("unknown_name", "session")
    world.log_on("fix", NAME, 7)
    for verb in ("reset_session", "logout_session"):
        assert world.verb(verb, "fix", NAME) == {"endpoint": "fix", "name": NAME}


# ------------------------------------------------------------------------------------------------- deleting
def test_deleting_a_session_cancels_its_orders_and_forgets_it(world: World) -> None:
    create(world)
    number = world.log_on("fix", NAME, 7)
    world.send("gateway-1", enter(number, b"a"), (w.AGAIN, number))
    world.take()
    assert world.verb("delete_session", "fix", NAME) == {"endpoint": "fix", "name": NAME}
    assert world.take() == [
        (w.CANCELED, number, b"a", 100, w.CANCEL_SUPERVISORY, 0), (w.SESSION_DELETED, "fix", NAME),
    ]  # fmt: skip
    assert listed(world) == [] and number not in world.machine.sessions
    assert world.verb("delete_session", "fix", NAME) == ("unknown_name", "session")
    assert Machine.load(world.machine.dump()).dump() == world.machine.dump()


def test_a_session_with_orders_that_outlive_the_day_is_not_deleted_before_the_next_one(world: World) -> None:
    number = world.log_on("fix", NAME, 7)
    world.send("gateway-1", enter(number, b"a", tif=w.GTC))
    world.verb("end_of_day", "main")
    assert world.verb("delete_session", "fix", NAME) == ("wrong_state", "session")


def test_sessions_go_with_their_endpoint(world: World) -> None:
    create(world)
    world.verb("delete_endpoint", "fix")
    world.verb("create_endpoint", "fix", "main", "fix", "gateway-1")
    assert listed(world) == []


# ------------------------------------------------------------------------------------------------- whose orders
@pytest.mark.parametrize(
    ("settings", "logon", "account", "firm"),
    [
        ({}, "", NAME, ""), ({}, "TW42", "TW42", ""), ({"Account": "fund"}, "TW42", "fund", ""),
        ({"Username": "Ann"}, "", "ann-1", "ACME"), ({"Username": "ann"}, "TW42", "TW42", "ACME"),
        ({"Username": "ann", "Account": "fund"}, "", "fund", "ACME"), ({"Username": "who"}, "", NAME, ""),
    ],
)  # fmt: skip
def test_the_account_is_the_sessions_else_the_logons_else_the_users(
    world: World, settings: Any, logon: str, account: str, firm: str
) -> None:
    world.verb("create_user", "ann", "hash", None, "ann-1", "ACME")
    create(world, **settings)
    world.send("gateway-1", (w.LOGON, "fix", NAME, 7, logon))
    session = next(s for s in world.machine.sessions.values() if s.user == NAME)
    assert (session.account, session.firm) == (account, firm)


def test_the_firm_is_that_of_the_user_who_gave_the_password(world: World) -> None:
    world.verb("create_user", "ann", "hash", None, "ann-1", "ACME")
    world.verb("create_user", "bob", "hash", "orders", "bob-1", "OTHER")  # of another endpoint
    create(world)
    found = []
    for connection, login in enumerate(("ANN", "BOB", "NOBODY"), 7):
        world.send("gateway-1", (w.LOGON_AS, "fix", NAME, connection, "x", login))
        session = next(s for s in world.machine.sessions.values() if s.user == NAME)
        found.append((session.connection, session.account, session.firm))
    assert found == [(7, "x", "ACME"), (8, "x", ""), (9, "x", "")]
    assert Machine.load(world.machine.dump()).dump() == world.machine.dump()


@pytest.mark.parametrize("template", [False, True])
@pytest.mark.parametrize(("of_endpoint", "of_session"), [(True, False), (False, True), (True, None), (False, None)])
def test_a_sessions_own_cancel_on_disconnect_wins(
    world: World, of_endpoint: bool, of_session: bool | None, template: bool
) -> None:
    world.verb("set_protocol_property", "fix", "cancel_on_disconnect", of_endpoint)
    settings = {} if of_session is None else {"CancelOnDisconnect": of_session}
    if template:
        world.verb("create_session", "fix", Template=True, **settings)
    else:
        create(world, **settings)
    number = world.log_on("fix", NAME, 7)
    world.send("gateway-1", enter(number, b"a"), submit(number, b"b", keep=1))
    world.send("gateway-1", (w.LOGOFF, number, 7))
    goes = of_endpoint if of_session is None else of_session
    assert list(world.machine.sessions[number].live) == ([b"b"] if goes else [b"a", b"b"])


# ------------------------------------------------------------------------------------------------- state
def test_sessions_are_in_the_snapshot(world: World) -> None:
    create(world, HeartBtInt=5)
    world.verb("create_session", "fix", Template=True, Account="x")
    loaded = Machine.load(world.machine.dump())
    assert loaded.dump() == world.machine.dump()
    assert loaded.query("list", {"kind": "fix_sessions"}) == listed(world)


def test_all_settings_at_their_longest_fit_the_bus(world: World) -> None:
    long = {p.name: "x" * p.high for p in SESSION_SETTINGS.values() if p.type == "text"}
    long |= {f"{end}{what}ID": "" for end in ("Sender", "Target") for what in ("Sub", "Location")}
    long |= {"SessionQualifier": "", "SenderCompID": "x" * 48, "TargetCompID": "y" * 48}
    assert "name" in world.verb("create_session", "fix", **long)
    assert len(w.pack(world.take())) < w.FRAME_MAX
