"""The desk without a network: every request is answered once and in time, and never carried out twice."""

from __future__ import annotations

import json

import pytest

from openoutcry import wire
from openoutcry.control import batches, messages, plans
from openoutcry.control import desk as d
from openoutcry.control.steps import Ask, Pause, Plan
from openoutcry.errors import VerbError
from tests.control_world import CLIENT, Outside


def test_a_journaled_verb_is_answered_when_its_result_arrives() -> None:
    outside = Outside()
    outside.ask("create_engine", "main", number=7)
    assert outside.commands == [(wire.VERB, 100, "create_engine", ("main", "matching"))] and not outside.replies
    outside.desk.result((wire.RESULT, 100, (), '{"name":"main"}'), 1)
    assert outside.replies == [(CLIENT, messages.Reply(7, (), '{"name":"main"}'))]
    assert not outside.desk.pending


def test_a_refusal_of_the_matcher_reaches_the_client() -> None:
    outside = Outside()
    outside.ask("create_engine", "main")
    outside.desk.result((wire.RESULT, 100, ("exists", "name", "taken"), "null"), 1)
    assert outside.answer == (1, ("exists", "name", "taken"), "null")


def test_results_of_an_earlier_life_are_ignored() -> None:
    outside = Outside()
    outside.ask("create_engine", "main")
    outside.desk.result((wire.RESULT, 99, (), "1"), 1)
    assert not outside.replies and outside.desk.counters["stale_results"] == 1


def test_a_bad_argument_is_answered_without_asking_anyone() -> None:
    outside = Outside()
    outside.ask("create_engine", "a b")
    assert outside.answer.error[:2] == ("bad_argument", "name") and not outside.commands


def test_an_integer_that_the_bus_cannot_carry_is_refused_here() -> None:
    outside = Outside()
    outside.ask("set_engine_property", "main", "max_quantity", 2**64 - 1)
    assert outside.answer.error[0] == "bad_argument" and not outside.commands and not outside.desk.pending


def test_silence_of_the_matcher_after_sending_is_in_doubt() -> None:
    outside = Outside()
    outside.ask("create_engine", "main")
    outside.desk.tick(d.ANSWER_NS - d.MARGIN_NS - 1)
    assert not outside.replies
    outside.desk.tick(d.ANSWER_NS)
    assert outside.answer.error[0] == "unavailable"
    assert "the matcher" in outside.answer.error[2] and "may still" in outside.answer.error[2]


def test_without_a_matcher_nothing_is_queued_and_the_answer_says_so() -> None:
    outside = Outside(connected=False)
    outside.ask("create_engine", "main")
    outside.desk.tick(d.ANSWER_NS)
    outside.connected = True
    outside.desk.tick(d.ANSWER_NS + 1)
    assert "nothing was changed" in outside.answer.error[2] and not outside.commands


def test_a_verb_waits_for_the_matcher_to_come_back() -> None:
    outside = Outside(connected=False)
    outside.ask("create_engine", "main")
    outside.connected = True
    outside.desk.tick(1)
    outside.desk.tick(2)
    assert len(outside.commands) == 1


def test_a_request_sent_again_is_carried_out_once_and_answered_the_same() -> None:
    outside = Outside()
    for _ in range(3):
        outside.ask("create_engine", "main")
    assert len(outside.commands) == 1
    outside.desk.result((wire.RESULT, 100, (), "1"), 1)
    outside.ask("create_engine", "main")
    assert len(outside.commands) == 1
    assert [reply for _, reply in outside.replies] == [messages.Reply(1, (), "1")] * 2
    assert outside.desk.counters["repeated"] == 3


def test_the_same_id_from_another_client_or_with_other_bytes_is_another_request() -> None:
    outside = Outside()
    outside.ask("create_engine", "main")
    outside.ask("create_engine", "other")
    outside.ask("create_engine", "main", client=(b"you", b""))
    assert len(outside.commands) == 3


def test_replies_are_remembered_up_to_a_limit() -> None:
    outside = Outside()
    for number in range(1, d.REMEMBERED_MAX + 10):
        outside.ask("halt", "b", number=number)
        outside.desk.result((wire.RESULT, 99 + number, (), "1"), 1)
    assert outside.desk.statistics()["remembered"] == d.REMEMBERED_MAX
    outside.ask("halt", "b", number=1)
    assert len(outside.commands) == d.REMEMBERED_MAX + 10  # forgotten by now: it runs again


