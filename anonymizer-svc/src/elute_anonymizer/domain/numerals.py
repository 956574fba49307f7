"""Strings of symbols and the numbers that they write, for many strings in one flat array.

The strings of all rows lie in one array of symbols, each symbol a value below the radix; a group of rows with equally
long strings is given by where these begin. Ciphers replace strings where they lie.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from elute_anonymizer.domain.columns import Ints, Words
from elute_wire.compiled import compiled

Symbols: TypeAlias = npt.NDArray[np.uint8]


@compiled
def read(symbols: Symbols, starts: Ints, count: int, radix: int) -> Words:
    """Read n strings as numbers, the most significant symbol first.

    Args:
        symbols: The symbols of all rows.
        starts: Where the n strings begin; each has `count` symbols.
        count: The symbols of each string.
        radix: The number of symbols; radix^count is at most 2^64.
    """
    numbers = np.empty(len(starts), np.uint64)
    for row in range(len(starts)):
        start, number = np.uint64(starts[row]), np.uint64(0)
        for place in range(count):
            number = number * np.uint64(radix) + np.uint64(symbols[start + np.uint64(place)])
        numbers[row] = number
    return numbers


@compiled
def write(numbers: Words, symbols: Symbols, starts: Ints, count: int, radix: int) -> None:
    """Write n numbers below radix^count as strings of `count` symbols, where the strings that begin at `starts` lie."""
    for row in range(len(starts)):
        start, rest = np.uint64(starts[row]), numbers[row]
        for place in range(count - 1, -1, -1):
            quotient = rest // np.uint64(radix)
            symbols[start + np.uint64(place)] = np.uint8(rest - quotient * np.uint64(radix))
            rest = quotient


@compiled
def luhn_digits(symbols: Symbols, starts: Ints, count: int) -> Symbols:
    """Compute the check digits of n strings of `count` decimal digits.

    Source:
        ISO/IEC 7812-1, annex B.
    """
    checks = np.empty(len(starts), np.uint8)
    for row in range(len(starts)):
        start, total = np.uint64(starts[row]), 0
        for place in range(count):
            digit = int(symbols[start + np.uint64(place)])
            if (count - place) % 2 == 1:
                digit = 2 * digit - 9 * (digit > 4)
            total += digit
        checks[row] = (10 - total % 10) % 10
    return checks
