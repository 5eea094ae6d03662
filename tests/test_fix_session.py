"""The session layer, rule by rule: sequence numbers, possible duplicates, resets, rejects, liveness, ends.

The numbers in the names are those of the published session test cases. How a Logon goes is in test_fix_session_logon.
"""

from __future__ import annotations

from typing import Any

import pytest

from openoutcry.fix import rejects
from openoutcry.fix.gaps import QUEUE_BYTES_MAX, QUEUE_MAX
from openoutcry.fix.resend import RESEND_BYTES, RESEND_MESSAGES
from openoutcry.fix.store import MemoryStore
from tests.fix_session_peer import MONDAY, SECOND, World

VERSIONS = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1")
LATE = "20261123-11:57:59"  # 121 s before the world's time
ORDER = "21=1|38=100|40=1|54=1|55=X|60=20261123-12:00:00"


def world(version: str = "FIX.4.2", **settings: Any) -> World:
    more = "|1137=9" if version == "FIXT.1.1" else ""
    return World(BeginString=version, **settings).logged_on(f"35=A|34=1|98=0|108=30{more}")


def checked(version: str = "FIX.4.2", **settings: Any) -> World:
    """With the dictionary of the version."""
    return world(version, UseDataDictionary="Y", **settings)


# ------------------------------------------------------------------------------------------------- in sequence
def test_2a_messages_in_sequence_are_taken_in_order() -> None:
    w = world()
    assert w.hear("35=D|34=2|11=a", "35=D|34=3|11=b", "35=F|34=4|11=c") == []
    assert (w.orders(), w.numbers) == (["a", "b", "c"], (2, 5))


def test_4b_a_test_request_is_answered_with_its_id() -> None:
    assert world().hear("35=1|34=2|112=hello") == ["35=0|34=2|112=hello"]


def test_4b_a_test_request_without_an_id_is_rejected() -> None:
    w = world()
    assert w.hear("35=1|34=2") == ["35=3|34=2|45=2|58=Required tag missing|371=112|372=1|373=1"]
    assert w.numbers == (3, 3)


def test_7_a_reject_is_taken_and_counted_as_a_message() -> None:
    w = world()
    assert w.hear("35=3|34=2|45=1|58=no", "35=D|34=3|11=a") == []
    assert (w.orders(), w.numbers) == (["a"], (2, 4))


def test_heartbeats_count_as_messages() -> None:
    w = world()
    assert w.hear("35=0|34=2", "35=0|34=3|112=x", "35=D|34=4|11=a") == []
    assert w.numbers == (2, 5)


def test_a_checked_message_goes_the_same_way_as_an_unchecked_one() -> None:
    plain, quick = checked(), checked()
    lines = [f"35=D|34={n}|11=a{n}|{ORDER}" for n in (2, 3, 3, 5, 4)]
    lines += [f"35=D|34=6|43=Y|122=20261123-12:00:00|11=x|{ORDER}", "35=1|34=6|112=x"]
    validator = quick.session.validator
    assert validator is not None
    for line in lines:
        quick_in, plain_in = quick.messages(line), plain.messages(line)
        for message in quick_in:
            message.checked = validator.check(message) is None
            quick.session.receive(message, quick.now)
        for message in plain_in:
            plain.session.receive(message, plain.now)
        assert quick.said() == plain.said()
    assert (quick.taken, quick.numbers, quick.closed) == (plain.taken, plain.numbers, plain.closed)


# ------------------------------------------------------------------------------------------------- too high
@pytest.mark.parametrize(
    ("version", "end"), [("FIX.4.0", 999999), ("FIX.4.1", 999999), ("FIX.4.2", 0), ("FIXT.1.1", 0)]
)
def test_2b_a_number_too_high_is_answered_with_a_resend_request_to_infinity(version: str, end: int) -> None:
    assert world(version).hear("35=D|34=5|11=d") == [f"35=2|34=2|7=2|16={end}"]


def test_2b_what_came_too_early_is_taken_when_the_others_have_come() -> None:
    w = world()
    w.hear("35=D|34=4|11=c", "35=D|34=5|11=d")
    assert w.orders() == []
    w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a")
    assert w.orders() == ["a"]
    w.hear("35=D|34=3|43=Y|122=20261123-12:00:00|11=b")
    assert (w.orders(), w.numbers) == (["a", "b", "c", "d"], (3, 6))


def test_one_resend_request_is_out_at_a_time() -> None:
    w = world()
    assert w.hear("35=D|34=4|11=c", "35=D|34=7|11=f") == ["35=2|34=2|7=2|16=0"]
    w.hear("35=4|34=2|43=Y|122=20261123-12:00:00|123=Y|36=4")
    assert w.hear("35=D|34=8|11=g") == ["35=2|34=3|7=5|16=0"]  # what was asked for had come


def test_redundant_resend_requests_are_sent_when_they_are_wanted() -> None:
    w = world(SendRedundantResendRequests="Y")
    assert w.hear("35=D|34=4|11=c", "35=D|34=7|11=f") == ["35=2|34=2|7=2|16=0", "35=2|34=3|7=2|16=0"]


def test_resend_requests_may_ask_for_a_few_at_a_time() -> None:
    w = world(MaxMessagesInResendRequest=2)
    assert w.hear("35=D|34=7|11=g") == ["35=2|34=2|7=2|16=3"]
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a") == []
    assert w.hear("35=D|34=3|43=Y|122=20261123-12:00:00|11=b") == ["35=2|34=3|7=4|16=5"]
    assert w.hear("35=4|34=4|43=Y|122=20261123-12:00:00|123=Y|36=6") == ["35=2|34=4|7=6|16=6"]
    assert w.hear("35=D|34=6|43=Y|122=20261123-12:00:00|11=f") == []
    assert (w.orders(), w.numbers) == (["a", "b", "f", "g"], (5, 8))


