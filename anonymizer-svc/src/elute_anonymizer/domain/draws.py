"""Turn the 128 keyed bits of a value into draws, numbers and characters.

The bits are used as four lanes of 32. Draws take a lane's upper bits, characters its lower ones.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_anonymizer.domain.columns import Bytes, Column, Ints, Words, pc
from elute_anonymizer.domain.text import fixed_width

Lane: TypeAlias = npt.NDArray[np.uint32]

SUFFIX_CHARACTERS = 19
"""Characters of `suffix`, five keyed bits each: 95 bits."""

# Without l and o, which people mistake for 1 and 0; lower case, so that it survives a store that folds case.
_ALPHABET = np.frombuffer(b"abcdefghijkmnpqrstuvwxyz23456789", np.uint8)


def lanes(words: Words) -> tuple[Lane, Lane, Lane, Lane]:
    """Split n values of 128 bits into four arrays of n numbers of 32 bits."""
    split = words.view("<u4").reshape(-1, 4)
    return split[:, 0], split[:, 1], split[:, 2], split[:, 3]


def below(lane: Lane, count: int) -> Ints:
    """Draw n numbers from [0, count), count at most 2^20.

    A power of two takes exactly the lane's upper bits; any other count favours no number by more than count / 2^32.
    """
    return ((lane.astype(np.uint64) * np.uint64(count)) >> np.uint64(32)).astype(np.int64)


def pick(pool: Column, lane: Lane) -> Column:
    """Draw n strings from a pool."""
    return pool.take(pa.array(below(lane, len(pool))))


def digits(numbers: Ints, width: int) -> Column:
    """Write n numbers in decimal with leading zeros."""
    places = 10 ** np.arange(width - 1, -1, -1)
    return fixed_width((numbers[:, None] // places % 10 + ord("0")).astype(np.uint8))


def suffix(words: Words) -> Column:
    """Write 95 of each value's bits: all but the upper 12 bits of lane 0 and the upper 13 of lane 1."""
    first, second, third, fourth = lanes(words)
    parts = [characters(lane, count) for lane, count in ((first, 4), (second, 3), (third, 6), (fourth, 6))]
    return fixed_width(np.concatenate(parts, axis=1))


def characters(lane: Lane, count: int) -> Bytes:
    """Write the lower 5 x count bits of each number as an (n, count) array of ASCII codes."""
    shifts = np.arange(0, 5 * count, 5, dtype=np.uint32)
    written: Bytes = _ALPHABET[(lane[:, None] >> shifts) & np.uint32(31)]
    return written


def joined(separator: str, *parts: Column | str) -> Column:
    """Join n rows of parts."""
    return pc.binary_join_element_wise(*parts, separator)
