"""Check that the code whose mistakes leak or lose data, domain and wire, is covered branch by branch."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.repository import ROOT, Finding, report

REQUIRED_PERCENT = 90.0
WATCHED = {
    "elute_wire": re.compile(r"/elute_wire/"),
    "elute_gateway.domain": re.compile(r"/elute_gateway/domain/"),
    "elute_connector.domain": re.compile(r"/elute_connector/domain/"),
    "elute_transform.domain": re.compile(r"/elute_transform/domain/"),
    "elute_anonymizer.domain": re.compile(r"/elute_anonymizer/domain/"),
}


def branch_percent(files: Mapping[str, Any], watched: re.Pattern[str]) -> float | None:
    """Answer the share of covered branches among the files that match, in percent; None where no file does.

    A file without branches counts by its lines: code that never ran is not covered by having no `if`.
    """
    covered = total = 0
    for name, measured in files.items():
        if watched.search(name):
            summary = measured["summary"]
            kind = "branches" if summary["num_branches"] else "lines"
            covered += summary[f"covered_{kind}"]
            total += summary["num_branches"] or summary["num_statements"]
    return 100.0 * covered / total if total else None


def uncovered(measured: Path, root: Path = ROOT) -> Iterator[Finding]:
    """Find the watched packages that the JSON report of coverage.py shows below the required percentage."""
    files = json.loads(measured.read_text(encoding="utf-8"))["files"]
    for package, pattern in WATCHED.items():
        percent = branch_percent(files, pattern)
        print(f"  {package}: {'no code' if percent is None else f'{percent:.1f} % of branches'}")
        if percent is not None and percent < REQUIRED_PERCENT:
            place = measured.relative_to(root) if measured.is_relative_to(root) else measured
            yield Finding(place, 0, f"{package}: {percent:.1f} % of branches, {REQUIRED_PERCENT:.0f} % required")


if __name__ == "__main__":
    sys.exit(report("branch coverage", uncovered(ROOT / "build" / "coverage.json")))
