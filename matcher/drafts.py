"""Orders and quotes that verbs put together, property by property, before they are submitted; and matches by hand.

Rule 1. A draft belongs to a desk's name and its book: ``create_order``, ``set_order_property``, ``submit_order``. It is
        state, as everything is, but no order: the market and the desk know nothing of it before it is submitted.
Rule 2. An order's draft is used up by its submission, which is an ``enter_order``; what becomes of it is the order's
        business then. So it cannot be submitted twice, and ``delete_order`` of an order that is live cancels it.
Rule 3. A quote's draft stays, since a quote is changed by quoting again: submitting one that has not changed since is
        refused, and ``delete_quote`` takes both sides out of the market.
Rule 4. ``match_orders`` executes two live orders of a book against each other wherever they wait, as the cross of an
        auction would: both keep their places for what is left of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.matcher import auction, matching, placing, queries
from openoutcry.matcher import desk as desks
from openoutcry.matcher.configuration import Asker, find
from openoutcry.matcher.masscancel import live_orders
from openoutcry.matcher.orders import BOOK, NUMBER, OPEN, PRICE, SIDE, TOKEN, Order
from openoutcry.parameters import Parameter, explained, price_text, set_property
from openoutcry.verbs import DRAFT_ORDER_PROPERTIES, DRAFT_QUOTE_PROPERTIES, ORDER_PROPERTIES

if TYPE_CHECKING:
    from openoutcry.matcher.book import Book
    from openoutcry.matcher.machine import Machine

DRAFTS_MAX: int = 10_000  # of either kind: a draft is to be submitted, not kept
ORDER: Final = "order"
QUOTE: Final = "quote"
TABLES: Final[dict[str, dict[str, Parameter]]] = {ORDER: DRAFT_ORDER_PROPERTIES, QUOTE: DRAFT_QUOTE_PROPERTIES}

Row = dict[str, Any]
Key = tuple[str, str]  # name of the desk, name of the draft


class Draft:
    """An order or quote in the making. properties: those that were set, as the table stores them.

    submitted: of a quote, whether the market has it as it is.
    """

    __slots__ = ("book", "properties", "submitted")

    def __init__(self, book: str, properties: dict[str, Any], submitted: bool = False) -> None:
        self.book = book
        self.properties = properties
        self.submitted = submitted


class Drafts:
    """All drafts of a machine, by kind, then by desk and name."""

    __slots__ = ("of",)

    def __init__(self) -> None:
        self.of: dict[str, dict[Key, Draft]] = {ORDER: {}, QUOTE: {}}

    def forget_book(self, name: str) -> None:
        """A book is gone, and what was to come into it."""
        for drafts in self.of.values():
            for key in [key for key, draft in drafts.items() if draft.book == name]:
                del drafts[key]

    def dump(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return tuple(
            tuple((*key, d.book, tuple(sorted(d.properties.items())), d.submitted) for key, d in drafts.items())
            for drafts in self.of.values()
        )

    def load(self, rows: tuple[Any, ...]) -> None:
        """The reverse of ``dump``."""
        for drafts, found in zip(self.of.values(), rows, strict=True):
            for owner, name, book, properties, submitted in found:
                drafts[owner, name] = Draft(book, dict(properties), submitted)


# ------------------------------------------------------------------------------------------------- both kinds
def _create(machine: Machine, kind: str, name: str, book: str, owner: str) -> Row:
    found = find(machine.books, "book", "book", book)
    drafts = machine.drafts.of[kind]
    if (owner, name) in drafts:
        raise VerbError("exists", f"{kind}_id", f"desk {owner!r} has a draft of {kind} {name!r} already")
    if len(drafts) >= DRAFTS_MAX:
        raise VerbError("limit", f"{kind}_id", f"there are {DRAFTS_MAX} drafts, which is the limit")
    if kind == ORDER and _was_used(machine, found, owner, name):
        raise VerbError("exists", "order_id", f"desk {owner!r} has had an order {name!r} today")
    drafts[owner, name] = Draft(book, {})
    return _row(machine, kind, (owner, name))


def _was_used(machine: Machine, book: Book, owner: str, name: str) -> bool:
    """Whether a desk has used an order's name up; one that there is not yet has used none."""
    place = machine.desks.get(book.engine)
    session = place.sessions.get(owner) if place is not None else None
    return session is not None and name.encode() in session.tokens


def _find(machine: Machine, kind: str, name: str, owner: str) -> Draft:
    """A draft. Raises VerbError: an order that has been submitted is none any more."""
    draft = machine.drafts.of[kind].get((owner, name))
    if draft is not None:
        return draft
    live = kind == ORDER and any(
        each.user == owner and name.encode() in each.tokens for each in desks.all_desks(machine)
    )
    if live:
        raise VerbError("wrong_state", "order_id", f"order {name!r} of desk {owner!r} has been submitted already")
    raise VerbError("unknown_name", f"{kind}_id", f"desk {owner!r} has no draft of {kind} {name!r}")


