"""FIX clients: ``FixClient`` for tests and tools (blocking), ``FixInitiator`` for live trading (asyncio).

::

    with FixClient(endpoint, BeginString="FIX.4.4", SenderCompID="TRADER", TargetCompID="OO") as client:
        client.send("NewOrderSingle", {"ClOrdID": "1", "Symbol": "AAPL", "Side": "BUY", "OrderQty": 100,
                                       "OrdType": "LIMIT", "Price": Decimal("150.25")})
        report = client.next("ExecutionReport", ClOrdID="1")
        assert report.meaning("OrdStatus") == "NEW"

    async def on_application(message, initiator):
        if message.name == "ExecutionReport":
            ...

    async with FixInitiator(hosts=["a.example:9876", "b.example:9876"], on_application=on_application,
                            BeginString="FIX.4.4", SenderCompID="US", TargetCompID="THEM", SocketUseSSL="Y",
                            Store="/var/lib/us") as initiator:
        await initiator.send("NewOrderSingle", {...})

Settings have their standard names (openoutcry.fix.settings). Messages and fields are named by name or tag, values are
text, whole numbers, ``Decimal``, bytes, booleans and times, groups are lists of dictionaries
(openoutcry.clients.fixmessages); a received message gives text by name and bytes by tag.

Hooks are functions or coroutines: ``on_logon(message, initiator)``, which refuses the counterparty's Logon by raising
``LogonError("why")``; ``on_logout(text, initiator)``; ``on_admin(message, initiator)`` for every message of the session
layer; ``on_application(message, initiator)``. Without on_application, messages wait for ``receive``, ``next`` or
``async for``; a Reject(3) of one of ours comes there, too. A hook may send: a coroutine by
``await initiator.send(...)``, a function by ``initiator.send_nowait(...)``.

A FixInitiator keeps its session connected: it connects again with pauses that double (ReconnectInterval to
ReconnectIntervalMax), to the next of its hosts when one fails, and only within the session's schedule. Sequence numbers
and sent messages are kept in the Store: give a directory or an SQL URL to go on after a restart. A FixClient does not
connect again unless it is told to (``reconnect=True``).

Errors, all ClientError: LoginRejected (the counterparty refused), LogonError (on_logon did), MessageTimeout; and
VerbError for what cannot be sent, which names the field, DictionaryError, JournalError for the store.
"""

from openoutcry.clients.fixinitiator import FixInitiator
from openoutcry.clients.fixmessages import Received, Vocabulary
from openoutcry.clients.fixsync import FixClient
from openoutcry.clients.soupbintcp import MessageTimeout
from openoutcry.errors import ClientError, LoginRejected, LogonError

__all__ = [
    "ClientError",
    "FixClient",
    "FixInitiator",
    "LoginRejected",
    "LogonError",
    "MessageTimeout",
    "Received",
    "Vocabulary",
]
