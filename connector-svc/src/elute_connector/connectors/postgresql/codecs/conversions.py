"""Conversions between logical types that keep the value, or fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow.compute as pc

from elute_connector.connectors.postgresql.codecs.buffers import Values, raw_integers, refuse_where
from elute_wire.schema import ARROW_TYPES, LogicalType

Conversion = Callable[[Values], Values]


def _cast(to: LogicalType) -> Conversion:
    def convert(values: Values) -> Values:
        return values.cast(ARROW_TYPES[to])

    return convert


def _narrow(to: LogicalType) -> Conversion:
    extremes = np.iinfo(to.value)

    def convert(values: Values) -> Values:
        numbers = raw_integers(values)
        refuse_where((numbers < extremes.min) | (numbers > extremes.max), values, f"the number does not fit {to.value}")
        return pc.cast(values, ARROW_TYPES[to], safe=False)

    return convert


_WHOLE = (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64)

CONVERSIONS: Mapping[tuple[LogicalType, LogicalType], Conversion] = {
    **{(small, large): _cast(large) for i, small in enumerate(_WHOLE) for large in _WHOLE[i + 1 :]},
    **{(large, small): _narrow(small) for i, small in enumerate(_WHOLE) for large in _WHOLE[i + 1 :]},
    **{(whole, LogicalType.DECIMAL): _cast(LogicalType.DECIMAL) for whole in _WHOLE},
    **{(whole, LogicalType.TEXT): _cast(LogicalType.TEXT) for whole in _WHOLE},
    (LogicalType.FLOAT32, LogicalType.FLOAT64): _cast(LogicalType.FLOAT64),
    **{
        (written, LogicalType.TEXT): _cast(LogicalType.TEXT)
        for written in (LogicalType.DECIMAL, LogicalType.UUID, LogicalType.JSON)
    },
}
"""What may follow from a difference between the source's and the target's type; every other difference is refused."""


def convert(values: Values, source: LogicalType, target: LogicalType) -> Values:
    """Convert values from one logical type to another, for which `CONVERSIONS` has an entry unless they are equal.

    Raises:
        StoreDataRejected: A value does not fit.
    """
    return values if source is target else CONVERSIONS[source, target](values)
