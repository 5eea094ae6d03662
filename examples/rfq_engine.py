"""An engine of one's own: requests for quotes. ``examples/test_rfq_engine.py`` trades on it.

::

    asker                       engine                      makers: everybody else who is logged on
      QuoteRequest          ->         QuoteRequest     ->
                            <-         Quote            <-    (to buy, to sell, or both)
      NewOrderSingle, OrdType D, of that QuoteID: side 1 lifts the offer, 2 hits the bid
      ExecutionReport       <-         ExecutionReport  ->

A quote is good for ``GOOD_FOR_MS``, for what is left of its sizes, and for its asker alone. All there is to know is in
``state``; so the engine is the same after a crash, and in every replay of the journal.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from openoutcry.plugins import Client, Engine

Message = dict[str, Any]
GOOD_FOR_MS: Final = 60_000
# Of each side of an order: the price and size of the quote that it takes, and the side of the maker.
TAKES: Final = {"1": ("OfferPx", "OfferSize", "2"), "2": ("BidPx", "BidSize", "1")}


def whole(quantity: Any) -> int:
    """A quantity, if it is a whole number; 0 for one that is not there."""
    return quantity if isinstance(quantity, int) else 0


class RfqEngine(Engine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, dict[str, Message]] = {"requests": {}, "quotes": {}}

    def message(self, client: Client, message: Message) -> None:
        """A client's message."""
        handlers = {"QuoteRequest": self._asked, "Quote": self._quoted, "NewOrderSingle": self._ordered}
        handlers.get(message["MsgType"], self._not_known)(client, message)

    def due(self, data: Any) -> None:
        """The time of a request, or of a quote, is over."""
        kind, name = data
        self.state[kind].pop(name, None)

    # --------------------------------------------------------------------------------------------- messages
    def _asked(self, asker: Client, message: Message) -> None:
        """QuoteRequest: everybody else is asked."""
        name = self._keep("requests", {"asker": asker.number, "id": message["QuoteReqID"]})
        makers = [each for each in self.hands.clients() if each.connected and each.number != asker.number]
        for maker in makers:
            self.hands.send(maker, {**message, "QuoteReqID": name})
        if not makers:
            self.hands.send(asker, {**message, "MsgType": "QuoteRequestReject", "QuoteRequestRejectReason": "99",
                                    "Text": "there is nobody to quote"})  # fmt: skip

    def _quoted(self, maker: Client, message: Message) -> None:
        """Quote: its asker is told."""
        request = self.state["requests"].get(message.get("QuoteReqID", ""))
        if request is None or request["asker"] == maker.number:
            return self._refuse(maker, message, "nobody asks for this quote any more")
        quote = {**message, "maker": maker.number, "asker": request["asker"]}
        name = self._keep("quotes", quote)
        self.hands.send(request["asker"], {**message, "QuoteReqID": request["id"], "QuoteID": name})
        return None

    def _ordered(self, asker: Client, order: Message) -> None:
        """NewOrderSingle: takes a quote, or is rejected."""
        quote = self.state["quotes"].get(order.get("QuoteID", ""))
        price, size, _ = TAKES.get(order["Side"], ("", "", ""))
        if quote is None or quote["asker"] != asker.number or price not in quote:
            return self._reject(asker, order, "there is no such quote")
        if not 0 < whole(order.get("OrderQty")) <= whole(quote.get(size)):
            return self._reject(asker, order, f"the quote is good for {whole(quote.get(size))}")
        if "Price" in order and Decimal(order["Price"]) != Decimal(quote[price]):
            return self._reject(asker, order, f"the quote is at {quote[price]}")
        return self._trade(asker, order, quote)

    def _trade(self, asker: Client, order: Message, quote: Message) -> None:
        """Both are told."""
        price, size, contra = TAKES[order["Side"]]
        quantity, match = order["OrderQty"], str(self.hands.number())
        quote[size] -= quantity
        report = {
            "MsgType": "ExecutionReport", "ExecType": "F", "OrdStatus": "2", "Symbol": order["Symbol"],
            "OrderID": match, "ExecID": match, "TrdMatchID": match, "OrderQty": quantity, "LastQty": quantity,
            "LastPx": quote[price], "CumQty": quantity, "LeavesQty": 0, "AvgPx": quote[price],
        }  # fmt: skip
        self.hands.send(asker, {**report, "ClOrdID": order["ClOrdID"], "Side": order["Side"]})
        self.hands.send(quote["maker"], {**report, "ClOrdID": quote["QuoteID"], "Side": contra})

    # --------------------------------------------------------------------------------------------- the usual
    def _keep(self, kind: str, what: Message) -> str:
        """Keep something until its time is over; returns its name."""
        name = str(self.hands.number())
        self.state[kind][name] = what
        self.hands.later(GOOD_FOR_MS, [kind, name])
        return name

    def _reject(self, client: Client, order: Message, text: str) -> None:
        self.hands.send(client, {
            "MsgType": "ExecutionReport", "ExecType": "8", "OrdStatus": "8", "OrdRejReason": "99", "Text": text,
            "ClOrdID": order["ClOrdID"], "Symbol": order["Symbol"], "Side": order["Side"], "OrderID": "NONE",
            "ExecID": str(self.hands.number()), "OrderQty": whole(order.get("OrderQty")), "CumQty": 0, "LeavesQty": 0,
            "AvgPx": "0",
        })  # fmt: skip

    def _not_known(self, client: Client, message: Message) -> None:
        self._refuse(client, message, f"{message['MsgType']} means nothing here")

    def _refuse(self, client: Client, message: Message, text: str) -> None:
        self.hands.send(client, {"MsgType": "BusinessMessageReject", "RefMsgType": message["MsgType"],
                                 "BusinessRejectReason": "0", "Text": text})  # fmt: skip
