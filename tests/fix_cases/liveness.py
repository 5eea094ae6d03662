"""Cases 4 and 6: heartbeats and test requests."""

from __future__ import annotations

from tests.fix_cases import case
from tests.fix_cases.words import echoed
from tests.fix_wire import Wire


@case("4a_NoDataSentDuringHeartBtInt", timed=True)
async def a_silent_session_sends_heartbeats(w: Wire) -> None:
    await w.logon(seconds=1)
    await w.expect("35=0|34=2")
    await w.send("35=0|34=2")
    await w.expect("35=0|34=3")
    await w.logout(3, 4)


@case("4b_ReceivedTestRequest")
async def a_test_request_is_answered_with_its_id(w: Wire) -> None:
    await w.logon()
    await w.send("35=1|34=2|112=HELLO")
    await w.expect("35=0|34=2|112=HELLO")
    await echoed(w, 3, 3)


async def asked(w: Wire, number: int) -> int:
    """Heartbeats, as many as the clocks of both sides make, and then a TestRequest; the number of what comes next."""
    while (pairs := await w.read()) is not None and (35, "0") in pairs:
        w.compare(pairs, f"35=0|34={number}")
        number += 1
    w.compare(pairs or [], f"35=1|34={number}|112=TEST")
    return number + 1


@case("6_SendTestRequest", timed=True)
async def a_silent_counterparty_is_asked_and_if_it_does_not_answer_disconnected(w: Wire) -> None:
    await w.logon(seconds=1)
    number = await asked(w, 2)
    await w.send("35=0|34=2|112=TEST")
    number = await asked(w, number)
    while (pairs := await w.read()) is not None:
        w.compare(pairs, f"35=0|34={number}")
        number += 1