@pytest.mark.parametrize("kind", ["0", "1", "3", "D"])
def test_every_message_whose_number_is_too_high_shows_the_gap(kind: str) -> None:
    assert world().hear(f"35={kind}|34=3|112=x|45=1|11=b") == ["35=2|34=2|7=2|16=0"]


def test_a_test_request_that_came_too_early_is_answered_in_its_turn() -> None:
    w = world()
    assert w.hear("35=1|34=3|112=x") == ["35=2|34=2|7=2|16=0"]
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a") == ["35=0|34=3|112=x"]


def test_a_host_may_take_what_has_waited_in_turn() -> None:
    w = world()
    w.session.in_turn = True
    w.hear("35=D|34=3|11=b", "35=1|34=4|112=x", "35=D|34=5|11=d")
    assert w.session.waiting == 3
    w.session.receive(w.messages("35=D|34=2|43=Y|122=20261123-12:00:00|11=a")[0], w.now)
    assert (len(w.session.events), w.numbers, w.session.waiting) == (1, (3, 3), 3)
    for taken in (["a", "b"], ["a", "b"], ["a", "b", "d"]):
        w.send("D|11=answer")
        w.session.go_on(w.now)
        w.said()
        assert w.orders() == taken
    assert (w.numbers, w.session.waiting) == ((7, 6), 0)


def test_what_waits_is_bounded_in_messages_and_comes_again() -> None:
    w = world()
    w.hear(*(f"35=D|34={n}|11=w{n}" for n in range(3, QUEUE_MAX + 13)))
    statistics = w.session.statistics()
    assert (statistics["waiting"], statistics["dropped"]) == (QUEUE_MAX, 10)
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=w2") == []
    assert len(w.orders()) == QUEUE_MAX + 1
    assert w.hear("35=0|34=9000") == [f"35=2|34=3|7={QUEUE_MAX + 3}|16=0"]  # the dropped ones are asked for


def test_what_waits_is_bounded_in_bytes() -> None:
    w = world()
    w.hear(*(f"35=D|34={n}|11=w{n}|58={'x' * 60_000}" for n in range(3, 80)))
    assert w.session.statistics()["waiting"] == QUEUE_BYTES_MAX // 60_100


def test_a_message_that_waited_long_is_not_refused_for_its_time() -> None:
    w = world()
    w.hear("35=D|34=3|11=b")
    w.now += 20 * 60 * SECOND
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a") == []
    assert w.orders() == ["a", "b"]


def test_a_resend_request_that_is_not_answered_is_repeated_and_then_given_up() -> None:
    w = World().logged_on("35=A|34=1|98=0|108=0")
    w.hear("35=D|34=3|11=b")
    assert w.wait(130) == [
        "30.0: 35=2|34=3|7=2|16=0",
        "60.0: 35=2|34=4|7=2|16=0",
        "90.0: 35=5|34=5|58=no answer to the ResendRequest from 2",
        "92.0: CLOSE",
    ]


def test_a_resend_request_is_not_repeated_while_the_answer_is_coming() -> None:
    w = World().logged_on("35=A|34=1|98=0|108=0")
    w.hear("35=D|34=5|11=d")
    for number in (2, 3):
        assert w.wait(29) == []
        w.hear(f"35=D|34={number}|43=Y|122=20261123-12:00:00|11=x")
    assert w.wait(25) == []


# ------------------------------------------------------------------------------------------------- too low
def test_2c_a_number_too_low_ends_the_session() -> None:
    w = world()
    w.hear("35=D|34=2|11=a")
    assert w.hear("35=D|34=2|11=a") == ["35=5|34=2|58=MsgSeqNum too low, expecting 3 but received 2", "CLOSE"]
    assert w.taken == ["logged on", "35=D|34=2|11=a", "logged out: MsgSeqNum too low, expecting 3 but received 2"]


def test_2e_a_possible_duplicate_that_was_received_is_dropped() -> None:
    w = world()
    w.hear("35=D|34=2|11=a")
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a") == []
    assert (w.orders(), w.numbers) == (["a"], (2, 3))


def test_2e_a_possible_duplicate_that_was_not_received_is_taken() -> None:
    w = world()
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a") == []
    assert w.orders() == ["a"]


def test_2f_a_possible_duplicate_that_was_first_sent_later_than_now_is_rejected() -> None:
    w = world()
    w.hear("35=D|34=2|11=a")
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:09|11=a") == [
        "35=3|34=2|45=2|58=SendingTime accuracy problem|372=D|373=10",
        "35=5|34=3",
    ]


def test_2g_a_possible_duplicate_must_say_when_it_was_first_sent() -> None:
    w = world()
    w.hear("35=D|34=2|11=a")
    assert w.hear("35=D|34=2|43=Y|11=a") == ["35=3|34=2|45=2|58=Required tag missing|371=122|372=D|373=1"]
    assert w.numbers == (3, 3)


def test_2g_unless_that_is_not_required() -> None:
    w = world(RequiresOrigSendingTime="N")
    w.hear("35=D|34=2|11=a")
    assert w.hear("35=D|34=2|43=Y|11=a") == []


