"""A few rows of a stage as JSON, for a person to look at. They pass the same door as rows that are loaded."""

from __future__ import annotations

import json

import pyarrow as pa

from elute.v1 import connector_pb2, stage_pb2
from elute_wire.errors import InvalidRequest, Place, TreatmentMissing
from elute_wire.schema import FieldFacts, Lane, field_facts
from elute_wire.streams import Channels, opened

MAX_ROWS = 100


async def previewed(request: connector_pb2.PreviewRequest, channels: Channels) -> list[str]:
    """Open a stage and write its first rows, each as a JSON object by column.

    A wire-lane column, whose bytes only a sink reads, shows as null with its size: `{"bytes": 12}`.

    Raises:
        InvalidRequest: More than 100 rows are asked for.
        TreatmentMissing: A field is untreated, and scrubbing is not off.
    """
    if not 0 < request.limit_rows <= MAX_ROWS:
        raise InvalidRequest(f"previewing a stage: from 1 to {MAX_ROWS} rows, not {request.limit_rows}")
    rows: list[str] = []
    context = stage_pb2.StreamContext(partition_id="preview", batch_bytes=64 * 1024)
    async with opened(request.stage, context, channels) as stream:
        facts = [field_facts(field) for field in stream.schema]
        if request.scrub != connector_pb2.SCRUB_MODE_OFF:
            _refuse_untreated(facts)
        async for item in stream.items:
            if isinstance(item, pa.RecordBatch):
                rows += _written(item.slice(0, request.limit_rows - len(rows)), facts)
            if len(rows) >= request.limit_rows:
                break
    return rows


def _refuse_untreated(facts: list[FieldFacts]) -> None:
    for fact in facts:
        if not fact.treatment:
            raise TreatmentMissing(
                f"previewing a stage: column {fact.name} is not treated by any rule", place=Place(column=fact.name)
            )


def _written(batch: pa.RecordBatch, facts: list[FieldFacts]) -> list[str]:
    columns = [
        [None if value is None else _cell(value, fact) for value in column.to_pylist()]
        for fact, column in zip(facts, batch.columns, strict=True)
    ]
    names = [fact.name for fact in facts]
    return [json.dumps(dict(zip(names, row, strict=True)), default=str) for row in zip(*columns, strict=True)]


def _cell(value: object, fact: FieldFacts) -> object:
    if fact.lane is Lane.WIRE or isinstance(value, bytes):
        return {"bytes": len(value)} if isinstance(value, bytes) else value
    return value
