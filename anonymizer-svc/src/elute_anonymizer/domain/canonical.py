"""The canonical text of a value: what a pseudonym depends on, whatever type the value has.

bigint 42, numeric 42.00 and text '42' share one canonical form, and so share their pseudonym in a domain.
"""

from __future__ import annotations

import pyarrow as pa

from elute_anonymizer.domain.columns import Column, pc
from elute_wire.schema import LogicalType

CANONICAL_TYPES = frozenset(LogicalType) - {
    LogicalType.BINARY,
    LogicalType.OPAQUE,
    # Equal values of these have many texts: {"a": 1} and {"a":1}; 0.1 as four or as eight bytes.
    LogicalType.JSON,
    LogicalType.FLOAT32,
    LogicalType.FLOAT64,
}
"""The types that have a canonical form."""

_TRAILING_ZEROS = r"(?:\.0*|(\.\d*[1-9])0*)$"


def canonical(values: Column, logical: LogicalType) -> Column:
    """Write every value in its canonical form.

    Args:
        values: n values of the Arrow type that carries `logical`, nulls allowed.
        logical: What the values mean; one of `CANONICAL_TYPES`.

    Returns:
        n strings: integers in decimal, decimals without trailing zeros, UUIDs in lower case, dates and times as ISO
        8601 writes them, text as it is.
    """
    match logical:
        case LogicalType.TEXT:
            return values
        case LogicalType.UUID:
            return pc.ascii_lower(values)
        case LogicalType.DECIMAL:
            return pc.replace_substring_regex(values, _TRAILING_ZEROS, r"\1")
        case _:
            return pc.cast(values, pa.string())
