"""Figures: what a measure came to, as JSON for programs and as a table for people."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

LATEST = Path("build/bench/latest.json")
LOGS = LATEST.parent / "logs"


@dataclass
class Measure:
    """What one measure came to.

    Attributes:
        name: Its name.
        seconds: The median of ours.
        ratio: The median of the ratios of pairs, ours to the reference; None where there is no reference.
        ratio_quartiles: Their first and third quartile.
        reference_seconds: The median of the reference.
        peak_rss_bytes: The most memory that each service has had.
        notes: What else is worth knowing, by name.
    """

    name: str
    seconds: float
    ratio: float | None = None
    ratio_quartiles: list[float] = field(default_factory=list)
    reference_seconds: float | None = None
    peak_rss_bytes: dict[str, int] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)


def of_pairs(name: str, pairs: Sequence[tuple[float, float]], peak: Mapping[str, int], **notes: object) -> Measure:
    """Sum up pairs of seconds, ours and the reference's, that were taken right after each other."""
    ratios = [ours / reference for ours, reference in pairs]
    return Measure(
        name,
        seconds=statistics.median(ours for ours, _ in pairs),
        ratio=statistics.median(ratios),
        ratio_quartiles=quartiles(ratios),
        reference_seconds=statistics.median(reference for _, reference in pairs),
        peak_rss_bytes=dict(peak),
        notes={"pairs": [[round(ours, 3), round(reference, 3)] for ours, reference in pairs], **notes},
    )


def quartiles(values: Sequence[float]) -> list[float]:
    """Answer the first and the third quartile; of one value, that value."""
    if len(values) == 1:
        return [values[0], values[0]]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [first, third]


def largest(*peaks: Mapping[str, int]) -> dict[str, int]:
    """Answer the largest of each service's peaks."""
    names = {name for peak in peaks for name in peak}
    return {name: max(peak.get(name, 0) for peak in peaks) for name in sorted(names)}


def write(measures: Sequence[Measure], path: Path = LATEST) -> None:
    """Write all measures and the circumstances in which they were taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    circumstances = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
    }
    content = {"measures": [asdict(measure) for measure in measures], "circumstances": circumstances}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def line(measure: Measure) -> str:
    """Write a measure as one line."""
    parts = [f"{measure.name:24} {measure.seconds:8.2f} s"]
    if measure.ratio is not None:
        low, high = measure.ratio_quartiles
        parts.append(f"ratio {measure.ratio:.2f} ({low:.2f} to {high:.2f}) of {measure.reference_seconds:.2f} s")
    if measure.peak_rss_bytes:
        parts.append(", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in measure.peak_rss_bytes.items()))
    return "  ".join(parts)