def test_19_a_possible_resend_is_for_the_application_to_judge() -> None:
    w = world()
    assert w.hear("35=D|34=2|11=a", "35=D|34=3|97=Y|11=a") == []
    assert w.taken[1:] == ["35=D|34=2|11=a", "35=D|34=3|97=Y|11=a"]


# ------------------------------------------------------------------------------------------------- SequenceReset
def test_10_a_gap_fill_moves_on_to_its_new_number() -> None:
    w = world()
    assert w.hear("35=4|34=2|123=Y|36=20") == []
    assert w.numbers == (2, 20)


def test_10_a_gap_fill_to_the_same_number_changes_nothing() -> None:
    w = world()
    assert w.hear("35=4|34=2|123=Y|36=2") == []
    assert w.numbers == (2, 2)


def test_10_a_gap_fill_to_a_lower_number_is_rejected() -> None:
    w = world()
    assert w.hear("35=4|34=2|123=Y|36=1") == [
        "35=3|34=2|45=2|58=Value is incorrect (out of range) for this tag|372=4|373=5"
    ]
    assert w.numbers == (3, 2)


def test_10_a_gap_fill_whose_number_is_too_high_waits() -> None:
    w = world()
    assert w.hear("35=4|34=5|123=Y|36=20") == ["35=2|34=2|7=2|16=0"]
    w.hear("35=4|34=2|43=Y|122=20261123-12:00:00|123=Y|36=5")
    assert w.numbers == (3, 20)


def test_10_a_gap_fill_whose_number_is_too_low_is_dropped_as_a_duplicate_or_ends_the_session() -> None:
    w = world()
    w.hear("35=D|34=2|11=a")
    assert w.hear("35=4|34=2|43=Y|123=Y|36=20") == []
    assert w.numbers == (2, 3)
    assert w.hear("35=4|34=2|123=Y|36=20") == ["35=5|34=2|58=MsgSeqNum too low, expecting 3 but received 2", "CLOSE"]


@pytest.mark.parametrize("number", [1, 2, 99])
def test_11a_a_reset_counts_whatever_its_own_number_is(number: int) -> None:
    w = world()
    assert w.hear(f"35=4|34={number}|36=20") == []
    assert w.hear("35=D|34=20|11=a") == []
    assert w.numbers == (2, 21)


def test_11b_a_reset_to_the_same_number_changes_nothing() -> None:
    w = world()
    assert w.hear("35=4|34=7|123=N|36=2") == []
    assert w.numbers == (2, 2)


def test_11c_a_reset_to_a_lower_number_is_rejected() -> None:
    w = world()
    w.hear("35=D|34=2|11=a", "35=D|34=3|11=b")
    assert w.hear("35=4|34=4|36=3") == ["35=3|34=2|45=4|58=Value is incorrect (out of range) for this tag|372=4|373=5"]
    assert w.numbers == (3, 4)


def test_a_reset_drops_what_it_jumps_over_and_goes_on_with_what_waits() -> None:
    w = world()
    w.hear("35=D|34=4|11=c", "35=D|34=6|11=e")
    assert w.hear("35=4|34=1|36=6") == []
    assert (w.orders(), w.numbers) == (["e"], (3, 7))


def test_a_reset_without_its_number_is_rejected() -> None:
    assert world().hear("35=4|34=2|123=Y") == ["35=3|34=2|45=2|58=Required tag missing|371=36|372=4|373=1"]


# ------------------------------------------------------------------------------------------------- resend
def sent(**settings: Any) -> World:
    """With orders a b (2, 3), a heartbeat (4) and an order c (5) sent."""
    w = world(**settings)
    w.send("D|11=a")
    w.send("D|11=b")
    w.hear("35=1|34=2|112=x")
    w.send("D|11=c")
    assert w.numbers == (6, 3)
    return w


def test_8_application_messages_are_sent_again_and_the_others_filled_as_gaps() -> None:
    w = sent()
    w.now += SECOND
    assert w.hear("35=2|34=3|7=1|16=0") == [
        "35=4|34=1|43=Y|122=T|36=2|123=Y",
        "35=D|34=2|43=Y|122=T|11=a",
        "35=D|34=3|43=Y|122=T|11=b",
        "35=4|34=4|43=Y|122=T|36=5|123=Y",
        "35=D|34=5|43=Y|122=T|11=c",
    ]
    assert w.numbers == (6, 4)


@pytest.mark.parametrize(
    ("begin", "end", "numbers"),
    [(2, 2, [2]), (3, 4, [3, 4]), (5, 5, [5]), (4, 4, [4]), (4, 5000, [4, 5]), (2, 999999, [2, 3, 4, 5]), (0, 1, [1])],
)
def test_no_more_is_sent_again_than_was_asked_for(begin: int, end: int, numbers: list[int]) -> None:
    found = sent().hear(f"35=2|34=3|7={begin}|16={end}")
    assert [int(line.split("|")[1][3:]) for line in found] == numbers


@pytest.mark.parametrize(("begin", "end"), [(6, 0), (50, 60), (5, 4)])
def test_what_was_never_sent_is_not_made_up(begin: int, end: int) -> None:
    w = sent()
    assert w.hear(f"35=2|34=3|7={begin}|16={end}") == []
    assert w.numbers == (6, 4)


def test_a_gap_fill_does_not_go_past_what_was_asked_for() -> None:
    w = world()
    w.hear("35=1|34=2|112=x", "35=1|34=3|112=y", "35=1|34=4|112=z")
    assert w.hear("35=2|34=5|7=2|16=3") == ["35=4|34=2|43=Y|122=T|36=4|123=Y"]


