"""Texts, UUIDs and object identifiers: checked where the server would cut in silence, and else passed as they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elute_connector.connectors.postgresql.codecs.buffers import (
    Mask,
    Values,
    among_all,
    fixed_width_array,
    raw_integers,
    refuse_where,
    text_bytes,
    validity,
)
from elute_connector.domain.datatype import DataType

_TYPMOD_HEADER = 4
"""What PostgreSQL adds to the length of `varchar(n)` in its modifier (VARHDRSZ)."""

_LENGTH = 36
_HYPHENS = [8, 13, 18, 23]
_HEX_PLACES = [place for place in range(_LENGTH) if place not in _HYPHENS]
_NO_DIGIT = 255
_HEX_DIGITS = np.full(256, _NO_DIGIT, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _HEX_DIGITS[list(_digits)] = np.arange(16)


def encode_text(array: Values, target: DataType) -> Values:
    """Pass texts on; longer ones than the target's length are refused, blanks included.

    The server itself cuts trailing blanks that do not fit, without a word.
    """
    limit = target.base.typmod - _TYPMOD_HEADER
    if limit > 0:
        _, offsets = text_bytes(array)
        # As many bytes as characters at least: the characters are counted only where it can matter.
        if len(array) and int(np.diff(offsets).max()) > limit:
            longer = _flags(pc.greater(pc.utf8_length(array), pa.scalar(limit)))
            refuse_where(longer, array, f"the text is longer than {target.base.formatted}")
    return array


def encode_padded_text(array: Values, target: DataType) -> Values:
    """Pass texts on to `character(n)`, where trailing blanks are no part of a value: texts with them are refused."""
    blank = _flags(pc.ends_with(array, " "))
    refuse_where(blank, array, f"the text ends in blanks, which {target.base.formatted} does not keep")
    return encode_text(array, target)


def encode_uuid(array: Values, _target: DataType) -> Values:
    """Write UUIDs of 36 characters as their 16 bytes."""
    valid = array.drop_null()
    data, offsets = text_bytes(valid)
    reason = "the text is not a UUID of 36 characters"
    refuse_where(among_all(np.diff(offsets) != _LENGTH, array), array, reason)
    texts = data.reshape(-1, _LENGTH)
    nibbles = _HEX_DIGITS[texts[:, _HEX_PLACES]]
    malformed = (texts[:, _HYPHENS] != ord("-")).any(axis=1) | (nibbles == _NO_DIGIT).any(axis=1)
    refuse_where(among_all(malformed, array), array, reason)
    found = nibbles[:, 0::2] << 4 | nibbles[:, 1::2]
    rows = np.zeros((len(array), 16), np.uint8)
    rows[validity(array)] = found
    return fixed_width_array(rows, pa.binary(16), array)


def encode_object_identifier(array: Values, _target: DataType) -> Values:
    """Write numbers from 0 to 2^32 - 1 as `oid`."""
    values = raw_integers(array)
    refuse_where((values < 0) | (values >= 2**32), array, "the number is not an object identifier")
    return fixed_width_array(values.astype(np.uint32).view(np.int32), pa.int32(), array)


def _flags(values: Values) -> Mask:
    flags: Mask = np.asarray(values.fill_null(False))
    return flags
