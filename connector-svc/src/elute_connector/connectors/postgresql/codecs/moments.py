"""Dates and times: PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01, and infinity must survive.

Source: PostgreSQL's `date_send`, `time_send` and `timestamp_send` (src/backend/utils/adt/date.c, timestamp.c):
big-endian days (int32) or microseconds (int64), whose extreme values are the infinities.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_connector.connectors.postgresql.codecs.buffers import (
    Ints,
    Values,
    big_endian,
    fixed_width_array,
    raw_integers,
    refuse_where,
)
from elute_connector.domain.datatype import DataType

_EPOCH_DAYS = 10_957
_EPOCH_MICROSECONDS = _EPOCH_DAYS * 86_400_000_000


def decode_date(array: Values) -> Values:
    """Read the bytes of `date_send` as days since 1970."""
    return fixed_width_array(
        _later(big_endian(array, "i4").astype(np.int64), array, _EPOCH_DAYS, np.int32), pa.date32(), array
    )


def decode_time(array: Values) -> Values:
    """Read the bytes of `time_send` as microseconds since midnight; 24:00 is the last."""
    return fixed_width_array(big_endian(array, "i8"), pa.time64("us"), array)


def decode_timestamp(array: Values) -> Values:
    """Read the bytes of `timestamp_send` as microseconds since 1970."""
    values = _later(big_endian(array, "i8"), array, _EPOCH_MICROSECONDS, np.int64)
    return fixed_width_array(values, pa.timestamp("us"), array)


def decode_timestamptz(array: Values) -> Values:
    """Read the bytes of `timestamptz_send` as microseconds since 1970 in UTC."""
    values = _later(big_endian(array, "i8"), array, _EPOCH_MICROSECONDS, np.int64)
    return fixed_width_array(values, pa.timestamp("us", "UTC"), array)


def encode_date(array: Values, _target: DataType) -> Values:
    """Write days since 1970 as `date_recv` counts them."""
    return fixed_width_array(_earlier(array, _EPOCH_DAYS, np.int32), pa.int32(), array)


def encode_time(array: Values, target: DataType) -> Values:
    """Write microseconds since midnight; more digits than the target keeps are refused."""
    values = raw_integers(array)
    _refuse_finer(values, array, target)
    return fixed_width_array(values, pa.int64(), array)


def encode_timestamp(array: Values, target: DataType) -> Values:
    """Write microseconds since 1970 as `timestamp_recv` counts them; finer ones than the target keeps are refused."""
    _refuse_finer(raw_integers(array), array, target)
    return fixed_width_array(_earlier(array, _EPOCH_MICROSECONDS, np.int64), pa.int64(), array)


def _later(values: Ints, array: Values, epoch: int, dtype: type[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
    """Count from 1970 what PostgreSQL counts from 2000; the infinities stay the extreme values."""
    extremes = np.iinfo(dtype)
    high, low = values == extremes.max, values == extremes.min
    refuse_where((values >= extremes.max - epoch) & ~high, array, "the moment is after Arrow's last")
    return (values + np.where(high | low, 0, epoch)).astype(dtype)


def _earlier(array: Values, epoch: int, dtype: type[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
    """Count from 2000 what Arrow counts from 1970; the extreme values stay the infinities."""
    values = raw_integers(array)
    extremes = np.iinfo(dtype)
    high, low = values == extremes.max, values == extremes.min
    refuse_where((values <= extremes.min + epoch) & ~low, array, "the moment is before PostgreSQL's first")
    return (values - np.where(high | low, 0, epoch)).astype(dtype)


def _refuse_finer(values: Ints, array: Values, target: DataType) -> None:
    """Refuse moments that the target would round; its modifier is the number of decimal places of a second."""
    digits = target.base.typmod
    if not 0 <= digits < 6:
        return
    extremes = np.iinfo(np.int64)
    infinite = (values == extremes.max) | (values == extremes.min)
    finer = (values % 10 ** (6 - digits) != 0) & ~infinite
    refuse_where(finer, array, f"the moment is finer than {target.base.formatted}")
