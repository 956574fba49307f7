from datetime import date, datetime, time
from typing import Any

import pyarrow as pa
import pytest

from elute_anonymizer.domain.canonical import CANONICAL_TYPES, canonical
from elute_wire.schema import ARROW_TYPES, LogicalType


@pytest.mark.parametrize(
    ("logical", "value", "text"),
    [
        (LogicalType.TEXT, "042 é", "042 é"),
        (LogicalType.INT16, 42, "42"),
        (LogicalType.INT64, -(2**63), "-9223372036854775808"),
        (LogicalType.DECIMAL, "42", "42"),
        (LogicalType.DECIMAL, "42.00", "42"),
        (LogicalType.DECIMAL, "-12.50", "-12.5"),
        (LogicalType.DECIMAL, "100", "100"),
        (LogicalType.DECIMAL, "0.100", "0.1"),
        (LogicalType.DECIMAL, "0.0", "0"),
        (LogicalType.DECIMAL, "NaN", "NaN"),
        (LogicalType.UUID, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (LogicalType.DATE, date(2020, 2, 29), "2020-02-29"),
        (LogicalType.TIME, time(12, 30), "12:30:00.000000"),
        (LogicalType.TIMESTAMP, datetime(2020, 2, 29, 1, 2, 3), "2020-02-29 01:02:03.000000"),  # noqa: DTZ001
        (LogicalType.BOOLEAN, True, "true"),
    ],
)
def test_a_value_has_one_text(logical: LogicalType, value: Any, text: str) -> None:
    assert canonical(pa.array([value, None], ARROW_TYPES[logical]), logical).to_pylist() == [text, None]


def test_42_is_the_same_in_every_type() -> None:
    texts = {
        canonical(pa.array([value], ARROW_TYPES[logical]), logical).to_pylist()[0]
        for logical, value in [
            (LogicalType.INT16, 42),
            (LogicalType.INT32, 42),
            (LogicalType.INT64, 42),
            (LogicalType.DECIMAL, "42.000"),
            (LogicalType.TEXT, "42"),
        ]
    }
    assert texts == {"42"}


def test_every_canonical_type_has_a_text() -> None:
    for logical in CANONICAL_TYPES:
        assert canonical(pa.array([None, None], ARROW_TYPES[logical]), logical).type == pa.string()