def test_our_rejects_are_sent_again() -> None:
    w = checked()
    w.hear(f"35=D|34=2|11=a|{ORDER}|4999=x")
    assert w.hear("35=2|34=3|7=2|16=0") == [
        "35=3|34=2|43=Y|122=T|45=2|58=Invalid tag number|371=4999|372=D|373=0",
    ]


def test_without_kept_messages_one_gap_fill_stands_for_all() -> None:
    w = sent(PersistMessages="N")
    assert w.hear("35=2|34=3|7=1|16=0") == ["35=4|34=1|43=Y|122=T|36=6|123=Y"]


def test_2d_a_message_sent_again_says_when_it_was_first_sent() -> None:
    w = world()
    w.send("D|11=a")
    w.now += SECOND
    w.session.receive(w.messages("35=2|34=2|7=2|16=0")[0], w.now)
    assert b"\x0152=20261123-12:00:01.000\x0156=TW\x01122=20261123-12:00:00.000\x01" in w.session.out[0]


def test_a_resend_request_is_answered_although_its_own_number_is_too_high() -> None:
    w = world()
    w.send("D|11=a")
    assert w.hear("35=2|34=5|7=2|16=0") == ["35=D|34=2|43=Y|122=T|11=a"]
    assert w.hear("35=D|34=6|11=x") == ["35=2|34=3|7=2|16=0"]
    assert w.hear("35=4|34=2|43=Y|122=20261123-12:00:00|123=Y|36=5") == []
    assert (w.orders(), w.numbers) == (["x"], (4, 7))  # the request itself was not asked for again


def test_20_both_may_ask_at_the_same_time() -> None:
    w = world()
    w.send("D|11=mine")
    assert w.hear("35=D|34=3|11=b") == ["35=2|34=3|7=2|16=0"]
    assert w.hear("35=2|34=4|7=2|16=0") == ["35=D|34=2|43=Y|122=T|11=mine", "35=4|34=3|43=Y|122=T|36=4|123=Y"]
    assert w.hear("35=D|34=2|43=Y|122=20261123-12:00:00|11=a") == []
    assert (w.orders(), w.numbers) == (["a", "b"], (4, 5))


@pytest.mark.parametrize(("line", "missing"), [("7=1", 16), ("16=0", 7), ("7=x|16=0", 7)])
def test_a_resend_request_without_its_range_is_rejected(line: str, missing: int) -> None:
    w = world()
    assert w.hear(f"35=2|34=2|{line}") == [f"35=3|34=2|45=2|58=Required tag missing|371={missing}|372=2|373=1"]
    assert w.numbers == (3, 3)


def many(count: int, size: int = 1) -> World:
    w = world()
    for number in range(count):
        w.send(f"D|11=m{number}|58={'x' * size}")
    return w


def test_a_long_resend_goes_in_portions_and_new_messages_follow_without_a_seam() -> None:
    w = many(2 * RESEND_MESSAGES)
    first = w.hear("35=2|34=2|7=2|16=0")
    assert len(first) == RESEND_MESSAGES
    assert (w.session.live, w.send("D|11=new")) == (False, [])
    assert w.session.pump(w.now) is True
    second = w.said()
    assert w.session.pump(w.now) is False
    third = w.said()
    assert [line.split("|")[3 if "43=Y" in line else 2] for line in first + second + third] == [
        *(["122=T"] * 2 * RESEND_MESSAGES),
        "11=new",
    ]
    assert (w.session.live, third) == (True, [f"35=D|34={2 * RESEND_MESSAGES + 2}|11=new"])
    assert w.send("D|11=newer") == [f"35=D|34={2 * RESEND_MESSAGES + 3}|11=newer"]


def test_a_portion_is_bounded_in_bytes_too() -> None:
    w = many(12, 50_000)
    first = w.hear("35=2|34=2|7=2|16=0")
    assert len(first) == RESEND_BYTES // 50_000 + 1 and not w.session.live


def test_our_own_messages_wait_for_the_end_of_a_resend() -> None:
    w = many(RESEND_MESSAGES)
    w.hear("35=2|34=2|7=1|16=0")
    assert w.hear("35=1|34=3|112=x") == []
    w.session.pump(w.now)
    assert w.said()[-1] == f"35=0|34={RESEND_MESSAGES + 2}|112=x"


def test_a_reject_made_during_a_resend_follows_in_its_place() -> None:
    w = many(RESEND_MESSAGES)
    w.hear("35=2|34=2|7=1|16=0")
    w.session.reject(w.messages("35=D|34=3")[0], None, None, "no", w.now)
    w.send("D|11=new")
    w.session.pump(w.now)
    assert w.said()[-2:] == [
        f"35=3|34={RESEND_MESSAGES + 2}|45=3|58=no|372=D",
        f"35=D|34={RESEND_MESSAGES + 3}|11=new",
    ]


def test_what_is_asked_for_during_a_resend_is_sent_after_it() -> None:
    w = many(RESEND_MESSAGES + 1)
    w.hear("35=2|34=2|7=2|16=0")
    assert w.hear("35=2|34=3|7=2|16=3") == []
    assert w.hear("35=2|34=4|7=3|16=4") == []
    assert w.session.pump(w.now) is False
    assert [line.split("|")[1] for line in w.said()] == [f"34={RESEND_MESSAGES + 2}", "34=2", "34=3", "34=4"]


