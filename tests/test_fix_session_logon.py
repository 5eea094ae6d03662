"""How a FIX session begins: the Logon from both sides, resets, NextExpectedMsgSeqNum, versions."""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry.fix.gaps import QUEUE_MAX
from openoutcry.fix.message import Message
from openoutcry.fix.session import Session
from openoutcry.fix.states import State
from openoutcry.fix.store import MemoryStore
from tests.fix_session_peer import LOGON, MONDAY, SECOND, World

SENT_NOTHING = ["CLOSE"]


def answer_to(line: str, **settings: Any) -> list[str]:
    """What an acceptor with a dictionary says to a first message."""
    w = World(**{"UseDataDictionary": "Y", **settings})
    assert w.connect() == []
    return w.hear(line)


def with_numbers(next_out: int, next_in: int) -> MemoryStore:
    """A store of a session that has been on before: what it sent were orders."""
    store = MemoryStore(MONDAY)
    before = World(store)
    for number in range(1, next_out):
        before.send(f"D|11=m{number}")
    store.set_next_in(next_in)
    return store


def waits(session: Session, message: Message, now: int) -> None:
    """A host that has not made up its mind."""


# ------------------------------------------------------------------------------------------------- acceptor
def test_1a_a_logon_is_answered_by_a_logon() -> None:
    w = World()
    assert w.connect() == []
    assert w.hear("35=A|34=1|98=0|108=17") == ["35=A|34=1|98=0|108=17"]
    assert (w.session.state, w.session.live, w.numbers, w.taken) == (State.LOGGED_ON, True, (2, 2), ["logged on"])


def test_the_host_need_not_say_that_an_acceptor_is_connected() -> None:
    assert World().hear(LOGON) == ["35=A|34=1|98=0|108=30"]


def test_1a_a_logon_whose_number_is_too_high_is_answered_and_the_gap_asked_for() -> None:
    w = World()
    assert w.hear("35=A|34=5|98=0|108=30") == ["35=A|34=1|98=0|108=30", "35=2|34=2|7=1|16=0"]
    assert w.hear("35=D|34=6|11=f", "35=4|34=1|43=Y|122=20261123-12:00:00|123=Y|36=5") == []
    assert (w.orders(), w.numbers) == (["f"], (3, 7))


def test_1a_a_logon_whose_number_is_too_low_is_refused_with_a_logout() -> None:
    w = World(with_numbers(4, 9))
    assert w.hear(LOGON) == ["35=5|34=4|58=MsgSeqNum too low, expecting 9 but received 1", "CLOSE"]
    assert w.taken == []


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("35=A|34=1|49=OTHER|98=0|108=30", {}),
        ("35=A|34=1|56=OTHER|98=0|108=30", {}),
        ("35=A|34=1|52=20261123-11:57:00|98=0|108=30", {}),
        ("35=A|34=1|52=noon|98=0|108=30", {}),
        ("8=FIX.4.3|35=A|34=1|98=0|108=30", {}),
        ("35=A|34=1|98=0", {}),
        ("35=A|34=1|98=0|108=-1", {}),
        ("35=A|34=1|98=0|108=99999999999", {}),
        ("35=A|34=1|98=0|108=30|4999=x", {}),
        ("35=A|98=0|108=30", {}),
        ("35=A|34=1|98=0|108=30", {"BeginString": "FIXT.1.1"}),
        ("35=A|34=1|98=0|108=30|1137=77", {"BeginString": "FIXT.1.1"}),
    ],
)
@pytest.mark.parametrize("dictionary", ["Y", "N"])
def test_1c_1d_a_bad_logon_ends_the_connection_without_a_word(
    line: str, settings: dict[str, Any], dictionary: str
) -> None:
    if dictionary == "N" and "4999" in line:
        return
    w = World(**settings, UseDataDictionary=dictionary)
    assert w.hear(line) == SENT_NOTHING
    assert (w.numbers, w.taken) == ((1, 1), [])