def _set(machine: Machine, kind: str, name: str, prop: str, value: Any, owner: str) -> Row:
    draft = _find(machine, kind, name, owner)
    draft.properties[prop] = set_property(TABLES[kind], f"{kind} {name}", prop, value)
    draft.submitted = False
    return _row(machine, kind, (owner, name))


def _complete(draft: Draft, kind: str, name: str) -> Row:
    """Every property of a draft, with defaults. Raises VerbError when one that has none was not set."""
    missing = [p.name for p in TABLES[kind].values() if p.required and p.name not in draft.properties]
    if missing:
        text = f"{kind} {name!r} has no {missing[0]} yet: set_{kind}_property {name} {missing[0]} ..."
        raise VerbError("wrong_state", f"{kind}_id", text)
    return {p.name: draft.properties.get(p.name, p.default) for p in TABLES[kind].values()}


def _row(machine: Machine, kind: str, key: Key) -> Row:
    """One draft with the properties that were set."""
    draft, table = machine.drafts.of[kind][key], TABLES[kind]
    shown = {
        name: price_text(draft.properties[name]) if table[name].type == "price" else draft.properties[name]
        for name in table if name in draft.properties
    }  # fmt: skip
    return {"kind": kind, "name": key[1], "desk": key[0], "book": draft.book, "submitted": draft.submitted,
            "properties": shown}  # fmt: skip


def rows(machine: Machine) -> list[Row]:
    """``list drafts``: orders, then quotes."""
    return [_row(machine, kind, key) for kind, drafts in machine.drafts.of.items() for key in drafts]


