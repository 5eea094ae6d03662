"""Cases 14, 15 and 21: fields that are wrong, and orders of fields that are not."""

from __future__ import annotations

from tests.fix_cases import case
from tests.fix_cases.words import FIXT, FROM_41, early, echoed, email, order, reject
from tests.fix_wire import Wire, stamp


async def rejected(w: Wire, number: int, body: str, reason: int, tag: int) -> None:
    """Message `number` is rejected by the message of the same number, and the next one is taken."""
    await w.send(f"35=D|34={number}|{body}")
    await w.expect(reject(w, number, number, "D", reason, tag))


@case("14a_BadField")
async def a_tag_that_is_not_in_the_dictionary_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w, more="|4999=x"), 0, 4999)
    await rejected(w, 3, order(w, more="|5000=x"), 0, 5000)
    await w.send("35=0|34=4|4999=x")
    await w.expect(reject(w, 4, 4, "0", 0, 4999))
    await echoed(w, 5, 5)


@case("14b_RequiredFieldMissing")
async def a_message_without_a_required_field_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w).replace("|40=1", ""), 1, 40)
    await rejected(w, 3, order(w).replace("|54=1", ""), 1, 54)
    await w.send("35=1|34=4")
    await w.expect(reject(w, 4, 4, "1", 1, 112))
    await echoed(w, 5, 5)


@case("14c_TagNotDefinedForMsgType")
async def a_tag_of_another_message_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w, more="|41=x"), 2, 41)
    await w.send("35=0|34=3|55=IBM")
    reason = 0 if w.host.version in FIXT else 2  # the session layer of FIXT does not know the tag at all
    await w.expect(reject(w, 3, 3, "0", reason, 55))
    await echoed(w, 4, 4)


@case("14d_TagSpecifiedWithoutValue")
async def a_field_without_a_value_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w, more="|58="), 4, 58)
    await rejected(w, 3, order(w).replace("55=IBM", "55="), 4, 55)
    await echoed(w, 4, 4)


@case("14e_IncorrectEnumValue")
async def a_value_that_is_not_among_those_of_its_field_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w).replace("54=1", "54=Z"), 5, 54)
    await rejected(w, 3, order(w).replace("40=1", "40=z"), 5, 40)
    await echoed(w, 4, 4)


@case("14f_IncorrectDataFormat")
async def a_value_that_is_not_of_its_fields_type_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w).replace("38=100", "38=+200.00"), 6, 38)
    await rejected(w, 3, order(w, more="|44=ten"), 6, 44)
    await rejected(w, 4, order(w, more="|126=today"), 6, 126)
    await echoed(w, 5, 5)


@case("14g_HeaderBodyTrailerFieldsOutOfOrder")
async def header_fields_in_the_body_and_body_fields_in_the_header_are_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w, more="|57=x"), 14, 57)
    await w.send(f"8={w.host.begin}|35=D|34=3|49={w.host.ours}|55=IBM|52={stamp()}|56={w.host.theirs}"
                 + "|" + order(w).replace("|55=IBM", ""))  # fmt: skip
    await w.expect(reject(w, 3, 3, "D", 14, 52))
    await echoed(w, 4, 4)


@case("14h_RepeatedTag")
async def a_tag_that_appears_twice_is_rejected(w: Wire) -> None:
    await w.logon()
    await rejected(w, 2, order(w, more="|40=1"), 13, 40)
    await rejected(w, 3, order(w).replace("55=IBM", "55=IBM|55=IBM"), 13, 55)
    await echoed(w, 4, 4)


def two_entries(w: Wire, count: int) -> tuple[str, str, int]:
    """A message with a group of two entries that says it has `count`: its type, its body, the tag of the count."""
    if early(w):
        return "C", f"33={count}|58=one|58=two|94=0|147=subject|164=thread", 33
    return "D", order(w, more=f"|386={count}|336=1|336=2"), 386


@case("14i_RepeatingGroupCountNotEqual", FROM_41, "4.0 has no repeating groups")
async def a_group_with_another_number_of_entries_than_it_says_is_rejected(w: Wire) -> None:
    await w.logon()
    for number, count in ((2, 3), (3, 1)):
        kind, body, tag = two_entries(w, count)
        await w.send(f"35={kind}|34={number}|{body}")
        await w.expect(reject(w, number, number, kind, 16, tag))
    kind, body, _ = two_entries(w, 2)
    await w.send(f"35={kind}|34=4|{body}")
    await w.expect(f"35={kind}|34=4|{body}")


@case("15_HeaderAndBodyFieldsOrderedDifferently")
async def the_order_within_header_and_body_does_not_matter(w: Wire) -> None:
    await w.logon()
    body = "|".join(reversed(order(w).split("|")))
    await w.send(f"8={w.host.begin}|35=D|56={w.host.theirs}|52={stamp()}|34=2|49={w.host.ours}|{body}")
    await w.expect(f"35=D|34=2|{order(w)}")
    await w.ping(3, 3)


@case("21_RepeatingGroupSpecifierWithValueOfZero", FROM_41, "4.0 has no repeating groups")
async def a_group_may_have_no_entries(w: Wire) -> None:
    await w.logon()
    empty = f"C|34=2|{email(w)}".replace("147=", "146=0|147=") if early(w) else f"D|34=2|{order(w, more='|386=0')}"
    await w.send(f"35={empty}")
    await w.expect(f"35={empty}")
    await w.ping(3, 3)


@case("CheckFieldsHaveValues", ValidateFieldsHaveValues="N")
async def a_field_without_a_value_is_let_through_when_nobody_looks(w: Wire) -> None:
    await w.logon()
    await w.send(f"35=D|34=2|{order(w, more='|58=')}")
    await w.expect("35=D|34=2|" + (order(w, more="|58=") if early(w) else order(w).replace("|60", "|58=|60")))
    await w.send(f"35=D|34=3|115=|116=CS|128=|129=TRADER|{order(w).replace('54=1', '54=x')}")
    await w.expect(reject(w, 3, 3, "D", 5, 54, "|116=TRADER|129=CS"))
    await w.ping(4, 4)
