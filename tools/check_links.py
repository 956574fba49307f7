"""Find relative links of Markdown pages whose file or heading does not exist."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tools.repository import ROOT, Finding, files, report

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"`[^`]*`")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_ANCHOR = re.compile(r'<a\s+(?:id|name)="([^"]+)"')
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[^)]*)?\)")
_DEFINITION = re.compile(r"^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
_HTML = re.compile(r'(?:src|href)="([^"]+)"')
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def dead_links(root: Path = ROOT) -> Iterator[Finding]:
    """Find the links of all Markdown pages that lead nowhere in the repository; those to other sites are not tried."""
    for page in files("*.md", root=root):
        for number, line in _prose(root / page):
            for target in _targets(line):
                objection = _objection(root, page, target)
                if objection:
                    yield Finding(page, number, objection)


def anchors(page: Path) -> set[str]:
    """Answer the fragments of a page: its headings as GitHub spells them, and explicit anchors."""
    found: set[str] = set()
    repeats: Counter[str] = Counter()
    for _, line in _prose(page, keep_code=True):
        found.update(_ANCHOR.findall(line))
        if heading := _HEADING.match(line):
            slug = _slug(heading[1])
            found.add(f"{slug}-{repeats[slug]}" if repeats[slug] else slug)
            repeats[slug] += 1
    return found


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def _prose(page: Path, *, keep_code: bool = False) -> Iterator[tuple[int, str]]:
    """Yield a page's lines with their numbers, without fenced blocks and, unless asked for, code spans."""
    fence = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence:
            yield number, line if keep_code else _CODE_SPAN.sub("``", line)


def _targets(line: str) -> Iterator[str]:
    for pattern in (_LINK, _DEFINITION, _HTML):
        yield from pattern.findall(line)


def _objection(root: Path, page: Path, target: str) -> str:
    if _ELSEWHERE.match(target) or target.startswith("//"):
        return ""
    location, _, fragment = unquote(target).partition("#")
    base = root if location.startswith("/") else (root / page).parent
    file = (base / location.lstrip("/")).resolve() if location else root / page
    if not file.is_relative_to(root.resolve()):
        return f"{target} leaves the repository"
    if not file.exists():
        return f"{target} leads to no file"
    if fragment and file.suffix == ".md" and fragment not in anchors(file):
        return f"{target} leads to no heading"
    return ""


if __name__ == "__main__":
    sys.exit(report("links", dead_links()))
