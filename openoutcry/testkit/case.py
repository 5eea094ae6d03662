"""For unittest: ``class MyTest(ExchangeMixin, unittest.TestCase)`` has an exchange and clients in every test.

::

    class MyTest(ExchangeMixin, unittest.TestCase):
        exchange_settings = {"gateways": 2}      # arguments of Exchange
        exchange_shared = True                   # one for the class, emptied before each test; default: one each

        def test_a_fill(self):
            client = self.ouch_client            # made when it is first asked for; so are fix_client and market_data
            client.sell("AAPL", 40, "10.05")
            client.buy("AAPL", 40, "10.05").expect_filled(40, at="10.05")

Invariant: an exchange ends with its test, or with its class when it is shared, whatever happens in between, also in a
``setUp`` of the subclass. What a failed test would want to know is a note of its exception (openoutcry.testkit.report).
"""

from __future__ import annotations

import functools
import inspect
import types
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from openoutcry.errors import ClusterError
from openoutcry.exchange import Exchange
from openoutcry.testkit import report

if TYPE_CHECKING:
    from openoutcry.testkit import FixTrader, MarketWatcher, OuchTrader

    _Base = unittest.TestCase
else:
    _Base = object

__unittest = True  # its tracebacks begin in the test


class ExchangeMixin(_Base):
    """See the module. Put it before TestCase in the list of bases."""

    exchange_settings: ClassVar[Mapping[str, Any]] = {}
    exchange_shared: ClassVar[bool] = False
    _exchange: Exchange | None = None
    _shared: ClassVar[Exchange | None] = None

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        places = [base for base in cls.__mro__ if base in (ExchangeMixin, unittest.TestCase)]
        if places == [unittest.TestCase, ExchangeMixin]:  # which never calls what comes after it
            raise TypeError(f"{cls.__name__}: put ExchangeMixin before TestCase in the list of bases")

    def __init__(self, methodName: str = "runTest") -> None:  # as TestCase has it
        super().__init__(methodName)
        method = getattr(self, methodName, None)
        if method is not None:
            setattr(self, methodName, self._noted(method))

    @classmethod
    def setUpClass(cls) -> None:
        """Start the exchange that the tests of this class share, if they do."""
        super().setUpClass()
        if cls.exchange_shared:
            cls._shared = Exchange(**cls.exchange_settings)
            cls.enterClassContext(cls._shared)

    def setUp(self) -> None:
        """Start this test's exchange, or empty the shared one."""
        super().setUp()
        if self._shared is not None:
            self._exchange = self._shared
            self._exchange.reset()
        else:
            self._exchange = self.enterContext(Exchange(**self.exchange_settings))

    @property
    def exchange(self) -> Exchange:
        """The exchange of this test, or of its class. Raises ClusterError before ``setUp``."""
        if self._exchange is None:
            raise ClusterError("there is no exchange yet: does a setUp or setUpClass not call that of super()?")
        return self._exchange

    @contextmanager
    def subTest(self, *message: Any, **parameters: Any) -> Iterator[None]:
        """As TestCase has it, with a report of its own."""
        with super().subTest(*message, **parameters), self._noting():
            yield

    @functools.cached_property
    def ouch_client(self) -> OuchTrader:
        """A logged in OUCH client."""
        return self.exchange.ouch_client()

    @functools.cached_property
    def fix_client(self) -> FixTrader:
        """A logged on FIX client."""
        return self.exchange.fix_client()

    @functools.cached_property
    def market_data(self) -> MarketWatcher:
        """What the market data says."""
        return self.exchange.market_data()

    def _noted(self, method: Callable[[], Any]) -> Callable[[], Any]:
        """The test, with a report on its exchange as a note of what it raises."""

        @functools.wraps(method)
        def run(_: Any) -> Any:
            with self._noting():
                return method()

        @functools.wraps(method)
        async def run_async(_: Any) -> Any:  # of an IsolatedAsyncioTestCase
            with self._noting():
                return await method()

        # A method again: a test that is asked for by its name must be none that is static.
        return types.MethodType(run_async if inspect.iscoroutinefunction(method) else run, self)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self._exchange is not None and not isinstance(error, unittest.SkipTest):
                error.add_note(report.text(self._exchange))
            raise
