"""openoutcry.narrate: every private event of an order has a line that says what it is."""

from __future__ import annotations

import pytest

from openoutcry import narrate
from openoutcry import wire as w

OF_GATEWAYS = (
    w.SESSION_STREAM, w.LOGGED_ON, w.LOGON_REFUSED, w.ENDPOINT_SET, w.ENDPOINT_DELETED, w.USER_SET, w.USER_DELETED,
    w.RESULT, w.SESSION_SET, w.SESSION_DELETED, w.SESSION_ORDERED, w.CLOCK_SET, w.PLUGIN_SET, w.WITHHELD, w.SPOKEN,
)  # fmt: skip


@pytest.mark.parametrize("kind", sorted(set(w.PRIVATE_EVENTS) - set(OF_GATEWAYS)))
def test_every_event_that_a_desk_can_get_has_a_line(kind: int) -> None:
    name, fields = w.PRIVATE_EVENTS[kind]
    event = {field.name: field.low if field.type is int else "b1" for field in fields}
    line = narrate.tell({"kind": name, **event})
    assert line.startswith(name)
    assert ": " in line
    assert "{" not in line


@pytest.mark.parametrize(
    ("side", "leaves", "text", "line"),
    [
        (w.BUY, 10, "", "AAPL buy 10 at 10"),
        (w.BUY, 0, "", "AAPL no bid"),
        (w.SELL, 0, "", "AAPL no offer"),
        (w.SELL, 0, "unknown symbol", "AAPL no offer: unknown symbol"),
    ],
)
def test_a_side_of_a_quote_that_is_not_there_is_said_not_to_be(side: int, leaves: int, text: str, line: str) -> None:
    event = {"token": "Q.1", "symbol": "AAPL", "side": side, "leaves": leaves, "price": "10", "text": text}
    assert narrate.tell({"kind": "quote_status", **event}) == f"quote_status Q.1: {line}"


def test_an_unknown_event_is_shown_as_it_is() -> None:
    assert narrate.tell({"kind": "news", "token": "t"}) == "kind news, token t"
