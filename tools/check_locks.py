"""Check that every requirement is pinned with hashes and that no lock file names a host."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.repository import ROOT, Finding, files, report

_PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]+\])?==[^\s;@]+")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_ADDRESS = re.compile(r"[a-z+]+://|^\s*--?(index|extra-index|find-links|trusted-host|i\b|f\b)")


def faults(root: Path = ROOT) -> Iterator[Finding]:
    """Find requirements without version or hash, and addresses, in the lock files at the root."""
    for lock in files(":(glob)requirements*.txt", root=root):
        lines = (root / lock).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if _ADDRESS.search(line):
                yield Finding(lock, number, "names where packages come from; that is the business of each machine")
        for number, requirement in _requirements(lines):
            if not _PINNED.match(requirement):
                yield Finding(lock, number, f"{requirement.split()[0]} is not pinned with ==")
            elif not _HASH.search(requirement):
                yield Finding(lock, number, f"{requirement.split()[0]} has no sha256 hash")


def unlocked(root: Path = ROOT) -> Iterator[Finding]:
    """Find input files whose requirements are missing from their lock: someone forgot `make lock`."""
    for wanted in files(":(glob)requirements*.in", root=root):
        lock = root / wanted.with_suffix(".txt")
        locked = {_name(line) for _, line in _requirements(lock.read_text(encoding="utf-8").splitlines())}
        for number, line in enumerate((root / wanted).read_text(encoding="utf-8").splitlines(), start=1):
            name = _name(line)
            if name and not line.startswith(("#", "-")) and name not in locked:
                yield Finding(wanted, number, f"{name} is not in {lock.name}: run `make lock`")


def _requirements(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Join continued lines; yield each requirement with the number of its first line."""
    start, text = 0, ""
    for number, line in enumerate(lines, start=1):
        if not text and (not line.strip() or line.lstrip().startswith("#")):
            continue
        start = start if text else number
        text += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield start, text
            text = ""


def _name(requirement: str) -> str:
    """Answer a requirement's name as packages are compared: lower case, one dash for each run of `-_.`."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


if __name__ == "__main__":
    sys.exit(report("lock files", [*faults(), *unlocked()]))
