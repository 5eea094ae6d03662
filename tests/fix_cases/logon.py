"""Cases 1 and 13, and those about logging on again: who is let in, and how a session ends."""

from __future__ import annotations

from tests.fix_cases import case
from tests.fix_cases.words import FIXT, FROM_41, echoed, order, resend_request
from tests.fix_wire import Wire, stamp


@case("1a_ValidLogonWithCorrectMsgSeqNum")
async def a_logon_with_the_right_number_is_answered_with_a_logon(w: Wire) -> None:
    await w.logon()
    await w.ping(2, 2)
    await w.logout(3, 3)


@case("1a_ValidLogonMsgSeqNumTooHigh")
async def a_logon_with_too_high_a_number_is_answered_and_what_is_missing_asked_for(w: Wire) -> None:
    await w.logon(5)
    await w.expect(resend_request(w, 2, 1))
    await w.send(f"35=4|34=1|43=Y|122={stamp()}|123=Y|36=6")
    await w.ping(6, 3)
    await w.logout(7, 4)


@case("1b_DuplicateIdentity")
async def a_second_connection_of_a_live_session_is_dropped(w: Wire) -> None:
    await w.logon()
    second = await w.another()
    await second.send(second.logon_text(1))
    await second.expect_disconnect()
    await w.ping(2, 2)
    third = await w.another()
    await third.send(third.logon_text(3))
    await third.expect_disconnect()
    await w.ping(3, 3)
    await second.close()
    await third.close()


@case("1c_InvalidSenderCompID")
async def a_logon_from_an_unknown_sender_is_a_plain_disconnect(w: Wire) -> None:
    await w.send(w.logon_text() + "|49=NOBODY")
    await w.expect_disconnect()
    await w.again()
    await w.logon()


@case("1c_InvalidTargetCompID")
async def a_logon_to_an_unknown_target_is_a_plain_disconnect(w: Wire) -> None:
    await w.send(w.logon_text() + "|56=NOBODY")
    await w.expect_disconnect()
    await w.again()
    await w.logon()


@case("1d_InvalidLogonBadSendingTime")
async def a_logon_whose_sending_time_is_off_is_a_plain_disconnect(w: Wire) -> None:
    for offset in (-300, 300):
        await w.send(w.logon_text() + f"|52={stamp(offset)}")
        await w.expect_disconnect()
        await w.again()


@case("1d_InvalidLogonLengthInvalid")
async def a_logon_whose_length_is_wrong_is_a_plain_disconnect(w: Wire) -> None:
    await w.send(w.logon_text() + "|9=15")
    await w.expect_disconnect()
    await w.again()
    await w.logon()


@case("1d_InvalidLogonWrongBeginString")
async def a_logon_of_another_version_is_a_plain_disconnect(w: Wire) -> None:
    other = "FIX.4.1" if w.host.begin == "FIX.4.2" else "FIX.4.2"
    for begin in (other, "FIX.8.9"):
        await w.send(f"8={begin}|35=A|34=1|49={w.host.ours}|52={stamp()}|56={w.host.theirs}|98=0|108=30")
        await w.expect_disconnect()
        await w.again()
    await w.logon()


@case("1d_InvalidLogonNoDefaultApplVerID", FIXT, "DefaultApplVerID(1137) is a field of FIXT.1.1")
async def a_logon_without_default_appl_ver_id_is_a_plain_disconnect(w: Wire) -> None:
    await w.send("35=A|34=1|98=0|108=30")
    await w.expect_disconnect()


@case("1e_NotLogonMessage")
async def a_first_message_that_is_no_logon_is_a_plain_disconnect(w: Wire) -> None:
    for first in (f"35=D|34=1|{order(w)}", "35=0|34=1", "35=1|34=1|112=x", "35=5|34=1", "35=2|34=1|7=1|16=0"):
        await w.send(first)
        await w.expect_disconnect()
        await w.again()


@case("13b_UnsolicitedLogoutMessage")
async def a_logout_is_answered_with_a_logout_and_the_numbers_go_on(w: Wire) -> None:
    await w.logon()
    await w.logout(2, 2)
    await w.again()
    await w.logon(3, 3)
    await w.send("35=5|34=4|58=going home")
    await w.expect("35=5|34=4")
    await w.expect_disconnect()


@case("AlreadyLoggedOn")
async def a_second_logon_on_a_live_connection_ends_it(w: Wire) -> None:
    await w.logon()
    await w.send(w.logon_text(2))
    await w.expect_disconnect()


@case("SessionReset", FROM_41, "ResetSeqNumFlag(141) is a field of 4.1 and later")
async def a_logon_with_reset_seq_num_flag_begins_at_1_again(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.logon(1, 1, "|141=Y")
    await echoed(w, 2, 2, "two")
    await w.logout(3, 3)
    await w.again()
    await w.logon(1, 1, "|141=Y")
    await w.ping(2, 2)
