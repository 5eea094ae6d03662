"""Two runs compared: the same numbers for the same things, and differences that are said where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from openoutcry.scenarios import Client, Event, Scenario, Step, compare

STEPS = [Step(client="A", message={"MsgType": "NewOrderSingle", "ClOrdID": f"A{n}"}) for n in range(1, 4)]


def report(step: int, client: str = "A", **fields: Any) -> Event:
    return Event(step, step * 1_000_000_000, client, {"MsgType": "ExecutionReport", **fields})


def run(*events: Event, **more: Any) -> Scenario:
    return Scenario(STEPS, list(events), {"A": Client("A", "x"), "B": Client("B", "x")}, **more)


FIRST = (
    report(1, ClOrdID="A1", OrderID="1"),
    report(2, ClOrdID="A2", OrderID="2"),
    report(3, ClOrdID="A1", OrderID="1"),
)


def test_the_same_is_the_same() -> None:
    found = compare(run(*FIRST), run(*FIRST), times=True)
    assert found
    assert (found.events, found.clients, str(found)) == (3, 1, "the same: 3 events of 1 clients")


def test_the_exchanges_numbers_may_be_others_one_for_one() -> None:
    def numbered(*numbers: str) -> Scenario:
        events = [replace(e, message=e.message | {"OrderID": n}) for e, n in zip(FIRST, numbers, strict=True)]
        return run(*events)

    assert compare(run(*FIRST), numbered("70", "80", "70"))
    assert [d.fields for d in compare(run(*FIRST), numbered("70", "80", "80")).differences] == [("OrderID",)]
    assert [d.step for d in compare(run(*FIRST), numbered("70", "70", "70")).differences] == [2]
    both = run(report(1, "A", OrderID="1"), report(1, "B", OrderID="1"))
    assert compare(both, run(report(1, "A", OrderID="7"), report(1, "B", OrderID="7")))
    assert not compare(both, run(report(1, "A", OrderID="7"), report(1, "B", OrderID="8")))


def test_a_difference_says_where_it_is_and_what_came_instead() -> None:
    found = compare(run(report(2, ClOrdID="A2", LastQty=40, Text="x")), run(report(2, ClOrdID="A2", LastQty=41)))
    assert str(found) == (
        "1 difference, in 1 events of 1 clients\n"
        "\n"
        "after step 2 (A: NewOrderSingle A2):\n"
        "  A, message 1: ExecutionReport ClOrdID=A2 LastQty=40 Text=x\n"
        "      LastQty: expected 40, got 41\n"
        "      Text: expected 'x', got no such field"
    )


def test_what_is_missing_or_too_much_does_not_make_all_that_follows_different() -> None:
    extra = report(2, ClOrdID="A9")
    missing = compare(run(*FIRST, extra), run(*FIRST[1:], extra))
    assert [(d.place, d.expected, d.actual) for d in missing.differences] == [(1, FIRST[0].message, None)]
    assert "A, message 1: expected ExecutionReport ClOrdID=A1, and it did not come" in str(missing)
    surplus = compare(run(*FIRST), run(FIRST[0], extra, *FIRST[1:]))
    assert [(d.place, d.expected, d.actual) for d in surplus.differences] == [(2, None, extra.message)]
    assert "A, message 2: nobody expects ExecutionReport ClOrdID=A9" in str(surplus)


def test_clients_are_compared_by_themselves() -> None:
    first, second = report(1, "A", Text="a"), report(1, "B", Text="b")
    assert compare(run(first, second), run(second, first))
    assert not compare(run(first, second), run(replace(second, client="A"), replace(first, client="B")))
    assert [d.client for d in compare(run(first), run(first, second)).differences] == ["B"]


def test_only_given_fields_count_when_the_scenario_says_so() -> None:
    expected, actual = report(1, ClOrdID="A1"), report(1, ClOrdID="A1", LastQty=5)
    assert not compare(run(expected), run(actual))
    assert compare(run(expected, compare="given"), run(actual))
    assert not compare(run(actual, compare="given"), run(expected))


def test_times_count_when_asked() -> None:
    late = replace(FIRST[0], at=FIRST[0].at + 5_000_000)
    assert compare(run(FIRST[0]), run(late))
    found = compare(run(FIRST[0]), run(late), times=True)
    assert "expected at 1s, came at 1.005s" in str(found)


def test_refusals_are_compared_also_where_nothing_else_is_expected() -> None:
    refused = [replace(STEPS[0], client="", message=None, verb="open", refused="unknown_name"), *STEPS[1:]]
    done = [replace(refused[0], refused=""), *STEPS[1:]]
    expected, actual = Scenario(refused), Scenario(done)
    assert compare(expected, expected)
    assert "step 1, open, should be refused (unknown_name), and was done" in str(compare(expected, actual))
    assert "step 1, open, should be done, and was refused: unknown_name" in str(compare(actual, expected))


def test_a_report_shows_so_many_and_counts_the_others() -> None:
    found = compare(run(*[report(1, n=n) for n in range(9)]), run())
    assert found.report(2).count("it did not come") == 2
    assert found.report(2).endswith("and 7 more")
    assert not found
    assert len(found.differences) == 9
