"""Turn the 128 keyed bits of a value into draws, and draws into text.

The bits are used as four lanes of 32. Draws take a lane's upper bits, characters its lower ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_anonymizer.domain.columns import Bytes, Column, Ints, Offsets, Words, pc
from elute_anonymizer.domain.text import Strings, Text
from elute_wire.compiled import SLACK_BYTES, compiled, copy_words

Lanes: TypeAlias = npt.NDArray[np.uint32]

_LANE_BITS = np.uint64(32)
_LANE_MASK = np.uint64(2**32 - 1)

# Without l and o, which people mistake for 1 and 0; lower case, so that it survives a store that folds case.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_PAIRS = pa.array(["".join(pair) for pair in product(_ALPHABET, repeat=2)])


def lanes(words: Words) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Split n values of 128 bits into four arrays of n numbers of 32 bits."""
    split = words.view("<u4").reshape(-1, 4)
    return split[:, 0], split[:, 1], split[:, 2], split[:, 3]


def below(lane: Lanes, count: int) -> Ints:
    """Draw n numbers from [0, count), count at most 2^20.

    A power of two takes exactly the lane's upper bits; any other count favours no number by more than count / 2^32.
    """
    return ((lane.astype(np.uint64) * np.uint64(count)) >> _LANE_BITS).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Draw:
    """One word for each value.

    Attributes:
        words: The c words to choose from, no NULL.
        lane: The lane that the bits come from, 0 to 3.
        skipped: How many of the lane's upper bits are left to other draws.
        numbers: How many numbers are drawn from, at most 2^20; the number modulo c chooses the word.
    """

    words: Column
    lane: int
    skipped: int
    numbers: int


def one_of(words: Column, lane: int, *, before: str = "", after: str = "", numbers: int | None = None) -> Draw:
    """Draw a word by the upper bits of a lane, and put the same text before and after each."""
    whole = pc.binary_join_element_wise(before, words, after, "") if before or after else words
    return Draw(whole, lane, 0, len(words) if numbers is None else numbers)


def characters(lane: int, count: int) -> Iterator[Draw]:
    """Draw characters by the lower 5 x count bits of a lane, count even: two for every ten bits, the lowest first."""
    for place in range(0, 5 * count, 10):
        yield Draw(_PAIRS, lane, 32 - 10 - place, len(_PAIRS))


class Composer:
    """Writes the words of several draws one after the other."""

    def __init__(self, draws: Iterable[Draw]) -> None:
        parts = list(draws)
        sizes = [len(part.words) for part in parts]
        words = Text.of(pa.concat_arrays([part.words for part in parts]))
        firsts = np.cumsum([0, *sizes])
        self._tables = _Tables(
            lanes=np.array([part.lane for part in parts], np.uint64),
            skipped=np.array([part.skipped for part in parts], np.uint64),
            numbers=np.array([part.numbers for part in parts], np.uint64),
            sizes=np.array(sizes, np.uint64),
            firsts=firsts[:-1].astype(np.uint64),
            words=Strings(np.append(words.strings.data, np.zeros(SLACK_BYTES, np.uint8)), words.strings.offsets),
        )
        # In bytes.
        self._longest = int(np.maximum.reduceat(words.lengths, firsts[:-1]).sum())

    def texts(self, words: Words, values: Text) -> Column:
        """Write a text for every value with content; NULL stays NULL and '' stays ''.

        Args:
            words: The 128 bits of each value, an (n, 2) array.
            values: The n values.
        """
        offsets = np.zeros(len(values) + 1, np.int32)
        data = np.empty(len(values) * self._longest + SLACK_BYTES, np.uint8)
        end = _compose(words.view("<u4"), values.strings, self._tables, offsets, data)
        return values.replaced(data[:end], offsets)


class _Tables(NamedTuple):
    """The draws of a composer.

    Attributes:
        lanes: The lane of each of d draws.
        skipped: How many of its upper bits each draw leaves to others.
        numbers: How many numbers each draw has.
        sizes: How many words.
        firsts: Which word is its first, among the words of all draws.
        words: The words of all draws; with slack behind their bytes.
    """

    lanes: Words
    skipped: Words
    numbers: Words
    sizes: Words
    firsts: Words
    words: Strings


@compiled
def _compose(bits: Lanes, values: Strings, draws: _Tables, offsets: Offsets, data: Bytes) -> int:
    """Write the drawn words of n values.

    Args:
        bits: (n, 4): the lanes of each value.
        values: The values; one without content gets an empty text.
        draws: The draws, and their words.
        offsets: n + 1 positions, the first 0: gets where the texts end.
        data: n times as long as the longest text, and the slack behind it: gets the texts.

    Returns:
        Where the last text ends.
    """
    end = np.uint64(0)
    for row in range(len(bits)):
        if values.offsets[row] < values.offsets[row + 1]:
            for draw in range(len(draws.lanes)):
                # The numbers are those of `below`.
                lane = (np.uint64(bits[row, draws.lanes[draw]]) << draws.skipped[draw]) & _LANE_MASK
                number = (lane * draws.numbers[draw]) >> _LANE_BITS
                if number >= draws.sizes[draw]:
                    number %= draws.sizes[draw]
                word = draws.firsts[draw] + number
                start = np.uint64(draws.words.offsets[word])
                count = np.uint64(draws.words.offsets[word + np.uint64(1)]) - start
                copy_words(draws.words.data, start, data, end, count)
                end += count
        offsets[row + 1] = end
    return int(end)
