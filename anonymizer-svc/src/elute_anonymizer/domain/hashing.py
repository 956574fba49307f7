"""HMAC-SHA-256 of a column, in Rust.

Source:
    RFC 2104, FIPS 180-4.
"""

from __future__ import annotations

import numpy as np

from elute_anonymizer.domain.columns import Bytes, Column

_HEX_DIGITS = 64


def hmac_sha256(key: bytes, values: Column) -> Bytes:
    """Compute the HMAC of every value.

    Args:
        key: 32 bytes. The plugin takes its key as text, so its 64 hexadecimal digits are the HMAC key.
        values: n strings; a NULL counts as ''.

    Returns:
        The 64 lower-case hexadecimal digits of each, an (n, 64) array of ASCII codes.
    """
    import polars as pl  # noqa: PLC0415 - 26 MiB that only tokens need
    import polars_hash  # noqa: PLC0415

    column = pl.Series("value", pl.from_arrow(values)).fill_null("")
    digests = column.to_frame().select(polars_hash.col("value").chash.hmac_sha256(key=key.hex())).to_series()
    arrow: Column = digests.to_arrow(compat_level=pl.CompatLevel.oldest())
    digits: Bytes = np.frombuffer(memoryview(arrow.buffers()[2]), np.uint8)
    start = arrow.offset * _HEX_DIGITS
    return digits[start : start + len(values) * _HEX_DIGITS].reshape(-1, _HEX_DIGITS)