def test_many_resend_requests_at_once_do_not_make_much_more_than_one() -> None:
    w = many(RESEND_MESSAGES, 500)
    for number in range(2, 1_002):
        w.session.receive(w.messages(f"35=2|34={number}|7=1|16=0")[0], w.now)
    assert sum(map(len, w.session.out)) < 3 * RESEND_BYTES
    while not w.session.live:
        w.session.pump(w.now)
        assert sum(map(len, w.session.out)) < 3 * RESEND_BYTES
        w.said()


def test_a_resend_ends_with_its_connection() -> None:
    w = many(RESEND_MESSAGES + 1)
    w.hear("35=2|34=2|7=2|16=0")
    w.lose()
    assert w.session.pump(w.now) is False and w.said() == []
    w.connect()
    found = w.hear("35=A|34=3|98=0|108=30")
    assert found == [f"35=A|34={RESEND_MESSAGES + 3}|98=0|108=30"]


# ------------------------------------------------------------------------------------------------- sending
def test_what_is_sent_while_nobody_is_logged_on_is_kept() -> None:
    w = World()
    assert w.send("D|11=a") == []
    w.connect()
    assert w.hear("35=A|34=1|98=0|108=30") == ["35=A|34=2|98=0|108=30"]
    assert w.hear("35=2|34=2|7=1|16=0") == [
        "35=D|34=1|43=Y|122=T|11=a",
        "35=4|34=2|43=Y|122=T|36=3|123=Y",
    ]


def stored(w: World, *lines: str) -> bytes:
    """Put messages into the store as a host does that keeps them itself."""
    data = b""
    for line in lines:
        message = w.session.frame(b"8", w.store.next_out, line.encode() + b"\x01", w.now)
        w.store.add(message, True)
        data += message
    return data


def test_what_the_host_has_stored_is_written_at_once() -> None:
    w = world()
    w.session.deliver(stored(w, "37=1", "37=2"), 2, w.now)
    assert w.said() == ["35=8|34=2|37=1", "35=8|34=3|37=2"]


def test_nothing_overtakes_what_the_host_has_stored_and_nothing_is_written_twice() -> None:
    w = world()
    data = stored(w, "37=1", "37=2")
    assert w.hear("35=1|34=2|112=x") == ["35=8|34=2|37=1", "35=8|34=3|37=2", "35=0|34=4|112=x"]
    w.session.deliver(data, 2, w.now)
    assert w.said() == []


def test_what_was_stored_and_not_written_is_not_a_duplicate_when_it_is_asked_for() -> None:
    w = world()
    data = stored(w, "37=1", "37=2")
    assert w.hear("35=2|34=2|7=1|16=0") == ["35=4|34=1|43=Y|122=T|36=2|123=Y", "35=8|34=2|37=1", "35=8|34=3|37=2"]
    w.session.deliver(data, 2, w.now)
    assert w.said() == []


def test_what_the_host_has_stored_during_a_resend_is_written_after_it() -> None:
    w = many(RESEND_MESSAGES)
    w.hear("35=2|34=2|7=1|16=0")
    w.session.deliver(stored(w, "37=1"), 1, w.now)
    assert w.said() == []
    w.session.pump(w.now)
    assert w.said()[-1] == f"35=8|34={RESEND_MESSAGES + 2}|37=1"


def test_what_the_host_has_stored_and_forgot_to_deliver_is_written_in_its_place() -> None:
    w = world()
    stored(w, "37=1")
    w.session.deliver(stored(w, "37=2"), 1, w.now)
    assert w.said() == ["35=8|34=2|37=1", "35=8|34=3|37=2"]


def test_what_is_written_late_for_the_first_time_does_not_look_like_an_old_message() -> None:
    w = world()
    stored(w, "37=1")
    w.now += 11 * SECOND
    assert w.send("D|11=a") == ["35=8|34=2|43=Y|122=T|37=1", "35=D|34=3|11=a"]


def test_an_operators_jump_of_our_numbers_is_a_gap_fill() -> None:
    w = world()
    w.store.set_next_out(10)
    assert w.send("D|11=a") == ["35=4|34=2|43=Y|122=T|36=10|123=Y", "35=D|34=10|11=a"]


@pytest.mark.parametrize(("version", "text"), [("FIX.4.1", ""), ("FIX.4.2", "|369=1"), ("FIXT.1.1", "|369=1")])
def test_369_every_message_says_what_was_processed(version: str, text: str) -> None:
    w = world(version, EnableLastMsgSeqNumProcessed="Y")
    assert w.send("D|11=a") == [f"35=D|34=2{text}|11=a"]
    w.hear("35=D|34=2|11=x")
    assert w.send("D|11=b") == [f"35=D|34=3{text.replace('1', '2')}|11=b"]


@pytest.mark.parametrize(
    ("version", "precision", "stamp"),
    [
        ("FIX.4.0", "nanos", "20261123-12:00:00"),
        ("FIX.4.1", "millis", "20261123-12:00:00"),
        ("FIX.4.2", "seconds", "20261123-12:00:00"),
        ("FIX.4.2", "millis", "20261123-12:00:00.123"),
        ("FIX.4.4", "micros", "20261123-12:00:00.123456"),
        ("FIXT.1.1", "nanos", "20261123-12:00:00.123456789"),
    ],
)
def test_time_stamps_are_as_precise_as_wanted_from_4_2_on(version: str, precision: str, stamp: str) -> None:
    w = world(version, TimestampPrecision=precision)
    w.now += 123_456_789
    w.session.send(b"D", b"", w.now)
    assert f"\x0152={stamp}\x01".encode() in w.session.out[0]


