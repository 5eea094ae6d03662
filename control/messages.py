"""Messages of the control service: what a client sends and what it gets back.

    request  (version, id, verb, (argument, ...), ((name, value), ...))
    batch    (version, id, ((verb, (argument, ...), ((name, value), ...)), ...), stop)
    reply    (version, id, error, value)      error: () or (code, field, text); value: JSON text

All are one msgpack array in one frame, after the empty delimiter that a REQ socket puts there (a DEALER must do the
same). ``id`` is the client's own number: a request sent again carries the same one. A batch is several verbs in one
request (openoutcry.control.batches): its reply's value is a list of ``[error, value]``, one for each verb.

Invariant: decoding raises ``WireError`` and nothing else, whatever the bytes are; a request that can be told by its
id raises ``BadRequest`` with that id, so that the client can be answered. What an argument may be is not judged here
but by ``openoutcry.verbs.check``, which names the argument at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from openoutcry import wire
from openoutcry.errors import VerbError, WireError

REQUEST_MAX: Final = 65_536  # bytes of a request: 32 arguments of the longest text fit many times over
BATCH_MAX: Final = 512  # verbs in a batch: what fits into one frame to the matcher, which takes it as one turn
VALUE_MAX: Final = 900_000  # characters of a reply's JSON text, which keeps the frame under wire.FRAME_MAX
ERROR_TEXT_MAX: Final = 1_000  # characters of an error's text: it quotes values that clients sent


BATCH_HEAD: Final = 32  # bytes of a batch beside its verbs, at most


class BadRequest(WireError):
    """A request that is not of the right form, from a client that can be told: ``id`` is its number, or 0."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.id = number


class Request(NamedTuple):
    """One request, checked in form only: the verb and its arguments are still the client's word."""

    id: int
    verb: str
    arguments: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]


class Batch(NamedTuple):
    """Several verbs in one request, checked in form only. stop: whether the first that is refused ends it."""

    id: int
    requests: tuple[Request, ...]
    stop: bool


class Reply(NamedTuple):
    """One reply: ``error`` is () or (code, field, text); ``value`` is JSON text."""

    id: int
    error: tuple[str, ...]
    value: str

    def raise_error(self) -> None:
        """Raise the VerbError that this reply carries, if any."""
        if self.error:
            raise VerbError(self.error[0], self.error[1], self.error[2])


