from __future__ import annotations

import pytest
from prometheus_client import Counter

from elute_gateway.application import meters
from elute_wire.errors import BY_CODE


@pytest.mark.parametrize(
    ("metric", "label", "values"),
    [
        (meters.RUNS_ENDED, "outcome", {"succeeded", "failed", "cancelled"}),
        (meters.ROWS, "stage", {"extract", "transform", "anonymize", "load"}),
        (meters.ATTEMPTS, "outcome", {"done", "failed", "cancelled"}),
        (meters.ERRORS, "code", set(BY_CODE)),
    ],
)
def test_every_labelled_series_exists_before_its_first_event(metric: Counter, label: str, values: set[str]) -> None:
    assert {sample.labels[label] for family in metric.collect() for sample in family.samples} >= values
