"""The README's pipeline is the demo's."""

from __future__ import annotations

import re

from tools.repository import ROOT

DEMO = ROOT / "gateway/src/elute_gateway/demo/shop.yaml"


def test_every_line_of_the_pipeline_is_one_of_the_demo() -> None:
    shown = re.search(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert shown is not None
    written = DEMO.read_text("utf-8").splitlines()
    assert [line for line in shown[1].splitlines() if line not in written] == []
