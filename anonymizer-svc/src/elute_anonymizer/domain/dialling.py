"""How many digits of an international number are its country code.

Source:
    ITU-T E.164 and its list of assigned country codes: zones 1 and 7 have one digit; the codes below have two; all
    others three.
"""

from __future__ import annotations

import numpy as np

from elute_anonymizer.domain.columns import Ints
from elute_anonymizer.domain.ff1 import Symbols

_TWO_DIGITS = (
    *(20, 27, 28, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58),
    *(60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 89, 90, 91, 92, 93, 94, 95, 98),
)

_LENGTHS = np.full(100, 3, np.int64)
_LENGTHS[10:20] = _LENGTHS[70:80] = 1
_LENGTHS[list(_TWO_DIGITS)] = 2


def country_code_lengths(first: Symbols, second: Symbols) -> Ints:
    """Return the digits of n country codes.

    Args:
        first: The first digit of each number.
        second: The second digit.
    """
    lengths: Ints = _LENGTHS[first.astype(np.int64) * 10 + second]
    return lengths
