"""The test kit: clients whose orders say what is expected of them, and what happened instead.

::

    order = client.buy("AAPL", 100, "10.05")       # client: the fixture ouch_client or fix_client
    order.expect_accepted()
    order.expect_filled(40, at="10.05")
    order.cancel()
    order.expect_canceled(60)

Orders read the same over OUCH and FIX (``orders``), quotes too (``quotes``); ``ouch`` and ``fix`` have the clients,
which are the product's own clients and a ``Trader`` (``trading``) at the same time; ``opening`` is how FIX sessions go
on from one client to the next. ``books`` expects prices,
``market`` makes what a client needs to trade at all, ``report`` is what a failed test shows, ``case`` is for unittest.
The fixtures are in openoutcry.pytest_plugin. docs/testing.md is the tutorial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from openoutcry.testkit.books import MarketWatcher
    from openoutcry.testkit.case import ExchangeMixin
    from openoutcry.testkit.expecting import Unexpected
    from openoutcry.testkit.fix import FixTrader
    from openoutcry.testkit.orders import Happening, Order
    from openoutcry.testkit.ouch import OuchTrader
    from openoutcry.testkit.quotes import Quote
    from openoutcry.testkit.trading import Trader

_HOMES: Final = {
    "ExchangeMixin": "case",
    "FixTrader": "fix",
    "Happening": "orders",
    "MarketWatcher": "books",
    "Order": "orders",
    "OuchTrader": "ouch",
    "Quote": "quotes",
    "Trader": "trading",
    "Unexpected": "expecting",
}

__all__ = [
    "ExchangeMixin",
    "FixTrader",
    "Happening",
    "MarketWatcher",
    "Order",
    "OuchTrader",
    "Quote",
    "Trader",
    "Unexpected",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
