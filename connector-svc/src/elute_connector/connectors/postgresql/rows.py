"""Rows on their way into `COPY … FROM STDIN`, in the two formats in which a dataset is written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import pgpq
import pyarrow as pa
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from pyarrow import csv

from elute_connector.connectors.postgresql.codecs.buffers import Values, text_bytes
from elute_connector.connectors.postgresql.codecs.conversions import convert
from elute_connector.connectors.postgresql.codecs.families import Codec, Framing, codec_of
from elute_connector.connectors.postgresql.codecs.inputs import input_text
from elute_connector.connectors.postgresql.copy_binary import CLOSING, OPENING, Layout
from elute_connector.connectors.postgresql.lanes import CopyFormat
from elute_connector.domain.datatype import DataType
from elute_wire.errors import EluteError, InternalFault, Place, StreamCorrupted
from elute_wire.schema import FieldFacts, Lane

_ROW_OF_NOTHING = b"\x00\x00"
"""A row of COPY's binary format begins with its number of fields; the encoder takes no batch without any."""


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """One column of the stream and the type that it is written to."""

    facts: FieldFacts
    type: DataType


class RowWriter(Protocol):
    """Turns record batches into the bytes of one COPY."""

    @property
    def format(self) -> Literal["binary", "csv"]:
        """COPY's name for what the bytes are; text in them is UTF-8."""

    def opening(self) -> bytes:
        """The bytes before the first row."""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of a batch; a part of them may wait for the next call.

        Raises:
            StoreDataRejected: A value does not fit its column; names the column and the ordinal within the batch.
        """

    def closing(self) -> bytes:
        """The bytes after the last row, and all that still waits."""


def row_writer(copy_format: CopyFormat, columns: Sequence[TargetColumn], layout: Layout = Layout.COLUMNS) -> RowWriter:
    """Make the writer of one COPY; its batches have exactly these columns in this order, or hold packed rows of them.

    Raises:
        StreamCorrupted: Packed rows are not to be written as text.
    """
    if layout is Layout.PACKED:
        if copy_format is CopyFormat.TEXT:
            raise StreamCorrupted("writing rows: they came packed, and the plan says text")
        return _PackedRows()
    return _BinaryRows(columns) if copy_format is CopyFormat.BINARY else _TextRows(columns)


class _PackedRows:
    """COPY's binary format, of rows that are in it already."""

    format: Literal["binary"] = "binary"

    def opening(self) -> bytes:
        return OPENING

    def rows(self, batch: pa.RecordBatch) -> bytes:
        data, _ = text_bytes(batch.column(0))
        # asyncpg sends anything that is like bytes: these are not copied.
        return cast("bytes", data.data)

    def closing(self) -> bytes:
        return CLOSING


class _BinaryRows:
    """COPY's binary format: wire-lane columns as the bytes that they are, typed ones encoded."""

    format: Literal["binary"] = "binary"

    def __init__(self, columns: Sequence[TargetColumn]) -> None:
        self._columns = [(column, _codec(column)) for column in columns]
        # A table may have columns of any name, some equal but for case: numbers name the encoder's fields.
        self._schema = pa.schema(
            [
                pa.field(str(place), codec.carrier_type if codec else pa.binary())
                for place, (_, codec) in enumerate(self._columns)
            ]
        )
        builders = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in self._schema}
        for field, (_, codec) in zip(self._schema, self._columns, strict=True):
            if codec and codec.framing is Framing.JSONB:
                builders[field.name] = StringEncoderBuilder.new_with_output(field, Jsonb())
        self._encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(self._schema, builders)

    def opening(self) -> bytes:
        return self._encoder.write_header()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        arrays = [
            _encoded(column, codec, values) if codec else values
            for (column, codec), values in zip(self._columns, batch.columns, strict=True)
        ]
        if not arrays:
            return _ROW_OF_NOTHING * batch.num_rows
        return self._encoder.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def closing(self) -> bytes:
        return self._encoder.finish()


class _TextRows:
    """COPY's csv format: every value quoted, NULL an empty field without quotes."""

    format: Literal["csv"] = "csv"

    _FORM = csv.WriteOptions(include_header=False, quoting_style="all_valid")

    def __init__(self, columns: Sequence[TargetColumn]) -> None:
        self._columns = [(column, _codec(column)) for column in columns]
        self._names = [str(place) for place, _ in enumerate(columns)]

    def opening(self) -> bytes:
        return b""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        texts = [
            self._text(column, codec, values)
            for (column, codec), values in zip(self._columns, batch.columns, strict=True)
        ]
        if not texts:
            return b"\n" * batch.num_rows
        sink = io.BytesIO()
        csv.write_csv(pa.RecordBatch.from_arrays(texts, names=self._names), sink, self._FORM)
        return sink.getvalue()

    def closing(self) -> bytes:
        return b""

    @staticmethod
    def _text(column: TargetColumn, codec: Codec | None, values: Values) -> Values:
        if codec is None:
            return values.cast(pa.string())
        # Encoding refuses what the server's input functions would cut or round in silence.
        _encoded(column, codec, values)
        return input_text(values, column.facts.logical)


def _codec(column: TargetColumn) -> Codec | None:
    """The codec of a typed column, None for a column of the wire lane."""
    if column.facts.lane is Lane.WIRE:
        return None
    codec = codec_of(column.type)
    if codec is None:
        raise InternalFault(
            f"writing column {column.facts.name}: {column.type.formatted} has no typed lane",
            place=Place(column=column.facts.name),
        )
    return codec


def _encoded(column: TargetColumn, codec: Codec, values: Values) -> Values:
    name = column.facts.name
    try:
        return codec.encode(convert(values, column.facts.logical, codec.logical), column.type)
    except EluteError as error:
        raise error.within(f"writing column {name}", Place(column=name)) from None
