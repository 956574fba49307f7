"""Values of logical types as text that PostgreSQL's input functions read back exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elute_connector.connectors.postgresql.codecs.buffers import Ints, Values, raw_integers, validity
from elute_wire.schema import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    TIMESTAMP_INFINITY,
    TIMESTAMP_MINUS_INFINITY,
    LogicalType,
)

_DAY_MICROSECONDS = 86_400_000_000
_JULIAN_DAY_OF_1970 = 2_440_588


def input_text(values: Values, logical: LogicalType) -> Values:
    """Write n values as n texts; NULL stays NULL."""
    return _WRITERS.get(logical, _cast)(values)


def _cast(values: Values) -> Values:
    return values.cast(pa.string())


def _hex(values: Values) -> Values:
    # A dataset comes this way only beside a column that has no binary format: not worth a loop in numpy.
    return pa.array([None if value is None else f"\\x{value.hex()}" for value in values.to_pylist()], pa.string())


def _time(values: Values) -> Values:
    return _with_nulls_of(values, _clock(raw_integers(values)))


def _date(values: Values) -> Values:
    days = raw_integers(values)
    return _with_nulls_of(values, _bounded(days, _julian(days), DATE_INFINITY, DATE_MINUS_INFINITY))


def _timestamp(values: Values) -> Values:
    # Without a zone: a session of ours is pinned to UTC, and no zone is read beside an infinity.
    moments = raw_integers(values)
    days, rest = np.divmod(moments, _DAY_MICROSECONDS)
    texts = pc.binary_join_element_wise(_julian(days), _clock(rest), pa.scalar(" "))
    return _with_nulls_of(values, _bounded(moments, texts, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY))


def _julian(days: Ints) -> Values:
    """Days since 1970 as Julian days (`J2451545`): neither an era nor a year of five digits troubles them."""
    return pc.binary_join_element_wise(pa.scalar("J"), _cast(pa.array(days + _JULIAN_DAY_OF_1970)), pa.scalar(""))


def _clock(microseconds: Ints) -> Values:
    """Microseconds since midnight as `HH:MM:SS.ffffff`, up to 24:00:00, which no formatter of Arrow's writes."""
    seconds, fraction = np.divmod(microseconds, 1_000_000)
    parts = [_digits(part, 2) for part in (seconds // 3600, seconds // 60 % 60, seconds % 60)]
    clock = pc.binary_join_element_wise(*parts, pa.scalar(":"))
    return pc.binary_join_element_wise(clock, _digits(fraction, 6), pa.scalar("."))


def _digits(numbers: Ints, width: int) -> Values:
    return pc.utf8_lpad(_cast(pa.array(numbers)), width, "0")


def _bounded(numbers: Ints, texts: Values, infinity: int, minus_infinity: int) -> Values:
    texts = pc.if_else(pa.array(numbers == infinity), pa.scalar("infinity"), texts)
    return pc.if_else(pa.array(numbers == minus_infinity), pa.scalar("-infinity"), texts)


def _with_nulls_of(values: Values, texts: Values) -> Values:
    return pc.if_else(pa.array(validity(values)), texts, pa.scalar(None, pa.string())) if values.null_count else texts


_WRITERS: Mapping[LogicalType, Callable[[Values], Values]] = {
    LogicalType.BINARY: _hex,
    LogicalType.DATE: _date,
    LogicalType.TIME: _time,
    LogicalType.TIMESTAMP: _timestamp,
    LogicalType.TIMESTAMP_TZ: _timestamp,
}
