"""Batches: several verbs in one request have the outcomes that they have one after another, and never run twice."""

from __future__ import annotations

import json
import threading
from typing import Any

import msgpack
import pytest

from openoutcry import Exchange, verbs, wire
from openoutcry.clients.batch import Batch
from openoutcry.clients.control import ControlClient
from openoutcry.control import batches, messages, plans
from openoutcry.control import desk as d
from openoutcry.errors import ClusterError, VerbError
from tests.control_world import CLIENT, Outside


# ------------------------------------------------------------------------------------------------- at the desk
def sent(outside: Outside) -> list[tuple[Any, ...]]:
    return [command[2:] for command in outside.commands]


def test_journaled_verbs_leave_together_and_are_answered_in_their_order() -> None:
    outside = Outside()
    outside.ask_batch(("create_engine", "main"), ("create_book", "aapl", "main", "AAPL"), ("open", "main"), number=7)
    assert sent(outside) == [
        ("create_engine", ("main", "matching")), ("create_book", ("aapl", "main", "AAPL")), ("open", ("main",)),
    ]  # fmt: skip
    outside.result(102, None, "wrong_state", "engine", "open already")
    outside.result(100, {"a": 1})
    assert not outside.replies
    outside.result(101, [2])
    assert outside.answer.id == 7 and not outside.desk.pending
    assert outside.outcomes == [[[], {"a": 1}], [[], [2]], [["wrong_state", "engine", "open already"], None]]


def test_questions_are_asked_together_and_answered_in_their_order() -> None:
    outside = Outside()
    outside.ask_batch(("depth", "aapl"), ("depth", "msft"))
    ((number, question),) = outside.queries
    asked = [["depth", {"book": "aapl", "levels": 0}], ["depth", {"book": "msft", "levels": 0}]]
    assert question == ("matcher", "several", {"questions": asked})
    outside.desk.reply(number, 1, '[[0,["unknown_name","book","no book"]],[1,2]]', 1)
    assert outside.outcomes == [[["unknown_name", "book", "no book"], None], [[], 2]]


@pytest.mark.parametrize("room", [1, 7, wire.SEVERAL_MAX])
def test_questions_for_which_an_answer_has_no_room_are_asked_again(room: int) -> None:
    outside = Outside()
    count = 2 * wire.SEVERAL_MAX + 5
    outside.ask_batch(*(("depth", "aapl", place) for place in range(count)))
    while not outside.replies:
        number, question = outside.queries[-1]
        asked = question.argument["questions"]
        assert 1 <= len(asked) <= wire.SEVERAL_MAX
        outside.desk.reply(number, 1, json.dumps([[1, argument["levels"]] for _, argument in asked[:room]]), 1)
    assert outside.outcomes == [[[], place] for place in range(count)]


@pytest.mark.parametrize(("ok", "body"), [(0, '"not connected"'), (1, "[]"), (0, '["limit","","long"]')])
def test_when_questions_are_refused_together_each_has_that_error(ok: int, body: str) -> None:
    outside = Outside()
    outside.ask_batch(("depth", "aapl"), ("depth", "msft"))
    while not outside.replies:
        outside.desk.reply(outside.queries[-1][0], ok, body, 1)
    (first, second) = outside.outcomes
    assert first == second and first[0][0] == ("limit" if "limit" in body else "unavailable")


def test_another_kind_of_verb_waits_for_those_before_it() -> None:
    outside = Outside()
    outside.ask_batch(("open", "main"), ("depth", "aapl"), ("close", "main"))
    assert sent(outside) == [("open", ("main",))] and not outside.queries
    outside.result(100, None)
    assert len(outside.queries) == 1 and len(outside.commands) == 1
    outside.desk.reply(outside.queries[0][0], 1, "[[1,5]]", 2)
    assert sent(outside)[1:] == [("close", ("main",))]
    outside.result(101, None)
    assert outside.outcomes == [[[], None], [[], 5], [[], None]]


def test_a_bad_argument_is_the_error_of_its_verb_and_the_others_go_together() -> None:
    outside = Outside()
    outside.ask_batch(("open", "a b"), ("open", "main"), ("frobnicate",), ("close", "main"))
    assert sent(outside) == [("open", ("main",)), ("close", ("main",))]
    outside.result(100, None)
    outside.result(101, None)
    errors = [error[:2] for error, _ in outside.outcomes]
    assert errors == [["bad_argument", "engine"], [], ["unknown_verb", "verb"], []]


