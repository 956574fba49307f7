"""What a source selects for a dataset, and how each column of the answer becomes a column of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from elute_connector.connectors.postgresql.codecs.buffers import Values
from elute_connector.connectors.postgresql.codecs.families import OUTPUT_TEXT, codec_of, logical_of
from elute_connector.connectors.postgresql.copy_binary import Fields, Layout
from elute_connector.connectors.postgresql.identifiers import qualified, quoted
from elute_connector.connectors.postgresql.lanes import CopyFormat
from elute_connector.domain.catalog import Column
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import TypeKind
from elute_wire.errors import EluteError, Place, PlanRefused
from elute_wire.schema import FieldFacts, Lane, arrow_field, packed_schema

RELATION = "r"
"""The alias of the relation in every statement: row filters and page ranges name it."""


@dataclass(frozen=True, slots=True)
class SelectedColumn:
    """A column and the lane in which it leaves."""

    column: Column
    lane: Lane


class Selection:
    """The SELECT list of a dataset, made of quoted identifiers and catalog functions alone.

    Args:
        columns: The columns in the order of the stream's fields.
        copy_format: How they leave.
        layout: Whether the stream is packed.

    Attributes:
        names: The names of the columns.
        layout: Whether the stream is packed.
        schema: The schema of the stream: every column with its facts, none with a treatment.

    Raises:
        PlanRefused: A column is to leave typed whose type no step or technique can touch.
    """

    def __init__(
        self, columns: Sequence[SelectedColumn], copy_format: CopyFormat, layout: Layout = Layout.COLUMNS
    ) -> None:
        self._columns = tuple(columns)
        self._format = copy_format
        self.layout = layout
        for selected in self._columns:
            _refuse_untouchable(selected)
        facts = [_facts(selected) for selected in self._columns]
        self.names = [fact.name for fact in facts]
        self.schema = packed_schema(facts) if layout is Layout.PACKED else pa.schema(map(arrow_field, facts))

    def statement(self, relation: DatasetName, *, rows: str = "", leaf_only: bool = False) -> str:
        """Write the SELECT of a relation.

        Args:
            relation: The table, leaf or view.
            rows: A condition in SQL, of our own making or parsed, that may name the relation as `r`; empty for all.
            leaf_only: Whether rows of inheriting tables are left out.
        """
        chosen = ", ".join(f"{self._expression(s)} AS {quoted(s.column.name)}" for s in self._columns)
        only = "ONLY " if leaf_only else ""
        source = f"{only}{qualified(relation)} AS {RELATION}"
        return f"SELECT {chosen} FROM {source}" + (f" WHERE {rows}" if rows else "")  # noqa: S608 - all quoted

    def decode(self, fields: Fields) -> pa.RecordBatch:
        """Turn fields of the statement's answer into a batch of the stream.

        Raises:
            StoreDataRejected: A moment lies outside what Arrow can count; names the column and the ordinal.
        """
        if self.layout is Layout.PACKED:
            return pa.RecordBatch.from_arrays(fields.columns, schema=self.schema)
        if not self._columns:
            return _rows_of_nothing(fields.rows)
        arrays = [_decoded(s, values) for s, values in zip(self._columns, fields.columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _expression(self, selected: SelectedColumn) -> str:
        data_type = selected.column.type
        name = f"{RELATION}.{quoted(selected.column.name)}"
        # Casts are looked up by the base type.
        value = f"({name}::{data_type.base.plain})" if data_type.kind is TypeKind.DOMAIN else name
        if selected.lane is Lane.TYPED and (codec := codec_of(data_type)):
            return codec.expression.format(value)
        return OUTPUT_TEXT.format(value) if self._format is CopyFormat.TEXT else value


def _facts(selected: SelectedColumn) -> FieldFacts:
    data_type = selected.column.type
    return FieldFacts(selected.column.name, data_type.formatted, selected.lane, logical_of(data_type))


def _refuse_untouchable(selected: SelectedColumn) -> None:
    data_type = selected.column.type
    if selected.lane is Lane.TYPED and codec_of(data_type) is None:
        raise PlanRefused(
            f"selecting column {selected.column.name}: no step and no technique reads {data_type.formatted}",
            hint="keep the column, or set it to NULL",
            place=Place(column=selected.column.name),
        )


def _decoded(selected: SelectedColumn, values: Values) -> Values:
    codec = codec_of(selected.column.type) if selected.lane is Lane.TYPED else None
    if codec is None:
        return values
    name = selected.column.name
    try:
        return codec.decode(values)
    except EluteError as error:
        raise error.within(f"reading column {name}", Place(column=name)) from None


def _rows_of_nothing(rows: int) -> pa.RecordBatch:
    """Make a batch of rows without columns, which only a struct can be."""
    struct: Values = pa.Array.from_buffers(pa.struct([]), rows, [None])
    return pa.RecordBatch.from_struct_array(struct)