# ------------------------------------------------------------------------------------------------- whose message
def test_2k_a_comp_id_that_is_not_the_sessions_is_rejected_and_ends_it() -> None:
    w = world()
    assert w.hear("35=D|34=2|49=OTHER|11=a") == ["35=3|34=2|45=2|58=CompID problem|372=D|373=9", "35=5|34=3"]
    assert (w.orders(), w.numbers) == ([], (4, 3))
    assert w.wait(2) == ["2.0: CLOSE"]


def test_2k_unless_comp_ids_are_not_checked() -> None:
    w = world(CheckCompID="N")
    assert w.hear("35=D|34=2|49=OTHER|56=YOU|11=a") == []
    assert w.orders() == ["a"]


def test_2o_a_sending_time_far_from_the_present_is_rejected_and_ends_the_session() -> None:
    w = world()
    assert w.hear(f"35=D|34=2|52={LATE}|11=a") == [
        "35=3|34=2|45=2|58=SendingTime accuracy problem|372=D|373=10",
        "35=5|34=3",
    ]


@pytest.mark.parametrize(
    ("settings", "seconds", "good"),
    [({}, -120, True), ({}, 120, True), ({}, -121, False), ({}, 121, False), ({"MaxLatency": 5}, -6, False),
     ({"MaxLatency": 5}, -5, True), ({"CheckLatency": "N"}, -9_999, True)],
)  # fmt: skip
def test_2o_how_far_is_a_setting(settings: dict[str, Any], seconds: int, good: bool) -> None:
    w = world(**settings)
    w.hear("35=D|34=2|11=a", sent=w.now + seconds * SECOND)
    assert w.orders() == (["a"] if good else [])


def test_2o_the_time_is_looked_at_in_each_message_however_many_there_are_in_a_second() -> None:
    w = checked(MaxLatency=5)
    message = w.messages(f"35=D|34=2|11=a|{ORDER}")[0]
    for number, seconds in enumerate((0, 5, 6), 2):
        again = w.messages(f"35=D|34={number}|11=a{number}|{ORDER}", sent=MONDAY)[0]
        again.checked = True
        assert again.shape is message.shape
        w.session.receive(again, MONDAY + seconds * SECOND)
    w.said()
    assert w.orders() == ["a2", "a3"]


def test_2i_another_begin_string_ends_the_session() -> None:
    w = world()
    assert w.hear("8=FIX.4.9|35=D|34=2|11=a") == ["35=5|34=2|58=Incorrect BeginString"]
    assert (w.orders(), w.numbers) == ([], (3, 3))
    assert w.hear("35=5|34=3") == ["CLOSE"]


def test_2i_a_logout_of_another_version_is_a_logout() -> None:
    assert world().hear("8=FIX.4.9|35=5|34=2") == ["35=5|34=2", "CLOSE"]


@pytest.mark.parametrize("number", ["", "34=|", "34=x|", "34=-5|", "34=9999999999999999|"])
def test_a_message_without_a_number_is_as_good_as_garbled(number: str) -> None:
    w = world()
    assert w.hear(f"35=D|{number}11=a") == []
    assert (w.orders(), w.numbers, w.session.counters["unnumbered"]) == ([], (2, 2), 1)


# ------------------------------------------------------------------------------------------------- rejects
@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("FIX.4.0", "58=Invalid tag number (4999)"),
        ("FIX.4.1", "58=Invalid tag number (4999)"),
        ("FIX.4.2", "58=Invalid tag number|371=4999|372=D|373=0"),
        ("FIX.4.4", "58=Invalid tag number|371=4999|372=D|373=0"),
        ("FIXT.1.1", "58=Invalid tag number|371=4999|372=D|373=0"),
    ],
)
def test_14_a_message_against_the_dictionary_is_rejected_as_its_version_wants(version: str, fields: str) -> None:
    w = checked(version)
    order = ORDER.replace("|60=20261123-12:00:00", "") if version in ("FIX.4.0", "FIX.4.1") else ORDER
    if version == "FIXT.1.1":
        order = order.replace("21=1|", "")
    assert w.hear(f"35=D|34=2|11=a|{order}|4999=x") == [f"35=3|34=2|45=2|{fields}"]
    assert (w.orders(), w.numbers) == ([], (3, 3))


@pytest.mark.parametrize(("version", "fields"), [("FIX.4.2", ""), ("FIX.4.3", "|373=13"), ("FIX.4.4", "|373=13")])
def test_14h_fix_4_2_knows_no_reason_above_11(version: str, fields: str) -> None:
    assert checked(version).hear(f"35=D|34=2|11=a|{ORDER}|38=1") == [
        f"35=3|34=2|45=2|58=Tag appears more than once|371=38|372=D{fields}"
    ]


def test_2q_an_unknown_message_type_is_rejected() -> None:
    assert checked().hear("35=ZZ|34=2|1=a") == ["35=3|34=2|45=2|58=Invalid MsgType|372=ZZ|373=11"]


def test_a_resent_message_that_is_wrong_is_rejected_and_the_resend_goes_on() -> None:
    w = checked()
    w.hear(f"35=D|34=4|11=c|{ORDER}")
    assert w.hear(f"35=D|34=2|43=Y|122=20261123-12:00:00|11=a|{ORDER}|4999=x") == [
        "35=3|34=3|45=2|58=Invalid tag number|371=4999|372=D|373=0"
    ]
    assert w.hear(f"35=D|34=3|43=Y|122=20261123-12:00:00|11=b|{ORDER}") == []
    assert w.orders() == ["b", "c"]


