"""A FIX message as it was received: its tags, its values, its bytes.

``Shape`` is the sequence of tags, ``Message`` one message of a shape. Messages of one client are mostly of a few
shapes, so shapes are shared: comparing them is comparing objects, and where each tag is, is found out once.

Invariant: ``shape.tags`` and ``values`` are of the same length, from BeginString(8) to CheckSum(10), in wire order;
both and ``raw`` never change. Made by ``codec.Decoder``; what they should contain is the matter of ``validate``.
"""

from __future__ import annotations

from typing import Final

from openoutcry.fix.datafields import DATA_FIELDS

BEGIN_STRING: Final = 8
BODY_LENGTH: Final = 9
CHECK_SUM: Final = 10
MSG_TYPE: Final = 35

SHAPES_MAX: Final = 4_096  # shapes kept: a client has dozens. When a peer makes up more, keeping them begins anew
SHAPE_TAGS_MAX: Final = 256  # longer shapes (large groups) are not kept: rarely are two alike
TAG_MAX: Final = 2**31 - 1
TAG_TEXT_MAX: Final = 24  # characters: leading zeros are put up with, as the reference engine does, but not many


class Shape:
    """Every tag of a message in wire order, and the place of the first of each."""

    __slots__ = ("data", "framed", "index", "tags")

    def __init__(self, tags: tuple[int, ...]) -> None:
        self.tags = tags
        self.index: dict[int, int] = dict(zip(reversed(tags), range(len(tags) - 1, -1, -1), strict=True))
        self.framed: bool = _is_framed(tags)  # 8 9 35 ... 10, and no second 8, 9 or 10: else it is garbled
        self.data: bool = not DATA_FIELDS.keys().isdisjoint(self.index)  # whether there are data fields

    def __repr__(self) -> str:
        return f"Shape({' '.join(map(str, self.tags))})"


class Message:
    """One received message."""

    __slots__ = ("checked", "kind", "raw", "shape", "values")

    def __init__(self, kind: bytes, shape: Shape, values: tuple[bytes, ...], raw: bytes, checked: bool) -> None:
        self.kind = kind  # MsgType(35)
        self.shape = shape
        self.values = values  # beside shape.tags
        self.raw = raw  # from 8= to the SOH after the CheckSum
        self.checked = checked  # it came through a learned pattern: a validator has nothing to find

    def get(self, tag: int) -> bytes | None:
        """The first value of a tag, or None."""
        place = self.shape.index.get(tag)
        return None if place is None else self.values[place]

    def __getitem__(self, tag: int) -> bytes:
        return self.values[self.shape.index[tag]]

    def __contains__(self, tag: int) -> bool:
        return tag in self.shape.index

    def pairs(self) -> list[tuple[int, bytes]]:
        """All fields, in wire order."""
        return list(zip(self.shape.tags, self.values, strict=True))

    def all(self, tag: int) -> list[bytes]:
        """Every value of a tag that may come more than once."""
        return [value for each, value in zip(self.shape.tags, self.values, strict=True) if each == tag]

    def __repr__(self) -> str:
        return f"Message({self.raw[:512].decode('latin-1').replace(chr(1), '|')!r})"


def _is_framed(tags: tuple[int, ...]) -> bool:
    return (
        len(tags) >= 4
        and tags[:3] == (BEGIN_STRING, BODY_LENGTH, MSG_TYPE)
        and tags[-1] == CHECK_SUM
        and all(tags.count(tag) == 1 for tag in (BEGIN_STRING, BODY_LENGTH, CHECK_SUM))
    )


_SHAPES: Final[dict[tuple[int, ...], Shape]] = {}
_SHAPES_OF_TEXTS: Final[dict[tuple[bytes, ...], Shape]] = {}


def shape_of(tags: tuple[int, ...]) -> Shape:
    """The shape of these tags: the same object for the same tags, as long as it is kept."""
    shape = _SHAPES.get(tags)
    if shape is None:
        shape = Shape(tags)
        if len(tags) <= SHAPE_TAGS_MAX:
            if len(_SHAPES) >= SHAPES_MAX:
                _SHAPES.clear()
            _SHAPES[tags] = shape
    return shape


def shape_of_texts(texts: tuple[bytes, ...]) -> Shape | None:
    """The shape of the tags as they were written; None when one is no whole number that fits 32 bits."""
    shape = _SHAPES_OF_TEXTS.get(texts)
    if shape is None:
        tags = tuple(map(tag_of, texts))
        if None in tags:
            return None
        shape = shape_of(tags)  # type: ignore[arg-type]  # there is no None among them
        if len(tags) <= SHAPE_TAGS_MAX:
            if len(_SHAPES_OF_TEXTS) >= SHAPES_MAX:
                _SHAPES_OF_TEXTS.clear()
            _SHAPES_OF_TEXTS[texts] = shape
    return shape


def tag_of(text: bytes) -> int | None:
    """A tag; None when it is no number. 0 and negative ones are numbers: the validator refuses them by a Reject."""
    digits = text[1:] if text[:1] == b"-" else text
    if not digits.isdigit() or len(text) > TAG_TEXT_MAX:
        return None
    tag = int(text)
    return tag if -TAG_MAX <= tag <= TAG_MAX else None
