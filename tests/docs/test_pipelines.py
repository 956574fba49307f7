"""What pages show of a pipeline's file can be read as such, without a problem."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from elute_gateway.application.document import parse_json
from tools.repository import ROOT

WHOLE = {
    "version": 1,
    "pipeline": "shop-to-qa",
    "source": {"connection": "shop", "datasets": ["public.*"]},
    "target": {"connection": "shop-qa"},
    "scrub": "off",
}
PAGES = ("README.md", "docs/tutorial.md", "docs/how-to/write-a-pipeline.md")
PARTS = [
    (page, part)
    for page in PAGES
    for part in re.findall(r"^```yaml\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("page", "part"), PARTS)
def test_a_part_of_a_pipeline_fits_into_one(page: str, part: str) -> None:
    document = parse_json(json.dumps({**WHOLE, **yaml.safe_load(part)}))
    assert [problem.message for problem in document.problems] == [], page


def test_pages_show_pipelines() -> None:
    assert len(PARTS) > 6
