"""Columns of strings as flat arrays, which compiled loops and numpy work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_anonymizer.domain.columns import Bytes, Column, Offsets, pc

_Number = TypeVar("_Number", np.uint8, np.int32)


class Strings(NamedTuple):
    """n strings as compiled functions take them.

    Attributes:
        data: The bytes that the strings lie in, read only, as Arrow holds them.
        offsets: Where each string begins in `data`, and where the last one ends: n + 1 ascending positions, read only.
    """

    data: Bytes
    offsets: Offsets


@dataclass(frozen=True, slots=True)
class Text:
    """n strings; a NULL is empty.

    Attributes:
        strings: Their bytes, which nobody copied.
        validity: Arrow's bitmap of the strings that are not NULL; None where none is.
    """

    strings: Strings
    validity: pa.Buffer | None = None

    @classmethod
    def of(cls, values: Column) -> Text:
        """Look at a string array.

        Args:
            values: n strings, nulls allowed.
        """
        if len(values) == 0:
            # An empty array that came over a wire may have no offsets at all.
            return cls(Strings(_read_only(np.zeros(0, np.uint8)), _read_only(np.zeros(1, np.int32))))
        validity = None
        if values.null_count:
            validity = pc.is_valid(values).buffers()[1]
            values = pc.fill_null(values, "")
        _, offset_buffer, data_buffer = values.buffers()
        offsets = np.frombuffer(offset_buffer, np.int32, len(values) + 1, 4 * values.offset)
        return cls(Strings(_read_only(np.frombuffer(data_buffer, np.uint8)), _read_only(offsets)), validity)

    def __len__(self) -> int:
        return len(self.strings.offsets) - 1

    @property
    def lengths(self) -> Offsets:
        """The bytes of each string, n counts."""
        return np.diff(self.strings.offsets)

    def replaced(self, data: Bytes, offsets: Offsets) -> Column:
        """Build n other strings, NULL where these are.

        Args:
            data: Their bytes.
            offsets: n + 1 positions in them.
        """
        return _strings(offsets, data, self.validity)


def fixed_width(rows: Bytes) -> Column:
    """Build n strings of w bytes each from an (n, w) matrix."""
    count, width = rows.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return _strings(offsets, np.ascontiguousarray(rows))


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


def _strings(offsets: Offsets, data: Bytes, validity: pa.Buffer | None = None) -> Column:
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets.data), pa.py_buffer(data.data), validity)


def _read_only(array: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Forbid writing to an array, whoever made it: compiled code knows arrays with and without as two types."""
    array.flags.writeable = False
    return array
