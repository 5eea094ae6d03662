"""openoutcry.passwords: hashes verify, wrong ones do not, and nothing tells an unknown user from a wrong password."""

from __future__ import annotations

import time

import pytest

from openoutcry.passwords import hash_password, verify_password


def test_a_password_verifies_against_its_own_hash_only() -> None:
    stored = hash_password("Secret1")
    assert verify_password("Secret1", stored)
    assert not verify_password("Secret2", stored)
    assert not verify_password("", stored)


def test_case_and_surrounding_blanks_do_not_count_as_in_soupbintcp() -> None:
    stored = hash_password("Secret1")
    assert verify_password("SECRET1   ", stored)
    assert verify_password("   secret1", stored)
    assert not verify_password("sec ret1", stored)


def test_two_hashes_of_one_password_differ_and_never_show_it() -> None:
    one, other = hash_password("hunter2"), hash_password("hunter2")
    assert one != other
    assert one.startswith("scrypt$16384$8$1$")
    assert "hunter2" not in one.lower()
    assert len(one) <= 256  # wire.SHORT_TEXT_MAX


@pytest.mark.parametrize(
    "stored",
    [
        "", "x", "scrypt$16384$8$1$00", "scrypt$a$8$1$00$00", "scrypt$3$8$1$00$" + "00" * 32,
        "scrypt$16384$8$1$zz$" + "00" * 32, "scrypt$1073741824$8$1$00$" + "00" * 32, "scrypt$16384$8$1$00$",
        "scrypt$-2$8$1$00$" + "00" * 32, "md5$1$2$3$00$00",
    ],
)  # fmt: skip
def test_a_damaged_hash_matches_nothing_and_raises_nothing(stored: str) -> None:
    assert not verify_password("", stored)
    assert not verify_password("anything", stored)


def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    stored = hash_password("right")

    def best(against: str) -> float:
        times = []
        for _ in range(5):
            begin = time.thread_time()
            verify_password("wrong", against)
            times.append(time.thread_time() - begin)
        return min(times)

    known, unknown = best(stored), best("")
    assert 0.5 < known / unknown < 2.0
