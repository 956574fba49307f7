"""A few rows of a stage as JSON, for a person to look at. They pass the same door as rows that are loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from elute.v1 import connector_pb2, stage_pb2
from elute_wire.errors import InvalidRequest, Place, TreatmentMissing
from elute_wire.schema import (
    DATE_INFINITY,
    DATE_MINUS_INFINITY,
    TIMESTAMP_INFINITY,
    TIMESTAMP_MINUS_INFINITY,
    FieldFacts,
    Lane,
    LogicalType,
    field_facts,
)
from elute_wire.streams import Channels, opened

MAX_ROWS = 100

_MAX_CHARACTERS = 500
_MAX_BYTES = 2 * 1024 * 1024
_READ_AT_A_TIME_BYTES = 64 * 1024

_ENDS_OF_TIME = {TIMESTAMP_INFINITY: "infinity", TIMESTAMP_MINUS_INFINITY: "-infinity"}
_SPECIAL_MOMENTS = {
    LogicalType.DATE: {DATE_INFINITY: "infinity", DATE_MINUS_INFINITY: "-infinity"},
    LogicalType.TIME: {86_400_000_000: "24:00:00"},
    LogicalType.TIMESTAMP: _ENDS_OF_TIME,
    LogicalType.TIMESTAMP_TZ: _ENDS_OF_TIME,
}
"""By type, what a count of days or microseconds stands for that is no moment to Arrow."""


async def previewed(request: connector_pb2.PreviewRequest, channels: Channels) -> list[str]:
    """Open a stage and write its first rows, each as a JSON object by column.

    A value of the wire lane shows as its store writes it, and a binary one as its size: `{"bytes": 12}`. Texts are cut
    after 500 characters; rows end early where they would come to more than 2 MiB.

    Raises:
        InvalidRequest: None, or more than 100 rows are asked for.
        TreatmentMissing: A field has seen no anonymizer, and the request does not say that it may.
    """
    if not 0 < request.limit_rows <= MAX_ROWS:
        raise InvalidRequest(f"previewing a stage: from 1 to {MAX_ROWS} rows, not {request.limit_rows}")
    rows: list[str] = []
    left_bytes = _MAX_BYTES
    context = stage_pb2.StreamContext(partition_id="preview", batch_bytes=_READ_AT_A_TIME_BYTES)
    async with opened(_in_text_mode(request.stage), context, channels) as stream:
        facts = [field_facts(field) for field in stream.schema]
        if request.scrub != connector_pb2.SCRUB_MODE_OFF:
            _refuse_untreated(facts)
        async for item in stream.items:
            if not isinstance(item, pa.RecordBatch):
                continue
            for row in _written(item.slice(0, request.limit_rows - len(rows)), facts):
                left_bytes -= len(row.encode())
                if rows and left_bytes < 0:
                    return rows
                rows.append(row)
            if len(rows) == request.limit_rows:
                return rows
    return rows


def _in_text_mode(stage: stage_pb2.Stage) -> stage_pb2.Stage:
    """Return the same stage over a source that writes as text, by column, what it otherwise carries as bytes."""
    written = stage_pb2.Stage()
    written.CopyFrom(stage)
    source = written
    while source.HasField("input"):
        source = source.input
    if source.HasField("extract"):
        source.extract.text_mode, source.extract.packed = True, False
    return written


def _refuse_untreated(facts: Sequence[FieldFacts]) -> None:
    for fact in facts:
        if not fact.treatment:
            raise TreatmentMissing(
                f"previewing a stage: column {fact.name} is not treated by any rule", place=Place(column=fact.name)
            )


def _written(batch: pa.RecordBatch, facts: Sequence[FieldFacts]) -> list[str]:
    names = [fact.name for fact in facts]
    columns = [_cells(column, fact) for fact, column in zip(facts, batch.columns, strict=True)]
    rows = zip(*columns, strict=True)
    return [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]


def _cells(column: pa.Array[Any], fact: FieldFacts) -> list[object]:
    """Answer n values of a column as JSON has them: null, boolean, number, text or the size of bytes."""
    if fact.lane is Lane.TYPED and fact.logical in _SPECIAL_MOMENTS:
        return _moments(column, _SPECIAL_MOMENTS[fact.logical])
    if fact.lane is Lane.WIRE:
        column = _read(column.cast(pa.string()), fact.logical)
    return [_cell(value) for value in column.to_pylist()]


def _read(texts: pa.Array[Any], logical: LogicalType) -> pa.Array[Any]:
    """Read n texts as what JSON has a form of its own for; of other types the text is the value."""
    match logical:
        case LogicalType.INT16 | LogicalType.INT32 | LogicalType.INT64:
            return texts.cast(pa.int64())
        case LogicalType.FLOAT32 | LogicalType.FLOAT64:
            return texts.cast(pa.float64())
        case LogicalType.BOOLEAN:
            return pc.equal(texts, pa.scalar("t"))
        case _:
            return texts


def _moments(column: pa.Array[Any], special: Mapping[int, str]) -> list[object]:
    # Not by way of Python's own dates, which end with the year 9999.
    counted = column.view(pa.int32() if pa.types.is_date32(column.type) else pa.int64()).to_pylist()
    texts = pc.cast(column, pa.string()).to_pylist()
    return [
        None if text is None or count is None else special.get(count, text)
        for count, text in zip(counted, texts, strict=True)
    ]


def _cell(value: object) -> object:
    match value:
        case bytes():
            return {"bytes": len(value)}
        case str() if len(value) > _MAX_CHARACTERS:
            return value[:_MAX_CHARACTERS] + "…"
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value
