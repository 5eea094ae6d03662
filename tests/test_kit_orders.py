"""The test kit's orders: what they expect, how they wait, what a failed expectation says; OUCH and FIX alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from openoutcry import ClientError, Exchange
from openoutcry.testkit import FixTrader, Order, OuchTrader, Trader, Unexpected, expecting
from openoutcry.testkit.expecting import exact, plain
from openoutcry.testkit.orders import ACCEPTED, CANCELED, FILLED, REJECTED, REPLACED, Happening

FIX = ("fix40", "fix41", "fix42", "fix43", "fix44", "fix50sp2")
Connect = Callable[[str], Any]


class Script(Trader):
    """A trader whose messages are in a list; it waits for nothing."""

    title = "a script"

    def __init__(self, *happenings: Happening) -> None:
        super().__init__()
        self.coming = list(happenings)
        self.asked: list[tuple[Any, ...]] = []

    def standing(self) -> str:
        return "here"

    def new_name(self) -> str:
        return f"A{len(self.orders)}"

    def send_order(self, order: Order, properties: dict[str, Any]) -> None:
        self.asked.append(("new", order.name, properties))

    def send_cancel(self, order: Order) -> None:
        self.asked.append(("cancel", order.name))

    def send_replace(self, order: Order, quantity: int, price: Decimal | None) -> None:
        self.asked.append(("replace", order.name, quantity, price))

    def more(self, seconds: float) -> bool:
        if not self.coming:
            return False
        self.orders[0].add(self.coming.pop(0))
        return True

    def words_of(self, mark: str, message: Any) -> str:
        return str(message)


def accepted(quantity: int = 100) -> Happening:
    return Happening(ACCEPTED, "accepted", open=quantity, message="A", number=1)


def filled(quantity: int, price: str = "10.05") -> Happening:
    return Happening(FILLED, f"executed {quantity} at {price}", quantity, Decimal(price), message="E", number=2)


def canceled(quantity: int, *reasons: str) -> Happening:
    return Happening(CANCELED, f"canceled {quantity}", quantity, reasons=reasons, message="C", number=3)


def buy(*happenings: Happening) -> Order:
    return Script(*happenings).buy("AAPL", 100, "10.05")


# ------------------------------------------------------------------------------------------------- the rules
def test_expectations_come_true_in_any_order_and_give_the_order_back() -> None:
    order = buy(accepted(), filled(40), filled(10, "10.04"), canceled(50, "U", "user"))
    order.expect_canceled(50, "user").expect_accepted().expect_filled(40, at="10.05").expect_filled(10, at="10.04")
    assert (order.status, order.filled, order.open) == (CANCELED, 50, 0)
    assert order.average_price == Decimal("10.048")
    assert order.messages == ["A", "E", "E", "C"]


def test_executions_add_up_and_each_is_expected_once() -> None:
    order = buy(accepted(), filled(30), filled(30), filled(40))
    order.expect_filled(60, at="10.050").expect_filled()
    assert order.status == FILLED
    with pytest.raises(Unexpected, match="but: it was filled, all 100"):
        order.expect_filled(1)


@pytest.mark.parametrize(
    ("happenings", "expect", "instead"),
    [
        (
            [Happening(REJECTED, "rejected: halted", message="J")],
            lambda o: o.expect_accepted(),
            "it was rejected: halted",
        ),
        (
            [Happening(REJECTED, "rejected: halted", message="J")],
            lambda o: o.expect_filled(),
            "it was rejected: halted",
        ),
        ([accepted()], lambda o: o.expect_rejected("halted"), "it was accepted, and 100 are open"),
        ([accepted(), filled(100)], lambda o: o.expect_canceled(), "it was filled, all 100"),
        ([accepted(), filled(30)], lambda o: o.expect_filled(20), "it was filled 30"),
        ([accepted(), filled(30)], lambda o: o.expect_filled(30, at="10"), "it was executed 30 at 10.05"),
        (
            [accepted(), filled(30), canceled(70)],
            lambda o: o.expect_filled(40),
            "it was filled 30 and no more: it was canceled 70",
        ),
        ([accepted(), canceled(100, "I")], lambda o: o.expect_canceled(100, "U"), "it was canceled 100"),
        ([accepted(), canceled(100)], lambda o: o.expect_canceled(60), "it was canceled 100"),
        ([accepted(), canceled(100)], lambda o: o.expect_replaced(), "it was canceled 100"),
        (
            [accepted(), canceled(100)],
            lambda o: o.expect_canceled().expect_canceled(),
            "that has been expected already; it was canceled 100",
        ),
        ([accepted(60)], lambda o: o.expect_open(100), "it was accepted, and 60 are open"),
        (
            [accepted(), Happening(REPLACED, "replaced", price=Decimal(11), open=80, message="U")],
            lambda o: o.expect_replaced(80, "12"),
            "it is buy 80 AAPL at 11 now",
        ),
        ([accepted()], lambda o: o.expect_canceled(timeout=0.01), "not within 0.01 s"),
    ],
)
def test_what_cannot_come_true_any_more_fails_at_once_and_says_what_happened(
    happenings: list[Happening], expect: Callable[[Order], Any], instead: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        expect(buy(*happenings))
    assert str(caught.value).split("\n")[1] == f" but: {instead}"


def test_the_error_tells_the_whole_story_of_the_order() -> None:
    order = buy(accepted(), filled(40))
    with pytest.raises(Unexpected) as caught:
        order.expect_filled(100, at="10.05", timeout=0)
    assert str(caught.value) == (
        "expected: buy 100 AAPL at 10.05 filled 100 at 10.05\n but: not within 0 s\n"
        "order A0 of a script: open, 40 filled, 60 open\n"
        "  > buy 100 AAPL at 10.05\n  < #1 accepted\n  < #2 executed 40 at 10.05"
    )


class Busy(Script):
    """A trader that always hears something new."""

    def more(self, seconds: float) -> bool:
        return True


def test_an_endless_stream_of_other_messages_does_not_keep_an_expectation_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expecting, "LATE_S", 0.01)
    with pytest.raises(Unexpected, match="not within 0 s"):
        Busy().buy("AAPL", 1, "1").expect_accepted(timeout=0)


def test_requests_are_the_protocols() -> None:
    order = buy(accepted())
    order.cancel().replace(price="10.10").replace(50)
    assert isinstance(order.trader, Script)
    assert order.trader.asked == [
        ("new", "A0", {}), ("cancel", "A0"), ("replace", "A0", 100, Decimal("10.10")),
        ("replace", "A0", 50, Decimal("10.05")),
    ]  # fmt: skip


def test_prices_are_exact() -> None:
    with pytest.raises(TypeError, match="a float is not exact"):
        Script().buy("AAPL", 100, 10.05)  # type: ignore[arg-type]  # that is the point
    for wrong in ("ten", "nan", "inf", "10." + 37 * "0" + "5"):
        with pytest.raises(ValueError, match="is no price"):
            exact(wrong)
    assert [plain(exact(price)) for price in ("10.0500", "10", 100, "0.5", "100.00")] == [
        "10.05",
        "10",
        "100",
        "0.5",
        "100",
    ]


# ------------------------------------------------------------------------------------------------- over both protocols
@pytest.fixture
def connect(exchange: Exchange) -> Iterator[Connect]:
    """Clients by protocol, in one market with a book, AAPL."""
    engine = exchange.create_engine("main")
    engine.create_book("aapl", "AAPL")
    made: list[Any] = []

    def connected(protocol: str) -> Any:
        endpoint = engine.create_endpoint(protocol, protocol)
        if protocol == "ouch42":
            made.append(OuchTrader(*endpoint.address, "ME"))
        else:
            made.append(FixTrader(endpoint, SenderCompID="ME", TargetCompID="OO"))
        return made[-1]

    yield connected
    for client in made:
        client.close()


@pytest.mark.parametrize("protocol", ("ouch42", *FIX))
def test_the_same_test_runs_over_every_protocol(exchange: Exchange, connect: Connect, protocol: str) -> None:
    client = connect(protocol)
    resting = client.sell("AAPL", 100, "10.05").expect_accepted()
    client.buy("AAPL", 40, "10.05").expect_filled(40, at="10.05")
    resting.expect_filled(40).replace(80, "10.06").expect_replaced(80, "10.06").expect_open(40)
    resting.cancel().expect_canceled(40)
    assert (resting.quantity, resting.price, resting.filled) == (80, Decimal("10.06"), 40)
    client.buy("AAPL", 100, "9", time_in_force="ioc").expect_canceled(100, "immediate").expect_accepted()
    client.buy("AAPL", 100).expect_canceled(100)  # at the market, and there is nobody
    client.buy("MSFT", 100, "9").expect_rejected("unknown symbol")
    exchange.halt("aapl")
    client.buy("AAPL", 100, "9").expect_rejected("halted")


@pytest.mark.parametrize("protocol", ("ouch42", "fix42", "fix44"))
def test_trades_are_broken_and_corrected(exchange: Exchange, connect: Connect, protocol: str) -> None:
    client = connect(protocol)
    client.sell("AAPL", 10, "10.05")
    order = client.buy("AAPL", 10, "10.05").expect_filled()
    match = exchange.trades("aapl")[0]["match"]
    exchange.correct_trade(match, "10.04")
    order.expect_corrected(to="10.04")
    exchange.break_trade(match)
    order.expect_broken()


@pytest.mark.parametrize("protocol", ("ouch42", "fix44"))
def test_an_order_goes_on_after_a_lost_connection(connect: Connect, protocol: str) -> None:
    client, other = connect(protocol), connect("fix42" if protocol == "ouch42" else "ouch42")
    order = client.buy("AAPL", 100, "10.05").expect_accepted()
    client.drop()
    other.sell("AAPL", 40, "10.05").expect_filled(40)
    with pytest.raises(Unexpected, match=r"but: .*clos"):
        order.expect_filled(40)
    client.reconnect()
    order.expect_filled(40, at="10.05").expect_open(60)


def test_messages_stay_with_the_client_as_well(connect: Connect) -> None:
    ouch, fix = connect("ouch42"), connect("fix44")
    fix.buy("AAPL", 10, "10").expect_accepted()
    ouch.sell("AAPL", 10, "10").expect_filled(10)
    assert [message.type for message in ouch.available()] == ["S", "A", "E"]
    assert fix.next("ExecutionReport", ExecType="F")["LastQty"] == "10"
    assert [message.meaning("ExecType") for message in fix.available()] == ["NEW"]


def test_session_rejects_are_the_orders_too(connect: Connect) -> None:
    client = connect("fix44")
    client.buy("AAPL", 10, "10", Side="?").expect_rejected()
    client.buy("AAPL", 10, "10", OrdType="9", ClOrdID="mine").expect_rejected()


def test_an_order_may_have_a_name_of_ones_own(connect: Connect) -> None:
    assert connect("fix44").buy("AAPL", 10, "10", ClOrdID="mine").expect_accepted().name == "mine"
    assert connect("ouch42").buy("AAPL", 10, "10", token="MINE").expect_accepted().name == "MINE"


def test_a_cancel_that_is_too_late_is_refused(connect: Connect) -> None:
    client = connect("fix44")
    client.sell("AAPL", 10, "10")
    order = client.buy("AAPL", 10, "10").expect_filled()
    order.cancel().expect_cancel_rejected("too late")


def test_a_refused_replacement_does_not_answer_the_cancel_after_it(exchange: Exchange, connect: Connect) -> None:
    order = connect("fix44").buy("AAPL", 10, "10").expect_accepted()
    exchange.halt("aapl")
    order.replace(price="11").cancel().expect_canceled(10).expect_cancel_rejected("halted")


def test_a_silent_session_shows_its_last_messages(connect: Connect) -> None:
    client = connect("fix44")
    client.send("NewOrderSingle", {"ClOrdID": "mine", "Symbol": "AAPL", "Side": "1", "OrderQty": 1, "OrdType": "1"})
    client.next(ClOrdID="mine")
    order = Order(client, "never", "buy", "AAPL", 1, None)
    with pytest.raises(Unexpected, match=r"no message about it(.|\n)*> NewOrderSingle: ClOrdID=mine(.|\n)*< #3"):
        order.expect_accepted(timeout=0.01)


def test_passwords_are_not_shown(connect: Connect) -> None:
    client = connect("fix44")
    client.send("UserRequest", {"UserRequestID": "1", "UserRequestType": 1, "Username": "me", "Password": "secret"})
    client.send(b"BE", b"923=1\x01924=1\x01553=me\x01554=secret\x01")
    shown = "\n".join(client.last_messages())
    assert "UserRequest" in shown and "secret" not in shown


def test_a_connection_that_was_dropped_is_said_to_be(connect: Connect) -> None:
    for protocol, why in (("ouch42", "the connection is closed"), ("fix44", "we closed the connection")):
        client = connect(protocol)
        client.drop()
        with pytest.raises(ClientError, match=why):
            client.buy("AAPL", 1, "10")
        client.reconnect()
        client.buy("AAPL", 1, "10").expect_accepted()


def test_a_wrong_time_in_force_says_what_would_be_right(connect: Connect) -> None:
    for protocol, known in (("ouch42", "ioc, fok, day, system"), ("fix44", "day, gtc")):
        with pytest.raises(ValueError, match=known):
            connect(protocol).buy("AAPL", 1, "10", time_in_force="never")


@pytest.mark.parametrize("protocol", ("ouch42", "fix44"))
def test_all_or_nothing_is_the_same_over_both_protocols(connect: Connect, protocol: str) -> None:
    client = connect(protocol)
    client.sell("AAPL", 60, "10").expect_accepted()
    client.buy("AAPL", 100, "10", time_in_force="fok").expect_canceled(100)
    client.buy("AAPL", 50, "10", time_in_force="fok").expect_filled(50)


def test_an_order_is_good_till_a_time_over_fix(exchange: Exchange, connect: Connect) -> None:
    client = connect("fix44")
    exchange.clock.stop()
    until = exchange.clock.now + timedelta(seconds=90)
    order = client.buy("AAPL", 100, "10", time_in_force="gtd", ExpireTime=until).expect_accepted()
    exchange.clock.advance(seconds=89)
    order.expect_open(100)
    exchange.clock.advance(seconds=1)
    order.expect_canceled(100, "timeout")
