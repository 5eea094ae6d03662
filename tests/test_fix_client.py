"""FixInitiator and FixClient against a small acceptor: logon, names, hooks, reconnecting, hosts, stores."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openoutcry.clients import fixinbox
from openoutcry.clients.fix import (
    ClientError,
    FixClient,
    FixInitiator,
    LoginRejected,
    LogonError,
    MessageTimeout,
    Received,
)
from openoutcry.clients.fixsync import _version
from openoutcry.errors import JournalError, VerbError
from openoutcry.fix.filestore import FileStore
from openoutcry.fix.message import Message
from openoutcry.fix.settings import SessionSettings
from openoutcry.fix.store import MemoryStore
from tests.fix_acceptor import WAIT_S, Acceptor, peers

ORDER: dict[str | int, Any] = {
    "ClOrdID": "1", "HandlInst": "1", "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100, "OrdType": "LIMIT",
    "Price": Decimal("150.25"), "TransactTime": datetime(2026, 11, 20, 9, 30, 0, 250_000, UTC),
}  # fmt: skip
NEWS = b"148=news\x0133=1\x0158=line\x01"
VERSIONS = [
    *({"BeginString": f"FIX.4.{minor}"} for minor in range(5)),
    *({"BeginString": "FIXT.1.1", "DefaultApplVerID": v} for v in ("FIX.5.0", "FIX.5.0SP1", "FIX.5.0SP2")),
]


def run(work: Awaitable[None]) -> None:
    """Run a test's coroutine, which may not hang."""

    async def limited() -> None:
        async with asyncio.timeout(2 * WAIT_S):
            await work

    asyncio.run(limited())


@asynccontextmanager
async def world(
    acceptor_more: Any = None, *, start: Any = True, initiator: Any = None, **given: Any,
) -> AsyncIterator[tuple[Acceptor, FixInitiator]]:  # fmt: skip
    """A started acceptor and an initiator for it, which `start` logs on; `given`: settings of both."""
    theirs, ours = peers(**{"ReconnectInterval": 0, **given})
    acceptor = Acceptor(theirs, **(acceptor_more or {}))
    await acceptor.start()
    client = FixInitiator(ours, "127.0.0.1", acceptor.port, timeout=WAIT_S, **(initiator or {}))
    try:
        if start:
            await client.start()
            await client.logged_on()
        yield acceptor, client
    finally:
        await client.close()
        await acceptor.close()


def echo(acceptor: Acceptor, message: Message) -> None:
    """News back for every message."""
    acceptor.send(b"B", NEWS)


def return_it(acceptor: Acceptor, message: Message) -> None:
    """The same message back."""
    body = [pair for pair in message.pairs() if pair[0] not in (8, 9, 35, 34, 49, 52, 56, 10)]
    acceptor.send(message.kind, b"".join(b"%d=%b\x01" % pair for pair in body))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


# ------------------------------------------------------------------------------------------------- logon and messages
@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.get("DefaultApplVerID", v["BeginString"]))
def test_every_version_logs_on_and_speaks_by_names(version: dict[str, str]) -> None:
    async def test() -> None:
        async with world({"on_message": return_it}, **version) as (acceptor, client):
            has_time = version["BeginString"] >= "FIX.4.2"
            fields = {name: value for name, value in ORDER.items() if has_time or name != "TransactTime"}
            number = await client.send("NewOrderSingle", fields)
            (order,) = await acceptor.taken(1)
            body = {tag: value for tag, value in order.pairs() if tag in (11, 21, 38, 40, 44, 54, 55, 60)}
            expected = {11: b"1", 21: b"1", 38: b"100", 40: b"2", 44: b"150.25", 54: b"1", 55: b"AAPL"}
            time_stamp = {60: b"20261120-09:30:00.250"} if has_time else {}
            assert (number, order.kind, body) == (2, b"D", expected | time_stamp)
            back = await client.receive()
            assert (back.name, back.kind, back.sequence) == ("NewOrderSingle", "D", 2)
            assert (back["Symbol"], back[55], back.get("Account"), "Text" in back) == ("AAPL", b"AAPL", None, False)
            assert back.meaning("Side") == "BUY"
        assert acceptor.logouts == [""]

    run(test())


