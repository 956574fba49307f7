"""Check that the last bench has taken its measures, and wrote them as programs read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.repository import ROOT, Finding, report

BENCH = ROOT / "build/bench/latest.json"

COMPARED = ("keep_all", "scrub_5_columns", "scrub_5_columns_clean_2")
"""What is measured in pairs with psql."""
TIMED = ("tables_1000_keep", "tables_1000_create", "first_row_keep", "first_row_create")

_SERVICES = {"anonymizer", "connector", "gateway", "transform"}
_SANE_SECONDS = 300.0
"""No measure says whether it is good; one that took so long hung."""


def objections(measures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Find what measures, by name, lack or have in another shape than `tests.bench.figures` says."""
    missing = [name for name in (*COMPARED, *TIMED) if name not in measures]
    if sum(name.startswith("memory_") for name in measures) < 2:
        missing.append("memory_*_rows of two sizes")
    yield from (f"{name} was not measured" for name in missing)
    for name, measure in measures.items():
        if not _is_time(measure.get("seconds")):
            yield f"{name}: seconds: {measure.get('seconds')!r}"
        if name in COMPARED:
            yield from _of_comparison(name, measure)
        if name.startswith("memory_") or name in COMPARED:
            yield from _of_memory(name, measure)


def _of_comparison(name: str, measure: Mapping[str, Any]) -> Iterator[str]:
    if not _is_time(measure.get("reference_seconds")):
        yield f"{name}: reference_seconds: {measure.get('reference_seconds')!r}"
    ratio, quartiles = measure.get("ratio"), measure.get("ratio_quartiles")
    if not (isinstance(ratio, float) and isinstance(quartiles, list) and len(quartiles) == 2):
        yield f"{name}: no ratio with two quartiles"
    elif not 0 < quartiles[0] <= ratio <= quartiles[1]:
        yield f"{name}: the ratio {ratio} is not between its quartiles {quartiles}"


def _of_memory(name: str, measure: Mapping[str, Any]) -> Iterator[str]:
    peaks = measure.get("peak_rss_bytes", {})
    without = sorted(service for service in _SERVICES if not isinstance(peaks.get(service), int) or peaks[service] <= 0)
    if without:
        yield f"{name}: no peak memory of {', '.join(without)}"


def _is_time(value: object) -> bool:
    return isinstance(value, float) and 0 < value < _SANE_SECONDS


def unsound(written: Path = BENCH) -> Iterator[Finding]:
    """Find what is wrong with the file that a bench has written."""
    measures = json.loads(written.read_text(encoding="utf-8"))["measures"]
    place = written.relative_to(ROOT) if written.is_relative_to(ROOT) else written
    yield from (Finding(place, 0, said) for said in objections({measure["name"]: measure for measure in measures}))


if __name__ == "__main__":
    sys.exit(report("figures of the bench", unsound()))
