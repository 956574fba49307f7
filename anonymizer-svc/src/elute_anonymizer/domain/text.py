"""Columns of strings as flat bytes, so that numpy works on all rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_anonymizer.domain.aes import BLOCK
from elute_anonymizer.domain.columns import Bytes, Column, Ints, pc


@dataclass(frozen=True, slots=True)
class Text:
    """n strings; a NULL is empty.

    Attributes:
        data: All bytes, followed by `BLOCK` zero bytes, so that a cipher may read blocks past the end.
        starts: Where each string begins, n positions in `data`.
        lengths: The bytes of each string, n counts.
    """

    data: Bytes
    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, values: Column) -> Text:
        """Copy a string array's bytes.

        Args:
            values: n strings, nulls allowed.
        """
        if values.null_count:
            values = pc.fill_null(values, "")
        if len(values) == 0:
            # An empty array that came over a wire may have no offsets at all.
            return cls(np.zeros(BLOCK, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
        _, offset_buffer, data_buffer = values.buffers()
        offsets = np.frombuffer(memoryview(offset_buffer), np.int32, len(values) + 1, 4 * values.offset).astype(
            np.int64
        )
        size = int(offsets[-1] - offsets[0])
        data = np.zeros(size + BLOCK, np.uint8)
        if size:
            data[:size] = np.frombuffer(memoryview(data_buffer), np.uint8, size, int(offsets[0]))
        return cls(data, offsets[:-1] - offsets[0], np.diff(offsets))

    def with_data(self, data: Bytes) -> Column:
        """Build strings of the same lengths from other bytes (at least as many as the strings have)."""
        offsets = np.zeros(len(self.lengths) + 1, np.int32)
        np.cumsum(self.lengths, out=offsets[1:])
        return _strings(offsets, data)


def fixed_width(rows: Bytes) -> Column:
    """Build n strings of w bytes each from an (n, w) matrix."""
    count, width = rows.shape
    return _strings(np.arange(0, (count + 1) * width, width, dtype=np.int32), rows)


def where_filled(values: Column, result: Column) -> Column:
    """Return `result` where a string of `values` has content; NULL stays NULL and '' stays ''.

    Args:
        values: n strings, nulls allowed.
        result: n strings.
    """
    lengths = pc.binary_length(values)
    if values.null_count == 0 and len(values) and pc.min(lengths).as_py() > 0:
        return result
    # A NULL length makes a NULL condition, which if_else turns into the NULL that we want.
    return pc.if_else(pc.greater(lengths, 0), result, "")


def _strings(offsets: npt.NDArray[np.int32], data: Bytes) -> Column:
    content = np.ascontiguousarray(data).ravel()
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets.data), pa.py_buffer(content.data))