def encode_request(number: int, verb: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
    """A request as bytes. Raises VerbError naming the argument that cannot be sent."""
    try:
        data = _pack((wire.VERSION, number, verb, tuple(arguments), tuple(named.items())))
    except (TypeError, ValueError, OverflowError):
        raise _unsendable(verb, arguments, named) from None
    return _bounded(verb, data)


def encode_part(verb: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
    """One verb of a batch as bytes. Raises VerbError as ``encode_request`` does."""
    try:
        data = _pack((verb, tuple(arguments), tuple(named.items())))
    except (TypeError, ValueError, OverflowError):
        raise _unsendable(verb, arguments, named) from None
    return _bounded(verb, data, BATCH_HEAD)


def encode_batch(number: int, parts: Sequence[bytes], stop: bool) -> bytes:
    """A batch as bytes, of what ``encode_part`` gave; at most BATCH_MAX, and REQUEST_MAX - BATCH_HEAD bytes of them."""
    packer = msgpack.Packer(use_bin_type=True, autoreset=False)
    packer.pack_array_header(4)
    packer.pack(wire.VERSION)
    packer.pack(number)
    packer.pack_array_header(len(parts))
    return b"".join((packer.bytes(), *parts, _pack(stop)))


def _bounded(verb: str, data: bytes, more: int = 0) -> bytes:
    if len(data) + more > REQUEST_MAX:
        raise VerbError("limit", "", f"{verb}: a request of {len(data) + more} bytes, at most {REQUEST_MAX}")
    return data


def _unsendable(verb: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> VerbError:
    """The error for arguments that msgpack does not take: it names the first of them."""
    for name, value in (*((str(i), v) for i, v in enumerate(arguments, 1)), *named.items()):
        try:
            _pack(value)
        except (TypeError, ValueError, OverflowError) as error:
            kind = type(value).__name__
            return VerbError("bad_argument", name, f"{verb}: {name} is a {kind} that cannot be sent ({error})")
    return VerbError("bad_argument", "", f"{verb}: its arguments cannot be sent")


def _pack(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, use_bin_type=True)
    return data


def decode_request(data: bytes) -> Request | Batch:
    """Bytes as a request or a batch of them. Raises BadRequest."""
    if len(data) > REQUEST_MAX:
        raise BadRequest(0, f"a request of {len(data)} bytes, at most {REQUEST_MAX}")
    try:
        message = wire.unpack(data, array_max=BATCH_MAX, text_max=REQUEST_MAX)
    except WireError as error:
        raise BadRequest(0, str(error)) from None
    if type(message) is not tuple or len(message) < 2:
        raise BadRequest(0, "a request is an array: version, id, verb, arguments, named arguments")
    number = message[1]
    if type(number) is not int or not 1 <= number <= wire.UINT63_MAX:
        raise BadRequest(0, f"a request's id is a whole number from 1 to {wire.UINT63_MAX}")
    if type(message[0]) is not int or message[0] != wire.VERSION:
        raise BadRequest(number, f"version {str(message[0])[:20]}, this side speaks {wire.VERSION}")
    if len(message) == 4 and type(message[2]) is tuple:
        return _batch(number, message[2], message[3])
    if len(message) != 5:
        raise BadRequest(number, f"a request has 5 elements, this one {len(message)}")
    return _request(number, *message[2:])


def _request(number: int, verb: Any, arguments: Any, named: Any) -> Request:
    if type(verb) is not str or not 1 <= len(verb) <= wire.NAME_MAX:
        raise BadRequest(number, f"a verb is a text of 1 to {wire.NAME_MAX} characters")
    return Request(number, verb, _arguments(number, arguments), _named(number, named) if named != () else ())


def _batch(number: int, parts: Any, stop: Any) -> Batch:
    if type(parts) is not tuple or not 1 <= len(parts) <= BATCH_MAX:
        raise BadRequest(number, f"a batch has an array of 1 to {BATCH_MAX} verbs")
    if type(stop) is not bool:
        raise BadRequest(number, "a batch ends with true or false: whether the first verb refused ends it")
    for part in parts:
        if type(part) is not tuple or len(part) != 3:
            raise BadRequest(number, "each of a batch is an array: verb, arguments, named arguments")
    return Batch(number, tuple(_request(number, *part) for part in parts), stop)


def _arguments(number: int, arguments: Any) -> tuple[Any, ...]:
    if type(arguments) is not tuple or len(arguments) > wire.ARGUMENTS_MAX:
        raise BadRequest(number, f"arguments are an array of at most {wire.ARGUMENTS_MAX}")
    for value in arguments:
        if type(value) is tuple:
            _flat(number, value)
    return arguments


def _flat(number: int, value: tuple[Any, ...]) -> None:
    """Refuse arrays in arrays: no verb takes them, and a deep one could not even be quoted in an error."""
    if any(type(part) is tuple for part in value):
        raise BadRequest(number, "an argument is an array of arrays")


def _named(number: int, named: Any) -> tuple[tuple[str, Any], ...]:
    if type(named) is not tuple or len(named) > wire.ARGUMENTS_MAX:
        raise BadRequest(number, f"named arguments are an array of at most {wire.ARGUMENTS_MAX} pairs")
    for pair in named:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str:
            raise BadRequest(number, "a named argument is a pair of its name and its value")
        if type(pair[1]) is tuple:
            _flat(number, pair[1])
    return named


def encode_reply(number: int, error: Iterable[str], value: str) -> bytes:
    """A reply as bytes; a value that is too long for one becomes the error ``limit``."""
    code_field_text = tuple([part[:ERROR_TEXT_MAX] for part in error])
    if len(value) > VALUE_MAX:
        code_field_text = ("limit", "", f"the answer has {len(value)} characters, at most {VALUE_MAX} can be sent")
    return wire.pack((wire.VERSION, number, code_field_text, "null" if code_field_text else value))


def decode_reply(data: bytes) -> Reply:
    """Bytes as a reply. Raises WireError."""
    message = wire.unpack(data, array_max=5, text_max=wire.FRAME_MAX)
    if type(message) is not tuple or len(message) != 4 or type(message[0]) is not int:
        raise WireError("a reply is an array: version, id, error, value")
    version, number, error, value = message
    if version != wire.VERSION:
        raise WireError(f"the control service speaks version {version}, this side {wire.VERSION}")
    if type(number) is not int or type(error) is not tuple or type(value) is not str:
        raise WireError("a reply's id is a number, its error an array, its value a text")
    if len(error) not in (0, 3) or any(type(part) is not str for part in error):
        raise WireError("a reply's error is empty, or its code, field and text")
    return Reply(number, error, value)