def test_long_replies_are_remembered_up_to_a_size() -> None:
    outside = Outside()
    for number in range(1, 100):
        outside.ask("halt", "b", number=number)
        outside.desk.result((wire.RESULT, 99 + number, (), '"' + "x" * 190_000 + '"'), 1)
    assert outside.desk.statistics()["remembered"] <= d.REMEMBERED_BYTES_MAX // 190_000


def test_one_client_cannot_take_every_place() -> None:
    outside = Outside()
    for number in range(1, d.CLIENT_PENDING_MAX + 2):
        outside.ask("halt", "b", number=number)
    assert outside.answer.error[0] == "limit" and "this client" in outside.answer.error[2]
    outside.ask("halt", "b", client=(b"you", b""))
    assert len(outside.commands) == d.CLIENT_PENDING_MAX + 1


def test_there_is_a_limit_to_requests_in_all_and_places_come_free() -> None:
    outside = Outside()
    for number in range(d.PENDING_MAX + 1):
        outside.ask("halt", "b", number=1, client=(b"%d" % number, b""))
    assert outside.answer.error[0] == "limit"
    outside.desk.tick(d.ANSWER_NS)
    assert outside.desk.statistics()["pending"] == 0
    outside.ask("halt", "b", number=2)
    assert len(outside.commands) == d.PENDING_MAX + 1


@pytest.mark.parametrize("parts", [[b"me", b"x"], [b"me"], [b"me", b"x", b"y"], [b"me", b"", b"", b"z"], [b""] * 9])
def test_what_has_no_envelope_is_counted_and_dropped(parts: list[bytes]) -> None:
    outside = Outside()
    outside.desk.receive(parts, lambda r: batches.make_plan(r, dict), 0)
    assert not outside.replies and outside.desk.counters["dropped"] == 1


def test_a_malformed_request_is_answered_as_such() -> None:
    outside = Outside()
    outside.desk.receive([*CLIENT, b"GET / HTTP/1.1"], lambda r: batches.make_plan(r, dict), 0)
    assert outside.answer.error[0] == "malformed" and outside.answer.id == 0


def test_an_envelope_through_a_proxy_comes_back_whole() -> None:
    outside = Outside()
    outside.ask("create_engine", "a b", client=(b"proxy", b"me", b""))
    assert outside.replies[0][0] == (b"proxy", b"me", b"")


def test_a_question_is_asked_again_and_only_its_first_answer_counts() -> None:
    outside = Outside()
    outside.ask("depth", "aapl")
    outside.desk.tick(d.ASK_AGAIN_NS)
    (first, question), again = outside.queries
    assert again == (first, question) and question == ("matcher", "depth", {"book": "aapl", "levels": 0})
    outside.desk.reply(first, 1, '{"bids":[]}', 1)
    outside.desk.reply(first, 1, "2", 2)
    assert outside.answer.value == '{"bids":[]}' and outside.desk.counters["stale_replies"] == 1


def test_the_answer_to_a_question_is_handed_on_as_the_matcher_wrote_it() -> None:
    outside = Outside()
    outside.ask("depth", "aapl")
    outside.desk.reply(outside.queries[0][0], 1, '{"z": [1,  2], "a":"\\u00e9"}', 1)
    assert outside.answer == (1, (), '{"z": [1,  2], "a":"\\u00e9"}')


@pytest.mark.parametrize("text", ["x", "x" * d.SHORT_MAX, "x" * 3_000])
def test_a_request_of_any_length_is_known_again(text: str) -> None:
    outside = Outside()
    for _ in range(2):
        outside.ask("set_book_property", "aapl", "description", text)
    outside.ask("set_book_property", "aapl", "description", text[1:] + "y")
    assert [command[3][2] for command in outside.commands] == [text, text[1:] + "y"]
    for number in (100, 101):
        outside.desk.result((wire.RESULT, number, (), str(number)), 1)
    outside.ask("set_book_property", "aapl", "description", text)
    assert [reply.value for _, reply in outside.replies] == ["100", "101", "100"] and len(outside.commands) == 2


def test_an_answer_that_is_no_json_is_an_error_where_a_plan_reads_it() -> None:
    outside = Outside()
    outside.ask("statistics")
    outside.desk.reply(outside.queries[0][0], 1, "{", 1)
    assert outside.answer.error[0] == "unavailable" and "not JSON" in outside.answer.error[2]


def test_places_of_a_client_come_free_with_its_answers() -> None:
    outside = Outside()
    for number in range(1, 4 * d.CLIENT_PENDING_MAX):
        outside.ask("halt", "b", number=number)
        outside.desk.result((wire.RESULT, 99 + number, (), str(number)), 1)
    assert [reply.value for _, reply in outside.replies] == [str(n) for n in range(1, 4 * d.CLIENT_PENDING_MAX)]


