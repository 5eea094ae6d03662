"""Prices out of files of trades or quotes, for openoutcry.agents.prices.Replay.

    Replay(read_rows("trades.csv", "AAPL"), speed=2 * SPEED_UNIT)

A file has a row of column names (letters of either case): ``time`` or ``timestamp``; ``price``, or ``bid`` and
``ask``, of which the middle is taken; and ``symbol`` when it is about several. A name that ends in ``.parquet`` is read
with pyarrow (the extra ``parquet``), every other one as CSV. A time is a whole number of ns, a decimal number of
seconds, or ISO 8601 text.

Invariant: rows come out in the order of their times, or there is a ClientError that names the row and what is wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from openoutcry.agents.prices import price_of
from openoutcry.errors import ClientError

ROWS_MAX: Final = 20_000_000  # 16 bytes each in memory: a replay takes no more than 320 MB
TIMES: Final = ("time", "timestamp")
SECOND_NS: Final = 1_000_000_000
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_SECONDS: Final = re.compile(r"([0-9]{1,10})\.([0-9]{1,9})")
_ISO: Final = re.compile(r"([^.]{19})(?:\.([0-9]{1,9}))?(Z|[+-][0-9:]{5})?")

Row = tuple[int, int]  # time in ns, price in 1e-4


def read_rows(path: str | Path, symbol: str = "") -> Iterator[Row]:
    """The rows of a file that are about `symbol` (""; or no such column: all). Raises ClientError."""
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            yield from rows_of(_parquet(path), symbol, str(path))
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                yield from rows_of(csv.reader(file), symbol, str(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ClientError(f"cannot read {path}: {why}") from None


def rows_of(table: Iterable[Sequence[Any]], symbol: str = "", where: str = "the table") -> Iterator[Row]:
    """The rows of a table whose first row has the names of the columns. Raises ClientError."""
    rows = iter(table)
    names = [str(name).strip().lower() for name in next(rows, [])]
    when, what, who = _columns(names, where)
    last, count = None, 0
    for number, row in enumerate(rows, 2):
        if not row or (symbol and who is not None and len(row) > who and str(row[who]).strip() != symbol):
            continue
        try:
            time_ns = time_of(str(row[when]).strip())
            price = sum(price_of(str(row[column]).strip()) for column in what) // len(what)
        except (ClientError, IndexError) as error:
            text = "a column is missing" if isinstance(error, IndexError) else error
            raise ClientError(f"{where}, row {number}: {text}") from None
        if last is not None and time_ns < last:
            raise ClientError(f"{where}, row {number}: its time is before that of the row above; sort the file by time")
        last, count = time_ns, count + 1
        if count > ROWS_MAX:
            raise ClientError(f"{where} has more than {ROWS_MAX:,} rows; replay a part of it")
        yield time_ns, price


def _columns(names: list[str], where: str) -> tuple[int, list[int], int | None]:
    when = next((names.index(name) for name in TIMES if name in names), None)
    what = next(
        ([names.index(n) for n in group] for group in (("price",), ("bid", "ask")) if set(group) <= set(names)), None
    )
    if when is None or what is None:
        shown = ", ".join(names)[:200] or "none"
        raise ClientError(
            f"{where} needs a column time (or timestamp), and price, or bid and ask; its columns: {shown}"
        )
    return when, what, names.index("symbol") if "symbol" in names else None


def time_of(text: str) -> int:
    """A time as ns. Raises ClientError."""
    if _NUMBER.fullmatch(text):
        return int(text)
    if found := _SECONDS.fullmatch(text):
        return int(found[1]) * SECOND_NS + int(found[2].ljust(9, "0"))
    if found := _ISO.fullmatch(text):
        try:
            moment = datetime.fromisoformat(found[1] + (found[3] or ""))
        except ValueError:
            raise ClientError(f"{text[:40]!r} is not a time") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        days = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (days.days * 86_400 + days.seconds) * SECOND_NS + int((found[2] or "").ljust(9, "0"))
    raise ClientError(f"{text[:40]!r} is not a time: whole ns, decimal seconds, or 2026-01-31T09:30:00.5")


def _parquet(path: Path) -> Iterator[Sequence[Any]]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise ClientError("reading Parquet needs pyarrow: pip install 'openoutcry[parquet]'") from None
    try:
        file = parquet.ParquetFile(path)
        names = [n for n in file.schema_arrow.names if n.lower() in (*TIMES, "price", "bid", "ask", "symbol")]
        yield names
        for batch in file.iter_batches(columns=names):
            yield from zip(*(_plain(arrow, column) for column in batch.columns), strict=True)
    except arrow.ArrowException as error:
        raise ClientError(f"cannot read {path}: {error}") from None


def _plain(arrow: Any, column: Any) -> list[Any]:
    """A column's values; times as ns, numbers of binary fractions by their shortest text."""
    if arrow.types.is_timestamp(column.type):
        column = column.cast(arrow.timestamp("ns", column.type.tz)).cast(arrow.int64())
    return [format(Decimal(repr(v)), "f") if isinstance(v, float) else v for v in column.to_pylist()]
