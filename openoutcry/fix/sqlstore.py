"""A message store in an SQL database, through SQLAlchemy (the extra ``sql``): many sessions in two tables.

::

    SqlStore("sqlite:///fix.db", name, now_ns)                        # a file; sqlite:////absolute/path
    SqlStore("postgresql+psycopg://user@host/db", name, now_ns)       # any database that SQLAlchemy has a driver for

Tables ``fix_sessions`` (name, next_out, next_in, created_ns) and ``fix_messages`` (name, number, message); made when
they are not there. Each change is one transaction: when the method returns, it is committed.

Invariant: as for every store, a number is counted before its message can leave; the message and the number are
committed together. SQLite runs in WAL mode: a commit outlives the process, and with `sync` the machine. A server
database does what its own settings say.

Two processes may have the same session open, one as a stand-by: ``refresh`` (RefreshOnLogon) reads the numbers that
the other one has written. Only one of them may be logged on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from openoutcry.errors import JournalError

try:
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise JournalError("SQL stores need SQLAlchemy: pip install 'openoutcry[sql]'") from None

READ_ROWS: Final = 100  # messages that `read` fetches at once
NAME_MAX: Final = 400  # characters: six identifiers of COMP_ID_MAX, the version and what joins them
BUSY_S: Final = 5.0  # how long SQLite waits for another process's transaction

_TABLES: Final = sa.MetaData()
_SESSIONS: Final = sa.Table(
    "fix_sessions", _TABLES,
    sa.Column("name", sa.String(NAME_MAX), primary_key=True),
    sa.Column("next_out", sa.BigInteger, nullable=False),
    sa.Column("next_in", sa.BigInteger, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
)  # fmt: skip
_MESSAGES: Final = sa.Table(
    "fix_messages", _TABLES,
    sa.Column("name", sa.String(NAME_MAX), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
)  # fmt: skip

_S: Final = _SESSIONS.c
_M: Final = _MESSAGES.c
# Statements are built once: building one costs more than carrying it out.
_THIS: Final[sa.BindParameter[str]] = sa.bindparam("session")
_UPDATE: Final = {
    column: sa.update(_SESSIONS).where(_S.name == _THIS).values({column: sa.bindparam("value")})
    for column in ("next_out", "next_in")
}
_RESET: Final = (
    sa.update(_SESSIONS).where(_S.name == _THIS).values(next_out=1, next_in=1, created_ns=sa.bindparam("value"))
)
_INSERT: Final = sa.insert(_MESSAGES)
_FORGET: Final = sa.delete(_MESSAGES).where(_M.name == _THIS, _M.number >= sa.bindparam("first"))
_READ: Final = (
    sa.select(_M.number, _M.message)
    .where(_M.name == _THIS, _M.number >= sa.bindparam("first"), _M.number <= sa.bindparam("last"))
    .order_by(_M.number).limit(READ_ROWS)
)  # fmt: skip
_NUMBERS: Final = sa.select(_S.next_out, _S.next_in, _S.created_ns).where(_S.name == _THIS)


class SqlStore:
    """The store of session `name` in the database at `url`. Raises JournalError, which never shows a password."""

    def __init__(self, url: str, name: str, now_ns: int, sync: bool = False) -> None:
        self.name = name
        self.next_out = self.next_in = 1
        self.created_ns = now_ns
        self._closed = False
        self._shown = "SQL store"
        with self._errors():
            parsed = sa.make_url(url)
            self._shown = f"SQL store {parsed.render_as_string(hide_password=True)}"
            self._engine = sa.create_engine(parsed)
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _sqlite_settings(sync))
            try:
                self._begin(now_ns)
            except BaseException:
                self._engine.dispose()
                raise

    def _begin(self, now_ns: int) -> None:
        _TABLES.create_all(self._engine)
        self._connection = self._engine.connect()
        try:
            with self._connection.begin():
                if self._connection.execute(_NUMBERS, {"session": self.name}).first() is None:
                    new = {"name": self.name, "next_out": 1, "next_in": 1, "created_ns": now_ns}
                    self._connection.execute(sa.insert(_SESSIONS), new)
            self._read_numbers()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        if self._closed:
            raise JournalError(f"{self._shown} is closed")
        try:
            yield
        except ModuleNotFoundError as error:
            raise JournalError(f"{self._shown}: the driver {error.name} is missing: pip install {error.name}") from None
        except SQLAlchemyError as error:
            text = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise JournalError(f"{self._shown}: {text}") from None

    def _write(self, *statements: tuple[Any, dict[str, Any]]) -> None:
        """Carry out the statements as one transaction."""
        with self._errors(), self._connection.begin():
            for statement, values in statements:
                self._connection.execute(statement, values)

    def _set(self, column: str, number: int) -> tuple[Any, dict[str, Any]]:
        return _UPDATE[column], {"session": self.name, "value": number}

    def _forget(self, first: int) -> tuple[Any, dict[str, Any]]:
        return _FORGET, {"session": self.name, "first": first}

    def add(self, message: bytes, keep: bool) -> None:
        """See MessageStore."""
        count = self._set("next_out", self.next_out + 1)
        if keep:
            self._write((_INSERT, {"name": self.name, "number": self.next_out, "message": message}), count)
        else:
            self._write(count)
        self.next_out += 1

    def set_next_in(self, number: int) -> None:
        """See MessageStore."""
        self._write(self._set("next_in", number))
        self.next_in = number

    def set_next_out(self, number: int) -> None:
        """See MessageStore."""
        self._write(self._forget(number), self._set("next_out", number))
        self.next_out = number

    def reset(self, now_ns: int) -> None:
        """See MessageStore."""
        self._write(self._forget(0), (_RESET, {"session": self.name, "value": now_ns}))
        self.next_out = self.next_in = 1
        self.created_ns = now_ns

    def read(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """See MessageStore."""
        while rows := self._rows(begin, end):
            for number, message in rows:
                yield number, bytes(message)
            begin = rows[-1][0] + 1

    def _rows(self, begin: int, end: int) -> list[Any]:
        with self._errors(), self._connection.begin():
            values = {"session": self.name, "first": begin, "last": end}
            return list(self._connection.execute(_READ, values).all())

    def refresh(self) -> None:
        """See MessageStore. Raises JournalError when the session's row has gone."""
        with self._errors():
            self._read_numbers()

    def _read_numbers(self) -> None:
        with self._connection.begin():
            row = self._connection.execute(_NUMBERS, {"session": self.name}).first()
        if row is None:
            raise JournalError(f"{self._shown}: the row of session {self.name} has been deleted")
        self.next_out, self.next_in, self.created_ns = row

    def close(self) -> None:
        """End the connection."""
        if not self._closed:
            self._closed = True
            self._connection.close()
            self._engine.dispose()

    def statistics(self) -> dict[str, int]:
        """The numbers."""
        return {"next_out": self.next_out, "next_in": self.next_in}


def _sqlite_settings(sync: bool) -> Any:
    def settings(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1_000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
        cursor.close()

    return settings
