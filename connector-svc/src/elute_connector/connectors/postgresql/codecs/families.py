"""Which types a step or technique can touch, and how each is read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from elute_connector.connectors.postgresql.codecs.buffers import (
    Values,
    big_endian,
    boolean_array,
    fixed_width_array,
)
from elute_connector.connectors.postgresql.codecs.decimals import encode_numeric
from elute_connector.connectors.postgresql.codecs.moments import (
    decode_date,
    decode_time,
    decode_timestamp,
    decode_timestamptz,
    encode_date,
    encode_time,
    encode_timestamp,
)
from elute_connector.connectors.postgresql.codecs.texts import (
    encode_object_identifier,
    encode_padded_text,
    encode_text,
    encode_uuid,
)
from elute_connector.domain.datatype import DataType, TypeKind, TypeOrigin
from elute_wire.schema import ARROW_TYPES, LogicalType


class Framing(StrEnum):
    """What goes before a field's bytes in the binary format."""

    PLAIN = "plain"
    JSONB = "jsonb"
    """The version byte of `jsonb`."""


def _as_it_is(fields: Values) -> Values:
    return fields


def _as_text(fields: Values) -> Values:
    return pa.Array.from_buffers(pa.string(), len(fields), fields.buffers(), fields.null_count, fields.offset)


def _as_boolean(fields: Values) -> Values:
    return boolean_array(big_endian(fields, "u1"), fields)


def _same_bytes(values: Values, _target: DataType) -> Values:
    return values


@dataclass(frozen=True, slots=True)
class Codec:
    """How the values of a family of types travel in the typed lane.

    Attributes:
        logical: What the values mean.
        decode: Turns the fields that the source sends, a binary array, into the logical type's Arrow array.
        expression: What the source selects of `{}`, the column as its base type.
        encode: Turns the logical type's Arrow array into `carrier`, whose binary encoding is the field's.
        carrier: The Arrow type that `encode` yields.
        framing: What goes before the field's bytes.
    """

    logical: LogicalType
    decode: Callable[[Values], Values] = _as_it_is
    expression: str = "{}"
    encode: Callable[[Values, DataType], Values] = _same_bytes
    carrier: pa.DataType | None = None
    framing: Framing = Framing.PLAIN

    @property
    def carrier_type(self) -> pa.DataType:
        """The Arrow type that `encode` yields: the logical type's own unless another is named."""
        return self.carrier if self.carrier is not None else ARROW_TYPES[self.logical]


def _as_number(logical: LogicalType, dtype: str) -> Codec:
    def decode(fields: Values) -> Values:
        return fixed_width_array(big_endian(fields, dtype), ARROW_TYPES[logical], fields)

    return Codec(logical, decode)


def _as_wide_number(fields: Values) -> Values:
    return fixed_width_array(big_endian(fields, "u4").astype(np.int64), pa.int64(), fields)


OUTPUT_TEXT = "CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {0}) END"
"""Exactly the text of a value's output function. A cast to text is not: it cuts `character(n)` and turns `bool` into
words. The NULL test is one of the value itself, so a composite whose attributes are all NULL stays one."""

_TEXT = Codec(LogicalType.TEXT, _as_text, "{}::text", encode_text)

_BUILTIN: Mapping[str, Codec] = {
    "bool": Codec(LogicalType.BOOLEAN, _as_boolean),
    "int2": _as_number(LogicalType.INT16, "i2"),
    "int4": _as_number(LogicalType.INT32, "i4"),
    "int8": _as_number(LogicalType.INT64, "i8"),
    "oid": Codec(LogicalType.INT64, _as_wide_number, encode=encode_object_identifier, carrier=pa.int32()),
    "float4": _as_number(LogicalType.FLOAT32, "f4"),
    "float8": _as_number(LogicalType.FLOAT64, "f8"),
    "numeric": Codec(LogicalType.DECIMAL, _as_text, "{}::text", encode_numeric, pa.binary()),
    "text": _TEXT,
    "varchar": _TEXT,
    "name": _TEXT,
    "bpchar": Codec(LogicalType.TEXT, _as_text, "{}::text", encode_padded_text),
    # The output function leaves out a declared encoding, which the reading server would believe.
    "xml": Codec(LogicalType.TEXT, _as_text, OUTPUT_TEXT),
    "json": Codec(LogicalType.JSON, _as_text, "{}::text"),
    "jsonb": Codec(LogicalType.JSON, _as_text, "{}::text", framing=Framing.JSONB),
    "uuid": Codec(LogicalType.UUID, _as_text, "{}::text", encode_uuid, pa.binary(16)),
    "bytea": Codec(LogicalType.BINARY),
    "date": Codec(LogicalType.DATE, decode_date, encode=encode_date, carrier=pa.int32()),
    "time": Codec(LogicalType.TIME, decode_time, encode=encode_time, carrier=pa.int64()),
    "timestamp": Codec(LogicalType.TIMESTAMP, decode_timestamp, encode=encode_timestamp, carrier=pa.int64()),
    "timestamptz": Codec(LogicalType.TIMESTAMP_TZ, decode_timestamptz, encode=encode_timestamp, carrier=pa.int64()),
}

_EXTENSIONS: Mapping[tuple[str, str], Codec] = {("citext", "citext"): _TEXT}
"""Codecs of extensions' types, by extension and type."""


def codec_of(data_type: DataType) -> Codec | None:
    """Answer how a type is read and written in the typed lane, None where it is not; a domain as what it is over."""
    base = data_type.base
    if base.kind is TypeKind.ENUM:
        return _TEXT
    if base.kind is not TypeKind.BASE:
        return None
    if base.origin is TypeOrigin.EXTENSION:
        return _EXTENSIONS.get((base.extension or "", base.name))
    return _BUILTIN.get(base.name) if base.origin is TypeOrigin.BUILTIN else None


def logical_of(data_type: DataType) -> LogicalType:
    """Answer what a type's values mean; OPAQUE where nothing but keeping and nulling is possible."""
    codec = codec_of(data_type)
    return codec.logical if codec else LogicalType.OPAQUE