def test_a_reject_goes_back_the_way_the_message_came() -> None:
    w = checked()
    assert w.hear(f"35=D|34=2|115=a|116=b|128=c|129=d|144=e|145=f|11=a|{ORDER}|4999=x") == [
        "35=3|34=2|115=c|116=d|128=a|129=b|144=f|145=e|45=2|58=Invalid tag number|371=4999|372=D|373=0"
    ]


def test_a_reject_leaves_empty_routing_fields_out() -> None:
    w = checked()
    assert w.hear(f"35=D|34=2|115=|116=b|11=a|{ORDER}") == [
        "35=3|34=2|129=b|45=2|58=Tag specified without a value|371=115|372=D|373=4"
    ]


def test_fix_4_0_has_no_locations_to_go_back_to() -> None:
    w = checked("FIX.4.0")
    assert w.hear("35=D|34=2|116=b|144=e|11=a") == ["35=3|34=2|129=b|45=2|58=Required tag missing (21)"]


@pytest.mark.parametrize(
    ("level", "answer"),
    [
        (0, (b"3", b"45=2\x0158=Unsupported message type\x01")),
        (1, (b"3", b"45=2\x0158=Unsupported message type\x01")),
        (2, (b"j", b"45=2\x0158=Unsupported Message Type\x01372=R\x01380=3\x01")),
        (5, (b"j", b"45=2\x0158=Unsupported Message Type\x01372=R\x01380=3\x01")),
    ],
)
def test_2r_a_type_that_is_not_supported_is_answered_as_the_version_wants(
    level: int, answer: tuple[bytes, bytes]
) -> None:
    (message,) = world().messages("35=R|34=2|131=q")
    assert rejects.unsupported(message, level) == answer


def test_a_business_reject_names_the_message_it_is_about() -> None:
    (message,) = world().messages("35=D|34=2|11=a")
    assert rejects.business_reject(message, 4, "", b"a") == (
        b"j",
        b"45=2\x0158=Application not available\x01372=D\x01379=a\x01380=4\x01",
    )


# ------------------------------------------------------------------------------------------------- liveness
def test_4a_a_heartbeat_is_sent_when_nothing_was_for_its_interval() -> None:
    w = World().logged_on("35=A|34=1|98=0|108=10")
    w.now += 4 * SECOND
    w.send("D|11=a")
    w.now += 5 * SECOND
    w.hear("35=0|34=2")
    assert w.wait(6) == ["5.0: 35=0|34=3"]


def test_6_silence_is_questioned_after_1_2_intervals_and_ended_after_2_4() -> None:
    w = World().logged_on("35=A|34=1|98=0|108=10")
    assert w.wait(60) == ["10.0: 35=0|34=2", "12.0: 35=1|34=3|112=TEST", "24.0: CLOSE"]
    assert w.taken[-1] == "logged out: nothing received"


@pytest.mark.parametrize("answer", ["35=0|34=2|112=TEST", "35=1|34=2|112=TEST", "35=D|34=2|11=a", "35=0|34=9"])
def test_6_any_message_is_a_sign_of_life(answer: str) -> None:
    w = World().logged_on("35=A|34=1|98=0|108=10")
    w.wait(20)
    w.hear(answer)
    assert "CLOSE" not in w.wait(10)


def test_without_an_interval_there_are_no_heartbeats() -> None:
    w = World()
    w.connect()
    assert w.hear("35=A|34=1|98=0|108=0") == ["35=A|34=1|98=0|108=0"]
    assert w.wait(9_999) == []


# ------------------------------------------------------------------------------------------------- the end
def test_13b_a_logout_is_answered_and_the_connection_closed() -> None:
    w = world()
    assert w.hear("35=5|34=2|58=good night") == ["35=5|34=2", "CLOSE"]
    assert (w.taken[-1], w.numbers) == ("logged out: good night", (3, 3))


def test_a_logout_is_taken_whatever_its_number_and_what_is_missing_stays_missing() -> None:
    w = world()
    assert w.hear("35=5|34=7") == ["35=5|34=2", "CLOSE"]
    assert w.connect() == []
    assert w.hear("35=A|34=8|98=0|108=30") == ["35=A|34=3|98=0|108=30", "35=2|34=4|7=2|16=0"]


def test_our_logout_waits_for_the_answer_and_takes_what_was_on_the_way() -> None:
    w = world()
    w.session.logout("the day is over", w.now)
    assert w.said() == ["35=5|34=2|58=the day is over"]
    assert w.hear("35=D|34=2|11=a", "35=1|34=3|112=x") == ["35=0|34=3|112=x"]
    assert w.hear("35=5|34=4") == ["CLOSE"]
    assert (w.orders(), w.taken[-1]) == (["a"], "logged out: the day is over")


def test_our_logout_does_not_wait_longer_than_its_time_out() -> None:
    w = world(LogoutTimeout=5)
    w.session.logout("", w.now)
    assert w.said() == ["35=5|34=2"]
    assert w.wait(9) == ["5.0: CLOSE"]


def test_a_logout_waits_for_the_end_of_a_resend() -> None:
    w = many(RESEND_MESSAGES)
    w.hear("35=2|34=2|7=1|16=0")
    w.session.logout("bye", w.now)
    assert w.said() == []
    w.session.pump(w.now)
    assert w.said()[-1] == f"35=5|34={RESEND_MESSAGES + 2}|58=bye"


