"""Refuse modules that have grown too long to be read at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tools.repository import ROOT, Finding, files, report

LIMIT_LINES = 400
GENERATED = "protos/src/elute/v1/"


def oversized(root: Path = ROOT) -> Iterator[Finding]:
    """Find the Python modules of more than `LIMIT_LINES` lines, generated ones left out."""
    for path in files("*.py", root=root):
        lines = len((root / path).read_bytes().splitlines())
        if lines > LIMIT_LINES and not path.as_posix().startswith(GENERATED):
            yield Finding(path, 0, f"{lines} lines; a module has at most {LIMIT_LINES}: divide it by concept")


if __name__ == "__main__":
    sys.exit(report("module sizes", oversized()))
