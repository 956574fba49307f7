"""How fast steps are: printed for people to read, and compared with nothing."""

from __future__ import annotations

import sys
import time

import polars as pl
import pyarrow as pa
import pytest

from elute_transform.domain.column import Column
from elute_wire.schema import Lane, LogicalType
from tests.elute_transform.batches import batch, cleaner

ROWS, BATCHES = 5_000, 20
COLUMNS = {
    "first_name": Column("text", LogicalType.TEXT),
    "last_name": Column("text", LogicalType.TEXT),
    "rest": Column("numeric", LogicalType.DECIMAL, lane=Lane.WIRE),
}
CLEAN = {"columns": ["first_name", "last_name"], "trim": True, "whitespace": "collapse", "empty": "null"}


def people(name: str) -> pa.RecordBatch:
    return batch(
        COLUMNS,
        {"first_name": [name] * ROWS, "last_name": [f"{name}son"] * ROWS, "rest": [b"\x00" * 150] * ROWS},
    )


@pytest.mark.parametrize(
    ("what", "steps", "name"),
    [
        ("rename", [("rename", {"columns": {"rest": "other"}})], "Maria"),
        ("clean_text, 2 tidy columns", [("clean_text", CLEAN)], "Maria Elena"),
        ("clean_text, 2 untidy columns", [("clean_text", CLEAN)], "  Maria \t Elena "),
        (
            "clean_text, 2 columns, everything on",
            [("clean_text", {**CLEAN, "unicode": "NFKC", "case": "title", "control_characters": "remove"})],
            "  Maria \t Elena ",
        ),
        (
            "derive, 1 column of 2",
            [("derive", {"column": "full", "expression": "first_name || ' ' || last_name", "type": "text"})],
            "Maria",
        ),
    ],
)
def test_a_million_rows_would_take(
    what: str, steps: list[tuple[str, dict[str, object]]], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    incoming = people(name)
    working = cleaner(incoming.schema, *steps)
    made = working.clean(incoming)
    assert made.num_rows == ROWS
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(BATCHES):
        working.clean(incoming)
    scale = 1_000_000 / (ROWS * BATCHES)
    with capsys.disabled():
        seconds, busy = (time.perf_counter() - began) * scale, (time.process_time() - cpu) * scale
        told = f"{seconds:.2f} s ({busy:.2f} s of CPU) per million rows, {pl.thread_pool_size()} threads"
        sys.stdout.write(f"\n  {what}: {told}\n")