@pytest.mark.parametrize("kind", ["0", "1", "2", "3", "4", "5", "D", "ZZ"])
def test_1e_a_first_message_that_is_no_logon_ends_the_connection_without_a_word(kind: str) -> None:
    assert answer_to(f"35={kind}|34=1|36=9|45=1|112=x|7=1|16=0|11=a") == SENT_NOTHING


def test_an_acceptor_that_hears_no_logon_gives_up() -> None:
    w = World(LogonTimeout=7)
    w.connect()
    assert w.wait(60) == ["7.0: CLOSE"]


def test_nothing_changes_before_the_host_has_let_the_peer_in() -> None:
    w = World(with_numbers(4, 9), judge=waits)
    assert w.hear("35=A|34=1|98=0|108=30|141=Y") == []
    assert (w.session.state, w.numbers, w.session.live) == (State.LOGON_JUDGED, (4, 9), False)
    w.session.approve(w.now)
    assert w.said() == ["35=A|34=1|98=0|108=30|141=Y"]
    assert w.numbers == (2, 2)


def test_the_host_may_refuse_with_a_text() -> None:
    w = World(judge=lambda session, message, now: session.refuse("who are you?", now))
    assert w.hear(LOGON) == ["35=5|34=1|58=who are you?", "CLOSE"]
    assert (w.numbers, w.taken) == ((2, 1), [])


def test_the_host_may_refuse_without_a_word() -> None:
    w = World(judge=lambda session, message, now: session.refuse("", now))
    assert w.hear(LOGON) == SENT_NOTHING


def test_what_follows_the_logon_is_heard_when_it_is_approved() -> None:
    w = World(judge=waits)
    assert w.hear(LOGON, "35=D|34=2|11=a", "35=1|34=3|112=x") == []
    w.session.approve(w.now)
    assert w.said() == ["35=A|34=1|98=0|108=30", "35=0|34=2|112=x"]
    assert w.taken == ["logged on", "35=D|34=2|11=a"]


def test_what_follows_the_logon_is_bounded() -> None:
    w = World(judge=waits)
    w.hear(LOGON)
    assert w.hear(*["35=0|34=2"] * (QUEUE_MAX + 1)) == SENT_NOTHING


def test_an_approval_that_comes_too_late_does_nothing() -> None:
    w = World(judge=waits)
    w.hear(LOGON)
    w.lose()
    w.session.approve(w.now)
    w.session.refuse("no", w.now)
    assert (w.said(), w.session.state) == ([], State.DISCONNECTED)


def test_a_second_logon_ends_the_session() -> None:
    w = World().logged_on()
    assert w.hear("35=A|34=2|98=0|108=30") == ["CLOSE"]


def test_a_second_logon_that_is_not_valid_is_rejected_before_that() -> None:
    w = World(BeginString="FIXT.1.1", UseDataDictionary="Y").logged_on("35=A|34=1|98=0|108=30|1137=9")
    assert w.hear("35=A|34=2|98=0|108=30") == ["35=3|34=2|45=2|58=Required tag missing|371=1137|372=A|373=1", "CLOSE"]


# ------------------------------------------------------------------------------------------------- resets
def test_session_reset_by_the_flag_begins_at_1_both_ways() -> None:
    w = World(with_numbers(40, 50))
    assert w.hear("35=A|34=1|98=0|108=30|141=Y") == ["35=A|34=1|98=0|108=30|141=Y"]
    assert (w.numbers, list(w.store.read(1, 99))) == ((2, 2), [])


def test_session_reset_in_the_middle_begins_at_1_both_ways() -> None:
    w = World().logged_on()
    w.send("D|11=mine")
    w.hear("35=D|34=2|11=a", "35=D|34=5|11=early")
    assert w.hear("35=A|34=1|98=0|108=30|141=Y") == ["35=A|34=1|98=0|108=30|141=Y"]
    assert w.hear("35=D|34=2|11=b") == []
    assert (w.orders(), w.numbers) == (["a", "b"], (2, 3))
    assert w.send("D|11=mine") == ["35=D|34=2|11=mine"]