def test_the_logon_carries_user_password_and_further_fields(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        more = {"username": "trader", "password": "correct horse", "logon_fields": {"TestMessageIndicator": True}}
        async with world(initiator=more, FileLogPath=str(tmp_path)) as (acceptor, client):
            logon = acceptor.logons[0]
            assert [logon.get(tag) for tag in (553, 554, 464)] == [b"trader", b"correct horse", b"Y"]
            client.statistics()

    with caplog.at_level(logging.DEBUG):
        run(test())
    logs = [path.read_text() for path in tmp_path.iterdir()]
    assert any("554=***" in text for text in logs)
    assert not any("correct horse" in text for text in [*logs, caplog.text])


def test_what_the_counterparty_refuses_raises_its_text() -> None:
    async def test() -> None:
        async with world({"judge": lambda _: "wrong password"}, start=False) as (_acceptor, client):
            await client.start()
            with pytest.raises(LoginRejected, match="the counterparty refused the logon: wrong password") as caught:
                await client.logged_on()
            assert caught.value.reason == "wrong password"

    run(test())


def test_a_connection_closed_without_an_answer_says_what_to_look_at() -> None:
    async def test() -> None:
        theirs = {"judge": lambda _: ""}
        async with world(theirs, start=False, initiator={"reconnect": False}) as (_acceptor, client):
            await client.start()
            with pytest.raises(ClientError, match=r"are the CompIDs.* and is nobody else logged on with them"):
                await client.logged_on()

    run(test())


def test_a_counterparty_that_does_not_answer_the_logon_is_left() -> None:
    async def test() -> None:
        async with world(start=False, initiator={"reconnect": False}, LogonTimeout=1) as (acceptor, client):
            acceptor.mute = True
            await client.start()
            with pytest.raises(MessageTimeout, match=r"no logon within 0\.05 s: connected to .* has not answered"):
                await client.logged_on(0.05)
            with pytest.raises(ClientError, match="the logon failed: no Logon in time"):
                await client.logged_on()

    run(test())


def test_nothing_can_be_sent_before_the_logon_or_after_the_end() -> None:
    async def test() -> None:
        async with world(start=False) as (_acceptor, client):
            with pytest.raises(ClientError, match="not logged on: nothing has been tried yet"):
                await client.send("News", NEWS)
            with pytest.raises(ClientError, match="not connected"):
                client.send_raw(b"x")
            await client.start()
            await client.logged_on()
            with pytest.raises(ClientError, match="started already"):
                await client.start()
            await client.logout()
            with pytest.raises(ClientError, match="the session has been closed"):
                await client.send("News", NEWS, offline=True)
            with pytest.raises(ClientError, match="the session has been closed"):
                await client.receive()

    run(test())


@pytest.mark.parametrize(
    ("name", "fields", "text"),
    [
        ("NewOrderSingl", {}, "FIX.4.4 has no message 'NewOrderSingl'; did you mean NewOrderSingle?"),
        ("D", {"Prise": 1}, "FIX.4.4 has no field 'Prise'; did you mean Price?"),
        ("D", {"Price": 1.5}, "Price is 1.5, it must be Decimal or text: a float is not exact"),
        ("D", {"Price": Decimal("nan")}, "Price is Decimal('NaN'), it must be"),
        ("D", {"Text": ""}, "Text has no value: leave the field out instead"),
        ("D", {"Text": "a\x0110=000"}, "Text has the separator SOH in its value"),
        ("D", {"Text": "\u00e9"}, "FIX text is ASCII"),
        ("D", {"MsgSeqNum": 7}, "MsgSeqNum(34) is written by the session"),
        ("D", {"Price": 1, 44: 2}, "Price(44) is given twice, by name and by tag"),
        ("D", {"TransactTime": datetime(2026, 1, 1)}, "without a time zone"),
        ("D", {"NoPartyIDs": [{"PartyRole": 1}]}, "every entry of NoPartyIDs begins with PartyID(448)"),
        ("D", {"NoPartyIDs": ["x"]}, "NoPartyIDs is a group: give it a list of dictionaries"),
        ("D", {0: "x"}, "a tag is 0, it must be from 1 on"),
    ],
)
def test_what_cannot_be_sent_is_named(name: str, fields: Any, text: str) -> None:
    words = FixInitiator(peers()[1], "127.0.0.1", 1).words
    with pytest.raises(VerbError, match=re.escape(text)):
        words.encode(name, fields)


def test_groups_data_header_fields_and_descriptions_are_put_on_the_wire() -> None:
    words = FixInitiator(peers()[1], "127.0.0.1", 1).words
    encoded = words.encode("NewOrderSingle", {
        "NoPartyIDs": [
            {"PartyRole": 3, "PartyID": "a", "NoPartySubIDs": [{"PartySubIDType": 1, "PartySubID": "s"}]},
            {"PartyID": "b"},
        ],
        "EncodedText": b"a\x01b", "Side": "SELL", "PossResend": True, "OnBehalfOfCompID": "X", "TransactTime": "t",
        9001: "mine", "SettlDate": datetime(2026, 11, 20, tzinfo=UTC), "NoAllocs": [],
    })  # fmt: skip
    assert encoded.kind == b"D"
    assert encoded.header == ((97, b"Y"), (115, b"X"))
    assert encoded.body.replace(b"\x01", b"|") == (
        b"54=2|60=t|64=20261120|354=3|355=a|b|453=2|448=a|452=3|802=1|523=s|803=1|448=b|9001=mine|"
    )


def test_a_received_message_is_read_back_by_names() -> None:
    async def test() -> None:
        body = (
            b"6=10.5\x0114=4\x0117=e\x0137=o\x0139=1\x0154=1\x0155=AAPL\x0160=20261120-09:30:00.123456\x01"
            b"150=F\x01151=6\x01453=2\x01448=a\x01452=3\x01802=1\x01523=s\x01448=b\x01447=D\x01"
        )
        async with world() as (acceptor, client):
            acceptor.send(b"8", body)
            report = await client.receive()
            assert report.fields() == {
                "AvgPx": "10.5", "CumQty": "4", "ExecID": "e", "OrderID": "o", "OrdStatus": "1", "Side": "1",
                "Symbol": "AAPL", "TransactTime": "20261120-09:30:00.123456", "ExecType": "F", "LeavesQty": "6",
                "NoPartyIDs": [
                    {"PartyID": "a", "PartyRole": "3", "NoPartySubIDs": [{"PartySubID": "s"}]},
                    {"PartyID": "b", "PartyIDSource": "D"},
                ],
            }  # fmt: skip
            assert [entry["PartyID"] for entry in report.group("NoPartyIDs")] == ["a", "b"]
            assert (report.decimal("AvgPx"), report.integer("CumQty")) == (Decimal("10.5"), 4)
            assert report.time("TransactTime") == datetime(2026, 11, 20, 9, 30, 0, 123_456, UTC)
            assert report.meaning("OrdStatus") == "PARTIALLY_FILLED"
            assert client.words.encode("8", report.fields()).body == body
            with pytest.raises(KeyError, match="ExecutionReport has no Price"):
                report["Price"]
            with pytest.raises(ValueError, match="Symbol is 'AAPL', that is no number"):
                report.decimal("Symbol")

    run(test())


def test_messages_are_found_by_name_and_values_and_the_others_stay() -> None:
    async def test() -> None:
        async with world() as (acceptor, client):
            for headline in (b"a", b"b", b"c", b"b"):
                acceptor.send(b"B", b"148=%b\x0133=1\x0158=x\x01" % headline)
            found = [(await client.next("News", {"Headline": "b"})).sequence for _ in range(2)]
            rest = [(await client.next()).get("Headline") for _ in range(2)]
            assert (found, rest) == ([3, 5], ["a", "c"])
            with pytest.raises(MessageTimeout, match="no 'News' like that within 0 s"):
                await client.next("News", timeout=0)

    run(test())


def test_two_who_wait_for_messages_both_get_theirs() -> None:
    async def test() -> None:
        async with world() as (acceptor, client):
            waiting = [asyncio.create_task(client.next("News", {"Headline": each})) for each in "ab"]
            for headline in (b"c", b"b", b"a"):
                acceptor.send(b"B", b"148=%b\x0133=1\x0158=x\x01" % headline)
            assert [(await each)["Headline"] for each in waiting] == ["a", "b"]

    run(test())


def test_a_reject_of_one_of_ours_can_be_received() -> None:
    async def test() -> None:
        async with world() as (_acceptor, client):
            number = await client.send("NewOrderSingle", {"ClOrdID": "1"})
            reject = await client.receive()
            assert (reject.name, reject.integer("RefSeqNum"), reject["RefMsgType"]) == ("Reject", number, "D")

    run(test())


def test_messages_can_be_iterated_until_the_session_is_closed() -> None:
    async def test() -> None:
        async with world() as (acceptor, client):
            for _ in range(3):
                acceptor.send(b"B", NEWS)
            acceptor.logout("enough")
            client.reconnect = False
            numbers = []
            with pytest.raises(ClientError):
                async for message in client:
                    numbers.append(message.sequence)
            assert numbers == [2, 3, 4]

    run(test())


# ------------------------------------------------------------------------------------------------- hooks
class Hooks:
    """Notes every call; `slow` ones are coroutines that take their time."""

    def __init__(self, slow: bool) -> None:
        self.calls: list[str] = []
        self.changed = asyncio.Event()
        self.running = 0
        hook = self._slow if slow else self._fast
        self.all: dict[str, Any] = {
            name: lambda what, _client, name=name: hook(name, what)
            for name in ("on_logon", "on_logout", "on_admin", "on_application")
        }

    def _fast(self, name: str, what: Received | str) -> None:
        self.calls.append(f"{name} {what if isinstance(what, str) else what.name}")
        self.changed.set()

    async def called(self, count: int) -> None:
        """Wait for so many calls."""
        while len(self.calls) < count:
            self.changed.clear()
            await self.changed.wait()

    async def _slow(self, name: str, what: Received | str) -> None:
        self.running += 1
        assert self.running == 1
        for _ in range(3):
            await asyncio.sleep(0)
        self._fast(name, what)
        self.running -= 1


@pytest.mark.parametrize("slow", [False, True], ids=["functions", "coroutines"])
def test_hooks_are_called_one_at_a_time_in_the_order_of_what_happened(slow: bool) -> None:
    hooks = Hooks(slow)

    async def test() -> None:
        async with world({"on_message": echo}, initiator=hooks.all) as (acceptor, client):
            await client.send("News", NEWS)
            await hooks.called(2)
            await client.send("NewOrderSingle", {"ClOrdID": "1"})
            await hooks.called(3)
            acceptor.logout("good night")
            await hooks.called(5)

    run(test())
    assert hooks.calls[:5] == [
        "on_logon Logon", "on_application News", "on_admin Reject", "on_admin Logout", "on_logout good night",
    ]  # fmt: skip


@pytest.mark.parametrize("slow", [False, True], ids=["function", "coroutine"])
def test_a_logon_error_in_on_logon_refuses_the_logon_with_its_text(slow: bool) -> None:
    def fast(_logon: Received, _client: FixInitiator) -> None:
        raise LogonError("not before nine")

    async def later(logon: Received, client: FixInitiator) -> None:
        await asyncio.sleep(0)
        fast(logon, client)

    async def test() -> None:
        hooks = {"on_logon": later if slow else fast}
        async with world(start=False, initiator=hooks) as (acceptor, client):
            await client.start()
            with pytest.raises(LogonError, match="not before nine"):
                await client.logged_on()
            await acceptor.until(lambda: bool(acceptor.logouts))
            assert acceptor.logouts == ["not before nine"]
            assert acceptor.connections == 1

    run(test())


def test_an_error_in_a_hook_is_logged_and_the_session_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def on_application(message: Received, _client: FixInitiator) -> None:
        seen.append(message.sequence)
        raise RuntimeError("a bug of the user's")

    async def test() -> None:
        async with world(initiator={"on_application": on_application}) as (acceptor, client):
            acceptor.send(b"B", NEWS)
            acceptor.send(b"B", NEWS)
            await acceptor.until(lambda: len(seen) == 2)
            assert client.statistics()["hook_errors"] == 2
            assert client.is_logged_on

    run(test())
    assert "a bug of the user's" in caplog.text
    assert seen == [2, 3]


def test_a_hook_can_send_and_log_out() -> None:
    async def on_application(message: Received, client: FixInitiator) -> None:
        await client.send("News", {"Headline": "thanks", "NoLinesOfText": [{"Text": "bye"}]})
        await client.logout("done")

    async def test() -> None:
        async with world(initiator={"on_application": on_application}) as (acceptor, _client):
            acceptor.send(b"B", NEWS)
            await acceptor.until(lambda: bool(acceptor.logouts))
            assert ([m.get(148) for m in acceptor.received], acceptor.logouts) == ([b"thanks"], ["done"])

    run(test())


def test_a_hook_that_is_a_function_can_send() -> None:
    def on_application(message: Received, client: FixInitiator) -> None:
        for _ in range(3):
            client.send_nowait("News", NEWS)

    async def test() -> None:
        async with world(initiator={"on_application": on_application}) as (acceptor, client):
            acceptor.send(b"B", NEWS)
            assert [int(m[34]) for m in await acceptor.taken(3)] == [2, 3, 4]
            client.send_nowait("News", NEWS)
            client.send_raw(b"35=rubbish")
            client.send_nowait("News", NEWS)
            assert [int(m[34]) for m in await acceptor.taken(5)] == [2, 3, 4, 5, 6]

    run(test())


# ------------------------------------------------------------------------------------------------- reconnecting
def test_after_a_lost_connection_the_session_goes_on_without_a_gap() -> None:
    async def test() -> None:
        async with world({"on_message": echo}) as (acceptor, client):
            for number in range(3):
                await client.send("News", NEWS)
                await client.receive()
                if number < 2:
                    (acceptor.drop, acceptor.reset)[number]()
                else:
                    await client.drop()
                await acceptor.until(lambda: acceptor.connection is None)
                assert isinstance(await client.send("News", NEWS, offline=True), int)
                await client.logged_on()
                await client.receive()
            assert [int(m[34]) for m in acceptor.received] == [2, 3, 5, 6, 8, 9]
            assert client.statistics()["logons"] == 4

    run(test())


def test_what_was_sent_while_offline_arrives_once_and_in_order() -> None:
    async def test() -> None:
        async with world(start=False) as (acceptor, client):
            count = 3_000
            port = acceptor.port
            await acceptor.stop_listening()
            await client.start()
            for number in range(count):
                await client.send("News", b"148=%d\x0133=1\x0158=x\x01" % number, offline=True)
            await acceptor.start(port)
            received = await acceptor.taken(count)
            assert [int(m[148]) for m in received] == list(range(count))

    run(test())


def test_the_next_host_is_tried_when_one_fails() -> None:
    async def test() -> None:
        theirs, ours = peers(ReconnectInterval=3_600)
        acceptor = Acceptor(theirs)
        await acceptor.start()
        hosts: list[Any] = [("127.0.0.1", free_port()), f"127.0.0.1:{free_port()}", ("127.0.0.1", acceptor.port)]
        async with FixInitiator(ours, hosts=hosts, timeout=WAIT_S) as client:
            assert client.statistics()["target"] == f"127.0.0.1 port {acceptor.port}"
            assert client.statistics()["failures"] == 2
        await acceptor.close()

    run(test())


def test_the_pauses_between_attempts_double_up_to_the_longest_and_begin_anew_after_a_logon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def test() -> None:
        async with world(start=False, ReconnectInterval=1, ReconnectIntervalMax=10) as (acceptor, client):
            port = acceptor.port
            await acceptor.stop_listening()
            enough = asyncio.Event()

            async def sleep(_self: FixInitiator, seconds: float) -> None:
                pauses.append(seconds)
                if len(pauses) == 6:
                    await acceptor.start(port)
                if len(pauses) == 8:
                    enough.set()
                    await asyncio.Event().wait()

            monkeypatch.setattr(FixInitiator, "_sleep", sleep)
            await client.start()
            await client.logged_on()
            await acceptor.stop_listening()
            acceptor.drop()
            await enough.wait()

    run(test())
    assert pauses == [1, 2, 4, 8, 10, 10, 1, 2]


def test_outside_its_time_the_session_does_not_connect() -> None:
    async def test() -> None:
        now = time.time() + 3 * 3_600
        start, end = (time.strftime("%H:%M:%S", time.gmtime(at)) for at in (now, now + 3_600))
        async with world(start=False, StartTime=start, EndTime=end) as (acceptor, client):
            await client.start()
            with pytest.raises(MessageTimeout, match="the session's time has not come"):
                await client.logged_on(0.05)
            assert acceptor.connections == 0

    run(test())


def test_a_counterparty_that_has_fallen_silent_is_left_and_called_again() -> None:
    async def test() -> None:
        async with world({"on_message": echo}, HeartBtInt=1) as (acceptor, client):
            acceptor.mute = True
            await acceptor.until(lambda: acceptor.connection is None)
            acceptor.mute = False
            await client.logged_on()
            await client.send("News", NEWS)
            assert (await client.receive()).name == "News"

    run(test())


def test_bytes_that_are_no_message_are_counted_and_skipped() -> None:
    async def test() -> None:
        async with world() as (acceptor, client):
            assert acceptor.connection is not None
            acceptor.connection.transport.write(b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01rubbish")
            acceptor.send(b"B", NEWS)
            assert (await client.receive()).sequence == 2
            assert client.statistics()["garbled"] >= 1

    run(test())


def test_what_nobody_takes_is_left_in_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixinbox, "INBOX_MAX", 100)

    async def test() -> None:
        async with world() as (acceptor, client):
            for _ in range(20_000):
                acceptor.send(b"B", NEWS)
            numbers = [(await client.receive()).sequence]
            assert len(client._inbox.messages) < 10_000
            numbers += [(await client.receive()).sequence for _ in range(19_999)]
            assert numbers == list(range(2, 20_002))

    run(test())


# ------------------------------------------------------------------------------------------------- stores
def test_with_a_file_store_a_new_initiator_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    async def test() -> None:
        theirs, ours = peers(ReconnectInterval=0)
        acceptor = Acceptor(theirs)
        await acceptor.start()
        for number in range(3):
            async with FixInitiator(ours, "127.0.0.1", acceptor.port, timeout=WAIT_S, Store=str(tmp_path)) as client:
                acceptor.send(b"B", NEWS)
                await client.send("News", NEWS)
                assert (await client.receive()).sequence == 3 * number + 2
        assert [int(m[34]) for m in acceptor.received] == [2, 5, 8]
        await acceptor.close()

    run(test())


def test_a_message_of_a_process_that_died_is_sent_by_the_next_one(tmp_path: Path) -> None:
    async def test() -> None:
        theirs, ours = peers()
        store = FileStore(tmp_path, ours.name, time.time_ns())
        dead = FixInitiator(ours, "127.0.0.1", free_port(), store=store)
        await dead.start()
        await dead.send("News", NEWS, offline=True)
        store.close()
        acceptor = Acceptor(theirs)
        await acceptor.start()
        async with FixInitiator(ours, "127.0.0.1", acceptor.port, timeout=WAIT_S, Store=str(tmp_path)) as client:
            await client.send("News", NEWS)
            received = await acceptor.taken(2)
            assert [(int(m[34]), m.get(43)) for m in received] == [(1, b"Y"), (3, None)]
        await acceptor.close()
        await dead.close()

    run(test())


def test_a_store_that_fails_ends_the_session() -> None:
    class Failing(MemoryStore):
        def add(self, message: bytes, keep: bool) -> None:
            if self.next_out == 3:
                raise JournalError("no space left")
            super().add(message, keep)

    async def test() -> None:
        async with world(initiator={"store": Failing(time.time_ns())}) as (acceptor, client):
            await client.send("News", NEWS)
            with pytest.raises(JournalError, match="no space left"):
                await client.send("News", NEWS)
            with pytest.raises(JournalError, match="no space left"):
                await client.receive()
            assert (len(acceptor.received), client.is_logged_on) == (1, False)

    run(test())


# ------------------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "nowhere to connect to: give host and port, or SocketConnectHost"),
        ({"hosts": ["example"]}, "'example' is no address, it must be HOST:PORT"),
        ({"hosts": ["example:0"]}, "a port is from 1 to 65535"),
        ({"hosts": ["example:1"], "HeartBtInt": "often"}, "HeartBtInt is 'often', it must be a whole number"),
        ({"hosts": ["example:1"], "StartTime": "noon"}, "StartTime is 'noon', it must be a time of day"),
        ({"hosts": ["example:1"], "Colour": "red"}, "a FIX session has no setting 'Colour'"),
    ],
)
def test_wrong_settings_are_named(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(VerbError, match=re.escape(text)):
        FixInitiator(peers()[1], **arguments)


def test_a_log_or_store_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def test() -> None:
        for setting in ("FileLogPath", "Store"):
            given: dict[str, Any] = {setting: str(tmp_path / "file" / "directory")}
            client = FixInitiator(peers()[1], "127.0.0.1", 1, **given)
            with pytest.raises(JournalError, match="Not a directory"):
                await client.start()
            await client.close()

    run(test())


def test_the_settings_can_say_where_to_connect() -> None:
    settings = SessionSettings(SenderCompID="A", TargetCompID="B", SocketConnectHost="h", SocketConnectPort=7)
    assert FixInitiator(settings).statistics()["target"] == "h port 7"


# ------------------------------------------------------------------------------------------------- blocking
@asynccontextmanager
async def acceptor_for(**given: Any) -> AsyncIterator[Acceptor]:
    acceptor = Acceptor(peers()[0], on_message=echo, **given)
    await acceptor.start()
    try:
        yield acceptor
    finally:
        await acceptor.close()


def in_thread(work: Callable[[Acceptor], None], **given: Any) -> Acceptor:
    """Run blocking code beside an acceptor."""
    made: list[Acceptor] = []

    async def test() -> None:
        async with acceptor_for(**given) as acceptor:
            made.append(acceptor)
            await asyncio.to_thread(work, acceptor)

    run(test())
    return made[0]


OURS: dict[str, Any] = {"SenderCompID": "TRADER", "TargetCompID": "EX", "timeout": WAIT_S}


def test_the_blocking_client_sends_and_receives() -> None:
    def work(acceptor: Acceptor) -> None:
        with FixClient(("127.0.0.1", acceptor.port), BeginString="FIX.4.4", **OURS) as client:
            assert client.send("NewOrderSingle", ORDER) == 2
            assert client.next("News", Headline="news").sequence == 2
            client.send_raw(b"rubbish")
            client.send("News", NEWS)
            assert client.next().name == "News"
            assert client.available() == []
            assert (client.is_logged_on, client.statistics()["next_out"]) == (True, 4)
        client.close()
        with pytest.raises(ClientError, match="the client is closed"):
            client.next()

    assert in_thread(work).logouts == [""]


def test_the_blocking_client_iterates_and_logs_out() -> None:
    def work(acceptor: Acceptor) -> None:
        with FixClient(f"127.0.0.1:{acceptor.port}", BeginString="FIX.4.4", **OURS) as client:
            for _ in range(3):
                client.send("News", NEWS)
            numbers = []
            for message in client:
                numbers.append(message.sequence)
                if len(numbers) == 3:
                    client.logout("bye")
            assert numbers == [2, 3, 4]

    assert in_thread(work).logouts == ["bye"]


def test_the_blocking_client_raises_at_once_when_nobody_listens_or_the_logon_is_refused() -> None:
    with pytest.raises(ClientError, match=r"cannot connect to 127\.0\.0\.1 port"):
        FixClient(("127.0.0.1", free_port()), BeginString="FIX.4.4", **OURS)

    def work(acceptor: Acceptor) -> None:
        with pytest.raises(LoginRejected, match="go away"):
            FixClient(("127.0.0.1", acceptor.port), BeginString="FIX.4.4", **OURS)

    in_thread(work, judge=lambda _: "go away")


def test_the_blocking_client_logs_on_again_with_the_numbers_it_is_told() -> None:
    def work(acceptor: Acceptor) -> None:
        with FixClient(("127.0.0.1", acceptor.port), BeginString="FIX.4.4", **OURS) as client:
            with pytest.raises(ClientError, match="only before start, or after logout"):
                client.set_sequence(5)
            client.logout()
            with pytest.raises(VerbError, match="next_in is 0, it must be from 1"):
                client.set_sequence(next_in=0)
            client.set_sequence(next_out=1)
            with pytest.raises(LoginRejected, match="MsgSeqNum too low, expecting 3 but received 1"):
                client.logon()
            client.logout()
            client.set_sequence(next_out=3)
            client.logon()
            client.send("News", NEWS)
            assert client.next().name == "News"

    in_thread(work)


def test_a_hook_of_the_blocking_client_cannot_wait_for_it() -> None:
    errors: list[str] = []

    def work(acceptor: Acceptor) -> None:
        def on_application(_message: Received, _initiator: FixInitiator) -> None:
            try:
                client.send("News", NEWS)
            except ClientError as error:
                errors.append(str(error))

        where = ("127.0.0.1", acceptor.port)
        with FixClient(where, BeginString="FIX.4.4", on_application=on_application, **OURS) as client:
            client.send("News", NEWS)
            asyncio.run_coroutine_threadsafe(acceptor.until(lambda: bool(errors)), loop[0]).result(WAIT_S)

    loop: list[asyncio.AbstractEventLoop] = []

    async def test() -> None:
        loop.append(asyncio.get_running_loop())
        async with acceptor_for() as acceptor:
            await asyncio.to_thread(work, acceptor)

    run(test())
    assert errors == ["a hook cannot wait for its client: make it a coroutine, and use the initiator that it is given"]


def test_a_lost_connection_is_an_error_of_the_blocking_client_unless_it_reconnects() -> None:
    def work(acceptor: Acceptor) -> None:
        with FixClient(("127.0.0.1", acceptor.port), BeginString="FIX.4.4", **OURS) as client:
            client.drop()
            with pytest.raises(ClientError, match="connection"):
                client.next()
        with FixClient(("127.0.0.1", acceptor.port), reconnect=True, ReconnectInterval=0, BeginString="FIX.4.4",
                       ResetOnLogon="Y", **OURS) as client:  # fmt: skip
            client.drop()
            client.logged_on()
            client.send("News", NEWS)
            assert client.next().name == "News"

    in_thread(work)


@pytest.mark.parametrize(
    ("protocol", "version"),
    [("fix42", "FIX.4.2"), ("fix50sp1", "FIX.5.0SP1"), ("fix50", "FIX.5.0"), ("fix", "FIX.4.4")],
)
def test_an_endpoint_of_one_version_says_which(protocol: str, version: str) -> None:
    settings = SessionSettings(SenderCompID="A", TargetCompID="B", **_version(protocol))
    assert settings.version == version