def test_after_the_end_nothing_is_heard_or_said() -> None:
    w = world()
    w.hear("35=5|34=2")
    assert w.hear("35=D|34=3|11=a", "35=A|34=4|98=0|108=30", "35=1|34=5|112=x") == []
    assert w.send("D|11=b") == []
    assert (w.orders(), w.numbers) == ([], (4, 3))


@pytest.mark.parametrize(
    ("setting", "end"),
    [("ResetOnLogout", "logout"), ("ResetOnDisconnect", "logout"), ("ResetOnDisconnect", "disconnect")],
)
def test_numbers_begin_at_1_after_the_end_if_that_is_set(setting: str, end: str) -> None:
    w = world(**{setting: "Y"})
    w.send("D|11=a")
    if end == "logout":
        w.hear("35=5|34=2")
    w.lose()
    assert (w.numbers, list(w.store.read(1, 9))) == ((1, 1), [])


def test_numbers_go_on_after_the_end_if_nothing_is_set() -> None:
    w = world()
    w.hear("35=5|34=2")
    w.lose()
    assert w.numbers == (3, 3)


def test_an_operators_reset_ends_the_connection_and_begins_at_1() -> None:
    w = world()
    w.session.reset(w.now)
    assert w.said() == ["35=5|34=2|58=sequence numbers are reset", "CLOSE"]
    assert w.numbers == (1, 1)


@pytest.mark.parametrize("role", ["acceptor", "initiator"])
@pytest.mark.parametrize("how", ["reset", "logout"])
def test_before_the_logon_a_logout_or_reset_just_closes(role: str, how: str) -> None:
    w = World(ConnectionType=role)
    w.connect()
    if how == "reset":
        w.session.reset(w.now)
    else:
        w.session.logout("bye", w.now)
    assert (w.said(), w.taken, how == "reset" and w.numbers) == (["CLOSE"], [], how == "reset" and (1, 1))


def test_a_lost_connection_is_told_once() -> None:
    w = world()
    w.lose()
    w.lose()
    assert w.taken == ["logged on", "logged out: the connection ended"]


# ------------------------------------------------------------------------------------------------- schedule
def test_at_the_end_of_its_time_the_session_is_logged_out() -> None:
    w = World(StartTime="08:00:00", EndTime="12:00:20").logged_on()
    assert w.wait(31) == ["20.0: 35=5|34=2|58=the session's time is over", "20.0: CLOSE"]
    assert (w.taken[-1], w.numbers) == ("logged out: the session's time is over", (3, 2))


def test_outside_its_time_nobody_is_let_in() -> None:
    w = World(StartTime="13:00:00", EndTime="14:00:00")
    w.connect()
    assert w.hear("35=A|34=1|98=0|108=30") == ["CLOSE"]
    w.lose()
    w.now += 3_600 * SECOND
    w.connect()
    assert w.hear("35=A|34=1|98=0|108=30") == ["35=A|34=1|98=0|108=30"]


def test_a_session_that_is_on_when_a_new_day_begins_ends_and_begins_at_1() -> None:
    w = World(StartTime="12:00:20", EndTime="12:00:20").logged_on()
    w.send("D|11=a")
    assert w.wait(31) == ["20.0: 35=5|34=3|58=the session's time is over", "20.0: CLOSE"]
    assert (w.numbers, list(w.store.read(1, 9))) == ((1, 1), [])


def test_numbers_of_an_earlier_day_are_not_used() -> None:
    store = MemoryStore(MONDAY - 86_400 * SECOND)
    store.next_out, store.next_in = 40, 50
    assert World(store, StartTime="00:00:00", EndTime="00:00:00").numbers == (1, 1)


def test_numbers_of_the_same_day_go_on() -> None:
    store = MemoryStore(MONDAY - 3_600 * SECOND)
    store.next_out, store.next_in = 40, 50
    assert World(store, StartTime="00:00:00", EndTime="00:00:00").numbers == (40, 50)


def test_what_was_sent_before_the_time_began_is_dropped_when_it_begins() -> None:
    w = World(StartTime="12:30:00", EndTime="13:00:00")
    w.send("D|11=a")
    assert w.wait(1_801) == []
    assert w.numbers == (1, 1)


# ------------------------------------------------------------------------------------------------- profile jetblack
def test_jetblack_is_never_sent_what_it_cannot_take() -> None:
    w = checked(Profile="jetblack")
    assert w.hear(f"35=D|34=2|11=a|{ORDER}|4999=x") == []
    w.send("D|11=a")
    assert w.hear("35=2|34=3|7=1|16=0") == ["35=D|34=2|43=Y|122=T|11=a"]


def test_jetblack_hears_from_us_early() -> None:
    w = World(Profile="jetblack").logged_on("35=A|34=1|98=0|108=10")
    assert w.wait(7) == ["6.0: 35=0|34=2"]


def test_jetblack_may_answer_a_test_request_with_one() -> None:
    w = World(Profile="jetblack").logged_on("35=A|34=1|98=0|108=10")
    w.wait(13)
    assert w.hear("35=1|34=2|112=TEST") == ["35=0|34=4|112=TEST"]
    assert "CLOSE" not in w.wait(11)


def test_statistics_say_where_the_session_is() -> None:
    w = world()
    w.hear("35=D|34=4|11=c")
    assert w.session.statistics() == {
        "state": "logged on", "next_out": 3, "next_in": 2, "live": True, "waiting": 1, "dropped": 0, "sent": 2,
        "resent": 0, "unnumbered": 0, "duplicates": 0, "gaps": 1, "asked": 1, "resends": 0, "rejects": 0, "refused": 0,
        "logons": 1,
    }  # fmt: skip
