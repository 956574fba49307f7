from __future__ import annotations

import pytest

from elute_gateway.domain.pipeline import MEBIBYTE, Limits


@pytest.mark.parametrize(
    ("total", "limits", "slices_of"),
    [
        (100_000 * MEBIBYTE, Limits(), 64),
        (480 * MEBIBYTE, Limits(parallel_partitions=4), 20),
        (10 * MEBIBYTE, Limits(), 8),
        (0, Limits(), 8),
        (480 * MEBIBYTE, Limits(partition_bytes=MEBIBYTE), 1),
    ],
)
def test_every_worker_gets_several_slices_that_are_worth_opening(total: int, limits: Limits, slices_of: int) -> None:
    assert limits.slice_bytes(total) == slices_of * MEBIBYTE
