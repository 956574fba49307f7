"""What a comparison of both ends may say, and that it never says more than was compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from elute_gateway.application.verification import Verdict, Verification
from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.pipeline import Verify
from elute_gateway.domain.run import DatasetProgress
from elute_gateway.domain.transfer import DatasetDigest, DigestSelection, Ends
from tests.support.gateway import ORDERS, SHOP, SHOP_QA, run_plan

ENDS = Ends(Connection(SHOP, "postgresql"), Connection(SHOP_QA, "postgresql"))


class Digests(FakeDataPlane):
    """Answers sums as a test says: of the source, of the target."""

    source: tuple[int, str] = (10, "sum")
    target: tuple[int, str] = (10, "sum")

    async def digest(
        self, connection: Connection, snapshot_id: str, selections: Sequence[DigestSelection]
    ) -> list[DatasetDigest]:
        del snapshot_id
        rows, content = self.source if connection.id == SHOP else self.target
        return [DatasetDigest(one.dataset, rows, content if one.columns else "") for one in selections]


async def verdict(folder: Path, verify: Verify = Verify.ROWS, moment: str = "1:", **digests: Any) -> Verdict:
    plane = Digests(folder / "plane.db", {ORDERS: 10})
    for name, value in digests.items():
        setattr(plane, name, value)
    told = DatasetProgress(ORDERS, "1:", 1, 1, 10, 100, 10, 10, 0, 0, 100)
    verification = Verification(plane, run_plan(verify=verify), ENDS)
    verdicts = await verification.verdicts("snapshot" if moment else "", moment, [told])
    plane.close()
    return verdicts[ORDERS]


async def test_equal_content_is_equal(tmp_path: Path) -> None:
    assert await verdict(tmp_path) is Verdict.EQUAL


@pytest.mark.parametrize("digests", [{"target": (10, "other")}, {"target": (9, "sum")}, {"source": (11, "sum")}])
async def test_another_content_or_count_is_different(tmp_path: Path, digests: dict[str, Any]) -> None:
    assert await verdict(tmp_path, **digests) is Verdict.DIFFERENT


@pytest.mark.parametrize(
    "digests", [{"source": (10, "")}, {"target": (10, "")}, {"source": (10, ""), "target": (10, "")}]
)
async def test_a_store_that_cannot_sum_is_not_comparable_and_never_equal(
    tmp_path: Path, digests: dict[str, Any]
) -> None:
    assert await verdict(tmp_path, **digests) is Verdict.NOT_COMPARABLE


async def test_a_store_that_cannot_sum_still_counts(tmp_path: Path) -> None:
    assert await verdict(tmp_path, source=(10, ""), target=(9, "")) is Verdict.DIFFERENT
    assert await verdict(tmp_path, Verify.COUNTS, source=(10, ""), target=(10, "")) is Verdict.COUNTS_EQUAL


@pytest.mark.parametrize("moment", ["", "2:"])
async def test_without_its_moment_the_source_is_not_comparable(tmp_path: Path, moment: str) -> None:
    assert await verdict(tmp_path, moment=moment) is Verdict.NOT_COMPARABLE
