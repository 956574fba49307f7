"""What the checks look at: the files of this repository, and how they report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, order=True)
class Finding:
    """One thing a check objects to, at a line of a file (0 for the file as a whole)."""

    path: Path
    line: int
    objection: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.objection}"


def files(*patterns: str, root: Path = ROOT) -> list[Path]:
    """Answer the existing files of the repository that match a git pattern, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted(path for name in listed.split("\0") if name and (root / (path := Path(name))).is_file())


def report(check: str, findings: Iterable[Finding]) -> int:
    """Print what a check found, and answer its exit code."""
    found = sorted(set(findings))
    for finding in found:
        print(finding, file=sys.stderr)
    print(f"{check}: {len(found)} findings" if found else f"{check}: ok")
    return 1 if found else 0
