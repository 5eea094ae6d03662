"""Every policy and each of its options, as clients of OUCH and of FIX meet it; engines that a test plays itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from openoutcry.testkit import Order
from tests.both_world import SYMBOL, Client, Floor, fills, passed_ns, shows, wait_for

MS_NS = 1_000_000


def bought(client: Client, quantity: int = 100, price: str = "10") -> Order:
    """An order to buy that was accepted."""
    return client.buy(SYMBOL, quantity, price).expect_accepted()


def gaps_ms(order: Order) -> list[int]:
    """Milliseconds between the messages about an order."""
    return [passed_ns(before, after) // MS_NS for before, after in itertools.pairwise(order.messages)]


# ------------------------------------------------------------------------------------------------- auto-fill
@shows("policy auto-fill.percent", verbs="add_policy delete_policy")
def test_a_part_of_each_order_is_filled(floor: Floor) -> None:
    policy = floor.engine.add_policy("half", "auto-fill", percent=50)
    client = floor.client()
    bought(client).expect_filled(50, at="10").expect_open(50)
    policy.delete()
    order = bought(client)
    floor.ping(client)
    assert order.filled == 0


@shows("policy auto-fill.quantity", "policy auto-fill.price")
def test_so_much_is_filled_at_a_price_of_ones_own(floor: Floor) -> None:
    floor.engine.add_policy("p", "auto-fill", quantity=30, price="9.98")
    bought(floor.client()).expect_filled(30, at="9.98").expect_open(70)


@shows("policy auto-fill.delay_ms", "policy auto-fill.slices", "policy auto-fill.interval_ms")
def test_fills_come_in_slices_over_time(floor: Floor) -> None:
    floor.engine.add_policy("p", "auto-fill", delay_ms=40, slices=3, interval_ms=30)
    order = bought(floor.client()).expect_filled(100)
    assert [quantity for quantity, _ in fills(order)] == [33, 33, 34]
    first, second, third = gaps_ms(order)
    assert first >= 39 and second >= 29 and third >= 29


# ------------------------------------------------------------------------------------------------- auto-reject
@shows("policy auto-reject.reason", "policy auto-reject.text")
def test_orders_are_refused_for_a_reason(floor: Floor) -> None:
    floor.engine.add_policy("p", "auto-reject", reason="max position", text="not today")
    order = floor.client().buy(SYMBOL, 100, "10")
    order.expect_rejected("not today" if floor.is_fix else "max position")


def refusals(floor: Floor, client: Client) -> list[str]:
    """Whether an order, its replacement and its cancel were taken or refused."""
    order = client.buy(SYMBOL, 100, "10")
    floor.ping(client)
    if order.status == "rejected":
        return ["order"]
    found = []
    for what in ("change", "cancel"):
        before = len(order.messages)
        if what == "change":
            order.replace(price="9")
        else:
            order.cancel()
        floor.ping(client)
        answers = [h.kind for h in order.happenings if h.message is not None][before:]
        if answers == ["cancel rejected"] or not answers:
            found.append(what)
    return found


@shows("policy auto-reject.on")
@pytest.mark.parametrize(("on", "refused"), [
    ("orders", ["order"]), ("changes", ["change"]), ("cancels", ["cancel"]), ("all", ["order"]),
])  # fmt: skip
def test_messages_of_one_kind_are_refused(floor: Floor, on: str, refused: list[str]) -> None:
    floor.engine.add_policy("p", "auto-reject", on=on, book=floor.book.name)
    assert refusals(floor, floor.client()) == refused


# ------------------------------------------------------------------------------------------------- auto-cancel
@shows("policy auto-cancel.delay_ms", "policy auto-cancel.reason")
def test_orders_are_cancelled_after_a_while(floor: Floor) -> None:
    floor.engine.add_policy("p", "auto-cancel", delay_ms=40, reason="halted")
    order = bought(floor.client()).expect_canceled(100, "halted")
    assert gaps_ms(order)[0] >= 39


@shows("policy partial-then-cancel.percent", "policy partial-then-cancel.delay_ms", "policy partial-then-cancel.reason")
def test_a_part_is_filled_and_the_rest_cancelled(floor: Floor) -> None:
    floor.engine.add_policy("p", "partial-then-cancel", percent=30, delay_ms=40, reason="timeout")
    order = bought(floor.client()).expect_filled(30, at="10").expect_canceled(70, "timeout")
    assert gaps_ms(order)[1] >= 39


@shows("policy partial-then-cancel.quantity", "policy partial-then-cancel.price")
def test_so_much_is_filled_before_the_rest_is_cancelled(floor: Floor) -> None:
    floor.engine.add_policy("p", "partial-then-cancel", quantity=10, price="9.90")
    bought(floor.client()).expect_filled(10, at="9.90").expect_canceled(90)


# ------------------------------------------------------------------------------------------------- the others
@shows("policy halt.orders", "policy halt.text")
def test_a_book_is_halted_after_so_many_orders(floor: Floor) -> None:
    floor.engine.add_policy("p", "halt", orders=2, text="enough")
    watch = floor.exchange.market_data(SYMBOL)
    client = floor.client()
    bought(client), bought(client)
    client.buy(SYMBOL, 100, "10").expect_rejected("halted")
    watch.wait_for(lambda: "enough" in watch.book(SYMBOL).text)


@shows("policy silent.on")
@pytest.mark.parametrize("on", ["orders", "cancels"])
def test_messages_are_lost(floor: Floor, on: str) -> None:
    floor.engine.add_policy("p", "silent", on=on, book=floor.book.name)
    client = floor.client()
    order = client.buy(SYMBOL, 100, "10")
    if on == "cancels":
        order.expect_accepted().cancel()
    floor.ping(client)
    assert order.status == ("sent" if on == "orders" else "open")
    assert len(floor.book.orders()) == (0 if on == "orders" else 1)


@shows("policy delay.delay_ms", "policy delay.on")
def test_messages_are_held_for_a_while(floor: Floor) -> None:
    floor.engine.add_policy("p", "delay", on="cancels", delay_ms=50)
    order = bought(floor.client()).cancel().expect_canceled(100)
    assert gaps_ms(order)[0] >= 49


@shows("policy delay.jitter_ms")
def test_with_jitter_messages_overtake_each_other(floor: Floor) -> None:
    floor.engine.add_policy("p", "delay", delay_ms=0, jitter_ms=60)
    client = floor.client()
    sent = [client.buy(SYMBOL, 1, "10") for _ in range(12)]
    for order in sent:
        order.expect_accepted()
    came = sorted(sent, key=lambda order: order.happenings[-1].number)
    assert came != sent


# ------------------------------------------------------------------------------------------------- limits of all
LIMITED = ("book", "side", "session", "count", "probability")
# Whether an order of a kind of policy was acted upon.
HIT: dict[str, Callable[[Order], bool]] = {
    "auto-fill": lambda order: order.filled > 0,
    "auto-reject": lambda order: order.status == "rejected",
    "auto-cancel": lambda order: order.status == "canceled",
    "partial-then-cancel": lambda order: order.filled > 0,
    "silent": lambda order: order.status == "sent",
    "delay": lambda order: order.status == "sent",
}
OPTIONS = {"delay": "delay_ms=600000"}


@shows(*(f"policy {kind}.{limit}" for kind in HIT for limit in LIMITED))
@pytest.mark.parametrize("kind", HIT)
def test_every_policy_can_be_limited(floor: Floor, kind: str) -> None:
    floor.engine.create_book("msft", "MSFT")
    ann, bob = floor.clients("ANN", "BOB")
    who = "FIX.4.4:EXCHANGE->ANN" if floor.is_fix else "ANN"
    limits = {"book=aapl": "bsu", "side=buy": "bmu", f"session='{who}'": "bsm", "count=2": "bs", "probability=0": ""}
    for limit, hit in limits.items():
        floor.exchange.add_policy(floor.engine, "p", kind, f"{limit} {OPTIONS.get(kind, '')}")
        sent = {"b": ann.buy(SYMBOL, 10, "10"), "s": ann.sell(SYMBOL, 10, "20"), "m": ann.buy("MSFT", 10, "10")}
        wait_until_acted(floor, len(set(hit) & set(sent)))
        sent["u"] = bob.buy(SYMBOL, 10, "10")
        wait_until_acted(floor, len(hit))
        floor.exchange.delete_policy(floor.engine, "p")
        for client in (ann, bob):
            floor.ping(client)
        assert {key for key, order in sent.items() if HIT[kind](order)} == set(hit), limit


def wait_until_acted(floor: Floor, times: int) -> None:
    """Look until the policy has acted on so many messages."""
    wait_for(lambda: bool(floor.exchange.list("policies")[0]["acted"] == times))


@shows(*(f"policy halt.{limit}" for limit in LIMITED))
@pytest.mark.parametrize(("limit", "halts"), [
    ("book=aapl", True), ("book=msft", False), ("side=buy", True), ("side=sell", False), ("session=nobody", False),
    ("count=1", True), ("probability=100", True), ("probability=0", False),
])  # fmt: skip
def test_a_halt_can_be_limited_too(floor: Floor, limit: str, halts: bool) -> None:
    floor.engine.create_book("msft", "MSFT")
    floor.exchange.add_policy(floor.engine, "p", "halt", limit)
    client = floor.client()
    bought(client)
    order = client.buy(SYMBOL, 100, "10")
    order.expect_rejected("halted") if halts else order.expect_accepted()


# ------------------------------------------------------------------------------------------------- by hand
@shows(verbs="accept_request reject_request fill_request requests")
def test_a_manual_engine_does_what_the_test_says(floor: Floor) -> None:
    lab = floor.exchange.create_engine("lab", "manual")
    lab.create_book("lab-aapl", SYMBOL)
    client = floor.client("ANN", floor.endpoint("lab-port", engine=lab))
    first, second, third = (client.buy(SYMBOL, 100, "10.00") for _ in range(3))
    for _ in range(3):
        lab.wait_for_request()
    lab.reject("max position", "too much", lab.requests()[1]["request"])
    second.expect_rejected("too much" if floor.is_fix else "max position")
    lab.accept()
    first.expect_accepted().expect_open(100)
    lab.fill(40, "9.99")
    third.expect_accepted().expect_filled(40, at="9.99").expect_open(60)
    first.cancel()
    lab.wait_for_request()
    lab.reject("too late to change")
    first.expect_cancel_rejected()
    first.replace(price="10.10")
    lab.wait_for_request()
    lab.accept()
    first.expect_replaced(100, "10.10")


@shows(verbs="fill_order pull_order match_orders break_trade correct_trade trades")
def test_single_interventions(floor: Floor) -> None:
    ann, bob = floor.clients("ANN", "BOB")
    buy, sell = bought(ann), bob.sell(SYMBOL, 100, "11").expect_accepted()
    floor.exchange.fill_order(floor.number(buy), 30, "9.98")
    buy.expect_filled(30, at="9.98").expect_open(70)
    floor.exchange.match_orders(floor.book, str(floor.number(buy)), str(floor.number(sell)), 20, "10.50")
    buy.expect_filled(20, at="10.50")
    sell.expect_filled(20, at="10.50").expect_open(80)
    floor.exchange.pull_order(floor.number(buy), 10, "halted")
    buy.expect_canceled(40, "halted").expect_open(10)
    floor.exchange.pull_order(floor.number(buy))
    buy.expect_canceled(10, "supervisory")
    newest, older = floor.book.trades(2)
    floor.exchange.correct_trade(newest["match"], "10.40")
    buy.expect_corrected(to="10.40")
    sell.expect_corrected(to="10.40")
    floor.exchange.break_trade(older["match"], "consent")
    buy.expect_broken()
