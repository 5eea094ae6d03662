"""Every row of the tables of verbs, properties and policies is shown over both protocols, or it is said why not.

A new verb, property or option of a policy fails this until a ``test_both_...`` module names it in ``shows``, or says in
``cannot`` why a protocol has no way to show it.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from openoutcry import verbs
from openoutcry.fix.settings import SESSION_SETTINGS
from openoutcry.matcher import installed, policies
from tests.both_world import PROTOCOLS, ROWS

assert installed  # it brings the kinds of policies
# Those that come with the exchange: other tests of this process may have registered kinds of their own.
KINDS = [
    kind for kind, factory in policies.KINDS.items() if getattr(factory, "__module__", "").startswith("openoutcry.")
]
TABLES = {
    "verb": tuple(verbs.VERBS),
    "engine": tuple(verbs.ENGINE_PROPERTIES),
    "book": tuple(verbs.BOOK_PROPERTIES),
    "endpoint": tuple(verbs.ENDPOINT_PROPERTIES),
    "session": (*SESSION_SETTINGS, *verbs.SESSION_PROPERTIES),
    "order": tuple(verbs.DRAFT_ORDER_PROPERTIES),  # of a desk's order, as a client meets it
    "said": tuple(verbs.DRAFT_ORDER_PROPERTIES),  # in the protocol's own words
    "quote": tuple(verbs.DRAFT_QUOTE_PROPERTIES),
    "limit": verbs.LIMIT_RULES,
    "scope": verbs.LIMIT_SCOPES,
    "list": verbs.LISTS,
    "described": verbs.DESCRIBED,
    "policy": tuple(f"{kind}.{option}" for kind in KINDS for option in policies.options_of(kind)),
}
for _file in sorted(Path(__file__).parent.glob("test_both_*.py")):
    importlib.import_module(f"tests.{_file.stem}")
WANTED = {f"{table} {name}" for table, names in TABLES.items() for name in names}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_shown_or_it_is_said_why_not(table: str, protocol: str) -> None:
    missing = [name for name in TABLES[table] if protocol not in ROWS.get(f"{table} {name}", {})]
    assert missing == []


def test_no_row_is_shown_that_there_is_not() -> None:
    assert sorted(set(ROWS) - WANTED) == []


def test_most_rows_are_shown_over_both_protocols() -> None:
    """Reasons are for what a protocol cannot say, not for what nobody has tried."""
    shown = [row for row, protocols in ROWS.items() if all(found.tests for found in protocols.values())]
    assert len(shown) > len(WANTED) * 6 // 10
