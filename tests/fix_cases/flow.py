"""Cases 2, 3, 7, 19 and reverse routing: messages that come, one at a time, right and wrong."""

from __future__ import annotations

from tests.fix_cases import case
from tests.fix_cases.words import definition, early, echoed, email, order, reject, resend_request, unsupported
from tests.fix_wire import SOH, Wire, stamp


@case("2a_MsgSeqNumCorrect")
async def messages_in_sequence_are_taken(w: Wire) -> None:
    await w.logon()
    await w.send("35=0|34=2")
    await echoed(w, 3, 2)
    await echoed(w, 4, 3, "two")
    await w.send(f"35=C|34=5|{email(w)}")
    await w.expect(f"35=C|34=4|{email(w)}")
    if not early(w):
        await w.send(f"35=d|34=6|{definition(w)}")
        await w.expect(f"35=d|34=5|{definition(w)}")
        await w.ping(7, 6)


@case("2b_MsgSeqNumTooHigh")
async def what_is_missing_before_a_message_is_asked_for_and_taken_in_order(w: Wire) -> None:
    await w.logon()
    await w.send(f"35=D|34=4|{order(w, 'four')}")
    await w.expect(resend_request(w, 2, 2))
    await w.send(f"35=D|34=2|43=Y|122={stamp()}|{order(w, 'two')}")
    await w.send(f"35=D|34=3|43=Y|122={stamp()}|{order(w, 'three')}")
    await w.expect(f"35=D|34=3|{order(w, 'two')}", f"35=D|34=4|{order(w, 'three')}", f"35=D|34=5|{order(w, 'four')}")
    await w.ping(5, 6)