def test_a_flag_that_says_n_resets_nothing() -> None:
    w = World(with_numbers(4, 5))
    assert w.hear("35=A|34=5|98=0|108=30|141=N") == ["35=A|34=4|98=0|108=30"]


def test_reset_on_logon_begins_at_1_whatever_the_peer_says() -> None:
    w = World(with_numbers(40, 50), ResetOnLogon="Y")
    assert w.hear(LOGON) == ["35=A|34=1|98=0|108=30"]


def test_refresh_on_logon_reads_the_store_anew() -> None:
    class Shared(MemoryStore):
        def refresh(self) -> None:
            self.next_out, self.next_in = 7, 8

    w = World(Shared(MONDAY), RefreshOnLogon="Y")
    assert w.hear("35=A|34=8|98=0|108=30") == ["35=A|34=7|98=0|108=30"]


# ------------------------------------------------------------------------------------------------- 789
def with_789(next_out: int, next_in: int, **settings: Any) -> World:
    given = {"BeginString": "FIX.4.4", "EnableNextExpectedMsgSeqNum": "Y", **settings}
    return World(with_numbers(next_out, next_in), **given)


def test_789_the_answer_says_what_is_expected_next() -> None:
    assert with_789(1, 1).hear(LOGON + "|789=1") == ["35=A|34=1|98=0|108=30|789=2"]
    assert with_789(1, 1).hear(LOGON) == ["35=A|34=1|98=0|108=30|789=2"]


def test_789_what_the_peer_has_not_got_is_sent_again_unasked() -> None:
    w = with_789(4, 9)
    assert w.hear("35=A|34=9|98=0|108=30|789=2") == [
        "35=A|34=4|98=0|108=30|789=10",
        "35=D|34=2|43=Y|122=T|11=m2",
        "35=D|34=3|43=Y|122=T|11=m3",
        "35=4|34=4|43=Y|122=T|36=5|123=Y",
    ]


def test_789_what_we_have_not_got_is_not_asked_for_again() -> None:
    w = with_789(4, 9)
    assert w.hear("35=A|34=12|98=0|108=30|789=4") == ["35=A|34=4|98=0|108=30|789=9"]
    assert w.hear("35=D|34=13|11=x", "35=4|34=9|43=Y|122=20261123-12:00:00|123=Y|36=12") == []
    assert (w.orders(), w.numbers) == (["x"], (5, 14))


def test_789_asks_for_everything_at_once() -> None:
    w = with_789(4, 9, MaxMessagesInResendRequest=2)
    assert w.hear("35=A|34=14|98=0|108=30|789=4") == ["35=A|34=4|98=0|108=30|789=9"]
    assert w.hear(*(f"35=D|34={n}|43=Y|122=20261123-12:00:00|11=m{n}" for n in range(9, 14))) == []
    assert w.numbers == (5, 15)


def test_789_a_number_that_we_have_not_come_to_ends_the_session() -> None:
    w = with_789(4, 9)
    assert w.hear("35=A|34=9|98=0|108=30|789=7") == [
        "35=5|34=4|58=NextExpectedMsgSeqNum too high, expecting 4 but received 7",
        "CLOSE",
    ]


def test_789_is_honoured_even_where_we_do_not_say_it() -> None:
    w = with_789(3, 9, EnableNextExpectedMsgSeqNum="N")
    assert w.hear("35=A|34=9|98=0|108=30|789=2") == [
        "35=A|34=3|98=0|108=30",
        "35=D|34=2|43=Y|122=T|11=m2",
        "35=4|34=3|43=Y|122=T|36=4|123=Y",
    ]


def test_789_is_not_of_versions_before_4_4() -> None:
    w = with_789(3, 9, BeginString="FIX.4.3")
    assert w.hear("35=A|34=9|98=0|108=30|789=2") == ["35=A|34=3|98=0|108=30"]


# ------------------------------------------------------------------------------------------------- versions
@pytest.mark.parametrize("number", ["7", "8", "9"])
def test_1137_of_the_logon_is_taken_over_and_echoed(number: str) -> None:
    w = World(BeginString="FIXT.1.1", UseDataDictionary="Y")
    assert w.hear(f"35=A|34=1|98=0|108=30|1137={number}") == [f"35=A|34=1|98=0|108=30|1137={number}"]
    assert w.session.version == {"7": "FIX.5.0", "8": "FIX.5.0SP1", "9": "FIX.5.0SP2"}[number]


