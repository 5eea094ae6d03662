"""The control verbs as data: names, arguments in their order, types, limits, defaults, meaning.

One table serves everyone: the control service checks requests with it, the matcher checks journaled VERB commands
with it, ``Exchange`` and ``ControlClient`` have a method for each row, ``openoutcry ctl`` makes its help from it,
and a TOML file is a script of its rows. ``check`` is the only judge of arguments; it raises ``VerbError`` that names
the field, the value and the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from openoutcry import wire
from openoutcry.errors import VerbError
from openoutcry.fix.settings import APPL_VERSIONS, SESSION_SETTINGS
from openoutcry.parameters import REQUIRED as _REQUIRED
from openoutcry.parameters import Parameter, convert, like

ERROR_CODES: Final = {
    "unknown_verb": "there is no such verb",
    "bad_argument": "an argument is missing, unknown, of the wrong type, or out of range",
    "unknown_name": "nothing has that name",
    "exists": "that name is taken",
    "in_use": "something else still needs it",
    "wrong_state": "not possible in the present state",
    "limit": "a limit is reached",
    "unavailable": "a process that this needs does not answer",
    "malformed": "the request is not a message of the control protocol",
}


class Verb(NamedTuple):
    """One verb.

    journaled: it changes the matcher's state and goes through the journal. options: so many of the last parameters are
    properties of an order, which help shows in one word, since people give them by name.
    """

    name: str
    parameters: tuple[Parameter, ...]
    meaning: str
    journaled: bool = True
    options: int = 0


def _name(name: str, meaning: str, default: Any = _REQUIRED) -> Parameter:
    return Parameter(name, "name", meaning, default, 1)


_PROPERTY = (
    Parameter("name", "name", "name of the property", low=1),
    Parameter("value", "value", "its new value", low=0, high=wire.ARGUMENT_TEXT_MAX),
)
_ENGINE = _name("engine", "name of the engine")

_POSITIVE = wire.PRICE_MAX
DAY_MS: Final = 86_400_000


def _choice(name: str, meaning: str, choices: Iterable[str], default: Any = _REQUIRED) -> Parameter:
    return Parameter(name, "choice", meaning, default, choices=tuple(choices))


ORDER_SIDES: Final = {"buy": wire.BUY, "sell": wire.SELL, "sell-short": wire.SELL_SHORT,
                      "sell-short-exempt": wire.SELL_SHORT_EXEMPT}  # fmt: skip

ENGINE_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("max_quantity", "int", "safety threshold: larger orders are rejected", 999_999, 1, wire.QUANTITY_MAX),
        Parameter("max_open_orders", "int", "open orders a session may have", 100_000, 1, 10_000_000),
        Parameter("auto_receive", "bool", "take clients' messages as they come; false: process_message does it", True),
        Parameter("seed", "int", "seed of every random draw (ends of auctions, icebergs)", 1, 0, wire.UINT63_MAX),
    )
}
BOOK_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        # what can be ordered
        Parameter("tick_size", "price", "prices must be multiples of it", 10_000, 1, _POSITIVE),
        Parameter("tick_table", "text", "ticks by price, as 'from=tick from=tick' (0=0.01 10=0.05)", "",
                  0, 1_024),
        Parameter("lot_size", "int", "quantities must be multiples of it", 1, 1, wire.QUANTITY_MAX),
        Parameter("min_quantity", "int", "least quantity of an order", 1, 1, wire.QUANTITY_MAX),
        Parameter("max_price", "price", "highest limit price", 199_999_99000000, 1, _POSITIVE),
        # how it trades
        _choice("allocation", "how an execution is shared out within a price level",
                ("fifo", "pro-rata", "top-pro-rata", "lead-market-maker", "split"), "fifo"),
        Parameter("pro_rata_minimum", "int", "pro rata: smaller allotments are rounded down to none", 1, 1,
                  wire.QUANTITY_MAX),
        Parameter("fifo_percent", "int", "split: this much by time, the rest pro rata", 50, 0, 100),
        Parameter("top_max", "int", "top-pro-rata: most that the order that bettered the market gets first",
                  wire.QUANTITY_MAX, 1, wire.QUANTITY_MAX),
        Parameter("lead_market_makers", "text", "shares before all others, as 'ACCOUNT=percent ACCOUNT=percent'", "", 0,
                  1_024),
        _choice("self_match", "self-match prevention: which order goes", wire.SELF_MATCH_MODES.values(), "off"),
        _choice("self_match_by", "whose orders do not match with each other", ("account", "firm", "session"),
                "account"),
        Parameter("market_protection", "price", "market orders trade and rest no further than this from the best "
                  "price; 0: any price, never rest", 0, 0, _POSITIVE),
        # auctions
        Parameter("reference_price", "price", "for auctions, bands and collars before the first trade; 0: none", 0, 0,
                  _POSITIVE),
        Parameter("indicative_ms", "int", "least time between two indicative prices; 0: one after every change", 1_000,
                  0, DAY_MS),
        Parameter("random_end_ms", "int", "auctions that a timetable ends last longer by up to this", 0, 0, DAY_MS),
        Parameter("extension_band", "int", "an auction whose price is further than this from the reference goes on "
                  "(1e-4 of it; 0: never)", 0, 0, 1_000_000),
        Parameter("extension_ms", "int", "for that long", 120_000, 1, DAY_MS),
        Parameter("extensions_max", "int", "so many times at most", 1, 0, 100),
        # bands and breakers
        Parameter("static_band", "int", "widest move of a trade from the last auction's price (1e-4; 0: any)", 0, 0,
                  1_000_000),
        Parameter("dynamic_band", "int", "widest move of a trade from the last one (1e-4; 0: any)", 0, 0, 1_000_000),
        _choice("band_action", "beyond a band: auction at once; pause: a limit state, then a halt, then an auction "
                "(LULD); cancel: only what would trade beyond is cancelled", ("auction", "pause", "cancel"), "auction"),
        Parameter("volatility_auction_ms", "int", "length of a volatility auction", 120_000, 1, DAY_MS),
        Parameter("limit_state_ms", "int", "pause: how long the limit state may last", 15_000, 1, DAY_MS),
        Parameter("pause_ms", "int", "pause: length of the halt", 300_000, 1, DAY_MS),
        Parameter("price_collar", "int", "orders further than this through the reference are rejected (1e-4; 0: none)",
                  0, 0, 1_000_000),
        # what it is worth
        _choice("pricing", "how the price moves that market-maker policies quote around; none: only set_price gives it "
                "one", ("none", "fixed", "walk", "mean-reverting"), "none"),
        Parameter("pricing_price", "price", "where it starts, and what it is pulled back to; 0: reference_price, else "
                  "the last trade", 0, 0, _POSITIVE),
        Parameter("volatility", "int", "furthest that a step moves it (1e-4 of it)", 10, 0, 10_000),
        Parameter("pricing_interval_ms", "int", "time between two steps", 1_000, 1, DAY_MS),
        Parameter("pricing_pull", "int", "mean-reverting: how much of the distance each step goes back (1e-4)", 500, 0,
                  10_000),
        Parameter("pricing_seed", "int", "beside the engine's seed: another one, another path", 1, 0, wire.UINT63_MAX),
        # money
        Parameter("positions", "bool", "count positions by account (limits on them, and reduce-only, need it)", False),
        Parameter("maker_fee", "price", "per share, for adding liquidity; below 0 is a rebate", 0, -_POSITIVE,
                  _POSITIVE),
        Parameter("taker_fee", "price", "per share, for removing liquidity and in auctions", 0, -_POSITIVE, _POSITIVE),
        Parameter("maker_fee_ppm", "int", "in 1e-6 of the value, added to maker_fee", 0, -1_000_000, 1_000_000),
        Parameter("taker_fee_ppm", "int", "in 1e-6 of the value, added to taker_fee", 0, -1_000_000, 1_000_000),
        # what is traded: reference data
        _choice("security_type", "kind of instrument; fx: spot, ndf: non-deliverable forward",
                ("equity", "future", "option", "fx", "ndf", "crypto"), "equity"),
        Parameter("description", "text", "what it is", "", 0, 128),
        Parameter("currency", "text", "of its prices (ISO 4217)", "", 0, 8),
        Parameter("base_currency", "text", "of a pair: what the quantity counts", "", 0, 8),
        Parameter("quantity_decimals", "int", "a quantity of 1 is 10 to the minus this", 0, 0, 8),
        Parameter("multiplier", "int", "units of the underlying per contract", 1, 1, 1_000_000_000),
        Parameter("underlying", "text", "symbol of a derivative's underlying", "", 0, wire.SYMBOL_MAX),
        Parameter("expiry", "text", "of a derivative, as YYYYMMDD", "", 0, 8),
        Parameter("strike", "price", "of an option", 0, 0, _POSITIVE),
        _choice("put_call", "of an option", ("", "put", "call"), ""),
    )
}  # fmt: skip

# Every property of an order beyond its book, side, quantity and price: arguments of enter_order and amend_order.
ORDER_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        _choice("order_type", "kind of order", wire.ORDER_TYPES.values(), "limit"),
        _choice("time_in_force", "how long it lasts", wire.TIMES_IN_FORCE.values(), "day"),
        Parameter("expire", "int", "good-for-time: seconds to live; gtd: ns since 1970", 0, 0, wire.UINT63_MAX),
        Parameter("minimum_quantity", "int", "least quantity that may execute at once", 0, 0, wire.QUANTITY_MAX),
        Parameter("account", "name", "account, instead of the desk's", None, 1),
        Parameter("stop_price", "price", "trigger of a stop or if-touched order", None, 1, _POSITIVE),
        Parameter("trail_amount", "price", "trailing stop: distance from the market", None, 1, _POSITIVE),
        Parameter("trail_percent", "int", "trailing stop: distance in 1e-4 of the price", None, 1, 9_999),
        Parameter("protection", "price", "market order: worst distance from the best price", None, 0, _POSITIVE),
        Parameter("display_quantity", "int", "iceberg: shows this much at a time", None, 1, wire.QUANTITY_MAX),
        Parameter("display_range", "int", "iceberg: more or less by up to this, at random", None, 1, wire.QUANTITY_MAX),
        Parameter("hidden", "bool", "nobody sees it", None),
        _choice("post_only", "never takes liquidity: reject it, or slide its price", wire.POST_ONLY_MODES.values(),
                None),
        Parameter("all_or_none", "bool", "executes in whole or not at all", None),
        _choice("peg", "pegged: what it follows", wire.PEGS.values(), None),
        Parameter("peg_offset", "price", "pegged: added to what it follows", None, -_POSITIVE, _POSITIVE),
        Parameter("pair", "name", "one cancels other: live orders of a desk with the same pair", None, 1),
        Parameter("take_profit", "price", "bracket: limit price of the order that takes the profit", None, 1,
                  _POSITIVE),
        Parameter("stop_loss", "price", "bracket: trigger of the order that stops the loss", None, 1, _POSITIVE),
        Parameter("reduce_only", "bool", "never opens or grows a position", None),
        _choice("self_match", "instead of the book's self-match prevention", wire.SELF_MATCH_MODES.values(), None),
        Parameter("keep", "bool", "not cancelled on disconnect", None),
    )
}  # fmt: skip
# What a draft of an order, or of a quote, is made of: create_order, set_order_property, submit_order.
DRAFT_ORDER_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        _choice("side", "side", ORDER_SIDES),
        Parameter("quantity", "int", "quantity", _REQUIRED, 0, wire.QUANTITY_MAX),
        Parameter("price", "price", "limit price; none for market orders", None, 0, wire.PRICE_MAX),
        *ORDER_PROPERTIES.values(),
    )
}
DRAFT_QUOTE_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("bid_quantity", "int", "0: no bid", 0, 0, wire.QUANTITY_MAX),
        Parameter("bid_price", "price", "bid price", 0, 0, wire.PRICE_MAX),
        Parameter("ask_quantity", "int", "0: no offer", 0, 0, wire.QUANTITY_MAX),
        Parameter("ask_price", "price", "ask price", 0, 0, wire.PRICE_MAX),
        Parameter("indicative", "bool", "shown, not tradeable", False),
    )
}
ENDPOINT_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("auto_accept", "bool", "let clients log on by themselves; false: accept_session does it", True),
        Parameter("auto_receive", "bool", "take clients' messages as they come; false: process_message does it", True),
        Parameter("cancel_on_disconnect", "bool", "cancel a session's orders when its connection ends", False),
        Parameter("cancel_grace_ms", "int", "cancel_on_disconnect: after this long without a new connection", 0, 0,
                  DAY_MS),
        Parameter("heartbeat_ms", "int", "send a heartbeat after this long without sending", 1_000, 10, 60_000),
        Parameter("receive_timeout_ms", "int", "drop a client that is silent for this long", 15_000, 50, 600_000),
        Parameter("login_timeout_ms", "int", "drop a connection that has not logged in by then", 30_000, 50, 600_000),
        Parameter("max_connections", "int", "connections at the same time; more are closed at once", 1_000, 1, 20_000),
        Parameter("write_buffer_max", "int", "bytes waiting for a client that does not read; it is dropped beyond",
                  1_000_000, 10_000, 64_000_000),
        Parameter("tls_certificate", "text", "FIX: PEM file with our certificate; empty: no TLS", "", 0, 1_024),
        Parameter("tls_key", "text", "FIX: PEM file with its key; empty: it is in the certificate's", "", 0, 1_024),
        Parameter("tls_client_ca", "text", "FIX: PEM file of who signs clients' certificates; empty: none is asked for",
                  "", 0, 1_024),
        Parameter("tls_certificates", "text", "FIX: certificates by server name, as 'name=cert:key name=cert:key'", "",
                  0, wire.ARGUMENT_TEXT_MAX),
    )
}  # fmt: skip
# Of every session, of OUCH and of FIX, beside its settings.
SESSION_PROPERTIES: Final[dict[str, Parameter]] = {
    p.name: p
    for p in (
        Parameter("auto_receive", "bool", "take the client's messages as they come; false: process_message does it",
                  True),
    )
}  # fmt: skip


_CODES: Final = {"DefaultApplVerID": tuple(APPL_VERSIONS.values())}  # as the tag has it, also in QuickFIX's files
_BOOK: Final = _name("book", "name of the book")
_ENDPOINT: Final = _name("endpoint", "name of the endpoint")
_SESSION_NAME: Final = Parameter(
    "session", "text", "name of the session, as FIX.4.2:ISLD->TW42", _REQUIRED, 1, wire.USER_MAX
)
_DESK: Final = _name("desk", "whose order: a desk is a client of the verbs; it is made when it is first used", "desk")
_OF_ENGINE: Final = _name("engine", "engine of the desk; none: the only one it can be", None)
_ORDER_ID: Final = _name("order_id", "the desk's name for the order")
_QUOTE_ID: Final = _name("quote_id", "the desk's name for the quote")
_AUCTION: Final = Parameter("auction", "bool", "begin with a volatility auction instead of at once", False)
_COUNT: Final = Parameter("count", "int", "how many at most", 100, 1, 1_000)
_SKIP: Final = Parameter("skip", "int", "leave out so many rows: to go on where an answer ended", 0, 0, wire.UINT63_MAX)
_REQUEST: Final = Parameter("request", "int", "number of the request; none: the oldest", None, 1, wire.UINT63_MAX)
_NUMBER: Final = Parameter("order", "int", "order reference number", low=1, high=wire.UINT63_MAX)
_PART: Final = Parameter("quantity", "int", "how much of it; none: all that is open", None, 1, wire.QUANTITY_MAX)
_AT: Final = Parameter("price", "price", "at what price; none: its own, else the last", None, 1, wire.PRICE_MAX)
_SESSION: Final = Parameter(
    "session", "text", "name of the session: a user, or both ends of a FIX session", _REQUIRED, 1, wire.USER_MAX
)
_CONNECTION: Final = Parameter(
    "connection", "int", "number of the connection; none: the one that waits longest", None, 1, wire.UINT63_MAX
)
_TIMEOUT: Final = Parameter("timeout_ms", "int", "how long to wait for it", 0, 0, 4_000)
_NATIVE: Final = Parameter("native", "bool", "fields by the protocol's own names: OUCH's, or tags", False)
_HELD: Final = Parameter("message", "int", "its number; none: the oldest", None, 1, wire.UINT63_MAX)
_PATH: Final = Parameter("path", "text", "where it is, as package.module:attribute", _REQUIRED, 3, wire.SHORT_TEXT_MAX)
CLOCK_MAX_NS: Final = 366 * 86_400_000_000_000  # a year at once
_MATCH: Final = Parameter("match", "int", "match number of the trade", low=1, high=wire.UINT63_MAX)
_BREAK: Final = _choice("reason", "why", wire.BREAK_REASONS.values(), "erroneous")
# The rules of openoutcry.matcher.limits, and for what they can be set.
LIMIT_SCOPES: Final = ("engine", "book", "firm", "account", "session")
LIMIT_RULES: Final = ("restricted", "max_quantity", "max_notional", "price_collar", "max_open_orders", "max_position",
                      "duplicate_window_ms", "orders_per_second", "messages_per_second", "throttle")  # fmt: skip
_SCOPE: Final = _choice("scope", "whose orders", LIMIT_SCOPES)
_SCOPE_NAME: Final = _name("name", "name of the engine, book, firm or account, or number of the session")
FEES: Final = ("maker_fee", "taker_fee", "maker_fee_ppm", "taker_fee_ppm")
_FIRM: Final = _name("firm", "name of the firm")
_RULE: Final = _choice("rule", "which limit", LIMIT_RULES)
DESCRIBED: Final = ("book", "engine", "endpoint", "session", "order", "quote", "user", "desk", "policy")
HOW_TO_DROP: Final = ("clean", "reset", "half-open")
LISTS: Final = ("engines", "books", "instruments", "orders", "endpoints", "users", "sessions", "fix_sessions", "desks",
                "drafts", "quotes", "requests", "policies", "connections", "engine_kinds", "protocols",
                "policy_kinds", "limits", "fees", "properties", "verbs")  # fmt: skip


def _quantity(name: str, meaning: str, default: Any = _REQUIRED) -> Parameter:
    return Parameter(name, "int", meaning, default, 0, wire.QUANTITY_MAX)


def _order_price(name: str, meaning: str, default: Any = _REQUIRED) -> Parameter:
    return Parameter(name, "price", meaning, default, 0, wire.PRICE_MAX)


def _reason(meaning: str) -> Parameter:
    return Parameter("reason", "text", meaning, "", 0, wire.SHORT_TEXT_MAX)


VERBS: Final[dict[str, Verb]] = {
    verb.name: verb
    for verb in (
        # engines and books
        Verb("create_engine", (_name("name", "name of the new engine"),
                               _name("kind", "how it behaves: matching; manual waits for a hand; echo sends messages "
                                     "back; or a plugin's", "matching")),
             "make an engine: a set of books with one trading day; it starts open"),
        Verb("delete_engine", (_name("name", "name of the engine"),), "remove an engine without books and endpoints"),
        Verb("set_engine_property", (_ENGINE, *_PROPERTY), "set a property of an engine"),
        Verb("start_engine", (_ENGINE,), "have an engine that was stopped take messages again"),
        Verb("stop_engine", (_ENGINE,), "have an engine refuse every message of its clients"),
        Verb("add_policy", (_ENGINE, _name("name", "name of the new policy"),
                            _name("kind", "what it does: auto-fill, auto-reject, auto-cancel, partial-then-cancel, "
                                  "halt, silent, delay, drop, duplicate, reorder, market-maker"),
                            Parameter("options", "text", "as 'percent=50 book=aapl'", "", 0, wire.ARGUMENT_TEXT_MAX)),
             "have an engine act on its clients' orders by itself"),
        Verb("delete_policy", (_ENGINE, _name("name", "name of the policy")), "take a policy away"),
        Verb("create_book", (_name("name", "name of the new book"), _ENGINE,
                             Parameter("symbol", "symbol", "what clients call it, unique on its engine", low=1,
                                       high=wire.SYMBOL_MAX)),
             "make an order book"),
        Verb("delete_book", (_name("name", "name of the book"),), "cancel a book's orders and remove it"),
        Verb("set_book_property", (_BOOK, *_PROPERTY), "set a property of a book"),
        # endpoints and users
        Verb("create_endpoint", (_name("name", "name of the new endpoint"), _ENGINE,
                                 _name("protocol", "what it speaks: ouch42, fix, fix44 ...; `list protocols` has all"),
                                 _name("gateway", "the gateway process to host it; none: the least loaded", None),
                                 Parameter("host", "text", "address to listen on", "127.0.0.1", 1),
                                 Parameter("port", "int", "TCP port; 0: the kernel chooses, and it is kept",
                                           0, 0, 65535)),
             "open a TCP port for clients"),
        Verb("delete_endpoint", (_name("name", "name of the endpoint"),),
             "close a port, cancel its orders, forget its sessions"),
        Verb("set_protocol_property", (_name("endpoint", "name of the endpoint"), *_PROPERTY),
             "set a property of an endpoint"),
        Verb("set_endpoint_engine", (_ENDPOINT, _ENGINE),
             "have an endpoint serve another engine; its sessions must have no live orders"),
        Verb("set_endpoint_protocol", (_ENDPOINT, _name("protocol", "what it speaks from now on")),
             "have an endpoint speak another protocol: closes its connections, forgets its sessions, keeps its port"),
        # plugins
        Verb("load_engine", (_name("name", "the kind's name, for create_engine"), _PATH),
             "let engines be of a kind that a class in a Python module makes; the setting `plugins` must allow it"),
        Verb("load_protocol", (_name("name", "the protocol's name, for create_endpoint"), _PATH),
             "let endpoints speak a protocol out of a Python module; the setting `plugins` must allow it"),
        # FIX sessions
        Verb("create_session", (_name("endpoint", "name of a FIX endpoint"),
                                *(p._replace(default=None, choices=p.choices + _CODES.get(p.name, ()))
                                  for p in SESSION_SETTINGS.values())),
             "set up a FIX session; an endpoint without sessions accepts any CompIDs", options=len(SESSION_SETTINGS)),
        Verb("delete_session", (_ENDPOINT, _SESSION_NAME),
             "forget a FIX session: log its client out, cancel its orders"),
        Verb("set_session_property", (_ENDPOINT, _SESSION, *_PROPERTY),
             "change a setting of a FIX session, or auto_receive of any session"),
        Verb("reset_session", (_ENDPOINT, _SESSION_NAME),
             "set both sequence numbers of a FIX session to 1; a client that is logged on is disconnected"),
        Verb("set_sequence", (_ENDPOINT, _SESSION_NAME,
                              Parameter("next_out", "int", "MsgSeqNum of the next message sent; none: as it is", None,
                                        1, wire.QUANTITY_MAX),
                              Parameter("next_in", "int", "MsgSeqNum expected next; none: as it is", None, 1,
                                        wire.QUANTITY_MAX)),
             "set the sequence numbers of a FIX session whose client is not logged on"),
        Verb("logout_session", (_ENDPOINT, _SESSION_NAME, _reason("Text of the Logout")),
             "log the client of a FIX session out; it may log on again"),
        Verb("create_user", (_name("name", "user name, letters of either case alike"),
                             Parameter("password", "secret", "password; stored hashed", _REQUIRED, 1, 256),
                             _name("endpoint", "the endpoint it may use; none: every one", None),
                             _name("account", "account of its orders; none: its name", None),
                             _name("firm", "firm of its orders; none: no firm", None)),
             "let a user log in; endpoints for which there is no user accept any login"),
        Verb("delete_user", (_name("name", "user name"),), "forget a user"),
        # the trading day
        Verb("start_of_day", (_ENGINE,), "begin the next trading day; the market is closed until `open`"),
        Verb("open", (_ENGINE,), "begin trading in all books of an engine"),
        Verb("close", (_ENGINE,), "end trading; DAY orders are cancelled"),
        Verb("end_of_day", (_ENGINE,), "cancel what is left, end the day and every client stream"),
        Verb("set_phase", (_ENGINE, _choice("phase", "the phase to go to", wire.PHASES.values()),
                           _name("book", "this book alone; none: all of the engine", None)),
             "go to a trading phase; leaving an auction phase for trading or the close uncrosses"),
        Verb("set_timetable", (_ENGINE,
                               Parameter("timetable", "text", "phases by time of day (UTC), as 'HH:MM[:SS] phase, ...'"
                                         "; empty: none", _REQUIRED, 0, wire.ARGUMENT_TEXT_MAX),
                               _name("book", "for this book alone; none: for the engine", None)),
             "have the phases change by the clock, every day"),
        Verb("halt", (_BOOK, _reason("what the market is told")), "stop trading in one book; orders can be cancelled"),
        Verb("resume", (_BOOK, _AUCTION), "go on trading in a halted book"),
        Verb("halt_market", (_ENGINE, _reason("what the market is told")), "stop trading in every book of an engine"),
        Verb("resume_market", (_ENGINE, _AUCTION), "go on trading in a halted market; books halted by `halt` stay so"),
        # the clock
        Verb("stop_clock", (), "have the exchange's time stand still"),
        Verb("start_clock", (), "have the exchange's time go on, from where it stands"),
        Verb("advance_clock", (Parameter("duration", "duration", "by how much, as 8h30m", _REQUIRED, 1, CLOCK_MAX_NS),
                               Parameter("silent", "bool", "clients count as silent all that time, instead of as "
                                         "having been heard", False)),
             "move the exchange's time forward; all that is due on the way happens at its own time, at once"),
        # prices
        Verb("set_price", (_BOOK, Parameter("price", "price", "what the book's security is worth", low=1,
                                            high=_POSITIVE)),
             "set the price that market-maker policies quote around"),
        # risk
        Verb("set_limit", (_ENGINE, _SCOPE, _SCOPE_NAME, _RULE,
                           Parameter("value", "value", "its new value", low=0, high=wire.ARGUMENT_TEXT_MAX)),
             "set a risk limit"),
        Verb("clear_limit", (_ENGINE, _SCOPE, _SCOPE_NAME, _RULE), "take a risk limit away"),
        Verb("kill_switch", (_ENGINE, _SCOPE, _SCOPE_NAME), "cancel all orders and reject new ones until `revive`"),
        Verb("revive", (_ENGINE, _SCOPE, _SCOPE_NAME), "let orders in again after `kill_switch`"),
        Verb("set_fee", (_ENGINE, _FIRM, *(BOOK_PROPERTIES[name] for name in FEES)),
             "give a firm rates of its own, in place of those of every book of the engine"),
        Verb("clear_fee", (_ENGINE, _FIRM), "have a firm pay the rates of the books again"),
        # orders
        Verb("set_desk", (_ENGINE, _name("desk", "name of the desk"),
                          _name("account", "account of its orders; none: its name", None),
                          _name("firm", "firm of its orders; none: no firm", None)),
             "say whose orders a desk's orders are; makes the desk when it is new"),
        Verb("enter_order", (_ORDER_ID, _BOOK, _choice("side", "side", ORDER_SIDES), _quantity("quantity", "quantity"),
                             _order_price("price", "limit price; none for market orders", None), _DESK,
                             *ORDER_PROPERTIES.values()),
             "enter an order; answers with what the desk got", options=len(ORDER_PROPERTIES)),
        Verb("amend_order", (_ORDER_ID,
                             _quantity("quantity", "new total, with what has executed; none: as it is", None),
                             _order_price("price", "new limit price; none: as it is", None), _DESK,
                             _name("new_id", "the order's name from now on; none: the old one with a number", None),
                             _OF_ENGINE, *(p._replace(default=None) for p in ORDER_PROPERTIES.values())),
             "change an order; one that only becomes smaller keeps its place", options=len(ORDER_PROPERTIES)),
        Verb("cancel_order", (_ORDER_ID, _DESK,
                              _quantity("quantity", "new total, with what has executed; 0: nothing stays open", 0),
                              _OF_ENGINE), "cancel an order, or a part of it"),
        Verb("mass_cancel", (_ENGINE,
                             Parameter("session", "int", "orders of the session of this number", None, 1, 2**31),
                             _name("desk", "orders of this desk", None), _name("account", "of this account", None),
                             _name("firm", "of this firm", None), _name("book", "in this book", None),
                             _choice("side", "of this side", ("buy", "sell"), None),
                             _order_price("low", "at this price or above", None),
                             _order_price("high", "at this price or below", None)),
             "cancel all orders to which everything given applies; at least one thing besides the engine"),
        Verb("quote", (_name("desk", "whose quote"), _BOOK, _quantity("bid_quantity", "0: no bid"),
                       _order_price("bid_price", "bid price"), _quantity("ask_quantity", "0: no offer"),
                       _order_price("ask_price", "ask price"),
                       Parameter("indicative", "bool", "shown, not tradeable", False)),
             "quote both sides of a book, in place of the desk's earlier quote"),
        Verb("mass_quote", (_name("desk", "whose quotes"),
                            Parameter("quotes", "text", "as 'AAPL 100@10.00/100@10.05 MSFT ...'", _REQUIRED, 1,
                                      wire.ARGUMENT_TEXT_MAX),
                            _OF_ENGINE, Parameter("indicative", "bool", "shown, not tradeable", False)),
             "quote several books at once"),
        # orders and quotes, property by property
        Verb("create_order", (_ORDER_ID, _BOOK, _DESK), "begin an order: a draft, which the market does not know yet"),
        Verb("set_order_property", (_ORDER_ID, *_PROPERTY, _DESK),
             "set a property of an order that is not submitted yet: side, quantity, price, or one of enter_order's"),
        Verb("submit_order", (_ORDER_ID, _DESK), "enter the order as it is; answers with what the desk got"),
        Verb("delete_order", (_ORDER_ID, _DESK), "forget an order that is not submitted yet, or cancel it"),
        Verb("create_quote", (_QUOTE_ID, _BOOK, _DESK), "begin a quote of both sides of a book"),
        Verb("set_quote_property", (_QUOTE_ID, *_PROPERTY, _DESK),
             "set a property of a quote: bid_quantity, bid_price, ask_quantity, ask_price, indicative"),
        Verb("submit_quote", (_QUOTE_ID, _DESK), "quote, or quote again what has changed since"),
        Verb("delete_quote", (_QUOTE_ID, _DESK), "forget a quote, and take it out of the market"),
        Verb("match_orders", (_BOOK, _name("order_a", "a live order: the desk's name for it, or anybody's by number"),
                              _name("order_b", "a live order of the other side"),
                              Parameter("quantity", "int", "none: as much as both have open", None, 1,
                                        wire.QUANTITY_MAX),
                              Parameter("price", "price", "none: that of the older order", None, 1, wire.PRICE_MAX),
                              _DESK),
             "execute two live orders against each other, whatever their places"),
        # by hand
        Verb("accept_request", (_ENGINE, _REQUEST), "take what a client asks of a manual engine"),
        Verb("reject_request", (_ENGINE, _choice("reason", "why", wire.REJECT_REASONS.values(), "invalid field"),
                                Parameter("text", "text", "what the client is told; none: the reason", "", 0,
                                          wire.SHORT_TEXT_MAX), _REQUEST),
             "refuse what a client asks of a manual engine"),
        Verb("fill_request", (_ENGINE, _PART, _AT, _REQUEST), "take an order, and execute it at once"),
        Verb("fill_order", (_NUMBER, _PART, _AT), "execute a live order of anybody against the desk `house`"),
        Verb("pull_order", (_NUMBER, Parameter("leaves", "int", "what stays open", 0, 0, wire.QUANTITY_MAX),
                            _choice("reason", "why", wire.CANCEL_REASONS.values(), "supervisory")),
             "cancel a live order of anybody, unasked, or a part of it"),
        Verb("break_trade", (_MATCH, _BREAK), "declare that a trade never was"),
        Verb("correct_trade", (_MATCH, Parameter("price", "price", "its right price", low=1, high=wire.PRICE_MAX),
                               _BREAK),
             "change the price of a trade"),
        # sessions held in the hand
        Verb("accept_session", (_ENDPOINT, _CONNECTION, _TIMEOUT),
             "let a client log on whom auto_accept=false holds; answers with the session", False),
        Verb("reject_session", (_ENDPOINT, _CONNECTION, _TIMEOUT,
                                _reason("what the client is told, where the protocol can")),
             "refuse a client whom auto_accept=false holds", False),
        Verb("next_message", (_ENDPOINT, _SESSION, _TIMEOUT, _NATIVE),
             "the oldest message that auto_receive=false holds and nobody has taken yet, as a dictionary", False),
        Verb("process_message", (_ENDPOINT, _SESSION, _HELD),
             "hand a held message to the engine", False),
        Verb("discard_message", (_ENDPOINT, _SESSION, _HELD),
             "throw a held message away", False),
        Verb("send_session_message", (_ENDPOINT, _SESSION,
                                      Parameter("message", "text", "a dictionary as JSON, or empty", "", 0,
                                                wire.QUERY_MAX // 2),
                                      Parameter("raw", "text", "bytes in hexadecimal, sent as they are", "", 0,
                                                wire.QUERY_MAX // 2),
                                      Parameter("sequence", "int", "added to the right sequence number: 1 skips one, "
                                                "-1 repeats the last", 0, -1_000_000, 1_000_000),
                                      Parameter("checksum", "int", "FIX: added to the right CheckSum", 0, -255, 255),
                                      Parameter("length", "int", "added to the right length", 0, -65_535, 65_535),
                                      _NATIVE),
             "send a client any message, also a broken one", False),
        Verb("drop_session", (_ENDPOINT, _SESSION, _choice("how", "clean: log it out; reset: TCP RST; half-open: stay "
                                                           "connected, read and say nothing", HOW_TO_DROP, "clean")),
             "end a client's connection", False),
        Verb("wait_for", (_ENDPOINT, Parameter("kind", "text", "connection, logon, logged_on, logout, disconnect, "
                                               "message, or a MsgType as NewOrderSingle", _REQUIRED, 1, 64),
                          Parameter("session", "text", "of this session alone; none: of any", None, 1, wire.USER_MAX),
                          _TIMEOUT,
                          Parameter("since", "int", "later than the event of this number", 0, 0, wire.UINT63_MAX),
                          _NATIVE),
             "the next thing of that kind that happened at an endpoint, once it has", False),
        # looking
        Verb("clock", (), "the exchange's time, and whether it stands still", False),
        Verb("list", (_choice("kind", "what", LISTS), _SKIP), "list everything of one kind", False),
        Verb("status", (), "whether everything is connected and moving, with processes and endpoints", False),
        Verb("statistics", (), "counters of every part", False),
        Verb("describe", (Parameter("name", "text", "its name; of a session, its number or its user", _REQUIRED, 1,
                                    wire.USER_MAX),
                          _choice("kind", "what it is", DESCRIBED, "book"),
                          Parameter("of", "text", "the desk of an order or quote, the endpoint of a session, the "
                                    "engine of a policy or desk", None, 1, wire.NAME_MAX)),
             "everything about one thing, with all its properties: type, default, meaning, value", False),
        Verb("depth", (_BOOK, Parameter("levels", "int", "price levels a side, 0 for all", 0, 0, 10_000)),
             "a book's price levels as the matcher has them", False),
        Verb("indicative", (_BOOK,), "where an auction in the book would end now", False),
        Verb("orders", (_BOOK, _name("desk", "of this desk alone; none: all", None), _COUNT, _SKIP),
             "a book's live orders with all their terms, also what nobody sees", False),
        Verb("trades", (_BOOK, _COUNT, _SKIP), "a book's last trades, the newest first", False),
        Verb("order_events", (_name("desk", "name of the desk"),
                              Parameter("since", "int", "from the one after this number", 0, 0, wire.UINT63_MAX),
                              _OF_ENGINE, _COUNT),
             "what a desk was told about its orders, numbered from 1", False),
        Verb("order_status", (_ORDER_ID, _DESK, _OF_ENGINE),
             "an order as it is, with the shares before it in its queue", False),
        Verb("requests", (_name("engine", "of this engine alone; none: of all", None), _COUNT, _SKIP),
             "what waits for a hand at manual engines, the oldest first", False),
        Verb("positions", (_ENGINE, _name("account", "of this account alone; none: all", None), _SKIP),
             "what accounts have bought and sold in the books that count it", False),
        Verb("fees_paid", (_name("account", "of this account alone; none: all", None), _SKIP),
             "what accounts have paid; less than 0 when rebates prevail", False),
        Verb("state_hash", (), "hash of the matcher's state and the sequence number it belongs to", False),
    )
}  # fmt: skip


_KNOWN: Final = ", ".join(VERBS)


def check(
    verb: str, arguments: Sequence[Any], named: dict[str, Any] | None = None, checked: bool = False
) -> tuple[Any, ...]:
    """Check and complete the arguments of `verb`: positional ones in the table's order, the others by name.

    Returns every argument in order, defaults filled in. Raises VerbError (unknown_verb, bad_argument). checked: they
    come from here already, as those of a journaled verb do: an integer for a price is in 1e-8 then, not in units.
    """
    row = VERBS.get(verb)
    if row is None:
        raise VerbError("unknown_verb", "verb", f"no verb {verb!r}; {like(verb, VERBS) or f'there are: {_KNOWN}'}")
    if len(arguments) > len(row.parameters):
        most = f"at most {len(row.parameters)}" if row.parameters else "no"
        raise VerbError("bad_argument", "", f"{verb} takes {most} arguments, got {len(arguments)}")
    if not named:
        out = [convert(p, value, verb, checked) for p, value in zip(row.parameters, arguments, strict=False)]
        if len(out) < len(row.parameters):
            out += [_default(row, p) for p in row.parameters[len(out) :]]
        return tuple(out)
    values = {p.name: value for p, value in zip(row.parameters, arguments, strict=False)}
    for name, value in named.items():
        if name in values:
            raise VerbError("bad_argument", name, f"{verb}: {name} is given twice")
        if all(name != p.name for p in row.parameters):
            text = like(name, [p.name for p in row.parameters]) or f"it takes {signature(row)}"
            raise VerbError("bad_argument", name, f"{verb} has no argument {name!r}; {text}")
        values[name] = value
    return tuple(
        convert(p, values[p.name], verb, checked) if p.name in values else _default(row, p) for p in row.parameters
    )


def _default(row: Verb, p: Parameter) -> Any:
    """The default of an argument that is not given. Raises VerbError when it has none."""
    if p.default is _REQUIRED:
        raise VerbError("bad_argument", p.name, f"{row.name} needs {p.name} ({p.meaning}); it takes {signature(row)}")
    return p.default


def signature(row: Verb) -> str:
    """The names of a verb's arguments, for errors and lists."""
    plain = row.parameters[: len(row.parameters) - row.options]
    words = [p.name if p.required else f"[{p.name}]" for p in plain]
    return " ".join([*words, *(["[property=value ...]"] if row.options else [])]) or "nothing"
