"""Keyed permutations of [0, n) for any n up to 2^64: every number has exactly one pseudonym.

From a million values on it is FF1 over the bits of the number, repeated until the result lies below n (the walk stays
within the number's own cycle, so it ends, after less than two turns on average). FF1 is not defined for fewer values:
there the numbers are put into the order of their keyed MACs, a table that fits in memory.

Source:
    Black and Rogaway, "Ciphers with Arbitrary Finite Domains" (2002), section 3, for the walk and the table.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa

from elute_anonymizer.domain.cmac import ColumnMac
from elute_anonymizer.domain.columns import Words, pc
from elute_anonymizer.domain.ff1 import FF1, LEAST_VALUES
from elute_anonymizer.domain.text import Text


class Permutation:
    """A bijection of [0, size) onto itself under one key.

    Args:
        key: 32 bytes.
        size: The number of values, 1 to 2^64.
    """

    def __init__(self, key: bytes, size: int) -> None:
        self._key = key
        self._size = size
        self._bits = (size - 1).bit_length()

    def apply(self, numbers: Words) -> Words:
        """Replace every number by its pseudonym.

        Args:
            numbers: n numbers below the size.
        """
        if self._size < LEAST_VALUES:
            return self._table[numbers]
        result = self._turned(numbers)
        while (outside := np.flatnonzero(result > np.uint64(self._size - 1))).size:
            result[outside] = self._turned(result[outside])
        return result

    @cached_property
    def _table(self) -> Words:
        numbers = pc.cast(pa.array(np.arange(self._size)), pa.string())
        words = ColumnMac(self._key).words(Text.of(numbers))
        return np.lexsort((words[:, 0], words[:, 1])).astype(np.uint64)

    @cached_property
    def _cipher(self) -> FF1:
        return FF1(self._key, radix=2, length=self._bits)

    def _turned(self, numbers: Words) -> Words:
        shift = np.uint64(self._cipher.right)
        left, right = numbers >> shift, numbers & np.uint64((1 << self._cipher.right) - 1)
        self._cipher.halves(left, right)
        return (left << shift) | right
