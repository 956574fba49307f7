"""What the bench writes, and the check of it."""

from __future__ import annotations

from pathlib import Path

from tests.bench import figures
from tests.bench.figures import Measure
from tools import check_figures


def measures() -> list[Measure]:
    peak = dict.fromkeys(("anonymizer", "connector", "gateway", "transform"), 100_000_000)
    pairs = [(1.0, 0.5), (1.2, 0.8)]
    return [
        *(figures.of_pairs(name, pairs, peak) for name in check_figures.COMPARED),
        *(Measure(name, 0.5) for name in check_figures.TIMED),
        *(Measure(f"memory_{rows}_rows", 1.0, peak_rss_bytes=peak) for rows in (1000, 10_000)),
    ]


def objections(*taken: Measure, folder: Path) -> list[str]:
    figures.write(taken, folder / "latest.json")
    return [found.objection for found in check_figures.unsound(folder / "latest.json")]


def test_what_the_bench_writes_is_what_is_checked(tmp_path: Path) -> None:
    assert objections(*measures(), folder=tmp_path) == []


def test_a_measure_that_was_not_taken_or_is_not_whole_is_found(tmp_path: Path) -> None:
    whole = {measure.name: measure for measure in measures()}
    del whole["first_row_keep"], whole["memory_1000_rows"]
    whole["keep_all"].ratio_quartiles = [9.0, 9.0]
    whole["scrub_5_columns"].ratio = None
    whole["scrub_5_columns"].reference_seconds = 0.0
    whole["first_row_create"].seconds = 4000.0
    whole["memory_10000_rows"].peak_rss_bytes = {"gateway": 1}
    assert objections(*whole.values(), folder=tmp_path) == [
        "first_row_keep was not measured",
        "memory_*_rows of two sizes was not measured",
        "keep_all: the ratio 1.75 is not between its quartiles [9.0, 9.0]",
        "scrub_5_columns: reference_seconds: 0.0",
        "scrub_5_columns: no ratio with two quartiles",
        "first_row_create: seconds: 4000.0",
        "memory_10000_rows: no peak memory of anonymizer, connector, transform",
    ]
