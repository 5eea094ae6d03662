"""The one vocabulary of the bus: every frame, command, event and control message, with types, units and limits.

Rule 1. Every message is one msgpack array. Element 0 is its kind, and in a frame element 1 is ``VERSION``.
Rule 2. Decoding checks the length, the exact type and the range of every field, and raises ``WireError``, never
        anything else, whatever the bytes are. Frames are bounded before they are decoded (``FRAME_MAX``).
Rule 3. Units: prices are integers in 1e-8 of the currency, quantities are integers, times are ns since 1970 (UTC).

How the parts of this module stack up::

    frame    what one ZeroMQ message part holds: HELLO, WELCOME, CMD, EV, ACK, CMD_ACK, QUERY, REPLY, ERROR
    command  what CMD carries from a peer to the matcher: ENTER, REPLACE, CANCEL, SUBMIT, QUOTE, LOGON, VERB, ...
    event    what EV carries back. A peer's private stream holds the events of its sessions (ACCEPTED, EXECUTED,
             ...); the stream named "public" holds what the whole market may know (ADDED, TRADED, ...).

Commands and events are plain tuples and their kinds plain integers: they are made and taken apart millions of
times a second. ``COMMANDS``, ``PRIVATE_EVENTS``, ``PUBLIC_EVENTS`` and ``FRAMES`` describe every field; ``as_dict``
names the fields of any message for people. Field names follow FIX and Nasdaq.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from openoutcry.errors import WireError

VERSION: Final = 3

# ------------------------------------------------------------------------------------------------- limits
FRAME_MAX: Final = 1_000_000  # bytes in one frame; the sockets' MAXMSGSIZE (specs: a claimed 3 GB is then closed)
COMMANDS_MAX: Final = 512  # commands in one CMD frame; fewer when it would come to more than FRAME_MAX
EVENTS_MAX: Final = 2_048  # events in one EV frame; fewer when it would come to more than FRAME_MAX
NAME_MAX: Final = 64  # characters in the name of an engine, book, endpoint, user, peer
SYMBOL_MAX: Final = 16  # characters in a symbol
TOKEN_MAX: Final = 128  # bytes in a client order id (OUCH 14; FIX ClOrdID 64, and what a gateway puts before it)
USER_MAX: Final = 160  # characters in what a session belongs to: a user, or both ends of a FIX session
CLIENT_DATA_MAX: Final = 256  # bytes a gateway may have echoed back with an order's events
TEXT_MAX: Final = 200_000  # characters in a text that carries JSON (results, replies)
QUERY_MAX: Final = 60_000  # characters in the argument of a question: a message for a client, as JSON
SEVERAL_MAX: Final = 32  # questions to the matcher that come together, as the question `several`
SHORT_TEXT_MAX: Final = 256  # characters in a text for people
ARGUMENTS_MAX: Final = 128  # arguments of a verb
ARGUMENT_TEXT_MAX: Final = 4_096  # characters in one: a timetable, a mass quote
ECHO_MAX: Final = 16_384  # bytes of a message for an echo engine
WITHHELD_MAX: Final = 4_096  # bytes of a packed event: three texts of SHORT_TEXT_MAX, all client data, and numbers
QUOTES_MAX: Final = 128  # books in one mass quote
PRICE_MAX: Final = 10**17  # 1e9 currency units
QUANTITY_MAX: Final = 2**53 - 1  # exact in JSON as well
UINT63_MAX: Final = 2**63 - 1

PRICE_SCALE: Final = 10**8  # units of price in one unit of the currency

# ------------------------------------------------------------------------------------------------- codes
# Side (FIX 54)
BUY: Final = 1
SELL: Final = 2
SELL_SHORT: Final = 5
SELL_SHORT_EXEMPT: Final = 6
SIDES: Final = frozenset((BUY, SELL, SELL_SHORT, SELL_SHORT_EXEMPT))

# Order type (FIX 40; a letter of FIX is its place in the alphabet, A = 10)
MARKET: Final = 1
LIMIT: Final = 2
STOP: Final = 3  # becomes MARKET when its trigger is reached
STOP_LIMIT: Final = 4  # becomes LIMIT
MARKET_IF_TOUCHED: Final = 19  # FIX 'J': triggers in the other direction
MARKET_TO_LIMIT: Final = 20  # FIX 'K': what is left becomes a limit order at the price it traded
LIMIT_IF_TOUCHED: Final = 21
PEGGED: Final = 25  # FIX 'P': price is the cap, 0 for none
ORDER_TYPES: Final[dict[int, str]] = {
    MARKET: "market",
    LIMIT: "limit",
    STOP: "stop",
    STOP_LIMIT: "stop-limit",
    MARKET_IF_TOUCHED: "market-if-touched",
    MARKET_TO_LIMIT: "market-to-limit",
    LIMIT_IF_TOUCHED: "limit-if-touched",
    PEGGED: "pegged",
}

# Time in force (FIX 59; letters as above)
DAY: Final = 0  # until the market closes
GTC: Final = 1  # until it is cancelled, over days
AT_OPEN: Final = 2  # the opening auction alone
IOC: Final = 3
FOK: Final = 4
SYSTEM_HOURS: Final = 5  # FIX GTX: until the end of the day
GTD: Final = 6  # `expire`: until that time, ns since 1970, over days
AT_CLOSE: Final = 7  # the closing auction alone
GOOD_FOR_TIME: Final = 10  # FIX 'A': `expire` seconds to live
GOOD_FOR_AUCTION: Final = 11  # FIX 'B': the next auction alone, whichever it is
TIMES_IN_FORCE: Final[dict[int, str]] = {
    DAY: "day",
    GTC: "gtc",
    AT_OPEN: "at-open",
    IOC: "ioc",
    FOK: "fok",
    SYSTEM_HOURS: "system-hours",
    GTD: "gtd",
    AT_CLOSE: "at-close",
    GOOD_FOR_TIME: "good-for-time",
    GOOD_FOR_AUCTION: "good-for-auction",
}
SECONDS_TO_LIVE_MAX: Final = 86_399

# Liquidity (FIX 851)
ADDED_LIQUIDITY: Final = 1
REMOVED_LIQUIDITY: Final = 2
CROSS_LIQUIDITY: Final = 3  # plus which of CROSSES: 4 in the opening, 5 in the closing, 6 in any other auction
ADDED_HIDDEN: Final = 10  # added liquidity that nobody saw

# Why an order, or a part of it, was cancelled
CANCEL_USER: Final = 1
CANCEL_IOC: Final = 2  # remainder of an IOC, FOK or market order, or its minimum quantity was not there
CANCEL_TIMEOUT: Final = 3  # seconds to live are over
CANCEL_SUPERVISORY: Final = 4  # by an operator: book, endpoint or session removed
CANCEL_CLOSED: Final = 5  # market closed, or end of day
CANCEL_DISCONNECT: Final = 6  # cancel on disconnect
CANCEL_INVALID_REPLACE: Final = 7  # replaced by an order with invalid details (OUCH 4.2, replace outcome b)
CANCEL_SELF_MATCH: Final = 8  # self-match prevention
CANCEL_POST_ONLY: Final = 9  # would have taken liquidity after a trigger, a replacement or a slide
CANCEL_CROSS: Final = 10  # an order for an auction alone that was not (wholly) executed in it
CANCEL_PAIR: Final = 11  # another order of its pair was executed or cancelled
CANCEL_MASS: Final = 12  # mass cancel by its owner
CANCEL_KILL: Final = 13  # kill switch
CANCEL_REDUCE_ONLY: Final = 14  # reduce-only, and there is no position left to reduce
CANCEL_COLLAR: Final = 15  # what is left would trade outside the price bands
CANCEL_HALTED: Final = 16  # the market was halted
CANCEL_REASONS: Final[dict[int, str]] = {
    CANCEL_USER: "user",
    CANCEL_IOC: "immediate or cancel",
    CANCEL_TIMEOUT: "timeout",
    CANCEL_SUPERVISORY: "supervisory",
    CANCEL_CLOSED: "closed",
    CANCEL_DISCONNECT: "disconnect",
    CANCEL_INVALID_REPLACE: "invalid replace",
    CANCEL_SELF_MATCH: "self-match prevention",
    CANCEL_POST_ONLY: "post-only",
    CANCEL_CROSS: "cross",
    CANCEL_PAIR: "paired order",
    CANCEL_MASS: "mass cancel",
    CANCEL_KILL: "kill switch",
    CANCEL_REDUCE_ONLY: "reduce-only",
    CANCEL_COLLAR: "price bands",
    CANCEL_HALTED: "halted",
}

# Why an order was rejected
REJECT_HALTED: Final = 1
REJECT_CLOSED: Final = 2
REJECT_SYMBOL: Final = 3  # no such symbol on this engine
REJECT_PRICE: Final = 4  # out of range or off the tick
REJECT_QUANTITY: Final = 5  # over the safety threshold, zero, or off the lot
REJECT_MIN_QUANTITY: Final = 6
REJECT_DISPLAY: Final = 7
REJECT_CROSS: Final = 8  # not allowed in this cross
REJECT_SIDE: Final = 9
REJECT_TIME_IN_FORCE: Final = 10
REJECT_FIELD: Final = 11  # any other invalid field
REJECT_LIMIT: Final = 12  # a limit of the session: open orders, tokens
REJECT_ORDER_TYPE: Final = 13  # these terms do not go together
REJECT_PHASE: Final = 14  # the trading phase does not allow it
REJECT_POST_ONLY: Final = 15  # would take liquidity
REJECT_COLLAR: Final = 16  # too far from the reference price
REJECT_MAX_QUANTITY: Final = 17
REJECT_MAX_NOTIONAL: Final = 18
REJECT_MAX_OPEN_ORDERS: Final = 19
REJECT_MAX_POSITION: Final = 20
REJECT_REDUCE_ONLY: Final = 21
REJECT_THROTTLE: Final = 22
REJECT_DUPLICATE: Final = 23
REJECT_RESTRICTED: Final = 24
REJECT_KILLED: Final = 25
REJECT_NO_REFERENCE: Final = 26  # a price is needed that there is not yet: a trade, or a quote
REJECT_TOO_LATE: Final = 27  # the order cannot be changed any more before the auction
REJECT_QUOTE: Final = 28  # a quote's entry is invalid
REJECT_UNKNOWN_ORDER: Final = 29  # a request about an order that is not live
REJECT_UNSUPPORTED: Final = 30  # what was asked for is not offered here
REJECT_REASONS: Final[dict[int, str]] = {
    REJECT_HALTED: "halted",
    REJECT_CLOSED: "closed",
    REJECT_SYMBOL: "unknown symbol",
    REJECT_PRICE: "invalid price",
    REJECT_QUANTITY: "invalid quantity",
    REJECT_MIN_QUANTITY: "invalid minimum quantity",
    REJECT_DISPLAY: "invalid display",
    REJECT_CROSS: "cross type not allowed",
    REJECT_SIDE: "invalid side",
    REJECT_TIME_IN_FORCE: "invalid time in force",
    REJECT_FIELD: "invalid field",
    REJECT_LIMIT: "limit reached",
    REJECT_ORDER_TYPE: "invalid order type or terms",
    REJECT_PHASE: "not allowed in this phase",
    REJECT_POST_ONLY: "post-only would take liquidity",
    REJECT_COLLAR: "price collar",
    REJECT_MAX_QUANTITY: "max quantity",
    REJECT_MAX_NOTIONAL: "max notional",
    REJECT_MAX_OPEN_ORDERS: "max open orders",
    REJECT_MAX_POSITION: "max position",
    REJECT_REDUCE_ONLY: "reduce-only",
    REJECT_THROTTLE: "message rate",
    REJECT_DUPLICATE: "duplicate order",
    REJECT_RESTRICTED: "restricted symbol",
    REJECT_KILLED: "kill switch",
    REJECT_NO_REFERENCE: "no reference price",
    REJECT_TOO_LATE: "too late to change",
    REJECT_QUOTE: "invalid quote",
    REJECT_UNKNOWN_ORDER: "unknown order",
    REJECT_UNSUPPORTED: "not supported",
}

# Trading phase of a book; what each allows is the table of openoutcry.matcher.phases
PHASE_OPEN: Final = 1  # continuous trading
PHASE_HALTED: Final = 2  # cancels only
PHASE_CLOSED: Final = 3  # cancels only
PHASE_ENDED: Final = 4  # end of day: nothing
PHASE_PRE_OPEN: Final = 5  # orders are collected
PHASE_PRE_OPEN_NO_CANCEL: Final = 6
PHASE_OPENING_AUCTION: Final = 7
PHASE_VOLATILITY_AUCTION: Final = 8
PHASE_CLOSING_AUCTION: Final = 9
PHASE_POST_CLOSE: Final = 10  # cancels, and orders for the days after
PHASES: Final[dict[int, str]] = {
    PHASE_OPEN: "open",
    PHASE_HALTED: "halted",
    PHASE_CLOSED: "closed",
    PHASE_ENDED: "ended",
    PHASE_PRE_OPEN: "pre_open",
    PHASE_PRE_OPEN_NO_CANCEL: "pre_open_no_cancel",
    PHASE_OPENING_AUCTION: "opening_auction",
    PHASE_VOLATILITY_AUCTION: "volatility_auction",
    PHASE_CLOSING_AUCTION: "closing_auction",
    PHASE_POST_CLOSE: "post_close",
}

# Which auction a cross was
CROSS_OPENING: Final = 1
CROSS_CLOSING: Final = 2
CROSS_HALT: Final = 3  # after a halt, a volatility auction, or an operator's
CROSSES: Final[dict[int, str]] = {CROSS_OPENING: "opening", CROSS_CLOSING: "closing", CROSS_HALT: "halt"}

# Why an order's place changed without its owner's doing (RESTATED; FIX ExecRestatementReason's purpose)
RESTATED_REPLENISHED: Final = 1  # an iceberg shows its next part
RESTATED_TRIGGERED: Final = 2  # a stop or if-touched order is on the market now
RESTATED_PEGGED: Final = 3  # a pegged order followed the market
RESTATED_SLID: Final = 4  # post-only: moved behind the other side
RESTATED_LIMIT: Final = 5  # a market order became a limit order
RESTATED_RELEASED: Final = 6  # entered the book in its phase or as the second of a bracket
RESTATED_REASONS: Final[dict[int, str]] = {
    RESTATED_REPLENISHED: "replenished",
    RESTATED_TRIGGERED: "triggered",
    RESTATED_PEGGED: "pegged",
    RESTATED_SLID: "slid",
    RESTATED_LIMIT: "limit",
    RESTATED_RELEASED: "released",
}

# Why a trade was broken or corrected (OUCH 4.2: E, C, S, X)
BREAK_ERRONEOUS: Final = 1
BREAK_CONSENT: Final = 2
BREAK_SUPERVISORY: Final = 3
BREAK_EXTERNAL: Final = 4
BREAK_REASONS: Final[dict[int, str]] = {
    BREAK_ERRONEOUS: "erroneous",
    BREAK_CONSENT: "consent",
    BREAK_SUPERVISORY: "supervisory",
    BREAK_EXTERNAL: "external",
}

# Self-match prevention: which order goes
SELF_MATCH_OFF: Final = 0
SELF_MATCH_NEWEST: Final = 1
SELF_MATCH_OLDEST: Final = 2
SELF_MATCH_BOTH: Final = 3
SELF_MATCH_DECREMENT: Final = 4  # the smaller goes, the larger shrinks by it
SELF_MATCH_MODES: Final[dict[int, str]] = {
    SELF_MATCH_OFF: "off",
    SELF_MATCH_NEWEST: "newest",
    SELF_MATCH_OLDEST: "oldest",
    SELF_MATCH_BOTH: "both",
    SELF_MATCH_DECREMENT: "decrement",
}

# What a pegged order follows
PEG_PRIMARY: Final = 1  # the best price of its own side
PEG_MARKET: Final = 2  # the best price of the other side
PEG_MIDPOINT: Final = 3
PEGS: Final[dict[int, str]] = {PEG_PRIMARY: "primary", PEG_MARKET: "market", PEG_MIDPOINT: "midpoint"}

# Post-only
POST_ONLY_REJECT: Final = 1
POST_ONLY_SLIDE: Final = 2
POST_ONLY_MODES: Final[dict[int, str]] = {POST_ONLY_REJECT: "reject", POST_ONLY_SLIDE: "slide"}

# Roles of peers
ROLE_GATEWAY: Final = 1
ROLE_MARKETDATA: Final = 2
ROLE_CONTROL: Final = 3
ROLES: Final[dict[int, str]] = {ROLE_GATEWAY: "gateway", ROLE_MARKETDATA: "marketdata", ROLE_CONTROL: "control"}

# Order state in ACCEPTED and REPLACED (OUCH 4.2: L, D)
LIVE: Final = 1
DEAD: Final = 0

# System event codes (OUCH 4.2: S, E)
START_OF_DAY: Final = "S"
END_OF_DAY: Final = "E"

# Codes of ERROR frames
ERROR_MALFORMED: Final = 1  # the frame did not decode; it was dropped
ERROR_VERSION: Final = 2  # another VERSION: upgrade the older side
ERROR_HELLO: Final = 3  # the matcher does not know this peer yet (it restarted): say HELLO
ERROR_FENCED: Final = 4  # a newer generation of this peer has said HELLO: stop
ERROR_REFUSED: Final = 5  # a rule of the bus was broken: role changed, too many peers


# ------------------------------------------------------------------------------------------------- fields
class Field(NamedTuple):
    """One field: its name, exact type, least and most value (for text, bytes and arrays: of its length)."""

    name: str
    type: type
    low: int
    high: int


def _int(name: str, low: int = 0, high: int = UINT63_MAX) -> Field:
    return Field(name, int, low, high)


def _text(name: str, high: int = NAME_MAX, low: int = 0) -> Field:
    return Field(name, str, low, high)


def _bytes(name: str, low: int, high: int) -> Field:
    return Field(name, bytes, low, high)


def _array(name: str, high: int) -> Field:
    return Field(name, tuple, 0, high)


SESSION = _int("session", 1, 2**31)
TOKEN = _bytes("token", 1, TOKEN_MAX)
SYMBOL = _text("symbol", SYMBOL_MAX, 1)
SIDE = _int("side", 1, 6)
QUANTITY = _int("quantity", 0, QUANTITY_MAX)
PRICE = _int("price", 0, PRICE_MAX)
ORDER_TYPE = _int("order_type", 1, 25)
TIME_IN_FORCE = _int("time_in_force", 0, 11)
EXPIRE = _int("expire", 0, UINT63_MAX)  # GOOD_FOR_TIME: seconds to live; GTD: ns since 1970; else 0
MIN_QUANTITY = _int("min_quantity", 0, QUANTITY_MAX)
CLIENT_DATA = _bytes("client_data", 0, CLIENT_DATA_MAX)
REASON = _int("reason", 0, 99)
ORDER = _int("order", 1)  # order reference number, unique for the life of the journal
MATCH = _int("match", 1)  # match number, the same for both sides and the feed
BOOK = _int("book", 1, 2**31)  # number of a book
PHASE = _int("phase", 1, 10)
STREAM = _text("stream", 10, 1)  # name of one session's stream of one day; ten alphanumerics for SoupBinTCP
ENDPOINT = _text("endpoint", NAME_MAX, 1)
PROPERTIES = _array("properties", 128)  # ((name, value), ...) sorted by name; a value is int, bool or str

TERMS = _array("terms", 32)  # ((term, value), ...) in ascending order of the terms: openoutcry.wire.ORDER_TERMS

Table = dict[int, tuple[str, tuple[Field, ...]]]

# ------------------------------------------------------------------------------------------------- terms of orders
# What an order can say beyond the fields of ENTER. SUBMIT and AMEND carry those that are used, and only those; where 0
# is allowed, it is for AMEND: the order has the term no longer.
TERM_ACCOUNT: Final = 1
TERM_STOP_PRICE: Final = 2
TERM_TRAIL_AMOUNT: Final = 3
TERM_TRAIL_PERCENT: Final = 4
TERM_PROTECTION: Final = 5
TERM_DISPLAY_QUANTITY: Final = 6
TERM_DISPLAY_RANGE: Final = 7
TERM_HIDDEN: Final = 8
TERM_POST_ONLY: Final = 9
TERM_ALL_OR_NONE: Final = 10
TERM_PEG: Final = 11
TERM_PEG_OFFSET: Final = 12
TERM_PAIR: Final = 13
TERM_TAKE_PROFIT: Final = 14
TERM_STOP_LOSS: Final = 15
TERM_REDUCE_ONLY: Final = 16
TERM_SELF_MATCH: Final = 17
TERM_KEEP: Final = 18

ORDER_TERMS: Final[dict[int, Field]] = {
    TERM_ACCOUNT: _text("account", NAME_MAX, 1),  # instead of the session's
    TERM_STOP_PRICE: _int("stop_price", 1, PRICE_MAX),  # the trigger of a stop or if-touched order
    TERM_TRAIL_AMOUNT: _int("trail_amount", 1, PRICE_MAX),  # a trailing stop's distance, as a price
    TERM_TRAIL_PERCENT: _int("trail_percent", 1, 9_999),  # or in 1e-4 of the last price (25 = 0.25 %)
    TERM_PROTECTION: _int("protection", 0, PRICE_MAX),  # a market order's worst distance from the best price
    TERM_DISPLAY_QUANTITY: _int("display_quantity", 1, QUANTITY_MAX),  # an iceberg shows this much at a time
    TERM_DISPLAY_RANGE: _int("display_range", 1, QUANTITY_MAX),  # more or less by up to this, drawn at random
    TERM_HIDDEN: _int("hidden", 0, 1),
    TERM_POST_ONLY: _int("post_only", 0, 2),
    TERM_ALL_OR_NONE: _int("all_or_none", 1, 1),
    TERM_PEG: _int("peg", 1, 3),
    TERM_PEG_OFFSET: _int("peg_offset", -PRICE_MAX, PRICE_MAX),  # more eager by this than what the order follows
    TERM_PAIR: _bytes("pair", 1, TOKEN_MAX),  # one cancels other: live orders of a session with the same pair
    TERM_TAKE_PROFIT: _int("take_profit", 1, PRICE_MAX),  # bracket: limit price of the child that takes the profit
    TERM_STOP_LOSS: _int("stop_loss", 1, PRICE_MAX),  # bracket: trigger of the child that stops the loss
    TERM_REDUCE_ONLY: _int("reduce_only", 1, 1),
    TERM_SELF_MATCH: _int("self_match", 0, 4),  # instead of the book's mode, for this order as the newer one
    TERM_KEEP: _int("keep", 1, 1),  # not cancelled on disconnect
}

# ------------------------------------------------------------------------------------------------- commands
ENTER: Final = 1
REPLACE: Final = 2
CANCEL: Final = 3
MODIFY: Final = 4
REFUSE: Final = 5
SUBMIT: Final = 6
AMEND: Final = 7
QUOTE: Final = 8
MASS_CANCEL: Final = 9
ASK: Final = 10
AGAIN: Final = 11
CHANGE: Final = 12
WITHDRAW: Final = 13
CROSS: Final = 14
ECHO: Final = 15
SESSION_COMMANDS_END: Final = 15  # the kinds up to here come from a session and carry its number
LOGON: Final = 16
LOGOFF: Final = 17
BOUND: Final = 18
VERB: Final = 19
LOGON_AS: Final = 20

COMMANDS: Table = {
    # price is 0 for MARKET. client_data is the protocol's own fields, opaque, echoed in the order's events.
    ENTER: ("enter", (SESSION, TOKEN, SYMBOL, SIDE, QUANTITY, PRICE, ORDER_TYPE, TIME_IN_FORCE, EXPIRE, MIN_QUANTITY,
                      CLIENT_DATA)),
    # quantity is the TOTAL of the chain including what has executed (OUCH, FIX). invalid: 0, or the REJECT reason
    # that the gateway found in the new details; the order is then taken out (OUCH 4.2, replace outcome b).
    REPLACE: ("replace", (SESSION, TOKEN, _bytes("new_token", 1, TOKEN_MAX), QUANTITY, PRICE, ORDER_TYPE,
                          TIME_IN_FORCE, EXPIRE, MIN_QUANTITY, _int("invalid", 0, 99), CLIENT_DATA)),
    # quantity is the new intended total of the chain; 0 cancels all that is open.
    CANCEL: ("cancel", (SESSION, TOKEN, QUANTITY)),
    MODIFY: ("modify", (SESSION, TOKEN, SIDE, QUANTITY)),
    # An order that the gateway found invalid: rejects it and uses up its token, unless that was used before.
    # text: for people, "" for the reason's own; client_data comes back in REJECTED.
    REFUSE: ("refuse", (SESSION, TOKEN, REASON, _text("text", SHORT_TEXT_MAX), CLIENT_DATA)),
    # ENTER with terms.
    SUBMIT: ("submit", (SESSION, TOKEN, SYMBOL, SIDE, QUANTITY, PRICE, ORDER_TYPE, TIME_IN_FORCE, EXPIRE, MIN_QUANTITY,
                        CLIENT_DATA, TERMS)),
    # REPLACE with terms: those given replace those of the order, the others stay. One that only lowers the quantity
    # keeps its priority and its order reference number (FIX OrderCancelReplaceRequest).
    AMEND: ("amend", (SESSION, TOKEN, _bytes("new_token", 1, TOKEN_MAX), QUANTITY, PRICE, ORDER_TYPE, TIME_IN_FORCE,
                      EXPIRE, MIN_QUANTITY, _int("invalid", 0, 99), CLIENT_DATA, TERMS)),
    # A two-sided quote in each of several books, in place of the session's earlier one there; quantity 0 takes a side
    # out. quotes: ((symbol, bid_quantity, bid_price, ask_quantity, ask_price), ...). indicative: shown, not tradeable.
    QUOTE: ("quote", (SESSION, TOKEN, _int("indicative", 0, 1), CLIENT_DATA, _array("quotes", QUOTES_MAX))),
    # Cancel the session's own orders, or its account's or firm's (scope 1, 2, 3); symbol "" for every book, side 0 for
    # both, low and high: limit prices, 0 and PRICE_MAX for all.
    MASS_CANCEL: ("mass_cancel", (SESSION, TOKEN, _int("scope", 1, 3), _text("symbol", SYMBOL_MAX), _int("side", 0, 6),
                                  _int("low", 0, PRICE_MAX), _int("high", 0, PRICE_MAX))),
    # How an order is: answered with ORDER_STATUS.
    ASK: ("ask", (SESSION, TOKEN)),
    # The session's next command may be one that it has sent before (FIX PossDupFlag, PossResend): if its token is
    # used, nobody is told.
    AGAIN: ("again", (SESSION,)),
    # AMEND with the manners of FIX (OrderCancelReplaceRequest): always answered, and what cannot be done leaves the
    # order as it is. REPLACED, or REQUEST_REJECTED.
    CHANGE: ("change", (SESSION, TOKEN, _bytes("new_token", 1, TOKEN_MAX), QUANTITY, PRICE, ORDER_TYPE, TIME_IN_FORCE,
                        EXPIRE, MIN_QUANTITY, CLIENT_DATA, TERMS)),
    # CANCEL of all that is open under a token of its own, `request`, which is used up (OrderCancelRequest). Always
    # answered: CANCEL_REQUESTED and what comes of it, or REQUEST_REJECTED.
    WITHDRAW: ("withdraw", (SESSION, TOKEN, _bytes("request", 1, TOKEN_MAX))),
    # Two orders of one session that trade with each other at a price that no better order in the book forbids (FIX
    # NewOrderCross), or are both rejected. token: the buyer's; the clients' data are the orders' own.
    CROSS: ("cross", (SESSION, TOKEN, _bytes("sell_token", 1, TOKEN_MAX), SYMBOL, _int("sell_side", 2, 6), QUANTITY,
                      PRICE, CLIENT_DATA, _bytes("sell_data", 0, CLIENT_DATA_MAX))),
    # A message for an echo engine, which sends it back, or for a plugin (openoutcry.matcher.pluginengine).
    ECHO: ("echo", (SESSION, _bytes("data", 0, ECHO_MAX))),
    # connection: the gateway's own number of the TCP connection, so that a late LOGOFF cannot hit a newer one.
    # account: of the session's orders; "" for its user's.
    LOGON: ("logon", (ENDPOINT, _text("user", USER_MAX), _int("connection", 1), _text("account", NAME_MAX))),
    # LOGON of a session that is not called as its user is: login is the user who gave the password (FIX).
    LOGON_AS: ("logon_as", (ENDPOINT, _text("user", USER_MAX), _int("connection", 1), _text("account", NAME_MAX),
                            _text("login", NAME_MAX, 1))),
    LOGOFF: ("logoff", (SESSION, _int("connection", 1))),
    # An endpoint's listener: port 0 with an error when it could not be opened.
    BOUND: ("bound", (ENDPOINT, _text("host", NAME_MAX), _int("port", 0, 65535), _text("error", SHORT_TEXT_MAX))),
    # A control verb (openoutcry.verbs); request comes back in its RESULT.
    VERB: ("verb", (_int("request", 1), _text("verb", NAME_MAX, 1), _array("arguments", ARGUMENTS_MAX))),
}  # fmt: skip

# ------------------------------------------------------------------------------------------------- private events
ACCEPTED: Final = 1
REPLACED: Final = 2
CANCELED: Final = 3
EXECUTED: Final = 4
REJECTED: Final = 5
MODIFIED: Final = 6
SYSTEM: Final = 7
SESSION_STREAM: Final = 8
LOGGED_ON: Final = 9
LOGON_REFUSED: Final = 10
ENDPOINT_SET: Final = 11
ENDPOINT_DELETED: Final = 12
USER_SET: Final = 13
USER_DELETED: Final = 14
RESULT: Final = 15
SELF_MATCH: Final = 16
RESTATED: Final = 17
BROKEN: Final = 18
CORRECTED: Final = 19
CANCEL_PENDING: Final = 20
CANCEL_REJECTED: Final = 21
ORDER_STATUS: Final = 22
QUOTE_STATUS: Final = 23
MASS_CANCELED: Final = 24
FEE: Final = 25
TRIGGER_MOVED: Final = 26
REQUEST_REJECTED: Final = 27
CANCEL_REQUESTED: Final = 28
ECHOED: Final = 29
SESSION_SET: Final = 30
SESSION_DELETED: Final = 31
SESSION_ORDERED: Final = 32
CLOCK_SET: Final = 33
PLUGIN_SET: Final = 34
WITHHELD: Final = 35
SPOKEN: Final = 36

LEAVES = _int("leaves", 0, QUANTITY_MAX)
STATE = _int("state", 0, 1)

PRIVATE_EVENTS: Table = {
    ACCEPTED: ("accepted", (SESSION, TOKEN, ORDER, SIDE, QUANTITY, PRICE, STATE, CLIENT_DATA)),
    # quantity is what is open now; client_data is that of the chain's ENTER, replace_data that of this REPLACE.
    REPLACED: ("replaced", (SESSION, TOKEN, _bytes("previous", 1, TOKEN_MAX), ORDER, SIDE, QUANTITY, PRICE, STATE,
                            CLIENT_DATA, _bytes("replace_data", 0, CLIENT_DATA_MAX))),
    # quantity is the decrement; leaves is what stays open.
    CANCELED: ("canceled", (SESSION, TOKEN, QUANTITY, REASON, LEAVES)),
    # contra: the session number of the other side (0 in an auction: nobody took the other side alone).
    EXECUTED: ("executed", (SESSION, TOKEN, QUANTITY, PRICE, _int("liquidity", 1, 10), MATCH, LEAVES,
                            _int("contra", 0, 2**31))),
    # client_data: of the order that was rejected, b"" when nothing was.
    REJECTED: ("rejected", (SESSION, TOKEN, REASON, _text("text", SHORT_TEXT_MAX), CLIENT_DATA)),
    MODIFIED: ("modified", (SESSION, TOKEN, SIDE, LEAVES)),
    # code: START_OF_DAY, always the first event of a stream, or END_OF_DAY, the last.
    SYSTEM: ("system", (SESSION, _text("code", 1, 1))),
    # A new stream begins for this session: its first of the day. Comes before everything else of that day.
    SESSION_STREAM: ("session_stream", (SESSION, ENDPOINT, _text("user", USER_MAX), STREAM)),
    LOGGED_ON: ("logged_on", (SESSION, ENDPOINT, _int("connection", 1), STREAM)),
    LOGON_REFUSED: ("logon_refused", (ENDPOINT, _int("connection", 1), _text("text", SHORT_TEXT_MAX))),
    # To the gateway that hosts it, when it is made, changed, or handed over. Port 0 asks for any port.
    # kind: of its engine.
    ENDPOINT_SET: ("endpoint_set", (ENDPOINT, _text("engine"), _text("protocol"), _text("host"),
                                    _int("port", 0, 65535), PROPERTIES, _text("kind"))),
    ENDPOINT_DELETED: ("endpoint_deleted", (ENDPOINT,)),
    # endpoint "" means every endpoint. password_hash: openoutcry.passwords. To every gateway.
    USER_SET: ("user_set", (_text("name", NAME_MAX, 1), _text("endpoint"), _text("account"),
                            _text("password_hash", SHORT_TEXT_MAX))),
    USER_DELETED: ("user_deleted", (_text("name", NAME_MAX, 1),)),
    # error: () or (code, field, text); value: JSON text, "null" when there is an error.
    RESULT: ("result", (_int("request", 1), _array("error", 3), _text("value", TEXT_MAX))),
    # Self-match prevention took `quantity` out of an order, which counts as used up of its chain's total. prevented:
    # what would have traded, at what price, and as which side of the trade (OUCH 4.2 'D').
    SELF_MATCH: ("self_match", (SESSION, TOKEN, QUANTITY, _int("prevented", 0, QUANTITY_MAX), PRICE,
                                _int("liquidity", 1, 10), LEAVES)),
    # The order has another place, and so another order reference number, without its owner's doing.
    # shown: what the market sees of it; reason: RESTATED_REASONS.
    RESTATED: ("restated", (SESSION, TOKEN, ORDER, PRICE, _int("shown", 0, QUANTITY_MAX), LEAVES, REASON)),
    # A trade that was reported by EXECUTED never was (reason: BREAK_REASONS) ...
    BROKEN: ("broken", (SESSION, TOKEN, MATCH, QUANTITY, PRICE, REASON)),
    # ... or was at another price.
    CORRECTED: ("corrected", (SESSION, TOKEN, MATCH, QUANTITY, PRICE, REASON)),
    # The cancel will take place after the auction / does not take place (OUCH 4.2 'P', 'I').
    CANCEL_PENDING: ("cancel_pending", (SESSION, TOKEN)),
    CANCEL_REJECTED: ("cancel_rejected", (SESSION, TOKEN, REASON, _text("text", SHORT_TEXT_MAX))),
    # Answers ASK. done: executed; ahead: shares before it in its level, displayed and hidden; order 0: not live.
    ORDER_STATUS: ("order_status", (SESSION, TOKEN, _int("order"), SIDE, PRICE, LEAVES, _int("done", 0, QUANTITY_MAX),
                                    _int("ahead", 0, UINT63_MAX))),
    # One side of one entry of QUOTE: leaves 0 with reason 0 is taken out, with a REJECT reason refused.
    QUOTE_STATUS: ("quote_status", (SESSION, TOKEN, SYMBOL, SIDE, _int("order"), LEAVES, PRICE, REASON,
                                    _text("text", SHORT_TEXT_MAX))),
    MASS_CANCELED: ("mass_canceled", (SESSION, TOKEN, _int("orders"))),
    # What an execution costs, in 1e-8 of the currency; less than 0 is a rebate.
    FEE: ("fee", (SESSION, TOKEN, MATCH, _int("amount", -UINT63_MAX))),
    # A trailing stop followed the market: its new trigger.
    TRIGGER_MOVED: ("trigger_moved", (SESSION, TOKEN, PRICE)),
    # A WITHDRAW (kind 1) or CHANGE (kind 2) of the order `token` that does not take place; the order is as it was.
    REQUEST_REJECTED: ("request_rejected", (SESSION, TOKEN, _bytes("request", 1, TOKEN_MAX), _int("request_kind", 1, 2),
                                            REASON, _text("text", SHORT_TEXT_MAX))),
    # A WITHDRAW was taken: CANCELED or CANCEL_PENDING of the order follows.
    CANCEL_REQUESTED: ("cancel_requested", (SESSION, TOKEN, _bytes("request", 1, TOKEN_MAX))),
    ECHOED: ("echoed", (SESSION, _bytes("data", 0, ECHO_MAX))),
    # A FIX session of an endpoint, to the gateway that hosts it: its settings (openoutcry.fix.settings). name: both
    # ends, as FIX.4.2:ISLD->TW42.
    SESSION_SET: ("session_set", (ENDPOINT, _text("name", USER_MAX, 1), PROPERTIES)),
    SESSION_DELETED: ("session_deleted", (ENDPOINT, _text("name", USER_MAX, 1))),
    # An operator's order to the gateway about one session: "reset" both sequence numbers to 1, "set" them (0: as it
    # is), or "logout".
    SESSION_ORDERED: ("session_ordered", (ENDPOINT, _text("name", USER_MAX, 1), _text("action", 16, 1),
                                          _int("next_out"), _int("next_in"), _text("text", SHORT_TEXT_MAX))),
    # The exchange's clock, to every gateway: it stands at time_ns (stopped 1), or is offset_ns ahead of the host's
    # (stopped 0). moved_ns: by how much it was moved just now; silent: whether clients count as silent all that time.
    CLOCK_SET: ("clock_set", (_int("stopped", 0, 1), _int("time_ns"), _int("offset_ns", -UINT63_MAX),
                              _int("moved_ns"), _int("silent", 0, 1))),
    # A protocol that was loaded, to every gateway: path is "module:attribute".
    PLUGIN_SET: ("plugin_set", (_text("name", NAME_MAX, 1), _text("path", SHORT_TEXT_MAX))),
    # An event of a FIX session (packed) that happens now, while what it has the gateway say is kept under a number; 0:
    # it is never said ...
    WITHHELD: ("withheld", (SESSION, _int("kept"), _bytes("event", 1, WITHHELD_MAX))),
    # ... and is said so many times now. last 1: it is not needed any more.
    SPOKEN: ("spoken", (SESSION, _int("kept", 1), _int("times", 0, 1), _int("last", 0, 1))),
}  # fmt: skip

# ------------------------------------------------------------------------------------------------- public events
BOOK_SET: Final = 1
BOOK_DELETED: Final = 2
STATUS: Final = 3
ADDED: Final = 4
TRADED: Final = 5
REDUCED: Final = 6
ORDER_REPLACED: Final = 7
TRADED_HIDDEN: Final = 8
CROSS_TRADED: Final = 9
CROSSED: Final = 10
INDICATIVE: Final = 11
TRADE_BROKEN: Final = 12
TRADE_CORRECTED: Final = 13
QUOTED: Final = 14

PUBLIC_EVENTS: Table = {
    BOOK_SET: ("book_set", (BOOK, _text("name"), _text("engine"), SYMBOL, PROPERTIES)),
    BOOK_DELETED: ("book_deleted", (BOOK,)),
    STATUS: ("status", (BOOK, PHASE, _text("text", SHORT_TEXT_MAX))),
    ADDED: ("added", (BOOK, ORDER, SIDE, QUANTITY, PRICE)),
    # order: the resting one. side: of the aggressor. leaves: what stays open of the resting order.
    TRADED: ("traded", (BOOK, ORDER, QUANTITY, PRICE, MATCH, SIDE, LEAVES)),
    REDUCED: ("reduced", (BOOK, ORDER, QUANTITY, LEAVES)),
    # The resting order `previous` leaves the book and `order` takes a place at the back of its level.
    ORDER_REPLACED: ("order_replaced", (BOOK, _int("previous", 1), ORDER, QUANTITY, PRICE)),
    # A match with a resting order that was never shown.
    TRADED_HIDDEN: ("traded_hidden", (BOOK, QUANTITY, PRICE, MATCH, SIDE)),
    # One match of an auction, buy_order and sell_order 0 when not shown; leaves: of what is shown of them.
    CROSS_TRADED: (
        "cross_traded",
        (
            BOOK,
            _int("buy_order"),
            _int("sell_order"),
            QUANTITY,
            PRICE,
            MATCH,
            _int("buy_leaves", 0, QUANTITY_MAX),
            _int("sell_leaves", 0, QUANTITY_MAX),
        ),
    ),
    # The auction is over: its price and volume, 0 and 0 when nothing matched. cross: CROSSES.
    CROSSED: ("crossed", (BOOK, _int("cross", 1, 3), PRICE, QUANTITY)),
    # Where an auction would end now. side: of the imbalance, 0 for none.
    INDICATIVE: ("indicative", (BOOK, PRICE, QUANTITY, _int("side", 0, 2), _int("imbalance", 0, UINT63_MAX))),
    TRADE_BROKEN: ("trade_broken", (BOOK, MATCH, QUANTITY, PRICE)),
    TRADE_CORRECTED: ("trade_corrected", (BOOK, MATCH, QUANTITY, _int("old_price", 0, PRICE_MAX), PRICE)),
    # An indicative quote: shown, not tradeable. maker: a number that stands for its maker in this book.
    QUOTED: (
        "quoted",
        (
            BOOK,
            _int("maker", 1),
            _int("bid_quantity", 0, QUANTITY_MAX),
            _int("bid_price", 0, PRICE_MAX),
            _int("ask_quantity", 0, QUANTITY_MAX),
            _int("ask_price", 0, PRICE_MAX),
        ),
    ),
}

# ------------------------------------------------------------------------------------------------- frames
HELLO: Final = 1
WELCOME: Final = 2
CMD: Final = 3
EV: Final = 4
ACK: Final = 5
CMD_ACK: Final = 6
QUERY: Final = 7
REPLY: Final = 8
ERROR: Final = 9

GENERATION = _int("generation", 1)
EPOCH = _int("epoch", 1)

FRAMES: Table = {
    # peer -> matcher. last_event: the highest event of its stream that the peer holds, 0 for none.
    HELLO: ("hello", (_text("peer", NAME_MAX, 1), _int("role", 1, 3), GENERATION, _int("last_event"))),
    # matcher -> peer. last_command: the highest of this generation that is in the journal. last_event: the
    # stream's end; one below the peer's own last_event means that the matcher lost what it had not synced.
    WELCOME: ("welcome", (EPOCH, _int("last_command"), _int("last_event"))),
    # peer -> matcher. Command i of the frame has number first_command + i.
    CMD: ("cmd", (GENERATION, _int("first_command", 1), _int("last_event"), _array("commands", COMMANDS_MAX))),
    # matcher -> peer. Event i has number first_event + i; all have the time of their turn.
    EV: ("ev", (EPOCH, _int("first_event", 1), _int("time_ns"), _array("events", EVENTS_MAX))),
    # peer -> matcher: what it holds (opens the window), and that it lives.
    ACK: ("ack", (GENERATION, _int("last_event"))),
    # matcher -> peer: commands up to this one are in the journal; events up to this one have been sent to you, so a
    # peer that holds fewer has lost some and says HELLO. Answers CMD and ACK.
    CMD_ACK: ("cmd_ack", (EPOCH, _int("last_command"), _int("last_event"))),
    # Questions about what is, never numbered nor journaled; the matcher passes them on. what: a name the
    # receiver knows ("statistics", ...); argument and body are JSON text.
    QUERY: ("query", (_int("query", 1), _text("to"), _text("sender"), _text("what"), _text("argument", QUERY_MAX))),
    REPLY: ("reply", (_int("query", 1), _text("to"), _text("sender"), _int("ok", 0, 1), _text("body", TEXT_MAX))),
    ERROR: ("error", (_int("code", 1, 5), _text("text", SHORT_TEXT_MAX))),
}


# ------------------------------------------------------------------------------------------------- checks
def check(message: Sequence[Any], table: Table) -> None:
    """Raise WireError unless `message` (kind first) has the fields that `table` says, in type and range."""
    kind = message[0] if message else None
    if type(kind) is not int or kind not in table:
        raise WireError(f"unknown kind {kind!r}")
    name, fields = table[kind]
    if len(message) != len(fields) + 1:
        raise WireError(f"{name}: {len(message) - 1} fields, expected {len(fields)}")
    for index, (_, wanted, low, high) in enumerate(fields, 1):
        value = message[index]
        found: type = type(value)
        if found is not wanted or not low <= (value if found is int else len(value)) <= high:
            raise _bad_field(name, fields[index - 1], value)


def _check_field(name: str, field: Field, value: Any) -> None:
    found: type = type(value)
    if found is not field.type or not field.low <= (value if found is int else len(value)) <= field.high:
        raise _bad_field(name, field, value)


def _bad_field(name: str, field: Field, value: Any) -> WireError:
    """What is wrong with a field that has not its type, or is out of its range."""
    found: type = type(value)
    if found is not field.type:
        return WireError(f"{name}.{field.name}: {found.__name__}, expected {field.type.__name__}")
    what, size = ("", value) if found is int else ("length ", len(value))
    return WireError(f"{name}.{field.name}: {what}{size} not in {field.low}..{field.high}")


def as_dict(message: Sequence[Any], table: Table) -> dict[str, Any]:
    """Name the fields of a checked message, for people: {"kind": "enter", "session": 1, ...}."""
    name, fields = table[message[0]]
    return {"kind": name, **{field.name: value for field, value in zip(fields, message[1:], strict=True)}}


def _check_arguments(arguments: tuple[Any, ...]) -> None:
    for value in arguments:
        if value is None or type(value) is bool:
            continue
        if type(value) is int:
            if not -UINT63_MAX <= value <= UINT63_MAX:
                raise WireError(f"verb argument {value} is out of range")
        elif type(value) is str:
            if len(value) > ARGUMENT_TEXT_MAX:
                raise WireError(f"verb argument of {len(value)} characters, at most {ARGUMENT_TEXT_MAX}")
        else:
            raise WireError(f"verb argument of type {type(value).__name__}")


def check_command(command: Any) -> None:
    """Raise WireError unless `command` is one of COMMANDS. The order messages are spelled out: they are hot."""
    try:
        kind = command[0]
        if kind == ENTER:
            _, session, token, symbol, side, quantity, price, order_type, tif, expire, minimum, data = command
            if (
                type(session) is int and type(token) is bytes and type(symbol) is str and type(side) is int
                and type(quantity) is int and type(price) is int and type(order_type) is int
                and type(tif) is int and type(expire) is int and type(minimum) is int and type(data) is bytes
                and 0 < session <= 2147483648 and 0 < len(token) <= TOKEN_MAX and 0 < len(symbol) <= SYMBOL_MAX
                and side in SIDES and 0 <= quantity <= QUANTITY_MAX and 0 <= price <= PRICE_MAX
                and order_type in ORDER_TYPES and tif in TIMES_IN_FORCE and 0 <= expire <= UINT63_MAX
                and 0 <= minimum <= QUANTITY_MAX and len(data) <= CLIENT_DATA_MAX and type(kind) is int
            ):  # fmt: skip
                return
        elif kind == CANCEL:
            _, session, token, quantity = command
            if (
                type(session) is int and type(token) is bytes and type(quantity) is int and type(kind) is int
                and 0 < session <= 2147483648 and 0 < len(token) <= TOKEN_MAX and 0 <= quantity <= QUANTITY_MAX
            ):  # fmt: skip
                return
        elif kind == REPLACE:
            _, session, token, new, quantity, price, order_type, tif, expire, minimum, invalid, data = command
            if (
                type(session) is int and type(token) is bytes and type(new) is bytes and type(quantity) is int
                and type(price) is int and type(order_type) is int and type(tif) is int and type(expire) is int
                and type(minimum) is int and type(invalid) is int and type(data) is bytes and type(kind) is int
                and 0 < session <= 2147483648 and 0 < len(token) <= TOKEN_MAX and 0 < len(new) <= TOKEN_MAX
                and 0 <= quantity <= QUANTITY_MAX and 0 <= price <= PRICE_MAX and order_type in ORDER_TYPES
                and tif in TIMES_IN_FORCE and 0 <= expire <= UINT63_MAX and 0 <= minimum <= QUANTITY_MAX
                and 0 <= invalid < 100 and len(data) <= CLIENT_DATA_MAX
            ):  # fmt: skip
                return
        elif kind == CHANGE:
            _, session, token, new, quantity, price, order_type, tif, expire, minimum, data, terms = command
            if (
                type(session) is int and type(token) is bytes and type(new) is bytes and type(quantity) is int
                and type(price) is int and type(order_type) is int and type(tif) is int and type(expire) is int
                and type(minimum) is int and type(data) is bytes and type(kind) is int and terms == ()
                and 0 < session <= 2147483648 and 0 < len(token) <= TOKEN_MAX and 0 < len(new) <= TOKEN_MAX
                and 0 <= quantity <= QUANTITY_MAX and 0 <= price <= PRICE_MAX and order_type in ORDER_TYPES
                and tif in TIMES_IN_FORCE and 0 <= expire <= UINT63_MAX and 0 <= minimum <= QUANTITY_MAX
                and len(data) <= CLIENT_DATA_MAX
            ):  # fmt: skip
                return
        elif kind == WITHDRAW:
            _, session, token, request = command
            if (
                type(session) is int and type(token) is bytes and type(request) is bytes and type(kind) is int
                and 0 < session <= 2147483648 and 0 < len(token) <= TOKEN_MAX and 0 < len(request) <= TOKEN_MAX
            ):  # fmt: skip
                return
        check(command, COMMANDS)
    except (TypeError, ValueError, IndexError, KeyError):
        raise WireError("a command is not an array of the fields of its kind") from None
    if kind == VERB:
        _check_arguments(command[3])
    elif kind in _ORDER_CODES:
        _check_order(command, *_ORDER_CODES[kind])
    elif kind == QUOTE:
        _check_quotes(command[5])


# Where the side, order type, time in force and terms of a command are, 0 for nowhere.
_ORDER_CODES: Final[dict[int, tuple[int, int, int, int]]] = {
    ENTER: (4, 7, 8, 0),
    SUBMIT: (4, 7, 8, 12),
    REPLACE: (0, 6, 7, 0),
    AMEND: (0, 6, 7, 12),
    MODIFY: (3, 0, 0, 0),
    CHANGE: (0, 6, 7, 11),
    CROSS: (5, 0, 0, 0),
}


def _check_order(command: tuple[Any, ...], side: int, order_type: int, tif: int, terms: int) -> None:
    """The codes that a range does not describe. Raises WireError."""
    if side and command[side] not in SIDES:
        raise WireError(f"side {command[side]} is none of {sorted(SIDES)}")
    if order_type and command[order_type] not in ORDER_TYPES:
        raise WireError(f"order type {command[order_type]} is none of {sorted(ORDER_TYPES)}")
    if tif and command[tif] not in TIMES_IN_FORCE:
        raise WireError(f"time in force {command[tif]} is none of {sorted(TIMES_IN_FORCE)}")
    if terms:
        check_terms(command[terms])


def check_terms(terms: tuple[Any, ...]) -> None:
    """Raise WireError unless `terms` are pairs of ORDER_TERMS in ascending order, each value in type and range."""
    last = 0
    for pair in terms:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not int or pair[0] not in ORDER_TERMS:
            raise WireError("a term is a pair of a known number and its value")
        if pair[0] <= last:
            raise WireError("terms are in ascending order")
        last = pair[0]
        _check_field("terms", ORDER_TERMS[last], pair[1])


def _check_quotes(quotes: tuple[Any, ...]) -> None:
    for entry in quotes:
        if type(entry) is not tuple or len(entry) != 5:
            raise WireError("a quote is (symbol, bid_quantity, bid_price, ask_quantity, ask_price)")
        for field, value in zip((SYMBOL, QUANTITY, PRICE, QUANTITY, PRICE), entry, strict=True):
            _check_field("quote", field, value)


# ------------------------------------------------------------------------------------------------- packing
_packer = msgpack.Packer(use_bin_type=True, autoreset=True)
pack: Callable[[Any], bytes] = _packer.pack


def unpack(data: bytes, array_max: int = 4_096, text_max: int = TEXT_MAX) -> Any:
    """Any msgpack value without maps or extensions; arrays become tuples. Raises WireError only."""
    if len(data) > FRAME_MAX:
        raise WireError(f"{len(data)} bytes, at most {FRAME_MAX}")
    try:
        return msgpack.unpackb(
            data, use_list=False, raw=False, strict_map_key=True, max_array_len=array_max, max_str_len=text_max,
            max_bin_len=text_max, max_map_len=0, max_ext_len=0,
        )  # fmt: skip
    except Exception as error:  # six families of exceptions come out of msgpack (specs/bus.md, Security)
        raise WireError(f"not a message: {type(error).__name__}") from None


def frame(kind: int, *fields: Any) -> bytes:
    """Encode one frame: ``frame(ACK, generation, last_event)``."""
    return pack((kind, VERSION, *fields))


def decode_frame(data: bytes) -> tuple[Any, ...]:
    """Decode and check one frame; returns (kind, field, field, ...) without the version.

    The commands of a CMD are checked one by one (all or nothing). The events of an EV are checked to be tuples
    of a known length, which is what the receivers' tables of handlers rely on.
    Raises WireError; its text says ``version`` first when the peer speaks another version.
    """
    message = unpack(data)
    if type(message) is not tuple or len(message) < 2 or type(message[0]) is not int:
        raise WireError("a frame is an array that begins with kind and version")
    if message[1] != VERSION or type(message[1]) is not int:
        raise WireError(f"version {message[1]!r}, this side speaks {VERSION}")
    message = (message[0], *message[2:])
    check(message, FRAMES)
    if message[0] == CMD:
        for command in message[4]:
            check_command(command)
    return message


def check_events(events: tuple[Any, ...], table: Table) -> None:
    """Raise WireError unless every event is one of `table` (PRIVATE_EVENTS or PUBLIC_EVENTS), field by field."""
    for event in events:
        if type(event) is not tuple:
            raise WireError("an event is not an array")
        check(event, table)
