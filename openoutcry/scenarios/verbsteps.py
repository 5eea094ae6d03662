"""The verbs of a journal as steps: their arguments as people write them, without what means nothing in a replay.

Invariant: what is not there is either the default, or said to be left out.
"""

from __future__ import annotations

from typing import Any, Final

from openoutcry import verbs
from openoutcry.parameters import Parameter, duration_text, price_text

PASSWORD: Final = "scenario"  # in place of passwords, which the journal has not got
# Properties that are left out, with what is said about them: what a test held in its hand is not in the journal, so in
# a replay nobody would let it go; files and certificates are those of another host.
_LEFT_OUT: Final = {
    "auto_accept": "auto_accept: nobody is held back in a replay",
    "auto_receive": "auto_receive: nothing is held back in a replay",
    **dict.fromkeys(("tls_certificate", "tls_key", "tls_client_ca", "tls_certificates"), "TLS: a replay has none"),
    "FileLogPath": "FileLogPath: a replay writes no logs",
}  # fmt: skip
_SET: Final = ("set_engine_property", "set_protocol_property", "set_session_property")
_UNUSED: Final = frozenset(("gateway", "host", "port"))  # of create_endpoint: another exchange has its own


def arguments_of(verb: str, values: tuple[Any, ...]) -> tuple[dict[str, Any] | None, list[str]]:
    """The arguments of a step, None when there is to be none; and what is said about what is left out."""
    arguments = _arguments(verb, values)
    held = [arguments["name"]] if verb in _SET else list(arguments)
    names = [name for name in held if name in _LEFT_OUT]
    left_out = [_LEFT_OUT[name] for name in names]
    if names and verb in _SET:
        return None, left_out
    if any(p.type == "secret" and p.name in arguments for p in verbs.VERBS[verb].parameters):
        left_out.append(f"passwords, which are {PASSWORD!r} now")
    return {name: value for name, value in arguments.items() if name not in names}, left_out


def _arguments(verb: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """Those that are not the default, as people write them."""
    found = {}
    for p, value in zip(verbs.VERBS[verb].parameters, values, strict=True):
        is_default = value == p.default and type(value) is type(p.default)
        if not is_default and not (verb == "create_endpoint" and p.name in _UNUSED):
            found[p.name] = _written(p, value)
    return found


def _written(p: Parameter, value: Any) -> Any:
    if value is None:
        return None
    if p.type == "secret":
        return PASSWORD
    if p.type == "price" and type(value) is int:
        return price_text(value)
    return duration_text(value) if p.type == "duration" and type(value) is int else value
