"""A million distinct values of a unique column stay distinct."""

import numpy as np
import pyarrow as pa
import pytest

from elute_anonymizer.domain.columns import pc
from elute_wire.schema import LogicalType
from tests.support.scrubbing import scrub

COUNT = 1_000_000
NUMBERS = pc.cast(pa.array(np.arange(COUNT)), pa.string())


@pytest.mark.parametrize(
    ("technique", "options", "prefix"),
    [
        ("token", {}, ""),
        ("token", {"format": "uuid"}, ""),
        ("fake", {"kind": "email"}, "someone@example.org "),
        ("fake", {"kind": "user_name"}, ""),
        ("fpe", {"format": "phone", "others": "refuse"}, "+49 30 1"),
        ("fpe", {"format": "digits", "others": "refuse"}, ""),
    ],
)
def test_a_million_texts(technique: str, options: dict[str, object], prefix: str) -> None:
    values = pc.binary_join_element_wise(prefix, NUMBERS, "") if prefix else NUMBERS
    assert pc.count_distinct(scrub(technique, options, values)).as_py() == COUNT


def test_a_million_integers() -> None:
    values = pa.array(np.arange(COUNT), pa.int32())
    scrubbed = scrub("permute_int", {"min": 0, "max": 2_000_000}, values, LogicalType.INT32)
    assert pc.count_distinct(scrubbed).as_py() == COUNT