def describe(machine: Machine, kind: str, name: str, owner: str) -> Row:
    """One draft with all its properties. Raises VerbError."""
    draft = _find(machine, kind, name, owner)
    return {
        **_row(machine, kind, (owner, name)), "explained": explained(TABLES[kind], draft.properties)
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------- orders
def create_order(machine: Machine, asker: Asker, order_id: str, book: str, desk: str) -> Any:
    """Begin an order's draft."""
    return _create(machine, ORDER, order_id, book, desk)


def set_order_property(machine: Machine, asker: Asker, order_id: str, name: str, value: Any, desk: str) -> Any:
    """Set one of DRAFT_ORDER_PROPERTIES."""
    return _set(machine, ORDER, order_id, name, value, desk)


def submit_order(machine: Machine, asker: Asker, order_id: str, desk: str) -> Any:
    """Enter an order as its draft says: answers with what the desk was told."""
    draft = _find(machine, ORDER, order_id, desk)
    given = _complete(draft, ORDER, order_id)
    told = desks.enter_order(
        machine, asker, order_id, draft.book, given["side"], given["quantity"], given["price"], desk,
        *(given[name] for name in ORDER_PROPERTIES),
    )  # fmt: skip
    machine.drafts.of[ORDER].pop((desk, order_id), None)
    return told


def delete_order(machine: Machine, asker: Asker, order_id: str, desk: str) -> Any:
    """Forget an order's draft, or cancel the order that it became: answers with what the desk was told."""
    if machine.drafts.of[ORDER].pop((desk, order_id), None) is not None:
        return []
    return desks.cancel_order(machine, asker, order_id, desk, 0, None)


# ------------------------------------------------------------------------------------------------- quotes
def create_quote(machine: Machine, asker: Asker, quote_id: str, book: str, desk: str) -> Any:
    """Begin a quote's draft. A desk has one quote in a book, so it has one draft there."""
    for (owner, name), draft in machine.drafts.of[QUOTE].items():
        if (owner, draft.book) == (desk, book) and name != quote_id:
            raise VerbError("exists", "book", f"desk {desk!r} has quote {name!r} in book {book!r}: it can have one")
    return _create(machine, QUOTE, quote_id, book, desk)


def set_quote_property(machine: Machine, asker: Asker, quote_id: str, name: str, value: Any, desk: str) -> Any:
    """Set one of DRAFT_QUOTE_PROPERTIES."""
    return _set(machine, QUOTE, quote_id, name, value, desk)


def submit_quote(machine: Machine, asker: Asker, quote_id: str, desk: str) -> Any:
    """Quote as the draft says, in place of what it said before: answers with what the desk was told."""
    draft = _find(machine, QUOTE, quote_id, desk)
    if draft.submitted:
        text = f"quote {quote_id!r} has been submitted and not been changed since"
        raise VerbError("wrong_state", "quote_id", text)
    given = _complete(draft, QUOTE, quote_id)
    told = _quote(machine, asker, desk, draft.book, given)
    draft.submitted = True
    return told


def delete_quote(machine: Machine, asker: Asker, quote_id: str, desk: str) -> Any:
    """Forget a quote's draft, and take what the desk quotes in its book out of the market."""
    draft = _find(machine, QUOTE, quote_id, desk)
    told: list[Row] = []
    book = machine.books[draft.book]
    place = machine.desks.get(book.engine)
    session = place.sessions.get(desk) if place is not None else None
    if session is not None and session.owner is not None and book.rooms is not None and book.rooms.quotes.get(session):
        told = _quote(machine, asker, desk, draft.book, {})
    del machine.drafts.of[QUOTE][desk, quote_id]
    return told


def _quote(machine: Machine, asker: Asker, owner: str, book: str, given: Row) -> list[Row]:
    found: list[Row] = desks.quote(
        machine, asker, owner, book, given.get("bid_quantity", 0), given.get("bid_price", 0),
        given.get("ask_quantity", 0), given.get("ask_price", 0), given.get("indicative", False),
    )  # fmt: skip
    return found


# ------------------------------------------------------------------------------------------------- matches by hand
def match_orders(
    machine: Machine, asker: Asker, book: str, order_a: str, order_b: str, quantity: int | None, price: int | None,
    desk: str,
) -> Any:  # fmt: skip
    """Execute two live orders against each other: answers with the match."""
    found = find(machine.books, "book", "book", book)
    desks.in_the_day(machine.engines[found.engine])
    one, other = (
        _live(machine, found, name, text, desk) for name, text in (("order_a", order_a), ("order_b", order_b))
    )
    if (one[SIDE] == wire.BUY) == (other[SIDE] == wire.BUY):
        raise VerbError("bad_argument", "order_b", f"orders {order_a!r} and {order_b!r} are on the same side")
    buyer, seller = (one, other) if one[SIDE] == wire.BUY else (other, one)
    most = min(buyer[OPEN], seller[OPEN])
    if quantity is not None and not 0 < quantity <= most:
        raise VerbError(
            "bad_argument", "quantity", f"quantity is {quantity}, it must be from 1 to {most}: what both have open"
        )
    price = _price(buyer, seller) if price is None else price
    match = cross(found, buyer, seller, most if quantity is None else quantity, price)
    return {"book": book, "match": match, "quantity": most if quantity is None else quantity,
            "price": price_text(price), "buy": queries.text_of(buyer[TOKEN]), "sell": queries.text_of(seller[TOKEN]),
            "buy_leaves": buyer[OPEN], "sell_leaves": seller[OPEN]}  # fmt: skip


def _live(machine: Machine, book: Book, field: str, text: str, owner: str) -> Order:
    """A live order of the book: by the desk's name for it, else by its reference number, anybody's."""
    place = machine.desks.get(book.engine)
    session = place.sessions.get(owner) if place is not None else None
    order = session.live.get(text.encode()) if session is not None else None
    if order is None and text.isdecimal():
        order = next((each for each in live_orders(book) if each[NUMBER] == int(text)), None)
    if order is None or order[BOOK] is not book:
        what = f"no live order {text!r} of desk {owner!r}" + (", and none of that number" if text.isdecimal() else "")
        raise VerbError("unknown_name", field, f"book {book.name!r} has {what}")
    return order


def _price(buyer: Order, seller: Order) -> int:
    """The price of the older order, if both can trade there. Raises VerbError."""
    older, newer = sorted((buyer, seller), key=lambda order: int(order[NUMBER]))
    price: int = older[PRICE] or newer[PRICE]
    if not price or (buyer[PRICE] and buyer[PRICE] < price) or (seller[PRICE] and seller[PRICE] > price):
        bid, ask = price_text(buyer[PRICE]), price_text(seller[PRICE])
        raise VerbError("bad_argument", "price", f"one buys at {bid}, the other sells at {ask}: say the price")
    return price


def cross(book: Book, buyer: Order, seller: Order, quantity: int, price: int) -> int:
    """Let two live orders trade where they wait; returns the number of the match."""
    placing.touch(book)
    match = auction.match(book, buyer, seller, quantity, price, wire.CROSS_HALT)
    matching.matched(book, buyer, seller, quantity, price, match)
    return match


HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    "create_order": create_order,
    "set_order_property": set_order_property,
    "submit_order": submit_order,
    "delete_order": delete_order,
    "create_quote": create_quote,
    "set_quote_property": set_quote_property,
    "submit_quote": submit_quote,
    "delete_quote": delete_quote,
    "match_orders": match_orders,
}
