"""Hashing and checking passwords: salted scrypt, kept as one line of text.

A hash reads ``scrypt$n$r$p$salt$hash`` (salt and hash in hex), so that its cost can be raised without breaking the
old ones. Passwords are compared without regard to case and to blanks around them, because SoupBinTCP says so (its
passwords are 10 padded, case-insensitive characters) and a user has one password whatever protocol he speaks.

Invariant: ``verify_password`` takes the same time for a wrong password, an unknown user and a damaged hash, and
compares in constant time; neither function ever logs or shows what it was given.
Both take about 50 ms of CPU: call them off any event loop.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

N: Final = 2**14  # 16 MB and about 50 ms: a login stays quick on two busy cores, a guess stays expensive
R: Final = 8
P: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
MEMORY_MAX: Final = 128 * 1024 * 1024  # bytes one check may use; a stored hash that asks for more is refused
_UNKNOWN: Final = f"scrypt${N}${R}${P}${'00' * SALT_BYTES}${'00' * HASH_BYTES}"  # no password has it


def hash_password(password: str) -> str:
    """Hash `password` with a fresh salt."""
    salt = os.urandom(SALT_BYTES)
    return f"scrypt${N}${R}${P}${salt.hex()}${_derive(password, salt, N, R, P).hex()}"


def verify_password(password: str, stored: str) -> bool:
    """Whether `password` is the one `stored` was made from; False, as slowly, when `stored` is "" or damaged."""
    parsed = _parse(stored)
    n, r, p, salt, expected = parsed or _parse(_UNKNOWN) or (N, R, P, b"", b"")
    try:
        found = _derive(password, salt, n, r, p)
    except ValueError:  # the numbers are no scrypt parameters
        return verify_password(password, "")
    return hmac.compare_digest(found, expected) and parsed is not None


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.strip().upper().encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=MEMORY_MAX, dklen=HASH_BYTES)


def _parse(stored: str) -> tuple[int, int, int, bytes, bytes] | None:
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        return None
    try:
        n, r, p = (int(part) for part in parts[1:4])
        salt, expected = bytes.fromhex(parts[4]), bytes.fromhex(parts[5])
    except ValueError:
        return None
    within = n > 1 and r > 0 and 0 < p <= 16 and 128 * n * r <= MEMORY_MAX // 2
    return (n, r, p, salt, expected) if within and len(expected) == HASH_BYTES else None
