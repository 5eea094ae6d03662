"""The innermost loop of bench.book: a turn as calls of the book, as if each command had just been judged.

It is a module of its own so that ``make compiled`` can compile it with the matcher: there too the book is called by
compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openoutcry.matcher.book import Book
from openoutcry.matcher.orders import BOOK, DONE
from openoutcry.matcher.sessions import Session
from openoutcry.wire import CANCEL, CANCEL_USER, ENTER

Judged = tuple[Any, ...]


def judged(books: dict[str, Book], commands: Sequence[tuple[Any, ...]]) -> list[Judged]:
    """What is left of commands when they have been judged: what the book is told, and the book of an ENTER."""
    found: list[Judged] = []
    for command in commands:
        if command[0] == ENTER:
            kind, _, token, symbol, side, quantity, price, _, tif, _, _, data = command
            found.append((kind, books[symbol], token, side, quantity, price, tif, data))
        elif command[0] == CANCEL:
            found.append((CANCEL, command[2]))
        else:
            kind, _, token, new, total, price, _, tif, _, _, _, data = command
            found.append((kind, token, new, total, price, tif, data))
    return found


def play(session: Session, commands: Sequence[Judged]) -> None:
    """ENTER, CANCEL and REPLACE of limit orders, each of which is right."""
    live = session.live
    for command in commands:
        kind: int = command[0]
        book: Book
        if kind == ENTER:
            _, book, token, side, quantity, price, tif, data = command
            book.enter(session, token, side, quantity, price, tif, 0, data)
        elif kind == CANCEL:
            order = live[command[1]]
            book = order[BOOK]
            book.cancel(order, CANCEL_USER)
        else:
            _, token, new, total, price, tif, data = command
            order = live[token]
            book = order[BOOK]
            book.replace(order, new, total - order[DONE], price, tif, 0, data)
