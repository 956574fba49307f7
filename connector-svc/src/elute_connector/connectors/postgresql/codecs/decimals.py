"""`numeric`: canonical decimal text of any length, written in the base-10000 digits of PostgreSQL's binary format.

Source: PostgreSQL's `numeric_recv` (src/backend/utils/adt/numeric.c): four 16-bit big-endian numbers (count of
digit groups, weight of the first group, sign, scale), then the groups, which are aligned on the decimal point. The
server drops leading and trailing zero groups itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from elute_connector.connectors.postgresql.codecs.buffers import (
    Bytes,
    Ints,
    Mask,
    Values,
    among_all,
    binary_array,
    refuse_where,
    text_bytes,
)
from elute_connector.domain.datatype import DataType

_NEGATIVE = 0x4000
_SPECIAL = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}
_POWERS = np.array([1, 10, 100, 1000], np.uint16)
_HEADER_WORDS = 4
_LARGEST_SCALE = 16_383
"""The most decimal places that the format can say."""


class _Numbers(NamedTuple):
    """n numbers taken apart.

    Attributes:
        digit: Per byte of all texts its digit; 10 and more is a sign or a point.
        exponent: Per byte the power of ten that its digit counts.
        first: Per number the byte of its first digit.
        negative: Per number whether a sign stands before it.
        whole: Per number the count of digits before the point.
        places: Per number the count of digits after it.
    """

    digit: Bytes
    exponent: npt.NDArray[np.int32]
    first: Ints
    negative: Mask
    whole: Ints
    places: Ints


def encode_numeric(array: Values, target: DataType) -> Values:
    """Write canonical decimal texts as `numeric`.

    Raises:
        StoreDataRejected: A text is no canonical decimal, or has places that the target would round away.
    """
    texts = array.drop_null() if array.null_count else array
    is_special = pc.is_in(texts, value_set=pa.array(list(_SPECIAL)))
    any_special = bool(pc.any(is_special).as_py())
    numbers = _take_apart(pc.if_else(is_special, "0", texts) if any_special else texts, array)
    _refuse_rounding(numbers, target, array)
    groups_before = (numbers.whole + 3) // 4
    counts = groups_before + (numbers.places + 3) // 4
    lengths = counts + _HEADER_WORDS
    words = np.empty(int(lengths.sum()), ">u2")
    heads = np.cumsum(lengths) - lengths
    is_group = np.ones(len(words), np.bool_)
    for place in range(_HEADER_WORDS):
        is_group[heads + place] = False
    words[is_group] = _groups(numbers)
    words[heads] = counts
    words[heads + 1] = (groups_before - 1).astype(np.int16).view(np.uint16)
    words[heads + 2] = np.where(numbers.negative, _NEGATIVE, 0)
    words[heads + 3] = numbers.places
    if any_special:
        for text, sign in _SPECIAL.items():
            words[heads[np.asarray(pc.equal(texts, pa.scalar(text)))] + 2] = sign
    return binary_array(words.view(np.uint8), lengths * 2, array)


def _take_apart(texts: Values, array: Values) -> _Numbers:
    """Find sign, point and digits of n texts without a NULL; `array` is what to name ordinals in."""
    data, offsets = text_bytes(texts)
    starts, ends = offsets[:-1], offsets[1:]
    filled = ends > starts
    negative = np.zeros(len(texts), np.bool_)
    negative[filled] = data[starts[filled]] == ord("-")
    points = np.flatnonzero(data == ord("."))
    owners = np.searchsorted(ends, points, side="right")
    point = ends.copy()
    point[owners] = points
    first = starts + negative
    whole, places = point - first, np.maximum(ends - point - 1, 0)
    digit = data - np.uint8(ord("0"))
    # Each byte is a digit, the one sign or the one point of its number.
    strange = np.bincount(np.searchsorted(ends, np.flatnonzero(digit > 9), side="right"), minlength=len(texts))
    malformed = (strange != negative.astype(np.int64) + (point < ends)) | (whole < 1) | (places > _LARGEST_SCALE)
    refuse_where(among_all(malformed, array), array, "the text is no canonical decimal number")
    each = np.repeat(point.astype(np.int32), offsets[1:] - offsets[:-1])
    position = np.arange(len(data), dtype=np.int32)
    exponent = each - position - (position < each)
    return _Numbers(digit, exponent, first, negative, whole, places)


def _groups(numbers: _Numbers) -> npt.NDArray[np.uint16]:
    """Sum the digits of all numbers in groups of four, counted from each number's point."""
    is_digit = numbers.digit <= 9
    place = numbers.exponent & 3
    begins = place == 3
    begins[numbers.first] = True
    begins &= is_digit
    weighted = np.where(is_digit, numbers.digit, np.uint8(0)) * _POWERS[place]
    starts = np.flatnonzero(begins)
    return np.add.reduceat(weighted, starts, dtype=np.uint16) if len(starts) else np.empty(0, np.uint16)


def _refuse_rounding(numbers: _Numbers, target: DataType, array: Values) -> None:
    """Refuse numbers with a digit below the last that the target's modifier keeps."""
    typmod = target.base.typmod
    if typmod < 0:
        return
    # The low 11 bits of the modifier are the scale, signed since version 15.
    scale = ((typmod - 4 & 0x7FF) ^ 0x400) - 0x400
    if scale >= 0 and (len(numbers.places) == 0 or int(numbers.places.max()) <= scale):
        return
    lost = np.flatnonzero((numbers.exponent < -scale) & (numbers.digit > 0) & (numbers.digit <= 9))
    bad = np.zeros(len(numbers.places), np.bool_)
    bad[np.searchsorted(numbers.first, lost, side="right") - 1] = True
    refuse_where(among_all(bad, array), array, f"the number has more places than {target.base.formatted} keeps")
