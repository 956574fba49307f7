"""Turn the 128 keyed bits of a value into draws, numbers and characters.

The bits are used as four lanes of 32. Draws take a lane's upper bits, characters its lower ones.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_anonymizer.domain.columns import Bytes, Column, Ints, Words, pc

Lane: TypeAlias = npt.NDArray[np.uint32]

SUFFIX_CHARACTERS = 20
"""Characters of `suffix`, five keyed bits each."""

# Without l and o, which people mistake for 1 and 0; lower case, so that it survives a store that folds case.
_ALPHABET = np.frombuffer(b"abcdefghijkmnpqrstuvwxyz23456789", np.uint8)

# Two characters for every ten bits: one look-up writes both.
_PAIRS = np.stack([np.repeat(_ALPHABET, 32), np.tile(_ALPHABET, 32)], axis=1).view(np.uint16).ravel()


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


def digits(numbers: Ints, width: int) -> Bytes:
    """Write n numbers in decimal with leading zeros, an (n, width) array of ASCII codes."""
    codes = np.empty((len(numbers), width), np.uint8)
    for place in range(width - 1, -1, -1):
        rest = numbers // 10
        codes[:, place] = numbers - rest * 10 + ord("0")
        numbers = rest
    return codes


def suffix(words: Words) -> Bytes:
    """Write the lower 20 bits of lanes 0 and 1 and the lower 30 of lanes 2 and 3 as an (n, 20) array of ASCII codes.

    Beside draws of a 4096th from lane 0 and an 8192nd from lane 1, which use their upper bits, 124 of a value's 128
    bits are in the output.
    """
    first, second, third, fourth = lanes(words)
    return characters((first, 4), (second, 4), (third, 6), (fourth, 6))


def characters(*parts: tuple[Lane, int]) -> Bytes:
    """Write the lower 5 x count bits of every lane's numbers, count even, as one array of ASCII codes."""
    pairs = np.empty((len(parts[0][0]), sum(count for _, count in parts) // 2), np.uint16)
    column = 0
    for lane, count in parts:
        bits = lane.astype(np.int64)
        for place in range(0, 5 * count, 10):
            pairs[:, column] = _PAIRS.take((bits >> place) & 1023)
            column += 1
    return pairs.view(np.uint8)


def enclosed(before: str, rows: Bytes, after: str) -> Bytes:
    """Put ASCII texts before and after every row of an (n, w) array of ASCII codes."""
    count, width = rows.shape
    start = len(before)
    longer = np.empty((count, start + width + len(after)), np.uint8)
    longer[:, :start] = np.frombuffer(before.encode(), np.uint8)
    longer[:, start : start + width] = rows
    longer[:, start + width :] = np.frombuffer(after.encode(), np.uint8)
    return longer


def joined(separator: str, *parts: Column | str) -> Column:
    """Join n rows of parts."""
    return pc.binary_join_element_wise(*parts, separator)
