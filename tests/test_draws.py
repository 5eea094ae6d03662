"""Random draws: the same for ever, spread evenly, and each key counts."""

from __future__ import annotations

import itertools
from collections import Counter

from openoutcry.matcher.draws import draw


def test_a_draw_is_the_same_in_every_process_and_version() -> None:
    """These numbers are in journals' futures: a change of them is a change of the journal's format."""
    assert [draw(1_000_000, 1, key) for key in range(5)] == [262276, 981498, 769693, 616616, 680413]
    assert draw(2**53, 2**63 - 1, 2**63 - 1, -1) == 7414888254514950


def test_every_number_below_comes_about_equally_often() -> None:
    counts = Counter(draw(7, 1, key) for key in range(14_000))
    assert sorted(counts) == list(range(7))
    assert all(1_800 < count < 2_200 for count in counts.values())


def test_seed_and_every_key_count_and_so_does_their_order() -> None:
    drawn = {keys: draw(2**53, *keys) for keys in itertools.product((1, 2, 12), repeat=3)}
    assert len(set(drawn.values())) == len(drawn), "1,12 and 11,2 are not the same text"
    assert draw(2**53, 1, 2) != draw(2**53, 1, 2, 0)


def test_one_choice_is_no_choice() -> None:
    assert draw(1, 5, 6, 7) == 0
