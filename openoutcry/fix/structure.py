"""Where in a message each field belongs: header, body, trailer, and which entry of which group. A matter of tags alone.

The counts of groups are not believed here: an entry begins with the group's first field, or with a member that the
entry has already (or is the first to come), and a group ends with the first field that is not a member of it, as in the
reference engine. So a message's structure depends on its tags only and can be kept for the next one of the same shape.

Next: ``validate``, which keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from openoutcry.fix.dictionary import Group

# What is header and trailer in any version, whether the dictionary has it or not.
HEADER_TAGS: Final = frozenset(
    (8, 9, 35, 49, 56, 115, 128, 90, 91, 34, 50, 142, 57, 143, 116, 144, 129, 145, 43, 97, 52, 122, 212, 213, 347, 369)
    + (370, 1128, 1129, 627)
)
TRAILER_TAGS: Final = frozenset((93, 89, 10))
DEPTH_MAX: Final = 16  # groups within groups


class Places:
    """Fields of a section or of a group's entry: (tag, place) in wire order, and the entries of groups among them."""

    __slots__ = ("fields", "groups")

    def __init__(self) -> None:
        self.fields: list[tuple[int, int]] = []
        self.groups: dict[int, list[Places]] = {}


class Structure:
    """A message's sections. misplaced: the first tag that is after its section has ended, 0: none."""

    __slots__ = ("body", "header", "misplaced", "trailer")

    def __init__(self) -> None:
        self.header = Places()
        self.body = Places()
        self.trailer = Places()
        self.misplaced = 0


class Sections:
    """What of the dictionaries is needed to take messages of one kind apart."""

    __slots__ = ("groups", "header_groups", "header_tags", "trailer_groups", "trailer_tags")

    def __init__(
        self,
        header_tags: frozenset[int],
        trailer_tags: frozenset[int],
        header_groups: Mapping[int, Group],
        groups: Mapping[int, Group],
        trailer_groups: Mapping[int, Group],
    ) -> None:
        self.header_tags = header_tags
        self.trailer_tags = trailer_tags
        self.header_groups = header_groups
        self.groups = groups
        self.trailer_groups = trailer_groups


def take_apart(tags: tuple[int, ...], sections: Sections) -> Structure:
    """The structure of a message with these tags."""
    found = Structure()
    reached = 0  # 0 header, 1 body, 2 trailer
    at = 0
    while at < len(tags):
        tag = tags[at]
        if tag in sections.header_tags:
            own, places, groups = 0, found.header, sections.header_groups
        elif tag in sections.trailer_tags:
            own, places, groups = 2, found.trailer, sections.trailer_groups
        else:
            own, places, groups = 1, found.body, sections.groups
        if own < reached and not found.misplaced:
            found.misplaced = tag
        reached = max(own, reached) if own else reached
        at = _take(tags, at, places, groups, 0)
    return found


def _take(tags: tuple[int, ...], at: int, places: Places, groups: Mapping[int, Group], depth: int) -> int:
    """Put the field at `at`, with the group that it counts, into `places`; returns where the next one is."""
    tag = tags[at]
    places.fields.append((tag, at))
    group = groups.get(tag)
    if group is None or depth >= DEPTH_MAX:
        return at + 1
    entries, at = _entries(tags, at + 1, group, depth + 1)
    places.groups.setdefault(tag, []).extend(entries)
    return at


def _entries(tags: tuple[int, ...], at: int, group: Group, depth: int) -> tuple[list[Places], int]:
    entries: list[Places] = []
    seen: set[int] = set()
    while at < len(tags) and tags[at] in group.members:
        tag = tags[at]
        if tag == group.first or not entries or tag in seen:
            entries.append(Places())
            seen = set()
        seen.add(tag)
        at = _take(tags, at, entries[-1], group.groups, depth)
    return entries, at
