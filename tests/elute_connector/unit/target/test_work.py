from __future__ import annotations

import re
from pathlib import Path

from elute_connector.connectors.postgresql.target.work import Phase

CONTRACT = Path(__file__).parents[4] / "protos/elute/v1/connector.proto"


def test_the_contract_names_every_phase_in_its_order() -> None:
    comment = re.search(r"message FinishEvent {\n((?:  //.*\n)+)", CONTRACT.read_text(encoding="utf-8"))
    assert comment
    assert re.findall("`(.*?)`", comment[1]) == [*Phase, "sequence", "analyze", "done"]