def test_a_question_is_asked_as_soon_as_the_matcher_is_there() -> None:
    outside = Outside(connected=False)
    outside.ask("depth", "aapl")
    outside.connected = True
    outside.desk.tick(1)
    outside.desk.tick(2)
    assert len(outside.queries) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [('["unknown_name","book","no book"]', "unknown_name"), ('"gone"', "unavailable"), ("{", "unavailable")],
)
def test_a_refused_question_is_an_error(body: str, code: str) -> None:
    outside = Outside()
    outside.ask("depth", "aapl")
    outside.desk.reply(outside.queries[0][0], 0, body, 1)
    assert outside.answer.error[0] == code


def test_a_silent_matcher_makes_a_question_unavailable() -> None:
    outside = Outside()
    outside.ask("state_hash")
    outside.desk.tick(d.ANSWER_NS)
    assert outside.answer.error[0] == "unavailable" and "nothing was changed" in outside.answer.error[2]


def test_a_password_is_hashed_in_a_thread_and_goes_no_further() -> None:
    outside = Outside()
    outside.ask("create_user", "alice", "s3cret")
    ((work, future),) = outside.works
    assert work.arguments == ("s3cret",) and not outside.commands
    future.set_result("hash")
    outside.desk.tick(1)
    assert outside.commands == [(wire.VERB, 100, "create_user", ("alice", "hash", None, None, None))]


def test_a_failed_thread_is_an_error_that_does_not_quote_it() -> None:
    outside = Outside()
    outside.ask("create_user", "alice", "s3cret")
    outside.works[0][1].set_exception(ValueError("s3cret"))
    outside.desk.tick(1)
    assert outside.answer.error[0] == "unavailable" and "s3cret" not in outside.answer.error[2]


def test_work_not_begun_in_time_is_called_off() -> None:
    outside = Outside()
    outside.ask("create_user", "alice", "s3cret")
    outside.desk.tick(d.ANSWER_NS)
    assert outside.works[0][1].cancelled() and outside.answer.error[0] == "unavailable"


def test_asking_nobody_is_answered_at_once() -> None:
    def lonely(_: messages.Request | messages.Batch) -> Plan:
        found = yield Ask(())
        return json.dumps(found)

    outside = Outside()
    outside.ask("status", plan=lonely)
    assert outside.answer.value == "[]"


def test_a_plan_that_fails_ends_one_request_and_not_the_service(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: messages.Request | messages.Batch) -> Plan:
        yield Pause(1)
        raise KeyError("surprise")

    outside = Outside()
    outside.ask("status", plan=broken)
    outside.desk.tick(1)
    assert outside.answer.error[0] == "unavailable" and "KeyError" in outside.answer.error[2]
    assert "a request failed" in caplog.text


# ------------------------------------------------------------------------------------------------- endpoints
def peers(outside: Outside, *names: str, now: int = 1) -> None:
    rows = [{"name": name, "role": name.split("-")[0]} for name in names]
    outside.desk.reply(outside.queries[-1][0], 1, json.dumps(rows), now)


def test_an_endpoint_waits_for_a_gateway_and_nothing_is_journaled_without_one() -> None:
    outside = Outside()
    outside.ask("create_endpoint", "orders", "main", "ouch42")
    now = 0
    while not outside.replies:
        peers(outside, "marketdata", now=now)
        now += plans.GATEWAY_PAUSE_NS
        outside.desk.tick(now)
    assert outside.answer.error[:2] == ("unavailable", "gateway") and not outside.commands
    assert now < d.ANSWER_NS


def test_an_endpoint_is_made_once_its_gateway_is_there() -> None:
    outside = Outside()
    outside.ask("create_endpoint", "orders", "main", "ouch42", "gateway-2")
    peers(outside, "gateway-1", "marketdata")
    outside.desk.tick(1 + plans.GATEWAY_PAUSE_NS)
    peers(outside, "gateway-1", "gateway-2")
    assert outside.commands[0][2:] == ("create_endpoint", ("orders", "main", "ouch42", "gateway-2", "127.0.0.1", 0))


def test_a_gateway_that_does_not_open_the_port_is_named() -> None:
    outside = Outside()
    outside.ask("create_endpoint", "orders", "main", "ouch42")
    peers(outside, "gateway-1")
    outside.desk.tick(d.ANSWER_NS)
    assert outside.answer.error[0] == "unavailable" and "gateway-1" in outside.answer.error[2]


def test_the_error_of_a_verb_is_a_verb_error() -> None:
    with pytest.raises(VerbError, match="exists"):
        messages.Reply(1, ("exists", "name", "taken"), "null").raise_error()