@case("2c_MsgSeqNumTooLow")
async def too_low_a_number_ends_the_session(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=D|34=1|{order(w, 'again')}")
    await w.expect("35=5|34=3|58=MsgSeqNum too low, expecting 3 but received 1")
    await w.expect_disconnect()


@case("2d_GarbledMessage")
async def a_garbled_message_is_skipped_and_its_number_not_used_up(w: Wire) -> None:
    await w.logon()
    good = w.message("35=0|34=2")
    for garbled in (good.replace(b"35=0", b"35-0"), good.replace(b"\x0135=", b"\x0136="), b"8=" + good[6:], good[4:]):
        await w.send_bytes(garbled)
    await echoed(w, 2, 2)
    await w.ping(3, 3)


@case("2e_PossDupAlreadyReceived")
async def a_possible_duplicate_that_came_before_is_skipped(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=D|34=2|43=Y|122={stamp(-1)}|{order(w)}")
    await w.ping(3, 3)


@case("2e_PossDupNotReceived")
async def a_possible_duplicate_that_did_not_come_before_is_taken(w: Wire) -> None:
    await w.logon()
    await w.send(f"35=D|34=2|43=Y|122={stamp(-1)}|{order(w)}")
    await w.expect(f"35=D|34=2|{order(w)}")
    await w.ping(3, 3)


@case("2f_PossDupOrigSendingTimeTooHigh")
async def a_possible_duplicate_from_the_future_is_rejected(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=D|34=2|43=Y|122={stamp(60)}|{order(w)}")
    await w.expect(reject(w, 3, 2, "D", 10), "35=5|34=4")
    await w.send("35=5|34=3")
    await w.expect_disconnect()


@case("2g_PossDupNoOrigSendingTime")
async def a_possible_duplicate_without_orig_sending_time_is_rejected(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=D|34=2|43=Y|{order(w)}")
    await w.expect(reject(w, 3, 2, "D", 1, 122))
    await w.ping(3, 4)


@case("2i_BeginStringValueUnexpected")
async def another_version_in_a_live_session_ends_it(w: Wire) -> None:
    await w.logon()
    other = "FIX.4.1" if w.host.begin == "FIX.4.2" else "FIX.4.2"
    await w.send(f"8={other}|35=0|34=2|49={w.host.ours}|52={stamp()}|56={w.host.theirs}")
    await w.expect("35=5|34=2|58=Incorrect BeginString")
    await w.send("35=5|34=3")
    await w.expect_disconnect()


@case("2k_CompIDDoesNotMatchProfile")
async def wrong_comp_ids_in_a_live_session_are_rejected_and_end_it(w: Wire) -> None:
    await w.logon()
    await w.send("35=0|34=2|49=NOBODY")
    await w.expect(reject(w, 2, 2, "0", 9), "35=5|34=3")
    await w.send("35=5|34=3")
    await w.expect_disconnect()
    await w.again()
    await w.logon(4, 4)
    await w.send("35=0|34=5|56=NOBODY")
    await w.expect(reject(w, 5, 5, "0", 9), "35=5|34=6")
    await w.send("35=5|34=6")
    await w.expect_disconnect()


@case("2m_BodyLengthValueNotCorrect")
async def a_message_whose_length_is_wrong_is_skipped(w: Wire) -> None:
    await w.logon()
    for length in (1, 20):
        await w.send(f"35=D|9={length}|34=2|{order(w)}")
    await echoed(w, 2, 2)
    await w.ping(3, 3)


@case("2o_SendingTimeValueOutOfRange")
async def a_sending_time_that_is_off_is_rejected_and_ends_the_session(w: Wire) -> None:
    await w.logon()
    await w.send(f"35=0|34=2|52={stamp(-300)}")
    await w.expect(reject(w, 2, 2, "0", 10), "35=5|34=3")
    await w.send("35=5|34=3")
    await w.expect_disconnect()


@case("2q_MsgTypeNotValid")
async def an_unknown_message_type_is_rejected(w: Wire) -> None:
    await w.logon()
    await w.send("35=ZZ|34=2")
    await w.expect(reject(w, 2, 2, "ZZ", 11))
    await w.ping(3, 3)


@case("2r_UnregisteredMsgType")
async def a_message_type_that_the_application_does_not_take_is_refused(w: Wire) -> None:
    await w.logon()
    await w.send("35=H|34=2|11=one|54=1|55=IBM")
    await w.expect(unsupported(w, 2, 2, "H"))
    await w.ping(3, 3)


@case("2t_FirstThreeFieldsOutOfOrder")
async def a_message_that_does_not_begin_with_8_9_35_is_skipped(w: Wire) -> None:
    await w.logon()
    rest = f"34=2|49={w.host.ours}|52={stamp()}|56={w.host.theirs}|112=x"
    begin = f"8={w.host.begin}"
    for text in (f"{begin}|9=70|34=2|35=1|{rest[5:]}", f"{begin}|35=1|9=70|{rest}"):
        await w.send(text)
    await echoed(w, 2, 2)
    await w.ping(3, 3)


@case("3b_InvalidChecksum")
async def a_message_whose_checksum_is_wrong_is_skipped(w: Wire) -> None:
    await w.logon()
    good = w.message("35=1|34=2|112=x")
    await w.send_bytes(good[:-4] + b"%03d" % ((int(good[-4:-1]) + 1) % 256) + SOH)
    await echoed(w, 2, 2)
    await w.ping(3, 3)


@case("3c_GarbledMessage")
async def a_message_cut_short_is_skipped(w: Wire) -> None:
    await w.logon()
    good = w.message(f"35=D|34=2|{order(w)}")
    await w.send_bytes(good[: len(good) // 2])
    # What comes next may be taken for its second half (the reference engine does so), what comes after that may not.
    await w.send("35=1|34=2|112=one", f"35=1|34=2|43=Y|122={stamp()}|112=two")
    await w.expect("35=0|34=2|112=*")
    await w.ping(3, 3)


@case("7_ReceiveRejectMessage")
async def a_reject_that_comes_is_taken_and_not_answered(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send("35=3|34=3|45=2|58=no such thing")
    await w.ping(4, 3)


@case("19a_PossResendMessageThatHasAlreadyBeenSent")
async def a_possible_resend_that_came_before_is_not_sent_back(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=D|34=3|97=Y|{order(w)}")
    await w.ping(4, 3)


@case("19b_PossResendMessageThatHasNotBeenSent")
async def a_possible_resend_that_did_not_come_before_is_sent_back(w: Wire) -> None:
    await w.logon()
    await echoed(w, 2, 2)
    await w.send(f"35=D|34=3|97=Y|{order(w, 'two')}")
    await w.expect(f"35=D|34=3|97=Y|{order(w, 'two')}")
    await w.send(f"35=D|34=4|97=Y|{order(w, 'two')}")
    await w.ping(5, 4)


ROUTE_IN = "|115=JCD|116=CS|128=DEF|129=TRADER"
ROUTE_OUT = "|115=DEF|116=TRADER|128=JCD|129=CS"


@case("ReverseRoute")
async def a_reject_goes_back_the_way_the_message_came(w: Wire) -> None:
    route_in, route_out = ROUTE_IN, ROUTE_OUT
    if w.host.version != "FIX.4.0":
        route_in, route_out = route_in + "|144=LON|145=NY", route_out + "|144=NY|145=LON"
    await w.logon()
    await w.send(f"35=D|34=2{route_in}|{order(w).replace('54=1', '54=x')}")
    await w.expect(reject(w, 2, 2, "D", 5, 54, route_out))
    await w.send(f"35=H|34=3{route_in}|11=one|54=1|55=IBM")
    back = route_out if early(w) else ""  # a Reject goes back that way, a BusinessMessageReject does not
    await w.expect(unsupported(w, 3, 3, "H").replace("|45=", back + "|45=", 1))
    await w.send(f"35=D|34=4{route_in}|{order(w)}")
    await w.expect(f"35=D|34=4{route_in}|{order(w)}")


@case("ReverseRouteWithEmptyRoutingTags")
async def empty_routing_fields_are_left_out_of_a_reject(w: Wire) -> None:
    await w.logon()
    await w.send(f"35=D|34=2|115=JCD|116=|128=|129=TRADER|{order(w)}")
    await w.expect(reject(w, 2, 2, "D", 4, 116, "|116=TRADER|128=JCD"))
    await w.send(f"35=D|34=3|115=|116=CS|128=|129=|{order(w)}")
    await w.expect(reject(w, 3, 3, "D", 4, 115, "|129=CS"))
    await echoed(w, 4, 4)
