"""Values as JSON text, as questions, results and answers carry them between the parts and to clients.

Invariant: equal values have equal text: keys are sorted, and there is no space that says nothing. So a text can be
handed on as it came, and a replay makes the same events byte for byte.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable
from typing import Any, Final

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)
_DECODE: Final = json.JSONDecoder().raw_decode


def encoder() -> Callable[[Any], str]:
    """What encodes. JSONEncoder makes one of CPython's own encoders for each text, which takes longer than its use."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # another Python
        return _ENCODER.encode
    quoted = json.encoder.encode_basestring_ascii
    chunks = make(None, _ENCODER.default, quoted, None, ":", ",", True, False, True)  # in the order of JSONEncoder's
    return lambda value: "".join(chunks(value, 0))


text: Final = encoder()  # a value of JSON's types as text; raises TypeError for one of another type


def parsed(data: str) -> Any:
    """The value of a JSON text. Raises ValueError, and RecursionError for what is too deep."""
    try:
        value, end = _DECODE(data)
    except ValueError:
        return json.loads(data)  # white space before it, or it is none
    return value if end == len(data) else json.loads(data)
