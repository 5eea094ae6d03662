"""Which fields hold data, in which any byte may be, and which field before each tells its length.

From the names of the FIX fields up to 5.0SP2 with its extension packs: X is told by XLen or XLength.
"""

from __future__ import annotations

from typing import Final

# Lengths whose data is the field with the next tag.
_LENGTHS: Final = (
    90, 95, 212, 348, 350, 352, 354, 356, 358, 360, 362, 364, 445, 618, 621, 1184, 1277, 1280, 1282, 1397, 1401, 1403,
    1468, 1578, 1620, 1664, 1733, 1871, 1874, 2072, 2074, 2111, 2179, 2287, 2351, 2481, 2637, 2651, 2665, 2715, 2718,
    2721, 2797, 40004, 40008, 40978, 40980, 40982, 40984, 40986, 40988, 41083, 41101, 41107, 41256, 41320, 41324,
    41458, 41476, 41482, 41653, 41710, 41806, 41811, 41969, 42025, 42171, 42451, 42652, 42947,
)  # fmt: skip
_OTHERS: Final = {
    41874: 41873,
    89: 93,
    1527: 1525,
    1697: 1678,
    2371: 2372,
    2493: 2494,
    2521: 2522,
    2801: 2802,
    2808: 2809,
    2814: 2815,
    42486: 43110,
    42684: 43109,
    42982: 43111,
}

DATA_FIELDS: Final[dict[int, int]] = {length + 1: length for length in _LENGTHS} | _OTHERS  # data to length
