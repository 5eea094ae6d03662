"""What the control service does with the verbs of managed mode: it asks the right gateway, and that once."""

from __future__ import annotations

import json
from typing import Any

from openoutcry.control import desk as d
from openoutcry.control.messages import encode_request
from tests.control_world import Outside

PROCESS = ("process_message", "orders", "ALICE")


def answered(outside: Outside, place: int, body: Any, ok: int = 1) -> Any:
    """Answer a question, and return it."""
    number, question = outside.queries[place]
    outside.desk.reply(number, ok, json.dumps(body), 1)
    return question


def test_the_gateway_that_hosts_the_endpoint_is_asked() -> None:
    outside = Outside()
    outside.ask(*PROCESS, number=3)
    assert answered(outside, 0, "gateway-2")[:3] == ("matcher", "gateway_of", {"endpoint": "orders"})
    to, what, argument = answered(outside, 1, {"number": 5})
    assert (to, what) == ("gateway-2", "process_message")
    assert {**argument, "once": ""} == {"endpoint": "orders", "session": "ALICE", "message": None, "once": ""}
    assert outside.answer == (3, (), '{"number":5}')


def test_refusals_of_the_matcher_and_of_the_gateway_reach_the_client() -> None:
    for place, error in ((0, ["unknown_name", "endpoint", "none"]), (1, ["wrong_state", "message", "nothing waits"])):
        outside = Outside()
        outside.ask(*PROCESS)
        if place:
            answered(outside, 0, "gateway-1")
        answered(outside, place, error, 0)
        assert outside.answer.error == tuple(error)
    outside = Outside()
    outside.ask(*PROCESS)
    answered(outside, 0, "")
    assert outside.answer.error == ("wrong_state", "endpoint", "no gateway hosts endpoint 'orders' yet")


def test_a_request_that_is_sent_again_is_answered_from_memory() -> None:
    outside = Outside()
    outside.ask(*PROCESS)
    outside.ask(*PROCESS)
    answered(outside, 0, "gateway-1")
    outside.ask(*PROCESS)
    answered(outside, 1, {"number": 5})
    outside.ask(*PROCESS)
    assert len(outside.queries) == 2
    assert [reply for _, reply in outside.replies] == [(1, (), '{"number":5}')] * 2


def test_a_later_life_of_the_service_asks_with_the_same_key_and_another_request_with_another() -> None:
    keys = []
    for number in (1, 1, 2):
        outside = Outside()
        outside.ask(*PROCESS, number=number)
        answered(outside, 0, "gateway-1")
        keys.append(outside.queries[1][1].argument["once"])
    assert keys[0] == keys[1] != keys[2]


def test_each_verb_of_a_batch_has_a_key_of_its_own() -> None:
    outside = Outside()
    outside.ask_batch(PROCESS, PROCESS)
    keys = []
    for place in (0, 2):
        answered(outside, place, "gateway-1")
        keys.append(answered(outside, place + 1, {"number": place}).argument["once"])
    assert keys[0] != keys[1]
    assert outside.outcomes == [[[], {"number": 0}], [[], {"number": 2}]]


def test_a_question_that_nobody_answers_is_asked_again_with_its_key_and_given_up_in_time() -> None:
    outside = Outside()
    outside.ask("next_message", "orders", "ALICE", 4_000)
    answered(outside, 0, "gateway-1")
    outside.desk.tick(d.ASK_AGAIN_NS + 1)
    assert outside.queries[1] == outside.queries[2]
    outside.desk.tick(d.ANSWER_NS)
    assert outside.answer.error[0] == "unavailable" and "gateway-1" in outside.answer.error[2]


def test_a_message_that_does_not_fit_the_bus_is_refused_here() -> None:
    outside = Outside()
    outside.ask("send_session_message", "orders", "ALICE", '"' * 30_000)
    assert outside.answer.error[:2] == ("limit", "message") and not outside.queries


def test_the_connections_of_every_gateway_that_answers_are_listed() -> None:
    outside = Outside()
    outside.ask("list", "connections")
    roles = [("gateway-2", "gateway"), ("control", "control"), ("gateway-1", "gateway")]
    answered(outside, 0, [{"name": name, "role": role} for name, role in roles])
    assert [question.to for _, question in outside.queries[1:]] == ["gateway-1", "gateway-2"]
    answered(outside, 1, {"total": 1, "rows": [{"connection": 1}]})
    outside.desk.tick(d.ANSWER_NS - d.MARGIN_NS)
    assert json.loads(outside.answer.value) == [{"connection": 1}]


def test_a_request_can_carry_the_longest_message() -> None:
    text = json.dumps({"MsgType": "News", "Headline": "x" * 29_900})
    assert len(encode_request(1, "send_session_message", ("orders", "ALICE", text), {})) < 64 * 1_024
    outside = Outside()
    outside.ask("send_session_message", "orders", "ALICE", text)
    answered(outside, 0, "gateway-1")
    assert outside.queries[1][1].argument["message"] == text
