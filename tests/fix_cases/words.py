"""What the versions say in words of their own: an order, a Reject, a ResendRequest."""

from __future__ import annotations

from tests.fix_wire import APPL_VER_ID, VERSIONS, Wire

FROM_41 = VERSIONS[1:]
FIXT = VERSIONS[5:]

TRANSACT_TIME = "20261120-10:00:00"

REASONS = {
    0: "Invalid tag number",
    1: "Required tag missing",
    2: "Tag not defined for this message type",
    4: "Tag specified without a value",
    5: "Value is incorrect (out of range) for this tag",
    6: "Incorrect data format for value",
    9: "CompID problem",
    10: "SendingTime accuracy problem",
    11: "Invalid MsgType",
    13: "Tag appears more than once",
    14: "Tag specified out of required order",
    16: "Incorrect NumInGroup count for repeating group",
}


def early(wire: Wire) -> bool:
    return wire.host.version in ("FIX.4.0", "FIX.4.1")


def order(wire: Wire, name: str = "one", more: str = "") -> str:
    """The body of a NewOrderSingle, ascending by tag; `more` comes after it."""
    text = f"11={name}|21=1|38=100|40=1|54=1|55=IBM"
    return text + ("" if early(wire) else f"|60={TRANSACT_TIME}") + more


def infinity(wire: Wire) -> int:
    """EndSeqNo(16) that means: all there is."""
    return 999999 if early(wire) else 0


def resend_request(wire: Wire, number: int, begin: int) -> str:
    """The ResendRequest numbered `number`, from `begin` to infinity."""
    return f"35=2|34={number}|7={begin}|16={infinity(wire)}"


def reject(wire: Wire, number: int, ref: int, kind: str, reason: int, tag: int | None = None, route: str = "") -> str:
    """The session Reject numbered `number` of message `ref`; `route`: header fields after MsgSeqNum."""
    head, text = f"35=3|34={number}{route}|45={ref}", f"|58={REASONS[reason]}"
    if early(wire):
        return head + text + ("" if tag is None else f" ({tag})")
    code = "" if wire.host.version == "FIX.4.2" and reason > 11 else f"|373={reason}"
    return head + text + ("" if tag is None else f"|371={tag}") + f"|372={kind}" + code


def unsupported(wire: Wire, number: int, ref: int, kind: str) -> str:
    """The answer to a message type that the application does not take."""
    if early(wire):
        return f"35=3|34={number}|45={ref}|58=Unsupported message type"
    appl = APPL_VER_ID.get(wire.host.version)
    return f"35=j|34={number}|45={ref}|58=Unsupported Message Type|372={kind}|380=3" + (f"|1137={appl}" if appl else "")


def email(wire: Wire) -> str:
    """The body of an Email, ascending by tag but for the lines of text, which follow their count."""
    return "33=1|58=hello|94=0" + ("" if wire.host.version == "FIX.4.0" else "|147=subject|164=thread")


def definition(wire: Wire) -> str:
    """The body of a SecurityDefinition (4.2 and later)."""
    return "320=request|322=response|323=1" + ("|393=1" if wire.host.version == "FIX.4.2" else "")


async def echoed(wire: Wire, number: int, reply: int, name: str = "one") -> None:
    """An order is sent back."""
    await wire.send(f"35=D|34={number}|{order(wire, name)}")
    await wire.expect(f"35=D|34={reply}|{order(wire, name)}")
