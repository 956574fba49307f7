"""Find what belongs to one machine and not into a repository: home folders, checkouts, addresses of package hosts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.repository import ROOT, Finding, files, report

# Written in pieces, so that this file does not find itself.
_FOREIGN = {
    re.compile(r"(?<![\w./-])/(?:" + "home|Users" + r")/[\w.-]+/"): "a path in someone's home folder",
    re.compile(r"(?<![\w./-])/" + "root" + r"/[\w.-]+"): "a path in root's home folder",
    re.compile(r"https?://[^/\s\"'`]+/(?:" + "simple|packages" + r")/"): "the address of a package host",
    re.compile(r"\b(?:" + "pypi" + r"|registry\.npmjs|proxy\.golang)\.org\b"): "the name of a package host",
}


def foreign(root: Path = ROOT) -> Iterator[Finding]:
    """Find every line of a text file that names this or another machine's places, this checkout's path included."""
    patterns = {**_FOREIGN, re.compile(re.escape(f"{root.resolve()}/")): "the path of this checkout"}
    for path in files(root=root):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            for pattern, what in patterns.items():
                if pattern.search(line):
                    yield Finding(path, number, f"names {what}")


if __name__ == "__main__":
    sys.exit(report("machine paths", foreign()))
