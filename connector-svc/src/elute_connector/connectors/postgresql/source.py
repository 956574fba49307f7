"""Reads one slice of a dataset as a stream of Arrow batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager

from elute_connector.application.reading import Read, Reads, streaming
from elute_connector.application.sessions import SessionPool
from elute_connector.connectors.postgresql.copy_binary import FieldReader, Layout
from elute_connector.connectors.postgresql.filters import rendered
from elute_connector.connectors.postgresql.lanes import CopyFormat
from elute_connector.connectors.postgresql.partitions import key_condition
from elute_connector.connectors.postgresql.readers import Reader
from elute_connector.connectors.postgresql.selection import RELATION, SelectedColumn, Selection
from elute_connector.domain.catalog import Catalog, Column, Dataset, DatasetKind
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.extraction import Extraction, KeyRange, PageRange, PickedColumn
from elute_wire.errors import CatalogChanged, Place
from elute_wire.streams import Stream


@asynccontextmanager
async def extracted(
    extraction: Extraction, catalog: Catalog, readers: SessionPool[Reader], executor: Executor
) -> AsyncIterator[Stream]:
    """Open a stream over one slice of a dataset.

    Args:
        extraction: What to read.
        catalog: The store's structure under the same snapshot.
        readers: The sessions to read in.
        executor: Where rows are made into batches.

    Raises:
        CatalogChanged: The dataset, a column or its type is not what the plan saw.
        SnapshotLost: The snapshot is gone.
        StoreBusy: Somebody waits to change the relation.
        InvalidRequest: The row filter is not allowed.
        StoreError: The server refuses or breaks; also out of the stream's items.
    """
    dataset = catalog.dataset(extraction.dataset)
    if dataset is None:
        raise CatalogChanged("it is not there", hint="plan again: the source's structure has changed")
    selection = _selection(extraction, dataset)
    sql = _statement(extraction, dataset, selection)
    async with readers.lent() as reader:
        await reader.begin(extraction.snapshot_id, _lockable(extraction, dataset))
        reads = _reads(reader, sql, selection, extraction, executor)
        async with streaming(extraction, selection.schema, reads) as stream:
            yield stream
        await reader.end()


async def _reads(reader: Reader, sql: str, selection: Selection, extraction: Extraction, executor: Executor) -> Reads:
    loop = asyncio.get_running_loop()
    fields = FieldReader(selection.names, extraction.max_cell_bytes, selection.layout)

    def decoded(pieces: list[bytes]) -> Read | None:
        started = time.thread_time()
        found = fields.read(pieces)
        return Read(selection.decode(found), time.thread_time() - started) if found.rows else None

    async with reader.copied(sql, extraction.batch_bytes) as lists:
        async for pieces in lists:
            if read := await loop.run_in_executor(executor, decoded, pieces):
                yield read
    fields.finish()


def _lockable(extraction: Extraction, dataset: Dataset) -> DatasetName | None:
    """The relation that is read, if LOCK TABLE takes it: not a materialized view, not a foreign table."""
    leaf = extraction.slice.leaf
    leaves = {leaf.name: leaf.kind for leaf in dataset.partitioning.leaves} if leaf and dataset.partitioning else {}
    kind = leaves.get(leaf, DatasetKind.TABLE) if leaf else dataset.kind
    return None if kind in (DatasetKind.MATERIALIZED_VIEW, DatasetKind.FOREIGN_TABLE) else leaf or dataset.name


def _selection(extraction: Extraction, dataset: Dataset) -> Selection:
    columns = {column.name: column for column in dataset.columns}
    picked = [SelectedColumn(_unchanged(pick, columns.get(pick.name)), pick.lane) for pick in extraction.columns]
    copy_format = CopyFormat.TEXT if extraction.text_mode else CopyFormat.BINARY
    return Selection(picked, copy_format, Layout.PACKED if extraction.packed else Layout.COLUMNS)


def _unchanged(pick: PickedColumn, column: Column | None) -> Column:
    if column is None or (column.type.fingerprint, column.type.formatted) != (pick.type, pick.source_type):
        raise CatalogChanged(
            f"column {pick.name} is {'not there' if column is None else 'of another type'}",
            hint="plan again: the source's structure has changed",
            place=Place(column=pick.name),
        )
    return column


def _statement(extraction: Extraction, dataset: Dataset, selection: Selection) -> str:
    conditions = []
    match extraction.slice.range:
        case PageRange(first, end):
            conditions.append(f"{RELATION}.ctid >= '({first},0)'::tid")
            if end is not None:
                conditions.append(f"{RELATION}.ctid < '({end},0)'::tid")
        case KeyRange() as keys:
            conditions.append(key_condition(keys))
        case None:
            pass
    if extraction.where:
        conditions.append(rendered(extraction.where, {column.name for column in dataset.columns}))
    leaf = extraction.slice.leaf
    sql = selection.statement(
        leaf or dataset.name, rows=" AND ".join(conditions), leaf_only=bool(leaf) or dataset.kind is DatasetKind.TABLE
    )
    return f"{sql} LIMIT {extraction.limit_rows}" if extraction.limit_rows else sql
