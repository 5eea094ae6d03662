"""Cases 8, 10, 11 and 20: resending, and setting the numbers."""

from __future__ import annotations

from tests.fix_cases import case
from tests.fix_cases.words import echoed, infinity, order, reject, resend_request
from tests.fix_wire import Wire, stamp


def gap_fill(number: int, new: int) -> str:
    return f"35=4|34={number}|43=Y|122=*|36={new}|123=Y"


def resent(w: Wire, number: int, name: str) -> str:
    return f"35=D|34={number}|43=Y|122=*|{order(w, name)}"


@case("8_OnlyAdminMessages")
async def admin_messages_are_filled_over(w: Wire) -> None:
    await w.logon()
    await w.ping(2, 2)
    await w.ping(3, 3)
    await w.send("35=2|34=4|7=1|16=3")
    await w.expect(gap_fill(1, 4))
    await w.send(f"35=2|34=5|7=2|16={infinity(w)}")
    await w.expect(gap_fill(2, 4))
    await w.ping(6, 4)


@case("8_OnlyApplicationMessages")
async def application_messages_are_sent_again(w: Wire) -> None:
    await w.logon()
    for number, name in ((2, "two"), (3, "three"), (4, "four")):
        await echoed(w, number, number, name)
    await w.send("35=2|34=5|7=2|16=4")
    await w.expect(resent(w, 2, "two"), resent(w, 3, "three"), resent(w, 4, "four"))
    await w.send("35=2|34=6|7=3|16=3")
    await w.expect(resent(w, 3, "three"))
    await w.ping(7, 5)


@case("8_AdminAndApplicationMessages")
async def application_messages_are_sent_again_and_what_is_between_filled_over(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2, "two")
    await w.ping(3, 3)
    await w.ping(4, 4)
    await echoed(w, 5, 5, "five")
    await w.ping(6, 6)
    await w.send(f"35=2|34=7|7=1|16={infinity(w)}")
    await w.expect(gap_fill(1, 2), resent(w, 2, "two"), gap_fill(3, 5), resent(w, 5, "five"), gap_fill(6, 7))
    await w.ping(8, 7)


@case("10_MsgSeqNumEqual")
async def a_gap_fill_with_the_expected_number_sets_it(w: Wire) -> None:
    await w.logon()
    await w.send("35=4|34=2|123=Y|36=20")
    await echoed(w, 20, 2)


@case("10_MsgSeqNumGreater")
async def a_gap_fill_with_too_high_a_number_waits_for_what_is_missing(w: Wire) -> None:
    await w.logon()
    await w.send("35=4|34=5|123=Y|36=10")
    await w.expect(resend_request(w, 2, 2))
    await w.send(f"35=4|34=2|43=Y|122={stamp()}|123=Y|36=5")
    await echoed(w, 10, 3)


@case("10_MsgSeqNumLess")
async def a_gap_fill_with_too_low_a_number_ends_the_session_unless_it_is_a_possible_duplicate(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=4|34=1|43=Y|122={stamp()}|123=Y|36=20")
    await echoed(w, 3, 3, "three")
    await w.send("35=4|34=2|123=Y|36=20")
    await w.expect("35=5|34=4|58=MsgSeqNum too low, expecting 4 but received 2")
    await w.expect_disconnect()


@case("11a_NewSeqNoGreater")
async def a_reset_to_a_higher_number_sets_it_whatever_its_own_number(w: Wire) -> None:
    await w.logon()
    await w.send("35=4|34=0|36=20")
    await echoed(w, 20, 2)
    await w.send("35=4|34=2|123=N|36=30")
    await echoed(w, 30, 3, "two")


@case("11b_NewSeqNoEqual")
async def a_reset_to_the_expected_number_changes_nothing(w: Wire) -> None:
    await w.logon()
    await w.send("35=4|34=0|123=N|36=2")
    await echoed(w, 2, 2)


@case("11c_NewSeqNoLess")
async def a_reset_to_a_lower_number_is_rejected(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send("35=4|34=0|123=N|36=1")
    await w.expect(reject(w, 3, 0, "4", 5))
    await echoed(w, 3, 4, "three")


@case("20_SimultaneousResendRequest")
async def both_sides_may_ask_at_once(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2, "two")
    await w.send(f"35=2|34=5|7=1|16={infinity(w)}")  # answered although 3 and 4 are missing
    await w.expect(gap_fill(1, 2), resent(w, 2, "two"))
    await w.send(f"35=D|34=6|{order(w, 'six')}")
    await w.expect(resend_request(w, 3, 3))
    await w.send(f"35=2|34=7|7=2|16={infinity(w)}")
    await w.expect(resent(w, 2, "two"), gap_fill(3, 4))
    await w.send(f"35=4|34=3|43=Y|122={stamp()}|123=Y|36=6")
    await w.expect(f"35=D|34=4|{order(w, 'six')}")


@case("RejectResentMessage")
async def a_resent_message_that_is_wrong_is_rejected_and_the_resend_goes_on(w: Wire) -> None:
    await w.logon()
    await w.send(f"35=D|34=4|{order(w, 'four')}")
    await w.expect(resend_request(w, 2, 2))
    wrong = order(w, "two").replace("54=1", "54=x")
    await w.send(f"35=D|34=2|43=Y|122={stamp()}|{wrong}")
    await w.expect(reject(w, 3, 2, "D", 5, 54))
    await w.send(f"35=D|34=3|43=Y|122={stamp()}|{order(w, 'three')}")
    await w.expect(f"35=D|34=4|{order(w, 'three')}", f"35=D|34=5|{order(w, 'four')}")
    await w.ping(5, 6)