def test_a_batch_that_stops_leaves_out_what_comes_after_the_first_that_is_refused() -> None:
    outside = Outside()
    outside.ask_batch(("open", "main"), ("close", "main"), ("open", "main"), stop=True)
    assert len(outside.commands) == 1
    outside.result(100, 1)
    outside.result(101, None, "wrong_state", "engine", "closed")
    assert len(outside.commands) == 2
    assert outside.outcomes == [[[], 1], [["wrong_state", "engine", "closed"], None]]


def test_a_batch_that_was_sent_again_is_answered_from_memory_whole() -> None:
    outside = Outside()
    for _ in range(2):
        outside.ask_batch(("open", "main"), ("close", "main"))
    assert len(outside.commands) == 2 and not outside.replies
    outside.result(100, 1)
    outside.result(101, 2)
    outside.ask_batch(("open", "main"), ("close", "main"))
    assert len(outside.commands) == 2
    assert [reply.value for _, reply in outside.replies] == ["[[[],1],[[],2]]"] * 2


def test_verbs_with_a_plan_of_their_own_keep_their_place() -> None:
    outside = Outside()
    outside.ask_batch(("open", "main"), ("create_user", "ann", "s3cret"), ("close", "main"))
    outside.result(100, 1)
    ((work, future),) = outside.works
    assert work.arguments == ("s3cret",)
    future.set_result("hash")
    outside.desk.tick(1)
    assert sent(outside)[1] == ("create_user", ("ann", "hash", None, None, None))
    outside.result(101, 2)
    outside.desk.reply(outside.queries[-1][0], 1, "[]", 3)  # no gateway that it should have reached
    assert sent(outside)[2] == ("close", ("main",))
    outside.result(102, 3)
    assert outside.outcomes == [[[], 1], [[], 2], [[], 3]]


def test_gateways_are_waited_for_once_for_all_that_they_should_know() -> None:
    outside = Outside()
    outside.ask_batch(*(("delete_user", name) for name in ("ann", "bob", "eve")))
    for number in range(100, 103):
        outside.result(number, None)
    ((number, question),) = outside.queries
    assert question.what == "peers"
    outside.desk.reply(number, 1, '[{"name":"gateway-1","role":"gateway"}]', 1)
    assert outside.queries[-1][1].to == "gateway-1" and not outside.replies
    outside.desk.reply(outside.queries[-1][0], 1, "{}", 2)
    assert outside.outcomes == [[[], None]] * 3


def test_what_there_is_no_time_for_is_not_begun_and_says_so() -> None:
    outside = Outside()
    outside.ask_batch(("open", "main"), ("close", "main"), ("depth", "aapl"), ("open", "main"))
    outside.result(100, None)
    outside.desk.tick(d.ANSWER_NS)
    errors = [error for error, _ in outside.outcomes]
    assert errors[0] == [] and "may still be carried out" in errors[1][2]
    assert [error[0] for error in errors[1:]] == ["unavailable"] * 3
    assert all("not begun" in error[2] for error in errors[2:])
    assert len(outside.commands) == 2 and not outside.queries
    outside.result(101, None)
    assert outside.desk.counters["stale_results"] == 1


def test_a_batch_waits_for_the_matcher_to_come_back_in_its_order() -> None:
    outside = Outside(connected=False)
    outside.ask_batch(("open", "main"), ("close", "main"))
    outside.connected = True
    outside.desk.tick(1)
    outside.desk.tick(2)
    assert sent(outside) == [("open", ("main",)), ("close", ("main",))]


def test_without_a_matcher_every_verb_of_a_batch_is_unavailable_and_nothing_is_queued() -> None:
    outside = Outside(connected=False)
    outside.ask_batch(("open", "main"), ("close", "main"))
    outside.desk.tick(d.ANSWER_NS)
    assert all("nothing was changed" in error[2] for error, _ in outside.outcomes)
    outside.connected = True
    outside.desk.tick(d.ANSWER_NS + 1)
    assert not outside.commands