def test_1137_decides_which_dictionary_messages_are_checked_against() -> None:
    order = "11=a|55=X|54=1|60=20261123-12:00:00|40=1|38=1|2422=1"  # OrderRequestID is not of 5.0
    found = {}
    for number in ("7", "9"):
        w = World(BeginString="FIXT.1.1", UseDataDictionary="Y").logged_on(f"35=A|34=1|98=0|108=30|1137={number}")
        w.hear(f"35=D|34=2|{order}")
        found[number] = w.orders()
    assert found == {"7": [], "9": ["a"]}


# ------------------------------------------------------------------------------------------------- initiator
def initiator(store: MemoryStore | None = None, **settings: Any) -> World:
    given: dict[str, Any] = {"ConnectionType": "initiator", **settings}
    return World(store, **given)


def test_an_initiator_says_logon_and_is_logged_on_by_the_answer() -> None:
    w = initiator(HeartBtInt=10)
    assert w.connect() == ["35=A|34=1|98=0|108=10"]
    assert (w.session.state, w.send("D|11=early")) == (State.LOGON_SENT, [])
    assert w.hear("35=A|34=1|98=0|108=10") == ["35=D|34=2|11=early"]
    assert (w.session.state, w.taken, w.numbers) == (State.LOGGED_ON, ["logged on"], (3, 2))


def test_further_fields_of_the_logon_are_put_in_their_places() -> None:
    w = initiator(BeginString="FIXT.1.1", EnableNextExpectedMsgSeqNum="Y")
    w.session.logon_fields = ((554, "secret"), (553, "me"), (95, 2), (96, b"x\x01"))
    w.session.connected(w.now)
    (data,) = w.session.out
    assert data.endswith(b"\x01108=30\x01553=me\x01554=secret\x01789=1\x011137=9\x0110=" + data[-4:])
    assert list(w.store.read(1, 1)) == []  # a password is not kept


def test_an_initiator_that_gets_no_answer_gives_up() -> None:
    w = initiator(LogonTimeout=7)
    w.connect()
    assert w.wait(60) == ["7.0: CLOSE"]


def test_an_answer_whose_number_is_too_high_shows_a_gap() -> None:
    w = initiator(with_numbers(4, 2))
    assert w.connect() == ["35=A|34=4|98=0|108=30"]
    assert w.hear("35=A|34=9|98=0|108=30") == ["35=2|34=5|7=2|16=0"]


def test_an_answer_whose_number_is_too_low_ends_the_connection() -> None:
    w = initiator(with_numbers(4, 7))
    w.connect()
    assert w.hear("35=A|34=3|98=0|108=30") == ["35=5|34=5|58=MsgSeqNum too low, expecting 7 but received 3", "CLOSE"]


def test_a_logout_instead_of_an_answer_is_the_end() -> None:
    w = initiator()
    w.connect()
    assert w.hear("35=5|34=1|58=no entry") == ["35=5|34=2", "CLOSE"]
    assert (w.taken, w.closed) == ([], "logged out: no entry")


@pytest.mark.parametrize("kind", ["0", "1", "2", "D"])
def test_anything_else_instead_of_an_answer_ends_the_connection(kind: str) -> None:
    w = initiator()
    w.connect()
    assert w.hear(f"35={kind}|34=1|112=x|7=1|16=0") == ["CLOSE"]


def test_a_reject_of_our_logon_is_noted_and_the_answer_awaited() -> None:
    w = initiator()
    w.connect()
    assert w.hear("35=3|34=1|45=1|58=no") == []
    assert w.session.state is State.LOGON_SENT


