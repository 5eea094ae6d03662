"""Every setting of a FIX session, from create_session to what its client sees; and the users that OUCH has instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from openoutcry.clients.fix import MessageTimeout
from openoutcry.errors import ClientError, OpenOutcryError, VerbError
from openoutcry.fix.settings import SESSION_SETTINGS
from tests.both_world import SYMBOL, Floor, Test, cannot, shows, wait_for
from tests.fix_gateway_world import FixClient as RawFix
from tests.fix_gateway_world import order
from tests.fix_wire import stamp

OURS = {"SenderCompID": "OO", "TargetCompID": "CLIENT"}
NO_FIX = "OUCH's sessions are those of its users: they have no settings of FIX"
OF_THE_INITIATOR = "a setting of the other end, the initiator: the exchange accepts"
LOGON = "35=A|34=1|98=0|108=30"
cannot(*(f"session {name}" for name in SESSION_SETTINGS), ouch=NO_FIX)
cannot(*(f"session {name}" for name in (
    "SessionQualifier", "ReconnectInterval", "ReconnectIntervalMax", "SocketUseSSL", "SocketCertificateFile",
    "SocketKeyFile", "SocketCAFile", "SocketServerName", "SocketConnectHost", "SocketConnectPort", "Proxy", "Store",
)), fix=OF_THE_INITIATOR)  # fmt: skip
cannot("session FileStoreSync", fix="the gateway's store is synced as the exchange's durability says")
cannot("session RefreshOnLogon", fix="nobody else writes to the gateway's store")
cannot(
    "session LogonTimeout", fix="until the Logon the endpoint's login_timeout_ms holds: whose session it is says that"
)


def fixes(*names: str, verbs: str = "") -> Callable[[Test], Test]:
    """The test shows these settings, over FIX."""
    return shows(*(f"session {name}" for name in names), ouch=NO_FIX, verbs=verbs)


@contextmanager
def connected(floor: Floor, version: str = "fix44", begin: str = "FIX.4.4", **settings: Any) -> Iterator[RawFix]:
    """A raw client at a session with those settings, not yet logged on."""
    endpoint = floor.endpoint("port", version)
    if not floor.exchange.list("fix_sessions"):
        endpoint.create_session(**{**OURS, **settings})
    with RawFix(endpoint.port, begin=begin) as client:
        yield client


@contextmanager
def logged_on(floor: Floor, version: str = "fix44", begin: str = "FIX.4.4", more: str = "", **settings: Any
              ) -> Iterator[RawFix]:  # fmt: skip
    """The same, logged on."""
    with connected(floor, version, begin, **settings) as client:
        client.log_on(more)
        pairs = client.read()
        assert pairs is not None and (35, "A") in pairs, pairs
        yield client


def lives(client: RawFix) -> bool:
    """Whether the session goes on: a TestRequest is answered."""
    client.send("35=1|112=alive")
    while found := client.next():
        if found.startswith("35=0") and "112=alive" in found:
            return True
    return False


# ------------------------------------------------------------------------------------------------- who
@fixes("BeginString", "SenderCompID", "TargetCompID", "SenderSubID", "SenderLocationID", "TargetSubID",
       "TargetLocationID", verbs="create_session delete_session")  # fmt: skip
def test_a_session_is_for_those_it_names(floor: Floor) -> None:
    ids = {"SenderCompID": "EX", "SenderSubID": "A", "SenderLocationID": "B", "TargetCompID": "CL", "TargetSubID": "C",
           "TargetLocationID": "D"}  # fmt: skip
    endpoint = floor.endpoint("port", "fix")
    session = endpoint.create_session(BeginString="FIX.4.2", **ids)
    theirs = {key.replace("Sender", "_").replace("Target", "Sender").replace("_", "Target"): value
              for key, value in ids.items()}  # fmt: skip
    client = floor.exchange.fix_client(endpoint, BeginString="FIX.4.2", **theirs)
    client.buy(SYMBOL, 100, "10").expect_accepted()
    client.close()
    for name, value in (*((name, "OTHER") for name in theirs), ("BeginString", "FIX.4.4")):
        with pytest.raises(ClientError):
            floor.exchange.fix_client(endpoint, **{"BeginString": "FIX.4.2", **theirs, name: value, "timeout": 2})
    session.delete()
    floor.book.expect_best(bid=None)


@fixes("ConnectionType")
def test_the_exchange_accepts(floor: Floor) -> None:
    with pytest.raises(VerbError, match="ConnectionType"):
        floor.endpoint().create_session(**OURS, ConnectionType="initiator")
    with logged_on(floor, ConnectionType="acceptor") as client:
        assert lives(client)


@fixes("DefaultApplVerID")
def test_over_fixt_it_says_the_version_of_its_messages(floor: Floor) -> None:
    settings = {"BeginString": "FIXT.1.1", "DefaultApplVerID": "FIX.5.0SP1"}
    with connected(floor, "fix", "FIXT.1.1", **settings) as client:
        client.log_on("|1137=8")
        client.expect(f"{LOGON}|1137=8")


# ------------------------------------------------------------------------------------------------- when
def clock(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%H:%M:%S")


def day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%A").lower()


# Settings by hours (of times) and days from now, and whether the session is open then.
SCHEDULES: dict[str, tuple[Callable[[], dict[str, str]], bool]] = {
    "today": (lambda: {"StartTime": clock(-2), "EndTime": clock(6)}, True),
    "later": (lambda: {"StartTime": clock(8), "EndTime": clock(12)}, False),
    "never ending": (lambda: {"StartTime": clock(8), "EndTime": clock(12), "NonStopSession": "Y"}, True),
    "in UTC": (lambda: {"StartTime": clock(-2), "EndTime": clock(2), "TimeZone": "UTC"}, True),
    "in Tokyo": (lambda: {"StartTime": clock(-2), "EndTime": clock(2), "TimeZone": "Asia/Tokyo"}, False),
    "this week": (lambda: {"StartTime": clock(-2), "EndTime": clock(-2), "StartDay": day(-1), "EndDay": day(2)}, True),
    "next week": (lambda: {"StartTime": clock(-2), "EndTime": clock(-2), "StartDay": day(2), "EndDay": day(4)}, False),
    "on these days": (lambda: {"Weekdays": f"{day(-1)[:3]},{day(0)[:3]},{day(1)[:3]}"}, True),
    "on other days": (lambda: {"Weekdays": day(3)[:3]}, False),
}


@fixes("StartTime", "EndTime", "TimeZone", "StartDay", "EndDay", "Weekdays", "NonStopSession")
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_session_has_its_times(floor: Floor, schedule: str) -> None:
    settings, open_now = SCHEDULES[schedule]
    with connected(floor, **settings()) as client:
        client.log_on()
        assert (client.read() is not None) == open_now


# ------------------------------------------------------------------------------------------------- liveness
@fixes("HeartBtInt")
def test_an_acceptor_takes_the_initiators_heartbeats(floor: Floor) -> None:
    with connected(floor, HeartBtInt=10) as client:
        client.log_on(heartbeat=1)
        client.expect("35=A|34=1|98=0|108=1", "35=0|34=2")


@fixes("LogoutTimeout", verbs="logout_session")
def test_a_logout_waits_for_its_answer_so_long(floor: Floor) -> None:
    with logged_on(floor, LogoutTimeout=1) as client:
        floor.exchange.logout_session("port", "FIX.4.4:OO->CLIENT", "maintenance")
        client.expect("35=5|34=2|58=maintenance", "")


# ------------------------------------------------------------------------------------------------- sequence numbers
@fixes("ResetOnLogon", "ResetOnLogout", "ResetOnDisconnect")
@pytest.mark.parametrize("name", ["", "ResetOnLogon", "ResetOnLogout", "ResetOnDisconnect"])
def test_numbers_begin_again(floor: Floor, name: str) -> None:
    with logged_on(floor, **({name: "Y"} if name else {})) as client:
        assert lives(client)
        if name == "ResetOnLogout":
            client.send("35=5")
            assert client.read() is not None
    wait_for(lambda: not floor.exchange.list("sessions")[0]["connection"])
    with connected(floor) as client:
        client.number = 1 if name else 3
        client.log_on()
        client.expect(LOGON if name else LOGON.replace("34=1", "34=3"))


@shows(ouch=NO_FIX, verbs="reset_session set_sequence")
def test_an_operator_puts_numbers_right(floor: Floor) -> None:
    with logged_on(floor) as client:
        floor.exchange.reset_session("port", "FIX.4.4:OO->CLIENT")
        while client.next():
            pass
    with logged_on(floor):
        pass
    wait_for(lambda: not floor.exchange.list("sessions")[0]["connection"])
    floor.exchange.set_sequence("port", "FIX.4.4:OO->CLIENT", 9, 17)
    with connected(floor) as client:
        client.number = 17
        client.log_on()
        client.expect(LOGON.replace("34=1", "34=9"))


@fixes("PersistMessages")
@pytest.mark.parametrize("keeps", ["Y", "N"])
def test_a_resend_is_a_gap_fill_when_nothing_is_kept(floor: Floor, keeps: str) -> None:
    with logged_on(floor, PersistMessages=keeps) as client:
        client.order("a")
        assert client.read() is not None
        client.send("35=2|7=1|16=0")
        first = client.next()
        if keeps == "N":
            assert first == "35=4|34=1|43=Y|122=*|36=3|123=Y"
        else:
            assert first == "35=4|34=1|43=Y|122=*|36=2|123=Y"
            assert client.next().startswith("35=8|34=2|43=Y")


@fixes("MaxMessagesInResendRequest", "SendRedundantResendRequests")
@pytest.mark.parametrize(("settings", "asked"), [
    ({}, ["35=2|34=2|7=2|16=0"]), ({"MaxMessagesInResendRequest": 3}, ["35=2|34=2|7=2|16=4"]),
    ({"SendRedundantResendRequests": "Y"}, ["35=2|34=2|7=2|16=0", "35=2|34=3|7=2|16=0"]),
])  # fmt: skip
def test_what_is_missing_is_asked_for(floor: Floor, settings: dict[str, Any], asked: list[str]) -> None:
    with logged_on(floor, **settings) as client:
        client.send("35=0|34=10", "35=0|34=11")
        client.expect(*asked)
        client.send("35=1|34=12|112=x")  # it waits behind what is missing
        client.send("35=4|34=2|43=Y|122=" + stamp() + "|123=Y|36=12")
        while "112=x" not in client.next():
            pass


@fixes("EnableNextExpectedMsgSeqNum", "EnableLastMsgSeqNumProcessed")
def test_numbers_that_are_said_beside_the_own(floor: Floor) -> None:
    with connected(floor, EnableNextExpectedMsgSeqNum="Y", EnableLastMsgSeqNumProcessed="Y") as client:
        client.log_on("|789=1")
        client.expect("35=A|34=1|369=0|98=0|108=30|789=2")


# ------------------------------------------------------------------------------------------------- checks
@fixes("CheckCompID", "CheckLatency", "MaxLatency", "ValidateFieldsOutOfOrder", "ValidateFieldsHaveValues",
       "ValidateUserDefinedFields", "AllowUnknownMsgFields", "UseDataDictionary",
       "RequiresOrigSendingTime")  # fmt: skip
@pytest.mark.parametrize(("text", "setting"), [
    ("35=1|112=p|49=OTHER", {"CheckCompID": "N"}),
    ("35=1|112=p|52=LATE", {"CheckLatency": "N"}),
    ("35=1|112=p|52=LATE", {"MaxLatency": 3600}),
    ("35=1|112=p|50=SUB", {"ValidateFieldsOutOfOrder": "N"}),
    ("35=5|58=", {"ValidateFieldsHaveValues": "N"}),
    ("35=1|112=p|6000=x", {"ValidateUserDefinedFields": "N"}),
    ("35=1|112=p|55=AAPL", {"AllowUnknownMsgFields": "Y"}),
    ("35=1|112=p|999=x", {"UseDataDictionary": "N"}),
    ("35=0|34=1|43=Y", {"RequiresOrigSendingTime": "N"}),
], ids=str)  # fmt: skip
def test_what_is_checked_can_be_let_through(floor: Floor, text: str, setting: dict[str, Any]) -> None:
    for settings, refused in (({}, True), (setting, False)):
        with logged_on(floor, **settings) as client:
            data = client.message(text)
            for said, other in (("49=OTHER", b"49=CLIENT\x01"), ("52=LATE", b"52=")):
                if said in text:
                    data = twisted(client, text, said, other)
            client.socket.sendall(data)
            client.send("35=1|112=next")
            assert client.next().startswith("35=3") == refused
        floor.exchange.delete_session("port", "FIX.4.4:OO->CLIENT")


def twisted(client: RawFix, text: str, said: str, other: bytes) -> bytes:
    """A message whose header says something else."""
    from tests.fix_wire import framed

    ours = "OTHER" if said.startswith("49") else client.ours
    time = stamp(-1_800) if said.startswith("52") else stamp()
    head = ["8=FIX.4.4", "35=1", f"34={client.number - 1}", f"49={ours}", f"52={time}", f"56={client.theirs}"]
    return framed([*head, *(each for each in text.split("|")[1:] if each != said)])


@fixes("ValidateLengthAndChecksum")
@pytest.mark.parametrize("checks", ["Y", "N"])
def test_a_wrong_checksum_is_passed_over(floor: Floor, checks: str) -> None:
    with logged_on(floor, ValidateLengthAndChecksum=checks) as client:
        data = client.message("35=1|112=p")
        client.socket.sendall(data[:-4] + b"%03d\x01" % ((int(data[-4:-1]) + 1) % 256))
        if checks == "Y":
            client.number -= 1
            client.send("35=1|112=q")
        assert client.next() == f"35=0|34=2|112={'q' if checks == 'Y' else 'p'}"


@fixes("DataDictionary")
def test_a_dictionary_of_ones_own(floor: Floor) -> None:
    with logged_on(floor, DataDictionary="FIX42.xml") as client:
        client.send("35=AF|584=1|585=7")  # OrderMassStatusRequest came with 4.3
        assert client.next().startswith("35=3|34=2")


@fixes("TransportDataDictionary", "AppDataDictionary")
@pytest.mark.parametrize(("dictionary", "answer"), [("FIX50SP2.xml", "35=8"), ("FIX50.xml", "35=3")])
def test_dictionaries_of_both_layers(floor: Floor, dictionary: str, answer: str) -> None:
    settings = {"BeginString": "FIXT.1.1", "TransportDataDictionary": "FIXT11.xml", "AppDataDictionary": dictionary}
    with logged_on(floor, "fix", "FIXT.1.1", "|1137=9", **settings) as client:
        client.send("35=1|112=p")
        client.expect("35=0|34=2|112=p")
        client.send(order("a", more="").replace("|21=1", "") + "|59=A|1629=60")  # ExposureDuration came with 5.0SP2
        assert client.next().startswith(answer)


@fixes("TimestampPrecision")
@pytest.mark.parametrize(("precision", "size"), [("seconds", 17), ("millis", 21), ("micros", 24), ("nanos", 27)])
def test_time_stamps_are_as_precise_as_wanted(floor: Floor, precision: str, size: int) -> None:
    with connected(floor, TimestampPrecision=precision) as client:
        client.log_on()
        pairs = client.read()
        assert pairs is not None and len(dict(pairs)[52]) == size


# ------------------------------------------------------------------------------------------------- limits
@fixes("MaxMessageSize")
def test_a_message_has_so_many_bytes_at_most(floor: Floor) -> None:
    with logged_on(floor, MaxMessageSize=600) as client:
        client.send("35=1|112=p")
        client.expect("35=0|34=2|112=p")
        client.send(f"35=1|112={'x' * 600}")
        client.number -= 1  # it was passed over
        assert lives(client)


@fixes("MaxMessagesPerSecond")
def test_more_messages_are_refused(floor: Floor) -> None:
    with logged_on(floor, MaxMessagesPerSecond=2) as client:
        for token in "abcde":
            client.order(token)
        kinds = [client.next()[:4] for _ in range(5)]
        assert kinds.count("35=j") >= 1 and kinds[0] == "35=8"


@fixes("AllowedRemoteAddresses", verbs="set_session_property")
def test_only_some_addresses_may_log_on(floor: Floor) -> None:
    with connected(floor, AllowedRemoteAddresses="10.0.0.0/8") as client:
        client.log_on()
        assert client.next() == ""
    floor.exchange.set_session_property("port", "FIX.4.4:OO->CLIENT", "AllowedRemoteAddresses", "127.0.0.0/8")
    with logged_on(floor) as client:
        assert lives(client)


@fixes("FileLogPath")
def test_messages_are_logged(floor: Floor, tmp_path: Path) -> None:
    with logged_on(floor, FileLogPath=str(tmp_path / "log")) as client:
        assert lives(client)
    (file,) = (tmp_path / "log").iterdir()
    wait_for(lambda: "112=alive" in file.read_text())


# ------------------------------------------------------------------------------------------------- whose it is
@fixes("Username", verbs="create_user delete_user")
def test_a_session_is_bound_to_a_user(floor: Floor) -> None:
    for name in ("ann", "bob"):
        floor.exchange.create_user(name, "secret")
    with connected(floor, Username="ann") as client:
        client.log_on("|553=bob|554=secret")
        assert client.next().startswith("35=5")
    with connected(floor) as client:
        client.number = 2
        client.log_on("|553=ann|554=secret")
        assert client.next().startswith("35=A")
    floor.exchange.delete_user("ann")
    floor.exchange.delete_user("bob")


@shows(verbs="create_user delete_user")
def test_users_log_in_with_their_passwords_and_trade_for_their_accounts(floor: Floor) -> None:
    floor.exchange.create_user("ann", "secret", floor.endpoint(), "PENSIONS", "ACME")
    floor.engine.set_limit("firm", "ACME", "max_quantity", 10)

    def client(password: str) -> Any:
        named: dict[str, Any] = {"username": "ann"} if floor.is_fix else {}
        return floor.client("ann", password=password, **named)

    with pytest.raises(ClientError):
        client("wrong")
    client("secret").buy(SYMBOL, 11, "10").expect_rejected("max quantity")
    floor.exchange.close_clients()
    floor.exchange.delete_user("ann")
    floor.client("BOB").buy(SYMBOL, 11, "10").expect_accepted()


@fixes("Account")
def test_its_orders_have_its_account(floor: Floor) -> None:
    floor.engine.set_limit("account", "PENSIONS", "max_quantity", 10)
    with logged_on(floor, Account="PENSIONS") as client:
        client.order("a", 11)
        assert "39=8" in client.next()


@fixes("CancelOnDisconnect")
def test_its_orders_go_with_its_connection(floor: Floor) -> None:
    with logged_on(floor, CancelOnDisconnect="Y") as client:
        client.order("a")
        assert "39=0" in client.next()
        floor.book.expect_best(bid=("100", 100))
    floor.book.expect_best(bid=None)


@fixes("DropCopy", "DropCopyAccount")
def test_a_session_gets_copies_of_others_reports(floor: Floor) -> None:
    endpoint = floor.endpoint("port", "fix44")
    for name, more in {"ALL": {"DropCopy": "all"}, "ONE": {"DropCopy": "account", "DropCopyAccount": "BOB"},
                       "ANN": {}, "BOB": {}}.items():  # fmt: skip
        endpoint.create_session(SenderCompID="EXCHANGE", TargetCompID=name, **more)
    everything, one, ann, bob = (floor.fix_client(name) for name in ("ALL", "ONE", "ANN", "BOB"))
    mine = ann.buy(SYMBOL, 100, "10").expect_accepted()
    other = bob.buy(SYMBOL, 100, "9").expect_accepted()
    assert [everything.next("ExecutionReport")["ClOrdID"] for _ in range(2)] == [mine.name, other.name]
    assert one.next("ExecutionReport")["ClOrdID"] == other.name
    with pytest.raises(MessageTimeout):
        one.next("ExecutionReport", timeout=0.0)


@fixes("Template", "Approval")
def test_a_template_is_for_whoever_was_not_set_up(floor: Floor) -> None:
    endpoint = floor.endpoint("port", "fix44")
    endpoint.create_session(SenderCompID="EXCHANGE", TargetCompID="KNOWN")
    with pytest.raises(OpenOutcryError):
        floor.client("STRANGER", timeout=2)
    endpoint.create_session(Template="Y", Account="HOUSE")
    floor.engine.set_limit("account", "HOUSE", "max_quantity", 10)
    floor.client("STRANGER").buy(SYMBOL, 11, "10").expect_rejected("max quantity")
    floor.exchange.set_session_property(endpoint, "FIX.4.4:->", "Approval", "nobody-has-registered-it")
    with pytest.raises(OpenOutcryError):
        floor.client("OTHER", timeout=2)


@fixes("Profile")
def test_an_engine_that_cannot_take_a_gap_fill_is_spared_it(floor: Floor) -> None:
    with logged_on(floor, Profile="jetblack") as client:
        client.send("35=2|7=1|16=0", "35=1|112=alive")
        client.expect("35=0|34=2|112=alive")
