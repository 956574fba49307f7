"""Dates and timestamps as 64-bit numbers, with the range that techniques keep to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from elute_anonymizer.domain.columns import Column, pc
from elute_wire.schema import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    TIMESTAMP_INFINITY,
    TIMESTAMP_MINUS_INFINITY,
    LogicalType,
)

_DAY_MICROSECONDS = 86_400_000_000

# 4714-11-24 BC, the first day of PostgreSQL's types, in days since 1970.
_FIRST_DAY = -2_440_588


@dataclass(frozen=True, slots=True)
class Limits:
    """The finite values of a type.

    Attributes:
        day: Units per day: 1, or the microseconds of a day.
        least: The first value that PostgreSQL's type holds.
        greatest: The last value that fits both PostgreSQL's type and Arrow's.
        infinities: The two values that stand for infinity.
    """

    day: int
    least: int
    greatest: int
    infinities: tuple[int, int]


_TIMESTAMP = Limits(
    _DAY_MICROSECONDS, _FIRST_DAY * _DAY_MICROSECONDS, 2**63 - 2, (TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY)
)

LIMITS: Mapping[LogicalType, Limits] = {
    # The last day is 5874897-12-31.
    LogicalType.DATE: Limits(1, _FIRST_DAY, 2_145_042_905, (DATE_INFINITY, DATE_MINUS_INFINITY)),
    LogicalType.TIMESTAMP: _TIMESTAMP,
    LogicalType.TIMESTAMP_TZ: _TIMESTAMP,
}


def numbers(values: Column) -> npt.NDArray[np.int64]:
    """Read n dates (days) or timestamps (microseconds) since 1970; NULL is 0."""
    width = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
    filled: npt.NDArray[np.int64] = pc.fill_null(values.view(width), 0).to_numpy().astype(np.int64)
    return filled


def with_numbers(values: Column, replaced: npt.NDArray[np.int64]) -> Column:
    """Build an array of the type and with the NULLs of `values` from n other numbers."""
    mask = pc.is_null(values).to_numpy(zero_copy_only=False)
    if pa.types.is_date32(values.type):
        return pa.array(replaced.astype(np.int32), mask=mask).view(values.type)
    return pa.array(replaced, mask=mask).view(values.type)
