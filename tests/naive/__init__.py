"""A naive exchange: what openoutcry.matcher must do, written the obvious way, with flat lists and sorting.

Rule 1. It shares nothing with the matcher but the constants of openoutcry.wire and the numbers of matcher.draws.
Rule 2. Every question is answered by looking at all orders again: nothing is kept that can be worked out.
Rule 3. Speed does not matter; a reader who knows markets finds each rule in one place.

Where what is::

    floor      the orders, who owns them, what is told to whom, the order in which they trade
    judging    whether an order is taken: phase, limits, quantity, price, terms
    trading    continuous trading: matching, self-match prevention, icebergs, resting
    sharing    how the orders of one price share what a taker brings
    waiting    stops, pairs and brackets, orders with a condition: what trading sets off
    pegging    orders that follow the best prices
    crossing   auctions: the price, the matches, what becomes of the rest
    exchange   the commands of a session, time, and the phases of a day: what a test talks to
    pair       a machine and a naive exchange side by side, compared after every step
    scripts    what they are told, made from a seed
"""

from tests.naive.exchange import Exchange
from tests.naive.floor import Member, Order, Rules

__all__ = ["Exchange", "Member", "Order", "Rules"]
