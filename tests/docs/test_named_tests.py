"""A page that names a test as its proof names one that exists."""

from __future__ import annotations

import re

import pytest

from tools.repository import ROOT, files

_PROOF = re.compile(r"\[`(test_\w+)`\]\(([^)]+\.py)\)")
PROOFS = [(page, *proof) for page in files("*.md") for proof in _PROOF.findall((ROOT / page).read_text("utf-8"))]


@pytest.mark.parametrize(("page", "name", "file"), PROOFS, ids=lambda part: str(part).rsplit("/", 1)[-1])
def test_a_named_test_exists(page: str, name: str, file: str) -> None:
    code = (ROOT / page).parent / file
    assert re.search(rf"^(async )?def {name}\(", code.read_text("utf-8"), re.MULTILINE), f"{page} names a test in vain"


def test_pages_name_tests() -> None:
    assert len(PROOFS) > 20
