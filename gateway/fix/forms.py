"""Messages of market and reference data in the words of one version: what its dictionary has no place for is left out.

    form = form_of(dictionary)
    form.entry(b"W", 268, {269: b"0", 270: b"10.5"}) -> bytes      one entry of a group, its fields in their order
    form.body(b"W", {262: b"r1", 55: b"X"}, 268, [entry, ...]) -> bytes
    form.pick(326, (27, 21, 20)) -> b"21"                          the first value that the version knows

Invariant: what comes out has no field that the dictionary does not allow there. Fields ascend by tag, those of a group
are in the dictionary's order. Values are the caller's: they have no SOH.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from openoutcry.fix.dictionary import Dictionary

FORMS_MAX: Final = 64  # dictionaries whose forms are kept: nine versions, and a client's own now and then


class Form:
    """See the module."""

    __slots__ = ("_bodies", "_entries", "dictionary")

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self._bodies: dict[bytes, frozenset[int]] = {}
        self._entries: dict[tuple[bytes, int], dict[int, int]] = {}

    def has(self, kind: bytes) -> bool:
        """Whether the version has that message."""
        return kind in self.dictionary.messages

    def _body(self, kind: bytes) -> frozenset[int]:
        found = self._bodies.get(kind)
        if found is None:
            found = self._bodies[kind] = frozenset(self.dictionary.messages[kind].members)
        return found

    def _places(self, kind: bytes, group: int) -> dict[int, int]:
        """Tag -> its place in an entry."""
        found = self._entries.get((kind, group))
        if found is None:
            members = self.dictionary.messages[kind].groups[group].members
            found = self._entries[kind, group] = {tag: place for place, tag in enumerate(members)}
        return found

    def entry(self, kind: bytes, group: int, fields: Mapping[int, bytes]) -> bytes:
        """One entry of a group."""
        places = self._places(kind, group)
        tags = sorted((tag for tag in fields if tag in places), key=places.__getitem__)
        return b"".join([b"%d=%b\x01" % (tag, fields[tag]) for tag in tags])

    def body(self, kind: bytes, fields: Mapping[int, bytes], group: int = 0, entries: Iterable[bytes] = ()) -> bytes:
        """A message's body; `entries` make the group of that tag, if there is one."""
        known = self._body(kind)
        parts = {tag: b"%d=%b\x01" % (tag, value) for tag, value in fields.items() if tag in known}
        if group and group in known:
            found = list(entries)
            parts[group] = b"%d=%d\x01%b" % (group, len(found), b"".join(found))
        return b"".join([parts[tag] for tag in sorted(parts)])

    def allows(self, tag: int, value: bytes) -> bool:
        """Whether a field may have that value; False when the version has no such field."""
        field = self.dictionary.fields.get(tag)
        return field is not None and (not field.values or value in field.values)

    def pick(self, tag: int, codes: Iterable[int | bytes]) -> bytes:
        """The first of several values that the version knows, b"" for none."""
        for code in codes:
            value = code if isinstance(code, bytes) else b"%d" % code
            if self.allows(tag, value):
                return value
        return b""


_forms: Final[dict[int, Form]] = {}  # by id of the dictionary, which the form keeps alive


def form_of(dictionary: Dictionary) -> Form:
    """The form of a dictionary, made once."""
    form = _forms.get(id(dictionary))
    if form is None:
        if len(_forms) >= FORMS_MAX:
            _forms.clear()
        form = _forms[id(dictionary)] = Form(dictionary)
    return form
