"""What a service shows to Prometheus, read and judged."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
PROMTOOL = shutil.which("promtool")


@dataclass(frozen=True)
class Exposition:
    """One answer of `GET /metrics`."""

    text: str

    @cached_property
    def series(self) -> dict[str, float]:
        """Every series with its labels, and its value."""
        samples = [line.rpartition(" ") for line in self.text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in samples}

    @property
    def types(self) -> dict[str, str]:
        """The type of every metric of ours, by its name."""
        return dict(re.findall(r"^# TYPE (elute_\S+) (\w+)$", self.text, re.MULTILINE))

    @property
    def silent(self) -> set[str]:
        """The metrics that have no series."""
        shown = {re.sub(r"\{.*", "", series) for series in self.series}
        return {
            name for name, kind in self.types.items() if (f"{name}_sum" if kind == "histogram" else name) not in shown
        }

    @property
    def begun(self) -> dict[str, float]:
        """The series of ours that are not at 0, but for what tells of threads: a service's start has used some."""
        ours = {series: value for series, value in self.series.items() if series.startswith("elute_")}
        return {series: value for series, value in ours.items() if value and not series.startswith("elute_pool_")}

    def complaints(self) -> str:
        """What promtool has to say about names, types and help texts; needs `PROMTOOL`."""
        assert PROMTOOL
        command = [PROMTOOL, "check", "metrics"]
        told = subprocess.run(command, input=self.text.encode(), capture_output=True, check=False)
        return (told.stdout + told.stderr).decode()

    def grown(self, before: Exposition) -> dict[str, float]:
        """By how much each series has grown."""
        return {series: value - before.series.get(series, 0.0) for series, value in self.series.items()}


def listed(service: str) -> dict[str, str]:
    """The types of a service's metrics as the reference page lists them, by name."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {service.capitalize()}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(elute_\w+)` \| (\w+) \|", section, re.MULTILINE))