@pytest.mark.parametrize("setting", ["ResetOnLogon", "ResetOnLogout", "ResetOnDisconnect"])
def test_an_initiator_that_begins_anew_says_so_by_the_flag(setting: str) -> None:
    w = initiator(None, **{setting: "Y"})
    assert w.connect() == ["35=A|34=1|98=0|108=30|141=Y"]
    assert w.hear("35=A|34=1|98=0|108=30|141=Y") == []
    assert (w.session.state, w.numbers) == (State.LOGGED_ON, (2, 2))


def test_reset_on_logon_forgets_the_numbers_of_before() -> None:
    w = initiator(with_numbers(40, 50), ResetOnLogon="Y")
    assert w.connect() == ["35=A|34=1|98=0|108=30|141=Y"]


def test_refresh_on_logon_is_for_initiators_too() -> None:
    class Shared(MemoryStore):
        def refresh(self) -> None:
            self.next_out, self.next_in = 7, 8

    assert initiator(Shared(MONDAY), RefreshOnLogon="Y").connect() == ["35=A|34=7|98=0|108=30"]


def test_an_answer_from_somebody_else_ends_the_connection() -> None:
    w = initiator()
    w.connect()
    assert w.hear("35=A|34=1|49=OTHER|98=0|108=30") == ["CLOSE"]


def test_fix_4_0_has_no_flag() -> None:
    assert initiator(None, BeginString="FIX.4.0", ResetOnLogon="Y").connect() == ["35=A|34=1|98=0|108=30"]


def test_a_peer_that_does_not_begin_anew_is_asked_for_what_is_missing() -> None:
    w = initiator(ResetOnLogon="Y")
    w.connect()
    assert w.hear("35=A|34=9|98=0|108=30") == ["35=2|34=2|7=1|16=0"]


def test_an_acceptor_may_begin_anew_unasked() -> None:
    w = initiator(with_numbers(4, 9))
    assert w.connect() == ["35=A|34=4|98=0|108=30"]
    assert w.hear("35=A|34=1|98=0|108=30|141=Y") == ["35=A|34=1|98=0|108=30|141=Y"]
    assert w.hear("35=A|34=1|98=0|108=30|141=Y") == []  # that was its answer
    assert (w.session.state, w.numbers) == (State.LOGGED_ON, (2, 2))


def test_the_host_of_an_initiator_may_refuse_the_answer() -> None:
    w = initiator()
    w.connect()
    w.hear("35=A|34=1|98=0|108=30")
    w.session.refuse("not you", w.now)
    assert w.said() == ["35=5|34=2|58=not you", "CLOSE"]


def test_789_an_initiator_says_it_and_sends_again_what_the_answer_wants() -> None:
    w = initiator(with_numbers(4, 9), BeginString="FIX.4.4", EnableNextExpectedMsgSeqNum="Y")
    assert w.connect() == ["35=A|34=4|98=0|108=30|789=9"]
    assert w.hear("35=A|34=9|98=0|108=30|789=3") == [
        "35=D|34=3|43=Y|122=T|11=m3",
        "35=4|34=4|43=Y|122=T|36=5|123=Y",
    ]


def test_789_an_answer_in_order_needs_nothing() -> None:
    w = initiator(with_numbers(4, 9), BeginString="FIX.4.4", EnableNextExpectedMsgSeqNum="Y")
    w.connect()
    assert w.hear("35=A|34=9|98=0|108=30|789=5") == []


def test_outside_the_sessions_time_an_initiator_does_not_log_on() -> None:
    w = initiator(StartTime="13:00:00", EndTime="14:00:00")
    assert w.connect() == ["CLOSE"]


def test_a_second_connection_goes_on_with_the_numbers() -> None:
    w = initiator()
    w.connect()
    w.hear("35=A|34=1|98=0|108=30", "35=D|34=2|11=a")
    w.lose()
    w.now += SECOND
    assert w.connect() == ["35=A|34=2|98=0|108=30"]
    assert w.hear("35=A|34=3|98=0|108=30") == []
    assert w.taken == ["logged on", "35=D|34=2|11=a", "logged out: the connection ended", "logged on"]


def test_an_initiator_that_is_not_connected_hears_nothing() -> None:
    assert initiator().hear(LOGON) == ["CLOSE"]