def test_an_integer_that_the_bus_cannot_carry_is_the_error_of_its_verb_alone() -> None:
    outside = Outside()
    outside.ask_batch(("set_engine_property", "main", "seed", 2**64 - 1), ("open", "main"))
    assert sent(outside) == [("open", ("main",))]
    outside.result(101, None)
    assert [error[:1] for error, _ in outside.outcomes] == [["bad_argument"], []]


def test_a_long_batch_of_verbs_that_are_refused_at_once_does_not_nest() -> None:
    outside = Outside()
    pair = [("set_engine_property", "main", "seed", 2**64 - 1), ("list", "verbs")]
    outside.ask_batch(*pair * (messages.BATCH_MAX // 2))
    for now in range(messages.BATCH_MAX):
        outside.desk.tick(now)
    assert [error[:1] for error, _ in outside.outcomes[::2]] == [["bad_argument"]] * (messages.BATCH_MAX // 2)
    assert not outside.commands


@pytest.mark.parametrize("size", [10, 3_000, 150_000])
def test_a_reply_has_room_for_every_outcome_whatever_they_are(size: int) -> None:
    outside = Outside()
    outside.ask_batch(*[("open", "main")] * messages.BATCH_MAX)
    for number in range(100, 100 + messages.BATCH_MAX):
        if number % 3:
            outside.result(number, "x" * size)
        else:
            outside.result(number, None, "wrong_state", "\x00" * 100, "é" * 900)
    assert len(outside.answer.value) <= messages.VALUE_MAX
    outcomes = outside.outcomes
    assert len(outcomes) == messages.BATCH_MAX
    codes = {error[0] if error else "" for error, _ in outcomes}
    assert codes == ({"", "wrong_state"} if size == 10 else {"", "wrong_state", "limit"})
    assert all("done, but" in error[2] for error, _ in outcomes if error and error[0] == "limit")


def test_one_client_cannot_take_every_place_with_batches() -> None:
    outside = Outside()
    most = d.CLIENT_VERBS_MAX // messages.BATCH_MAX
    for number in range(1, most + 2):
        outside.ask_batch(*[("open", "main")] * messages.BATCH_MAX, number=number)
    assert outside.answer.error[0] == "limit" and "verbs under way from this client" in outside.answer.error[2]
    outside.ask("open", "main", client=(b"you", b""))
    assert len(outside.commands) == d.CLIENT_VERBS_MAX + 1
    outside.desk.tick(d.ANSWER_NS)
    outside.replies.clear()
    outside.ask_batch(("open", "main"), number=99)
    outside.result(outside.commands[-1][1], 1)
    assert outside.outcomes == [[[], 1]]


def test_there_is_a_limit_to_the_verbs_of_all_clients() -> None:
    outside = Outside()
    whole = messages.encode_batch(1, [messages.encode_part("open", ("main",), {})] * messages.BATCH_MAX, False)
    for number in range(d.VERBS_MAX // messages.BATCH_MAX):
        outside.desk.receive([b"%d" % number, b"", whole], lambda r: batches.make_plan(r, dict), 0)
    assert not outside.replies
    outside.ask("open", "main")
    assert outside.answer.error[0] == "limit" and "verbs under way in all" in outside.answer.error[2]


PART = ("open", ("main",), ())


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ((wire.VERSION, 5, (), False), "1 to 512"),
        ((wire.VERSION, 5, (PART,) * (messages.BATCH_MAX + 1), False), "not a message"),
        ((wire.VERSION, 5, (PART,), 1), "true or false"),
        ((wire.VERSION, 5, (PART,), None), "true or false"),
        ((wire.VERSION, 5, ("open",), False), "each of a batch"),
        ((wire.VERSION, 5, (PART, ("open", ())), False), "each of a batch"),
        ((wire.VERSION, 5, ((PART,),), False), "each of a batch"),
        ((wire.VERSION, 5, ((5, (), ()),), False), "a verb is"),
        ((wire.VERSION, 5, (("open", 5, ()),), False), "arguments are"),
        ((wire.VERSION, 5, (("open", ((("deep",),),), ()),), False), "array of arrays"),
        ((wire.VERSION, 5, (("open", (), ("x",)),), False), "a pair"),
        ((wire.VERSION, 5, (PART,), False, 7), "a verb is"),
        ((wire.VERSION, 0, (PART,), False), "id is"),
        ((wire.VERSION + 1, 5, (PART,), False), "version"),
    ],
)
def test_a_malformed_batch_says_what_is_wrong_and_runs_nothing(batch: Any, says: str) -> None:
    outside = Outside()
    outside.desk.receive([*CLIENT, msgpack.packb(batch)], lambda r: batches.make_plan(r, dict), 0)
    assert outside.answer.error[0] == "malformed" and says in outside.answer.error[2]
    assert not outside.commands and not outside.desk.pending


# ------------------------------------------------------------------------------------------------- an exchange
@pytest.fixture
def ex(exchange_clean: Exchange) -> Exchange:
    return exchange_clean


SCRIPT: list[tuple[Any, ...]] = [
    ("create_engine", "main"), ("create_book", "aapl", "main", "AAPL"), ("create_book", "aapl", "main", "AAPL"),
    ("depth", "aapl"), ("enter_order", "b1", "aapl", "buy", 100, "10.00"), ("depth", "aapl"),
    ("enter_order", "s1", "aapl", "sell", 40, "10.00"), ("list", "verbs"), ("trades", "nothing"),
    ("create_user", "ann", "secret"), ("list", "users"), ("open", "main"), ("depth",),
    ("create_endpoint", "orders", "main", "smoke-signals"), ("set_book_property", "aapl", "tick_size", "0.05"),
    ("describe", "aapl"), ("delete_engine", "main"), ("delete_book", "aapl"), ("delete_engine", "main"),
]  # fmt: skip


def one_by_one(ex: Exchange) -> list[Any]:
    found = []
    for verb, *arguments in SCRIPT:
        try:
            found.append(ex.call(verb, *arguments))
        except VerbError as error:
            found.append(str(error))
    return found


def timeless(found: Any) -> Any:
    """Without times, and numbers that go on counting."""
    return json.loads(
        json.dumps(found), object_hook=lambda row: {k: v for k, v in row.items() if not k.endswith(("time_ns", "time"))}
    )


def test_a_batch_has_the_outcomes_of_its_verbs_one_after_another() -> None:
    with Exchange() as first, Exchange() as second:
        with second.batch(raises=False) as batch:
            for verb, *arguments in SCRIPT:
                batch.call(verb, *arguments)
        found = [str(outcome.error) if outcome.error else outcome.value for outcome in batch.results]
        assert timeless(found) == timeless(one_by_one(first))


def test_results_are_there_after_the_block_and_handles_are_arguments(ex: Exchange) -> None:
    engine = ex.create_engine("main")
    with ex.batch() as batch:
        made = batch.create_book("aapl", engine, symbol="AAPL")
        depth = batch.depth("aapl")
        with pytest.raises(VerbError, match="has not been carried out"):
            _ = made.value
    assert (made.value["symbol"], depth.value.bids, made.error) == ("AAPL", [], None)
    assert [outcome.verb for outcome in batch.results] == ["create_book", "depth"] and len(batch) == 2


def test_the_first_error_is_raised_when_all_is_done_and_says_which_verb_it_was(ex: Exchange) -> None:
    ex.create_engine("main")
    with pytest.raises(VerbError) as caught, ex.batch() as batch:
        batch.create_book("aapl", "main", "AAPL")
        batch.create_book("msft", "nobody", "MSFT")
        batch.create_book("ibm", "main", "IBM")
        batch.delete_book("nothing")
    assert (caught.value.code, caught.value.field) == ("unknown_name", "engine")
    assert caught.value.__notes__ == ["this was verb 2 of the 4 of a batch: create_book"]
    assert [row["name"] for row in ex.list("books")] == ["aapl", "ibm"]


def test_a_batch_that_stops_says_what_was_left_out(ex: Exchange) -> None:
    ex.create_engine("main")
    with ex.batch(stop=True, raises=False) as batch:
        batch.create_book("aapl", "main", "AAPL")
        batch.create_book("aapl", "main", "AAPL")
        batch.create_book("ibm", "main", "IBM")
    codes = [outcome.error.code if outcome.error else "" for outcome in batch.results]
    assert codes == ["", "exists", "wrong_state"] and "left out" in str(batch.results[2].error)
    assert [row["name"] for row in ex.list("books")] == ["aapl"]


def test_a_block_that_fails_sends_nothing(ex: Exchange) -> None:
    with pytest.raises(KeyError), ex.batch() as batch:
        batch.create_engine("main")
        raise KeyError("mine")
    assert ex.list("engines") == []


def test_an_argument_that_cannot_be_sent_is_refused_where_it_stands(ex: Exchange) -> None:
    with pytest.raises(VerbError) as caught, ex.batch() as batch:
        batch.create_engine("main")
        batch.create_book("aapl", "main", symbol={1, 2})
    assert (caught.value.code, caught.value.field) == ("bad_argument", "symbol")
    assert ex.list("engines") == []


def test_no_more_than_a_request_holds_is_sent_at_once_and_the_rest_follows(ex: Exchange) -> None:
    ex.create_engine("main")
    count = 2 * messages.BATCH_MAX + 3
    with ex.batch() as batch:
        for number in range(count):
            batch.create_book(f"b{number}", "main", f"B{number}")
        listed = batch.list("books")
    assert [row["name"] for row in listed.value] == [f"b{number}" for number in range(count)]
    with ex.batch() as batch:  # three of these are more bytes than a request may have
        for number in range(27):
            batch.set_timetable("main", "10:00 open" + " " * 4_000, f"b{number}")
        shown = batch.describe("b8")
    assert shown.value["name"] == "b8" and len(batch) == 28


def test_answers_that_are_long_together_come_all_the_same(ex: Exchange) -> None:
    alone = ex.list("properties")
    count = 3 * wire.TEXT_MAX // len(json.dumps(alone))  # more than one answer holds, less than a reply does
    with ex.batch() as batch:
        for _ in range(count):
            batch.list("properties")
    assert len(json.dumps(alone)) * count > wire.TEXT_MAX
    assert [outcome.value == alone for outcome in batch.results] == [True] * count


def test_a_batch_can_be_empty_or_carried_out_in_parts(ex: Exchange) -> None:
    with ex.batch() as batch:
        pass
    assert batch.results == []
    with ex.batch() as batch:
        batch.create_engine("main")
        batch.carry_out()
        assert batch.results[0].value["name"] == "main"
        batch.delete_engine("main")
    assert [outcome.error for outcome in batch.results] == [None, None]


def test_a_verb_that_is_none_is_no_method_of_a_batch(ex: Exchange) -> None:
    with pytest.raises(AttributeError, match="no attribute 'frobnicate'"):
        ex.batch().frobnicate()


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_is_a_method_of_a_batch(verb: str) -> None:
    batch = Batch(lambda parts, stop: iter(()))
    assert getattr(batch, verb)().verb == verb
    assert verb not in ("call", "carry_out", "results")


def test_a_batch_without_an_exchange_says_so() -> None:
    with pytest.raises(ClusterError, match="not running"), Exchange().batch() as batch:
        batch.state_hash()


def test_a_matcher_that_dies_in_a_batch_carries_every_verb_out_once() -> None:
    """Each order is entered once: a second time would be refused, since a desk has an order's name only once a day."""
    with Exchange() as ex:
        ex.create_engine("main")
        ex.create_book("aapl", "main", "AAPL")
        half = threading.Event()
        found: list[Any] = []

        def enter() -> None:
            with ControlClient(ex.directory) as control:
                for first in range(0, 2_000, 200):
                    with control.batch() as batch:
                        for number in range(first, first + 200):
                            batch.enter_order(f"o{number}", "aapl", "buy", 1, "10.00")
                    found.extend(outcome.value[0]["kind"] for outcome in batch.results)
                    half.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert half.wait(20)
        ex.kill("matcher")
        ex.restart("matcher")
        thread.join(30)
        assert found == ["accepted"] * 2_000
        assert ex.depth("aapl").bids == [["10", 2_000, 2_000]]


def test_verbs_that_gateways_should_know_are_known_to_them_when_a_batch_ends(ex: Exchange) -> None:
    ex.create_engine("main")
    endpoint = ex.create_endpoint("orders", "main", "ouch42")
    with ex.batch() as batch:
        for number in range(5):
            batch.create_user(f"u{number}", "secret", endpoint)
        batch.delete_user("u0")
    with pytest.raises(Exception, match="rejected"):
        ex.ouch_client("orders", user="u0", password="secret")
    assert ex.ouch_client("orders", user="u4", password="secret").session


def test_plans_of_their_own_are_those_of_verbs() -> None:
    assert set(plans.SPECIAL) <= set(verbs.VERBS)
