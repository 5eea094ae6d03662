"""Joining a running exchange: which endpoints, which books, under which names agents trade there.

Invariant: ``Place`` says what there was when it was made, and what it cannot trade on is refused there, with a sentence
that says what there is. Users exist only where an endpoint wants them, and are deleted again by ``leave``.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from openoutcry.agents.prices import CENT, UNIT
from openoutcry.clients.control import ControlClient
from openoutcry.errors import ClusterError, VerbError
from openoutcry.parameters import Parameter, convert

FIX: Final = {
    "fix": "FIX.4.4", "fix40": "FIX.4.0", "fix41": "FIX.4.1", "fix42": "FIX.4.2", "fix43": "FIX.4.3",
    "fix44": "FIX.4.4", "fix50": "FIX.5.0", "fix50sp1": "FIX.5.0SP1", "fix50sp2": "FIX.5.0SP2",
}  # fmt: skip
VERSIONS: Final = {"ouch42": "", **FIX}  # protocol of an endpoint: version of FIX, "" for OUCH
LEAVE_S: Final = 2.0  # to wait for an exchange that may be down
_FINE: Final = 100_000_000 // UNIT  # verbs have prices in 1e-8
_TICK: Final = Parameter("tick_size", "price", "tick", 0, 0, 10**18)
_ANYWHERE: Final = ("", "0.0.0.0", "::")


class Login(NamedTuple):
    """Where and as whom one agent logs in. version: of FIX, "" for OUCH."""

    host: str
    port: int
    user: str
    password: str
    version: str


def _wrong(field: str, text: str) -> VerbError:
    return VerbError("bad_argument", field, text)


def chosen(rows: Sequence[Mapping[str, Any]], names: Sequence[str], key: str, what: str) -> list[Mapping[str, Any]]:
    """The rows of those names; all when none is named. Raises VerbError."""
    by_name = {row[key]: row for row in rows}
    for name in names:
        if name not in by_name:
            raise _wrong(what, f"no {what} {name!r}; there are: {', '.join(sorted(by_name)) or 'none'}")
    return [by_name[name] for name in names] or list(rows)


def _user(session: Mapping[str, Any]) -> str:
    """Who is behind a session; that of a FIX session is called FIX.4.4:TARGET->SENDER."""
    return str(session["user"]).rpartition("->")[2]


class Place:
    """The endpoints and symbols of one engine.

    endpoints, symbols: their names; none: all of the first endpoint's engine. Raises VerbError.
    """

    def __init__(self, control: ControlClient, endpoints: Sequence[str] = (), symbols: Sequence[str] = ()) -> None:
        self._control = control
        self._made: list[str] = []
        rows = [row for row in control.list("endpoints") if row["protocol"] in VERSIONS and row["port"]]
        if not rows:
            raise _wrong("endpoint", "the exchange has no endpoint that speaks OUCH 4.2 or FIX; make one: "
                                     "openoutcry ctl create_endpoint NAME ENGINE ouch42")  # fmt: skip
        found = chosen(rows, endpoints, "name", "endpoint")
        self.engine = found[0]["engine"]
        if endpoints and any(row["engine"] != self.engine for row in found):
            raise _wrong("endpoint", f"{', '.join(endpoints)} lead to different engines; name those of one")
        self.endpoints = [row for row in found if row["engine"] == self.engine]
        books = [row for row in control.list("books") if row["engine"] == self.engine]
        if not books:
            raise _wrong("symbols", f"engine {self.engine!r} has no books; make one: "
                                    f"openoutcry ctl create_book NAME {self.engine} SYMBOL")  # fmt: skip
        self._books = chosen(books, symbols, "symbol", "symbol")
        self.symbols: list[str] = [row["symbol"] for row in self._books]

    @property
    def tick(self) -> int:
        """A tick, in 1e-4, that suits every symbol: the greatest of theirs, and no less than a cent."""
        ticks: list[int] = [
            convert(_TICK, row["properties"].get("tick_size", 0), "book", checked=True) for row in self._books
        ]
        return max(CENT, *(-(-tick // _FINE) for tick in ticks))

    def join(self, count: int) -> list[Login]:
        """Names for so many agents, dealt to the endpoints in turn; users where they are wanted."""
        users = self._control.list("users")
        taken = {row["name"] for row in users} | set(map(_user, self._control.list("sessions")))
        names = (f"AG{number:04d}" for number in range(1, 10_000))
        free = (name for name in names if name not in taken)
        logins = []
        for number in range(count):
            row, user, password = self.endpoints[number % len(self.endpoints)], next(free, ""), ""
            if not user:
                raise _wrong("agents", "there are no names left: AG0001 to AG9999 have all been used today")
            if any(each["endpoint"] in ("", None, row["name"]) for each in users):
                password = secrets.token_hex(5)
                self._control.create_user(user, password, row["name"])
                self._made.append(user)
            host = "127.0.0.1" if row["host"] in _ANYWHERE else row["host"]
            logins.append(Login(host, row["port"], user, password, VERSIONS[row["protocol"]]))
        return logins

    def leave(self) -> None:
        """Delete the users that were made; when the exchange does not answer, they stay."""
        self._control.timeout = LEAVE_S
        with contextlib.suppress(ClusterError):
            for user in self._made:
                with contextlib.suppress(VerbError):  # somebody else has
                    self._control.delete_user(user)
        self._made.clear()
