"""Arrow buffers seen as numpy arrays, without copying, and put back together."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from elute_wire.errors import InternalFault, Place, StoreDataRejected

Ints: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Values: TypeAlias = Any
"""A `pa.Array`. Its published stubs know too few of the kernels' overloads to be of help here."""
Mask: TypeAlias = npt.NDArray[np.bool_]


def text_bytes(array: Values) -> tuple[Bytes, Ints]:
    """See a string or binary array (32-bit offsets) as its bytes.

    Returns:
        The bytes of the n values, and n + 1 offsets into them that start at 0.
    """
    _, offset_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offset_buffer is None or data_buffer is None:
        return np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64)
    offsets = np.frombuffer(memoryview(offset_buffer), np.int32, len(array) + 1, array.offset * 4).astype(np.int64)
    data = np.frombuffer(memoryview(data_buffer), np.uint8)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]


def validity(array: Values) -> Mask:
    """Which of the n values are not NULL."""
    valid: Mask = np.asarray(pc.is_valid(array))
    return valid


def binary_array(data: Bytes, lengths: Ints, like: Values) -> Values:
    """Build a binary array of the bytes of those values of `like` that are not NULL, with its NULLs.

    Args:
        data: The bytes of the m values, one after the other.
        lengths: Their m lengths.
        like: n values of which m are not NULL.
    """
    rows = np.zeros(len(like) + 1, np.int32)
    if like.null_count == 0:
        np.cumsum(lengths, out=rows[1:])
        return pa.Array.from_buffers(pa.binary(), len(like), [None, as_buffer(rows), as_buffer(data)])
    valid = validity(like)
    rows[1:][valid] = lengths
    np.cumsum(rows, out=rows)
    bitmap = _bitmap(valid)
    return pa.Array.from_buffers(pa.binary(), len(like), [bitmap, as_buffer(rows), as_buffer(data)])


def big_endian(array: Values, dtype: str) -> npt.NDArray[Any]:
    """Read the n fields of a binary array as numbers, NULL as 0.

    Args:
        array: Fields of one width.
        dtype: numpy's name of that number without its byte order, for example `i4`.

    Returns:
        The numbers in this machine's byte order.
    """
    data, _ = text_bytes(array)
    kind = np.dtype(dtype)
    if len(data) != kind.itemsize * (len(array) - array.null_count):
        raise InternalFault(f"decoding a field of {kind.itemsize} bytes: the source sent another width")
    found = data.view(kind.newbyteorder(">")).astype(kind)
    if array.null_count == 0:
        return found
    values = np.zeros(len(array), kind)
    values[validity(array)] = found
    return values


def fixed_width_array(values: npt.NDArray[np.generic], kind: pa.DataType, like: Values) -> Values:
    """Build an array of a fixed-width type from the n raw values, with the NULLs of `like`."""
    return pa.Array.from_buffers(kind, len(like), [_nulls_of(like), as_buffer(values)])


def boolean_array(flags: Bytes, like: Values) -> Values:
    """Build an array of booleans from n bytes of which 0 is false, with the NULLs of `like`."""
    return pa.Array.from_buffers(pa.bool_(), len(like), [_nulls_of(like), _bitmap(flags != 0)])


def raw_integers(array: Values) -> Ints:
    """See an array of 16-, 32- or 64-bit integers, days or microseconds as n numbers; NULLs are any number."""
    width = array.type.bit_width // 8
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.empty(0, np.int64)
    dtype = np.dtype(f"i{width}")
    return np.frombuffer(memoryview(buffer), dtype, len(array), array.offset * width).astype(np.int64, copy=False)


def as_buffer(values: npt.NDArray[Any]) -> pa.Buffer:
    """See an array as an Arrow buffer."""
    return pa.py_buffer(np.ascontiguousarray(values).data)


def _nulls_of(array: Values) -> pa.Buffer | None:
    return None if array.null_count == 0 else _bitmap(validity(array))


def _bitmap(valid: Mask) -> pa.Buffer:
    return as_buffer(np.packbits(valid, bitorder="little"))


def among_all(flags: Mask, array: Values) -> Mask:
    """Put the flags of those of the n values that are not NULL at their places among all n."""
    if array.null_count == 0:
        return flags
    rows = np.zeros(len(array), np.bool_)
    rows[validity(array)] = flags
    return rows


def refuse_where(bad: Mask, array: Values, reason: str) -> None:
    """Refuse a batch in which a value that is not NULL is bad.

    Args:
        bad: n flags; those of NULLs do not count.
        array: The n values.
        reason: What is wrong, without any value: `the text is longer than varchar(10)`.

    Raises:
        StoreDataRejected: Names the ordinal of the first bad value within the batch.
    """
    found = np.flatnonzero(bad & validity(array) if array.null_count else bad)
    if len(found):
        raise StoreDataRejected(reason, place=Place(ordinal=int(found[0])))
