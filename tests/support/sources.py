"""Reads a dataset through the connector contract, and tells where a source does not keep it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from elute_connector.domain.connector import PlannedSlice, Source, TypeFacts
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.extraction import Extraction, PickedColumn
from elute_wire.schema import FieldFacts, Lane, field_facts


async def read_whole(source: Source, types: TypeFacts, name: DatasetName, *, target_bytes: int) -> pa.Table:
    """Read all slices of a dataset under a snapshot, every column in the typed lane.

    Args:
        source: The source.
        types: What its types mean.
        name: The dataset.
        target_bytes: Bytes of a slice to aim at.
    """
    catalog = await source.discover()
    dataset = catalog.dataset(name)
    assert dataset is not None, f"{name} is not in the catalog, or the catalog's datasets are not ordered by name"
    held = await source.hold_snapshot({name: dataset.fingerprint}, "", 5)
    try:
        assert await source.discover(held.snapshot_id) == catalog, "the catalog under the snapshot is another"
        planned = await source.plan_partitions(held.snapshot_id, [name], target_bytes)
        assert planned, "an empty dataset has a slice too"
        picked = tuple(
            PickedColumn(column.name, column.type.fingerprint, column.type.formatted, Lane.TYPED)
            for column in dataset.columns
        )
        facts = [
            FieldFacts(column.name, column.type.formatted, Lane.TYPED, types.logical(column.type))
            for column in dataset.columns
        ]
        batches = await _batches(source, held.snapshot_id, planned, picked, facts)
    finally:
        await held.release()
    return pa.Table.from_batches(batches)


async def _batches(
    source: Source,
    snapshot_id: str,
    planned: Sequence[PlannedSlice],
    picked: tuple[PickedColumn, ...],
    facts: Sequence[FieldFacts],
) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = []
    for part in planned:
        extraction = Extraction(part.dataset, part.slice, picked, snapshot_id, batch_bytes=64 * 1024)
        rows = 0
        async with source.extracted(extraction) as stream:
            found = [field_facts(field) for field in stream.schema]
            assert found == facts, "the fields of the stream are not what was asked for"
            async for batch in stream.items:
                assert batch.schema.equals(stream.schema, check_metadata=True), "a batch has another schema"
                assert batch.num_rows, "an empty batch"
                batch.validate(full=True)
                rows += batch.num_rows
                batches.append(batch)
        counts = [(count.operation, count.rows_in, count.rows_out) for count in stream.tally.counts]
        assert counts == [("extract", rows, rows)], "the stream does not count its rows: make it by `streaming`"
    return batches
